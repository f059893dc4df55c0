//! Renames a list.
//!
//! The name changes in one transaction of the store, and from then on the list is found under both
//! names. Then the files that are named after it are renamed. If the process dies in between, the next
//! one finishes that ([`settle`]).

use crate::RunError;
use dormouse_archive::moving::{self, Moving};
use dormouse_archive::{ArchiveError, ArchivePlace};
use dormouse_store::{List, Read, Site, Store, StoreError};
use std::io;
use std::path::PathBuf;

/// The effects of a new name, to be shown first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequences {
    /// The posting address now.
    pub old_address: String,
    /// The posting address after that.
    pub new_address: String,
    /// The number of members, whose filters may match the old name.
    pub members: u64,
    /// The number of held posts and waiting requests, which stay.
    pub waiting: usize,
    /// Whether there is an archive, which moves.
    pub has_archive: bool,
}

/// Splits `name` or `name@host`, as typed, into the list's name in the store and its host.
fn wanted(store: &Read, list: &List, new: &str) -> Result<(String, String), StoreError> {
    let new = new.trim().to_lowercase();
    let (local, host) = match new.split_once('@') {
        Some((local, host)) => (local, host.to_owned()),
        None => (new.as_str(), list.settings.host_name.clone()),
    };
    // As for a new list: if a list at another host has the name, that list keeps it in the store.
    let taken = store.list(local)?.filter(|found| found.id != list.id);
    let elsewhere =
        taken.is_some_and(|found| !found.settings.host_name.eq_ignore_ascii_case(&host));
    Ok((if elsewhere { format!("{local}@{host}") } else { local.to_owned() }, host))
}

/// Returns the effects of a new name.
pub fn consequences(
    site: &Site,
    store: &Store,
    list: &List,
    new: &str,
) -> Result<Consequences, StoreError> {
    let (name, host) = wanted(store.read(), list, new)?;
    // Checks that the name is allowed.
    let renamed = store.rehearse(|tx| tx.rename_list(list, &name, &host))?;
    Ok(Consequences {
        old_address: list.address(),
        new_address: renamed.address(),
        members: store.read().count_members(list.id)?,
        waiting: store.read().held_posts(list.id)?.len()
            + store.read().held_requests(list.id)?.len(),
        has_archive: ArchivePlace::of(site, &list.name).tree().exists(),
    })
}

/// Renames a list to `name` or `name@host`.
///
/// # Errors
/// [`StoreError::Setting`] or [`StoreError::ListExists`] if the name is not allowed, and
/// [`ArchiveError::Taken`] if an earlier list's archive is in the way. Nothing is changed then.
pub fn rename(site: &Site, store: &Store, list: &List, new: &str) -> Result<List, RunError> {
    settle(site, store)?;
    let (name, host) = wanted(store.read(), list, new)?;
    if name == list.name {
        return Ok(store.write(|tx| tx.rename_list(list, &name, &host))?);
    }
    // Checked before anything is written.
    store.rehearse(|tx| tx.rename_list(list, &name, &host))?;
    let texts = texts(site, &name);
    if texts.symlink_metadata().is_ok() {
        return Err(ArchiveError::Taken { path: texts, list: name }.into());
    }
    let moving = Moving::begin(site, &list.name, &name)?;
    let renamed = match store.write(|tx| tx.rename_list(list, &name, &host)) {
        Ok(renamed) => renamed,
        Err(error) => {
            moving.abandon()?;
            return Err(error.into());
        }
    };
    dormouse_spool::fault::point("rename.committed");
    finish(site, store, moving, &list.name, &name)?;
    Ok(renamed)
}

/// Finishes the renames of processes that died.
pub fn settle(site: &Site, store: &Store) -> Result<(), RunError> {
    for (from, to) in moving::unfinished(site)? {
        let Some(moving) = Moving::resume(site, &from, &to)? else { continue };
        if store.read().list(&from)?.is_some_and(|list| list.name == to) {
            finish(site, store, moving, &from, &to)?;
            tracing::info!("{to}: its files have followed its name, which was {from}");
        } else {
            moving.abandon()?;
        }
    }
    Ok(())
}

fn finish(
    site: &Site,
    store: &Store,
    moving: Moving,
    from: &str,
    to: &str,
) -> Result<(), RunError> {
    let (old, new) = (texts(site, from), texts(site, to));
    moving.finish(site, || match std::fs::rename(&old, &new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })?;
    Ok(store.settle_archive(to)?)
}

/// The directory of a list's own texts.
fn texts(site: &Site, name: &str) -> PathBuf {
    site.dir().join("lists").join(name)
}

/// Gives up a former name of a list: mail to it no longer reaches the list, and another list may have
/// it. Returns false if the list had no such name.
pub fn forget(store: &Store, list: &List, name: &str) -> Result<bool, StoreError> {
    store.write(|tx| tx.forget_former_name(list.id, name))
}
