//! A list is closed: it takes no posts and no members, and its archive stays.

use super::keep;
use crate::RunError;
use dormouse_spool::clock;
use dormouse_store::{List, Site, Store, StoreError};
use std::path::PathBuf;

/// What closing does to a list, to be said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Its members, who stay or go.
    pub members: u64,
    /// Posts that wait for a moderator. They go on waiting, and go out if they are let through.
    pub posts: usize,
    /// Requests to join or leave that wait.
    pub requests: usize,
    /// Whether there is an archive, which stays as readable as it is.
    pub has_archive: bool,
}

/// What closing a list would mean.
pub fn closing(site: &Site, store: &Store, list: &List) -> Result<Closing, StoreError> {
    let super::Going { members, posts, requests, has_archive } = super::going(site, store, list)?;
    Ok(Closing { members, posts, requests, has_archive })
}

/// Closes a list. Its members stay, or else they go with no mail about it, and the file is named in which
/// the whole list is kept as it was.
pub fn close(
    site: &Site,
    store: &Store,
    list: &List,
    members_stay: bool,
    who: &str,
) -> Result<Option<PathBuf>, RunError> {
    let kept = store.write(|tx| -> Result<_, StoreError> {
        let kept = if members_stay { None } else { Some(keep(site, tx, list)?) };
        if !members_stay {
            let how = format!("the list was closed by {who}");
            tx.remove_all_members(list.id, clock::seconds(), &how)?;
        }
        tx.change_settings(&list.name, &[("closed", "yes")])?;
        Ok(kept)
    })?;
    Ok(kept)
}

/// Opens it again.
pub fn reopen(store: &Store, list: &List) -> Result<(), StoreError> {
    store.write(|tx| tx.change_settings(&list.name, &[("closed", "no")]))
}
