//! The site's files: who owns them, who may read them, what is left of dead processes, and the space
//! on the disk.

use super::Topic;
use crate::output;
use dormouse_archive::ArchivePlace;
use dormouse_spool::{Queue, QueueFileState, Spool};
use dormouse_store::owner::{self, FlawKind};
use dormouse_store::{ListName, Site, Store, StoreError, UnixAccount, public};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The set-group-id bit, and all rights for owner and group: files in a queue belong to its group.
const QUEUE_MODE: u32 = 0o2770;
/// The maximum number of files to name; of the others only the number is given.
const NAMED: usize = 12;

pub fn permissions(topic: &mut Topic, site: &Site) {
    let spool = &Spool::new(site.qfiles());
    const AS_OWNER: &str = "run this as the user that owns the site, or as root";
    let owner = match UnixAccount::of(site.dir()) {
        Ok(owner) => owner,
        Err(error) => {
            return topic.bad(format!("{}: {error}", site.dir().display()), AS_OWNER);
        }
    };
    let dirs = std::iter::once(spool.root().to_owned())
        .chain(Queue::ALL.into_iter().map(|queue| spool.dir(queue)))
        .chain([".staged", ".handover", ".spare"].map(|name| spool.root().join(name)));
    for dir in dirs {
        let shown = dir.display();
        match fs::metadata(&dir) {
            Ok(meta) if meta.mode() & 0o7777 != QUEUE_MODE => {
                topic.odd(
                    format!("{shown} has the mode {:o}, not {QUEUE_MODE:o}", meta.mode() & 0o7777),
                    format!("dormouse doctor --fix, or: chmod {QUEUE_MODE:o} {shown}"),
                );
                topic.modes.push((dir, QUEUE_MODE));
            }
            // Missing directories are created on demand.
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => topic.bad(format!("{shown}: {error}"), AS_OWNER),
        }
    }
    foreign_files(topic, site, &owner);
    let me = rustix::process::geteuid().as_raw();
    if me != owner.uid && me != 0 {
        topic.odd(format!("you are {}, the site belongs to {}", owner::user_name(me), owner.user),
            "run dormouse as that user or as root, or it may leave mail that the site's owner cannot read",
        );
    }
    topic.or_good(format!("everything in the site belongs to {}", owner.user));
}

/// Files that belong to other users, and files that other users may read.
fn foreign_files(topic: &mut Topic, site: &Site, owner: &UnixAccount) {
    const AS_ROOT: &str = "as root: dormouse compat check_perms -f";
    let mut foreign: Vec<(PathBuf, u32)> = Vec::new();
    let mut open = Vec::new();
    let looked = owner::flaws(site.dir(), &mut |flaw| match flaw.kind {
        FlawKind::Foreign(uid) => foreign.push((flaw.path, uid)),
        FlawKind::Open => open.push(flaw.path),
    });
    if let Err(error) = looked {
        topic.bad(error.to_string(), AS_ROOT);
    }
    if let Some((path, uid)) = foreign.first() {
        let path = path.display();
        let whose = owner::user_name(*uid);
        let text = match foreign.len() - 1 {
            0 => format!("{path} belongs to {whose}, the site to {}", owner.user),
            more => format!(
                "{path} and {} belong to others ({whose}), the site to {}",
                output::count(more as u64, "more file", "more files"),
                owner.user
            ),
        };
        topic.bad(text, AS_ROOT);
    }
    for path in open {
        topic.odd(format!("other users may read {}", path.display()), AS_ROOT);
    }
}

