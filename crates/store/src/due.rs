//! Which of the clock's jobs may have something to do.
//!
//! For each there is a marker in the site's directory, the empty file `due/JOB`. systemd looks for
//! it before it starts the job, so that no process is started for nothing. Whoever gives a job
//! something to do makes the marker before the transaction is committed; the job removes it, inside
//! a transaction, when it finds that nothing is left, and so does whoever takes what may have been
//! the last. So a process that dies in between leaves a
//! marker too many, which costs one look, and never one too few.
//!
//! Where several hosts work on one database, another host may have given a job something to do. So the
//! markers of the jobs that are done once a day are always there. That of newsgroups, which are looked at
//! every few minutes, is on the host on which a list was set to want them; another host makes its own when
//! it finds such a list, at the latest at its next daily job. While one host does it, nothing is missed.

use crate::files::remove_if_there;
use crate::{List, Read, Site, Store, StoreError, Tx};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The directory of the markers, below the site's.
pub const DIRECTORY: &str = "due";
/// Writers may be of several users in one group.
const DIR_MODE: u32 = 0o2770;

/// A job with a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Posts or requests wait for a moderator.
    Checkdbs,
    /// Bounces are remembered, or have turned delivery off.
    Disabled,
    /// Posts wait for a digest that the clock sends.
    Senddigests,
    /// A list wants the articles of a newsgroup.
    GateNews,
}

impl Due {
    /// Every one.
    pub const ALL: [Due; 4] = [Due::Checkdbs, Due::Disabled, Due::Senddigests, Due::GateNews];

    /// The job's name, which is the marker's.
    pub fn name(self) -> &'static str {
        match self {
            Due::Checkdbs => "checkdbs",
            Due::Disabled => "disabled",
            Due::Senddigests => "senddigests",
            Due::GateNews => "gate_news",
        }
    }

    /// Whether it is done once a day; otherwise every few minutes.
    fn is_daily(self) -> bool {
        self != Due::GateNews
    }

    /// Where its marker is.
    pub fn marker(self, site_dir: &Path) -> PathBuf {
        site_dir.join(DIRECTORY).join(self.name())
    }

    /// Makes the marker, and waits until it is on the disk.
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
            Err(error) => Err(StoreError::io("make the marker", &marker)(error)),
        }
    }
}

/// Makes the directory of the markers.
pub(crate) fn make_dir(site_dir: &Path) -> Result<(), StoreError> {
    let dir = site_dir.join(DIRECTORY);
    let made = DirBuilder::new().mode(DIR_MODE).create(&dir);
    match made.and_then(|()| fs::set_permissions(&dir, Permissions::from_mode(DIR_MODE))) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(StoreError::io("make the directory", &dir))?,
    }
    sync(site_dir)
}

fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::io("sync the directory", dir))
}

impl Site {
    /// Whether a job may have something to do.
    pub fn is_due(&self, job: Due) -> bool {
        job.marker(self.dir()).exists()
    }
}

impl Read {
    /// Whether a job has something to do, by what is in the database.
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
                if self.any("select 1 from list where digest_due = 1 limit 1", &[])? {
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
            // A list's settings are read whole, so the few that gate are looked for first.
            Due::GateNews => {
                let gating = "select 1 from list_setting where name = 'gateway_to_mail' limit 1";
                Ok(self.any(gating, &[])? && self.lists()?.iter().any(List::gates_news))
            }
        }
    }
}

impl Store {
    /// Where other hosts may give the jobs something to do, every job looks: the markers stay.
    pub(crate) fn keep_markers(&self) -> Result<(), StoreError> {
        let jobs = Due::ALL.iter().filter(|job| self.read().is_shared() && job.is_daily());
        let missing = jobs.filter(|job| !job.marker(self.read().site_dir()).exists());
        missing.into_iter().try_for_each(|job| job.mark(self.read().site_dir()))
    }

    /// Puts a job's marker right: it is there exactly when the job has something to do. Nobody else
    /// writes meanwhile.
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
    /// A job gets something to do by this transaction: its marker is made before the commit.
    pub fn note_due(&self, job: Due) {
        self.due.borrow_mut().insert(job);
    }

    /// A job may have nothing to do any more: its marker is looked after behind the commit.
    pub fn note_done(&self, job: Due) {
        self.done.borrow_mut().insert(job);
    }

    /// Settings may decide what is to be done.
    pub(crate) fn note_setting(&self, list: &str, name: &str) {
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
            held_at: 1.0,
        }
    }

    const JOBS: [Due; 2] = [Due::Checkdbs, Due::Senddigests];

    #[test]
    fn whoever_bounces_gives_the_clock_something_to_do() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list = store.write(|tx| tx.create_list("dev", "l.example", &[])).unwrap();
        let new = NewMember {
            address: "a@x.example".to_owned(),
            real_name: String::new(),
            digest: false,
        };
        store.write(|tx| tx.add_member(&list, &new, 1.0, "")).unwrap();
        let mut member = store.read().member(list.id, "a@x.example").unwrap().unwrap();
        store.write(|tx| tx.update_member(list.id, &member, 1.0)).unwrap();
        assert!(!site.is_due(Due::Disabled));
        member.delivery = Delivery::ByBounce;
        store.write(|tx| tx.update_member(list.id, &member, 1.0)).unwrap();
        store.settle_due(Due::Disabled).unwrap();
        assert!(site.is_due(Due::Disabled));
        member.delivery = Delivery::Enabled;
        store.write(|tx| tx.update_member(list.id, &member, 1.0)).unwrap();
        store.settle_due(Due::Disabled).unwrap();
        assert!(!site.is_due(Due::Disabled));
    }

    #[test]
    fn a_marker_is_there_while_there_is_something_to_do() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list = store.write(|tx| tx.create_list("dev", "l.example", &[])).unwrap();
        assert!(JOBS.iter().all(|&job| !site.is_due(job)));
        let held = store.write(|tx| tx.hold(&post(list.id), b"")).unwrap();
        store.write(|tx| tx.add_to_digest(&list, "1.0+b", 1.0, b"x")).unwrap();
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
        store.write(|tx| tx.create_list("dev", "l.example", &[])).unwrap();
        let set = |name: &str, value: &str| {
            store.write(|tx| tx.set_setting("dev", name, value)).unwrap();
            site.is_due(Due::GateNews)
        };
        assert!(!set("gateway_to_mail", "yes"), "which newsgroup?");
        assert!(!set("nntp_host", "news.example"));
        assert!(set("linked_newsgroup", "local.dev"));
        assert!(!set("gateway_to_mail", "no"));
        assert!(set("gateway_to_mail", "yes"));
        store.write(|tx| tx.delete_list("dev")).unwrap();
        assert!(!site.is_due(Due::GateNews));
    }

    #[test]
    fn what_is_taken_back_leaves_no_marker() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list = store.write(|tx| tx.create_list("dev", "l.example", &[])).unwrap();
        store.rehearse(|tx| tx.hold(&post(list.id), b"")).unwrap();
        assert!(!site.is_due(Due::Checkdbs));
    }

    #[test]
    fn where_other_hosts_may_give_jobs_something_to_do_they_all_look() {
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
        theirs.write(|tx| tx.create_list("dev", "l.example", &[]).map(drop)).unwrap();
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
