//! Markers for periodic jobs that may have something to do.
//!
//! A job's marker is the empty file `due/JOB` in the site's directory. systemd checks it before it
//! starts the job, so that no process is started in vain. A transaction that gives a job something
//! to do creates the marker before the commit. The marker is removed inside a transaction in which
//! nothing is left to do: by the job, or after a change that may have removed the last work. A
//! process that dies in between can leave a superfluous marker, which costs one start of the job,
//! but never a missing one.
//!
//! If several hosts share a database, another host may have given a job something to do. Therefore
//! the markers of daily jobs always exist. The marker for newsgroups, which are polled every few
//! minutes, exists on the host on which a list's gateway was set; another host creates its own when
//! it finds such a list, at the latest at its next daily job. One polling host is enough. The marker for
//! large digests exists on the host whose post made one large, which sends it with the same run; if that
//! run dies, the next one of this host does, or whichever host first has another post.

use crate::files::remove_if_there;
use crate::{ListName, Read, Site, Store, StoreError, Tx};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The directory of the markers, below the site's.
pub const DIRECTORY: &str = "due";
/// Several users of one group may create markers.
const DIR_MODE: u32 = 0o2770;

/// A job with a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Posts or requests wait for a moderator.
    Checkdbs,
    /// Bounces are stored, or have turned delivery off.
    Disabled,
    /// Posts wait for a periodic digest.
    Senddigests,
    /// A list gets the articles of a newsgroup.
    GateNews,
    /// Posts have made a digest large enough to be sent by the next run.
    LargeDigests,
}

impl Due {
    /// All jobs with a marker.
    pub const ALL: [Due; 5] =
        [Due::Checkdbs, Due::Disabled, Due::Senddigests, Due::GateNews, Due::LargeDigests];

    /// Returns the job's name, which is also the marker's.
    pub fn name(self) -> &'static str {
        match self {
            Due::Checkdbs => "checkdbs",
            Due::Disabled => "disabled",
            Due::Senddigests => "senddigests",
            Due::GateNews => "gate_news",
            Due::LargeDigests => "large_digests",
        }
    }

    /// Whether it runs once a day; otherwise every few minutes, or with the queues.
    fn is_daily(self) -> bool {
        !matches!(self, Due::GateNews | Due::LargeDigests)
    }

    /// Returns the path of its marker.
    pub fn marker(self, site_dir: &Path) -> PathBuf {
        site_dir.join(DIRECTORY).join(self.name())
    }

    /// Creates the marker, and syncs the directory.
    pub(crate) fn mark(self, site_dir: &Path) -> Result<(), StoreError> {
        let marker = self.marker(site_dir);
        let made = match File::create_new(&marker) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_dir(site_dir)?;
                File::create_new(&marker)
            }
            made => made,
        };
        match made {
            Ok(_) => sync(&site_dir.join(DIRECTORY)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(StoreError::io("create the marker", &marker)(error)),
        }
    }
}

/// Creates the directory of the markers, and syncs the site's directory.
pub(crate) fn make_dir(site_dir: &Path) -> Result<(), StoreError> {
    let dir = site_dir.join(DIRECTORY);
    let made = DirBuilder::new().mode(DIR_MODE).create(&dir);
    match made.and_then(|()| fs::set_permissions(&dir, Permissions::from_mode(DIR_MODE))) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(StoreError::io("create the directory", &dir))?,
    }
    sync(site_dir)
}

fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::io("sync the directory", dir))
}

impl Site {
    /// Whether a job's marker exists: it may have something to do.
    pub fn is_due(&self, job: Due) -> bool {
        job.marker(self.dir()).exists()
    }
}

