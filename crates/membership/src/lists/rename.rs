//! Renames a list.
//!
//! The name changes in one transaction of the store, and from then on the list is found under both
//! names. Then the files that are named after it are renamed. If the process dies in between, the next
//! one finishes that ([`settle`]).

use crate::RunError;
use dormouse_archive::moving::{self, Moving};
use dormouse_archive::{ArchiveError, ArchivePlace};
use dormouse_store::{List, ListName, Read, Site, Store, StoreError};
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

/// Reads `name` or `name@host`, as typed: returns the list's name in the store and its host. A name
/// that the list has or had may be one that no new list could have.
fn wanted(store: &Read, list: &List, new: &str) -> Result<(ListName, String), StoreError> {
    let new = new.trim().to_lowercase();
    let (local, host) = match new.split_once('@') {
        Some((local, host)) => (local, host.to_owned()),
        None => (new.as_str(), list.settings.host_name.clone()),
    };
    let is_old = local == list.local_part()
        || store.former_names(list.id)?.iter().any(|former| former.local_part() == local);
    let name = if is_old { ListName::existing(local) } else { local.parse() };
    let name = name.map_err(StoreError::Setting)?;
    Ok((store.name_for(&name, &host, Some(list.id))?, host))
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
    from: &ListName,
    to: &ListName,
) -> Result<(), RunError> {
    let (old, new) = (texts(site, from), texts(site, to));
    moving.finish(site, || match std::fs::rename(&old, &new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })?;
    Ok(store.settle_archive(to)?)
}

/// The directory of a list's own texts.
fn texts(site: &Site, name: &ListName) -> PathBuf {
    site.dir().join("lists").join(name)
}

/// Gives up a former name of a list: mail to it no longer reaches the list, and another list may have
/// it. Returns false if the list had no such name.
pub fn forget(store: &Store, list: &List, name: &str) -> Result<bool, StoreError> {
    store.write(|tx| tx.forget_former_name(list.id, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::{ListSettings, ListState, Tx};
    use dormouse_testkit::fixture::Fixture;

    #[test]
    fn a_new_name_is_checked_but_not_one_that_the_list_has_or_had() {
        let fixture = Fixture::new(&[]);
        let settings = ListSettings { host_name: "h_1.example".to_owned(), ..Default::default() };
        for old in ["a..b", "x.mbox", &"a".repeat(60)] {
            let name = ListName::existing(old).unwrap();
            let put = |tx: &Tx<'_>| tx.put_list(&name, &settings, &ListState::default());
            let list = fixture.store.write(put).unwrap();
            let rename = |list: &List, new: &str| rename(&fixture.site, &fixture.store, list, new);
            for wrong in ["c..d", "c.mbox", "-c", "c d", "", &"c".repeat(60), "c/d", "c@", "c@a@b"]
            {
                assert!(rename(&list, wrong).is_err(), "{old} to {wrong}");
            }
            for wrong in ["h_2.example", "..", "", "a b"] {
                assert!(rename(&list, &format!("{old}@{wrong}")).is_err(), "{old} at {wrong:?}");
            }
            let moved = rename(&list, &format!("{old}@Lists.example")).unwrap();
            assert_eq!(moved.address(), format!("{old}@lists.example"));
            let renamed = rename(&moved, " Usual ").unwrap();
            assert_eq!(renamed.name, "usual");
            let back = rename(&renamed, old).unwrap();
            assert_eq!(back.name, old);
            fixture.store.write(|tx| tx.delete_list(&back.name)).unwrap();
        }
    }
}
