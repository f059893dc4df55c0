//! Creates, copies, renames, closes and removes lists and sets their passwords, for the command line
//! and pages.

mod close;
mod copy;
mod rename;

pub use close::{Closing, close, closing, reopen};
pub use copy::{Copy, copy};
pub use rename::{Consequences, consequences, forget, rename, settle};

use crate::notices::Notices;
use crate::role::Role;
use crate::{RunError, password};
use dormouse_archive::ArchivePlace;
use dormouse_clock::Timestamp;
use dormouse_mail::address::{Address, AddressError};
use dormouse_mail::date;
use dormouse_spool::{Spool, SpoolError};
use dormouse_store::{List, ListName, Read, Site, Store, StoreError};
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// The length of the password that is generated for a new list.
pub const PASSWORD_LENGTH: usize = 12;

/// A list to be created.
#[derive(Debug, Clone, Copy)]
pub struct NewList<'n> {
    /// As typed: `name`, or `name@host` for a host other than the site's default.
    pub name: &'n str,
    /// Its owners' addresses.
    pub owners: &'n [String],
    /// A list whose settings are copied.
    pub like: Option<&'n List>,
    /// Settings that differ from the defaults for new lists.
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

    /// What the requester can do about it; `None` if the site is at fault.
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

/// Creates a list. If a list of the site's default host has the name, the store keeps the new list
/// under name and host. The site's own list is hidden and closed to everyone but its owners.
pub fn create(site: &Site, store: &Store, new: NewList<'_>) -> Result<List, ListError> {
    for owner in new.owners {
        Address::parse(owner).map_err(|error| ListError::Owner(owner.clone(), error))?;
    }
    let wanted: ListName = new.name.parse().map_err(StoreError::Setting)?;
    let host = wanted.host().unwrap_or(&site.config().host);
    let name = store.read().name_for(&wanted, host, None)?;
    store.write(|tx| {
        let list = tx.create_list(&name, host, new.owners)?;
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
        let made = tx.read().list(&list.name)?;
        made.ok_or_else(|| StoreError::Setting(format!("the list {name} was not created")).into())
    })
}

/// Tells the owners of a new list that it exists, with its password.
pub fn tell_owners(site: &Site, list: &List, password: Option<&str>) -> Result<(), SpoolError> {
    let spool = Spool::new(site.qfiles());
    let notices = Notices { list, site };
    for owner in &list.settings.owner {
        let notice = notices.list_made(owner, password);
        spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
    }
    Ok(())
}

/// Sets the password of a list's owners, moderators or posters; only its hash is stored. The site's
/// password is not set here.
pub fn set_password(store: &Store, list: &List, role: Role, secret: &str) -> Result<(), ListError> {
    if secret.is_empty() {
        return Err(ListError::EmptyPassword);
    }
    let hash = password::hash(secret).map_err(ListError::Hash)?;
    keep_password(store, list, role, &hash)
}

/// Removes that password. Sessions that it opened end.
pub fn remove_password(store: &Store, list: &List, role: Role) -> Result<(), ListError> {
    keep_password(store, list, role, "")
}

fn keep_password(store: &Store, list: &List, role: Role, hash: &str) -> Result<(), ListError> {
    let Some(setting) = role.setting() else {
        return Err(StoreError::Setting(
            "the site's password is not stored with a list".to_owned(),
        )
        .into());
    };
    Ok(store.write(|tx| tx.set_setting(&list.name, setting, hash))?)
}

/// What is removed together with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Going {
    /// The number of members.
    pub members: u64,
    /// The number of held posts.
    pub posts: usize,
    /// The number of waiting requests.
    pub requests: usize,
    /// Whether there is an archive, which may be kept.
    pub has_archive: bool,
}

/// Returns what would be removed together with a list.
pub fn going(site: &Site, store: &Read, list: &List) -> Result<Going, StoreError> {
    Ok(Going {
        members: store.count_members(list.id)?,
        posts: store.held_posts(list.id)?.len(),
        requests: store.held_requests(list.id)?.len(),
        has_archive: ArchivePlace::of(site, &list.name).tree().exists(),
    })
}

/// The result of removing a list.
#[derive(Debug)]
pub struct RemovedList {
    /// The file from which the list can be restored.
    pub kept: PathBuf,
    /// Whether its archive was removed, too.
    pub archive_is_gone: bool,
    /// The directory of the archive, if it was kept. It is no longer published.
    pub archive_stays: Option<PathBuf>,
}

/// Saves a list in a file and removes it, and its archive if `archives` says so.
pub fn remove(
    site: &Site,
    store: &Store,
    list: &List,
    archives: bool,
) -> Result<RemovedList, RunError> {
    let kept = store.write(|tx| -> Result<_, StoreError> {
        let kept = keep(site, tx.read(), list)?;
        tx.delete_list(&list.name)?;
        Ok(kept)
    })?;
    let place = ArchivePlace::of(site, &list.name);
    let archive_is_gone = archives && place.remove()?;
    let archive_stays = Some(place.tree()).filter(|tree| !archives && tree.exists());
    Ok(RemovedList { kept, archive_is_gone, archive_stays })
}

/// Writes everything of a list but its archive to a file of the site, and syncs it.
pub fn keep(site: &Site, tx: &Read, list: &List) -> Result<PathBuf, StoreError> {
    let dir = site.dir().join("removed");
    let day = date::day(Timestamp::now());
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
        // The file contains addresses and hashes of passwords.
        .mode(0o600)
        .open(&path)
        .map_err(io("write", &path))?;
    tx.dump(list, BufWriter::new(&file))?;
    let synced = file.sync_all().and_then(|()| File::open(&dir)?.sync_all());
    synced.map_err(io("write", &path))?;
    Ok(path)
}
