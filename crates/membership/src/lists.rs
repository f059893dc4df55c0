//! Lists are created, copied, renamed, closed and removed, and get passwords: for the command line and
//! for pages alike.

mod close;
mod copy;
mod rename;

pub use close::{Closing, close, closing, reopen};
pub use copy::{Copy, copy};
pub use rename::{Consequences, consequences, forget, rename, settle};

use crate::notices::Notices;
use crate::role::Role;
use crate::{RunError, password};
use dormouse_archive::Place;
use dormouse_mail::address::{Address, AddressError};
use dormouse_mail::date;
use dormouse_spool::{Spool, SpoolError, clock};
use dormouse_store::{List, Site, Store, StoreError, Tx};
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// How long a password is that is made up for a new list.
pub const PASSWORD_LENGTH: usize = 12;

/// A list to be created.
#[derive(Debug, Clone, Copy)]
pub struct NewList<'n> {
    /// `name`, or `name@host` for another host than the site's.
    pub name: &'n str,
    /// Its owners' addresses.
    pub owners: &'n [String],
    /// A list whose settings it gets.
    pub like: Option<&'n List>,
    /// Settings that are not as on other new lists.
    pub settings: &'n [(&'n str, &'n str)],
}

/// Why a list was not created, or got no password.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// An owner is not an address.
    #[error("the owner {0}: {1}")]
    Owner(String, AddressError),
    /// The password is empty.
    #[error("an empty password would fit nobody")]
    EmptyPassword,
    /// The password could not be hashed.
    #[error("{0}")]
    Hash(String),
    /// The database refused it, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ListError {
    /// The exit code.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            ListError::Owner(..) | ListError::EmptyPassword => ExitCode::Usage,
            ListError::Hash(_) => ExitCode::OsErr,
            ListError::Store(error) => error.sysexit(),
        }
    }

    /// What whoever asked has to do otherwise; nothing where something of ours is broken.
    pub fn advice(&self) -> Option<String> {
        match self {
            ListError::Owner(..)
            | ListError::EmptyPassword
            | ListError::Store(StoreError::Setting(_) | StoreError::ListExists(_)) => {
                Some(self.to_string())
            }
            ListError::Hash(_) | ListError::Store(_) => None,
        }
    }
}

/// Creates a list. A name that the site's own host has already stays with its host in the store. The
/// site's own list is for nobody but its owners.
pub fn create(site: &Site, store: &Store, new: NewList<'_>) -> Result<List, ListError> {
    for owner in new.owners {
        Address::parse(owner).map_err(|error| ListError::Owner(owner.clone(), error))?;
    }
    let (local, host) = new.name.split_once('@').unwrap_or((new.name, &site.config().host));
    let taken = store.list(local)?;
    let elsewhere = taken.is_some_and(|list| !list.settings.host_name.eq_ignore_ascii_case(host));
    let key = if elsewhere { format!("{local}@{host}") } else { local.to_owned() };
    store.write(|tx| {
        let list = tx.create_list(&key, host, new.owners)?;
        if let Some(other) = new.like {
            tx.settings_like(&list.name, other)?;
        }
        if list.name == site.config().site_list {
            tx.edit_settings(&list.name, |settings| {
                settings.description = "The site's own list".to_owned();
                settings.advertised = false;
                settings.archive = false;
            })?;
        }
        tx.change_settings(&list.name, new.settings)?;
        let made = tx.list(&list.name)?;
        made.ok_or_else(|| StoreError::Setting(format!("the list {key} was not created")).into())
    })
}

/// Tells the owners of a new list that it is there, and its password.
pub fn tell_owners(site: &Site, list: &List, password: Option<&str>) -> Result<(), SpoolError> {
    let spool = Spool::new(site.qfiles());
    let notices = Notices { list, site };
    for owner in &list.settings.owner {
        let notice = notices.list_made(owner, password);
        spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
    }
    Ok(())
}

/// Gives those who run a list, moderate it or post to it a password, which is kept hashed. The site's
/// is not a list's to set.
pub fn set_password(store: &Store, list: &List, role: Role, secret: &str) -> Result<(), ListError> {
    if secret.is_empty() {
        return Err(ListError::EmptyPassword);
    }
    let hash = password::hash(secret).map_err(ListError::Hash)?;
    keep_password(store, list, role, &hash)
}

/// Takes that password away: nobody can sign in with it any more, and whoever did is signed out.
pub fn remove_password(store: &Store, list: &List, role: Role) -> Result<(), ListError> {
    keep_password(store, list, role, "")
}

fn keep_password(store: &Store, list: &List, role: Role, hash: &str) -> Result<(), ListError> {
    let Some(setting) = role.setting() else {
        return Err(StoreError::Setting("the site's password is no list's".to_owned()).into());
    };
    Ok(store.write(|tx| tx.set_setting(&list.name, setting, hash))?)
}

/// What goes with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Going {
    /// Its members.
    pub members: u64,
    /// Posts that wait for a moderator.
    pub posts: usize,
    /// Requests that do.
    pub requests: usize,
    /// Whether there is an archive, which may go or stay.
    pub has_archive: bool,
}

/// What would go with a list.
pub fn going(site: &Site, store: &Store, list: &List) -> Result<Going, StoreError> {
    Ok(Going {
        members: store.count_members(list.id)?,
        posts: store.held_posts(list.id)?.len(),
        requests: store.held_requests(list.id)?.len(),
        has_archive: Place::of(site, &list.name).tree().exists(),
    })
}

/// What became of a list that was removed.
#[derive(Debug)]
pub struct Removed {
    /// The file that brings it back.
    pub kept: PathBuf,
    /// Whether its archive was removed, too.
    pub archive_is_gone: bool,
    /// Where its archive stays, seen by nobody.
    pub archive_stays: Option<PathBuf>,
}

/// Keeps a list in a file and removes it, with its archive if `archives` says so.
pub fn remove(
    site: &Site,
    store: &Store,
    list: &List,
    archives: bool,
) -> Result<Removed, RunError> {
    let kept = store.write(|tx| -> Result<_, StoreError> {
        let kept = keep(site, tx, list)?;
        tx.delete_list(&list.name)?;
        Ok(kept)
    })?;
    let place = Place::of(site, &list.name);
    let archive_is_gone = archives && place.remove()?;
    let archive_stays = Some(place.tree()).filter(|tree| !archives && tree.exists());
    Ok(Removed { kept, archive_is_gone, archive_stays })
}

/// Keeps everything of a list but its archive in a file of the site's, which is on the disk then.
pub fn keep(site: &Site, tx: &Tx<'_>, list: &List) -> Result<PathBuf, StoreError> {
    let dir = site.dir().join("removed");
    let day = date::day(clock::now());
    let mut path = dir.join(format!("{}-{day}.jsonl", list.name));
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = dir.join(format!("{}-{day}-{number}.jsonl", list.name));
    }
    let io = |action: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| StoreError::Io { action, path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o2770)
        .create(&dir)
        .map_err(io("make the directory", &dir))?;
    let file = File::options()
        .write(true)
        .create_new(true)
        // There are addresses and hashes of passwords in it.
        .mode(0o600)
        .open(&path)
        .map_err(io("write", &path))?;
    tx.dump(list, BufWriter::new(&file))?;
    let synced = file.sync_all().and_then(|()| File::open(&dir)?.sync_all());
    synced.map_err(io("write", &path))?;
    Ok(path)
}
