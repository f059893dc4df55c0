//! A list gets another name.
//!
//! The name changes in one transaction of the store, and from then on the list is found under both. The
//! files that are called after it follow, and whatever process comes next finishes that
//! ([`settle`]) where one died.

use crate::RunError;
use dormouse_archive::moving::{self, Moving};
use dormouse_archive::{ArchiveError, Place};
use dormouse_store::{List, Site, Store, StoreError};
use std::io;
use std::path::PathBuf;

/// What a new name means for a list, to be said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequences {
    /// Its posting address now.
    pub old_address: String,
    /// And then.
    pub new_address: String,
    /// Its members, whose filters may go by the old name.
    pub members: u64,
    /// Posts and requests that wait, which stay.
    pub waiting: usize,
    /// Whether it has an archive, which moves.
    pub has_archive: bool,
}

/// `name` or `name@host`, as somebody types it, as the list's name in the store and its host.
fn wanted(store: &Store, list: &List, new: &str) -> Result<(String, String), StoreError> {
    let new = new.trim().to_lowercase();
    let (local, host) = match new.split_once('@') {
        Some((local, host)) => (local, host.to_owned()),
        None => (new.as_str(), list.settings.host_name.clone()),
    };
    // As for a new list: a name that a list at another host has stays that one's in the store.
    let taken = store.list(local)?.filter(|found| found.id != list.id);
    let elsewhere =
        taken.is_some_and(|found| !found.settings.host_name.eq_ignore_ascii_case(&host));
    Ok((if elsewhere { format!("{local}@{host}") } else { local.to_owned() }, host))
}

/// What a new name would mean.
pub fn consequences(
    site: &Site,
    store: &Store,
    list: &List,
    new: &str,
) -> Result<Consequences, StoreError> {
    let (name, host) = wanted(store, list, new)?;
    // Whether it may be called so.
    let renamed = store.rehearse(|tx| tx.rename_list(list, &name, &host))?;
    Ok(Consequences {
        old_address: list.address(),
        new_address: renamed.address(),
        members: store.count_members(list.id)?,
        waiting: store.held_posts(list.id)?.len() + store.held_requests(list.id)?.len(),
        has_archive: Place::of(site, &list.name).tree().exists(),
    })
}

/// Gives a list another name: `name`, or `name@host`.
///
/// # Errors
/// [`StoreError::Setting`] or [`StoreError::ListExists`] when it cannot be called so, and
/// [`ArchiveError::Taken`] when an earlier list's archive is in the way. Nothing is changed then.
pub fn rename(site: &Site, store: &Store, list: &List, new: &str) -> Result<List, RunError> {
    settle(site, store)?;
    let (name, host) = wanted(store, list, new)?;
    if name == list.name {
        return Ok(store.write(|tx| tx.rename_list(list, &name, &host))?);
    }
    // Refused before anything is written down.
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

/// Finishes what processes began that died while they gave lists other names.
pub fn settle(site: &Site, store: &Store) -> Result<(), RunError> {
    for (from, to) in moving::unfinished(site)? {
        let Some(moving) = Moving::resume(site, &from, &to)? else { continue };
        if store.list(&from)?.is_some_and(|list| list.name == to) {
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

/// Where a list's own texts are.
fn texts(site: &Site, name: &str) -> PathBuf {
    site.dir().join("lists").join(name)
}

/// Mail to a name that a list had before reaches it no more, and another list may have it. False when
/// it had none such.
pub fn forget(store: &Store, list: &List, name: &str) -> Result<bool, StoreError> {
    store.write(|tx| tx.forget_former_name(list.id, name))
}