/// Whether a web server can read the public archives.
pub fn public_archives(topic: &mut Topic, site: &Site) {
    let names = |store: Store| -> Result<Vec<ListName>, StoreError> {
        let mut names = Vec::new();
        store.read().each_list(|list| -> Result<(), StoreError> {
            let is_public = list.settings.archive && !list.settings.archive_private;
            names.extend(is_public.then_some(list.name));
            Ok(())
        })?;
        Ok(names)
    };
    let Ok(names) = Store::open_read_only(site).and_then(names) else { return };
    if !names.iter().any(|name| ArchivePlace::of(site, name).tree().is_dir()) {
        return;
    }
    let closed = match public::closed(site, &names) {
        Ok(closed) => closed,
        Err(error) => return topic.bad(error.to_string(), "run this as the site's owner"),
    };
    if !closed.is_empty() {
        let paths: Vec<String> = closed.iter().map(|one| one.path.display().to_string()).collect();
        let more = paths.len().saturating_sub(NAMED);
        let mut shown = paths[..paths.len() - more].join(", ");
        if more > 0 {
            shown = format!("{shown} and {}", output::count(more as u64, "more", "more"));
        }
        let mut commands = Vec::new();
        for (rights, bits) in [("o+x", 0o001), ("o+rx", 0o005), ("o+r", 0o004)] {
            let needs = |one: &&public::Closed| one.modes.1 & !one.modes.0 == bits;
            let paths: Vec<String> = closed
                .iter()
                .filter(needs)
                .take(NAMED)
                .map(|one| one.path.display().to_string())
                .collect();
            if !paths.is_empty() {
                commands.push(format!("chmod {rights} {}", paths.join(" ")));
            }
        }
        let mend = match more {
            0 => format!("dormouse doctor --fix, or: {}", commands.join("; ")),
            _ => "dormouse doctor --fix".to_owned(),
        };
        topic.odd(
            format!("a web server cannot read public archives: others have no access to {shown}"),
            mend,
        );
        topic.modes.extend(closed.into_iter().map(|one| (one.path, one.modes.1)));
    }
    topic.or_good("a web server can read the public ones");
}

pub fn disk(topic: &mut Topic, site: &Site) {
    let spool = &Spool::new(site.qfiles());
    let stat = match rustix::fs::statvfs(spool.root()) {
        Ok(stat) => stat,
        Err(error) => {
            let text = format!("{}: {error}", spool.root().display());
            return topic.bad(text, "`dormouse run` creates the queues again");
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = site.config().intake_min_free.bytes();
    if free < needed {
        topic.bad(
            format!(
                "{} free, less than intake.min_free: mail is deferred until there is more",
                output::size(free)
            ),
            "free some space; nothing that was accepted is lost",
        );
    } else if free < needed.saturating_mul(10) {
        topic.odd(format!("only {} free", output::size(free)), "free some space soon");
    }
    if stat.f_files > 0 && stat.f_favail < 1000 {
        topic.bad(
            format!("only {} more files can be created (inodes)", stat.f_favail),
            "remove small files: each queue entry is a file",
        );
    }
    topic.or_good(format!("{} free", output::size(free)));
}

pub fn orphans(topic: &mut Topic, site: &Site) {
    let spool = &Spool::new(site.qfiles());
    let mut left = 0u64;
    for queue in Queue::ALL {
        for found in spool.list(queue).unwrap_or_default() {
            let path = spool.dir(queue).join(format!("{}.bak", found.name));
            left += u64::from(found.state == QueueFileState::Claimed && is_unlocked(&path));
        }
    }
    match spool.remains() {
        Ok(remains) => left += remains.iter().filter(|path| is_old(path)).count() as u64,
        Err(error) => topic.bad(error.to_string(), "look at that directory"),
    }
    if left > 0 {
        topic.odd(
            format!("{} left behind by dead processes", output::count(left, "file", "files")),
            "dormouse run recovers them; the sweep does so every quarter of an hour",
        );
    }
    topic.or_good("no dead process left anything behind");
}

/// The kernel frees the lock of a process that dies.
fn is_unlocked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok())
}

/// Younger files may still be in the making.
fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified.is_ok_and(|at| at.elapsed().unwrap_or_default() > Duration::from_secs(60))
}