impl Read {
    /// Whether a job has something to do according to the database.
    pub fn has_work(&self, job: Due) -> Result<bool, StoreError> {
        match job {
            Due::Checkdbs => Ok(self.any("select 1 from held_post limit 1", &[])?
                || self.any("select 1 from held_request limit 1", &[])?
                || self.any("select 1 from decided_post limit 1", &[])?
                || self.any("select 1 from decided_request limit 1", &[])?),
            Due::Disabled => {
                let bouncing =
                    "select 1 from member where bounce_date <> '' or delivery = 4 limit 1";
                Ok(self.any("select 1 from bounce_event limit 1", &[])?
                    || self.any(bouncing, &[])?)
            }
            Due::Senddigests => {
                if self.has_work(Due::LargeDigests)? {
                    return Ok(true);
                }
                let waiting = self.lists_with_digest_posts()?;
                for list in waiting {
                    let list = self.list_by_id(list)?;
                    if list.is_some_and(|list| list.settings.digest_send_periodic) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Due::LargeDigests => self.any("select 1 from list where digest_due = 1 limit 1", &[]),
            // Reading the settings of all lists is slow, so first check whether any list has a
            // gateway.
            Due::GateNews => {
                let gating = "select 1 from list_setting where name = 'gateway_to_mail' limit 1";
                if !self.any(gating, &[])? {
                    return Ok(false);
                }
                for list in self.iter_lists() {
                    if list?.gates_news() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Store {
    /// Creates the missing markers of daily jobs if other hosts share the database.
    pub(crate) fn keep_markers(&self) -> Result<(), StoreError> {
        let jobs = Due::ALL.iter().filter(|job| self.read().is_shared() && job.is_daily());
        let missing = jobs.filter(|job| !job.marker(self.read().site_dir()).exists());
        missing.into_iter().try_for_each(|job| job.mark(self.read().site_dir()))
    }

    /// Creates a job's marker if it has something to do, and removes it if not, inside a writing
    /// transaction.
    pub fn settle_due(&self, job: Due) -> Result<(), StoreError> {
        if self.read().is_shared() && job.is_daily() {
            return Ok(());
        }
        self.write(|tx| {
            if tx.read().has_work(job)? {
                tx.note_due(job);
                return Ok(());
            }
            let marker = job.marker(tx.read().site_dir());
            remove_if_there(&marker).map_err(StoreError::io("remove", &marker))
        })
    }
}

impl Tx<'_> {
    /// Notes that this transaction gives a job something to do: its marker is created before the
    /// commit.
    pub fn note_due(&self, job: Due) {
        self.due.borrow_mut().insert(job);
    }

    /// Notes that a job may have nothing left to do: its marker is checked after the commit.
    pub fn note_done(&self, job: Due) {
        self.done.borrow_mut().insert(job);
    }

    /// Notes the jobs that depend on a setting.
    pub(crate) fn note_setting(&self, list: &ListName, name: &str) {
        let job = match name {
            "archive_private" => return self.note_archive(list),
            "digest_send_periodic" => Due::Senddigests,
            "gateway_to_mail" | "nntp_host" | "linked_newsgroup" | "closed" => Due::GateNews,
            _ => return,
        };
        self.note_due(job);
        self.note_done(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::time;
    use crate::{Delivery, HeldPost, ListId, NewMember};

    fn post(list_id: ListId) -> HeldPost {
        HeldPost {
            list_id,
            entry: "1.0+a".to_owned(),
            sender: "a@x.example".to_owned(),
            subject: "x".to_owned(),
            reason: "x".to_owned(),
            setting: String::new(),
            cookie: "c".to_owned(),
            held_at: time(1.0),
        }
    }

    const JOBS: [Due; 2] = [Due::Checkdbs, Due::Senddigests];

    #[test]
    fn a_bounce_marks_the_job_for_disabled_members() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list =
            store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &[])).unwrap();
        let new = NewMember {
            address: "a@x.example".to_owned(),
            real_name: String::new(),
            digest: false,
        };
        store.write(|tx| tx.add_member(&list, &new, time(1.0), "")).unwrap();
        let mut member = store.read().member(list.id, "a@x.example").unwrap().unwrap();
        store.write(|tx| tx.update_member(list.id, &member, time(1.0))).unwrap();
        assert!(!site.is_due(Due::Disabled));
        member.delivery = Delivery::ByBounce;
        store.write(|tx| tx.update_member(list.id, &member, time(1.0))).unwrap();
        store.settle_due(Due::Disabled).unwrap();
        assert!(site.is_due(Due::Disabled));
        member.delivery = Delivery::Enabled;
        store.write(|tx| tx.update_member(list.id, &member, time(1.0))).unwrap();
        store.settle_due(Due::Disabled).unwrap();
        assert!(!site.is_due(Due::Disabled));
    }

    #[test]
    fn a_marker_is_there_while_there_is_something_to_do() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list =
            store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &[])).unwrap();
        assert!(JOBS.iter().all(|&job| !site.is_due(job)));
        let held = store.write(|tx| tx.hold(&post(list.id), b"")).unwrap();
        store.write(|tx| tx.add_to_digest(&list, "1.0+b", time(1.0), b"x")).unwrap();
        assert!(JOBS.iter().all(|&job| site.is_due(job)));
        JOBS.iter().for_each(|&job| store.settle_due(job).unwrap());
        assert!(JOBS.iter().all(|&job| site.is_due(job)));
        store.write(|tx| tx.release_held(held.id)).unwrap();
        assert!(!site.is_due(Due::Checkdbs), "that was the last");
        store.write(|tx| tx.set_setting("dev", "digest_send_periodic", "no")).unwrap();
        JOBS.iter().for_each(|&job| store.settle_due(job).unwrap());
        assert!(JOBS.iter().all(|&job| !site.is_due(job)));
        store.write(|tx| tx.set_setting("dev", "digest_send_periodic", "yes")).unwrap();
        assert!(site.is_due(Due::Senddigests));
    }

    #[test]
    fn a_list_that_wants_articles_of_a_newsgroup_gives_the_clock_something_to_do() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &[])).unwrap();
        let set = |name: &str, value: &str| {
            store.write(|tx| tx.set_setting("dev", name, value)).unwrap();
            site.is_due(Due::GateNews)
        };
        assert!(!set("gateway_to_mail", "yes"), "which newsgroup?");
        assert!(!set("nntp_host", "news.example"));
        assert!(set("linked_newsgroup", "local.dev"));
        assert!(!set("gateway_to_mail", "no"));
        assert!(set("gateway_to_mail", "yes"));
        store.write(|tx| tx.delete_list(&"dev".parse().unwrap())).unwrap();
        assert!(!site.is_due(Due::GateNews));
    }

    #[test]
    fn a_rolled_back_transaction_leaves_no_marker() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list =
            store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &[])).unwrap();
        store.rehearse(|tx| tx.hold(&post(list.id), b"")).unwrap();
        assert!(!site.is_due(Due::Checkdbs));
    }

    #[test]
    fn on_a_shared_database_all_daily_jobs_run() {
        let Ok(server) = throwaway_postgres::database() else {
            skipped::skip("PostgreSQL is not installed");
            return;
        };
        let home = tempfile::tempdir().unwrap();
        let (site, is_there) = Site::init_on(home.path(), "l.example", &server).unwrap();
        assert!(!is_there);
        let store = Store::open(&site).unwrap();
        assert!(site.is_due(Due::GateNews), "nothing is known yet");
        for job in Due::ALL {
            store.settle_due(job).unwrap();
            assert_eq!(site.is_due(job), job.is_daily(), "{}", job.name());
            assert!(!store.read().has_work(job).unwrap(), "{}", job.name());
        }
        let (home, other) = (home, tempfile::tempdir().unwrap());
        let (there, is_there) = Site::init_on(other.path(), "l.example", &server).unwrap();
        assert!(is_there && home.path().exists());
        let theirs = Store::open(&there).unwrap();
        theirs.settle_due(Due::GateNews).unwrap();
        theirs
            .write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &[]).map(drop))
            .unwrap();
        for (name, value) in
            [("gateway_to_mail", "yes"), ("nntp_host", "n.example"), ("linked_newsgroup", "l.dev")]
        {
            theirs.write(|tx| tx.set_setting("dev", name, value)).unwrap();
        }
        assert!(there.is_due(Due::GateNews) && !site.is_due(Due::GateNews));
        store.settle_intake_index(&site, &|_| false).unwrap();
        assert!(site.is_due(Due::GateNews), "the run of any host finds it");
    }
}
