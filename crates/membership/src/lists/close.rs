//! Closes a list: it accepts no posts and no members any more, and its archive stays.

use super::keep;
use crate::RunError;
use dormouse_clock::Timestamp;
use dormouse_store::{List, Site, Store, StoreError};
use std::path::PathBuf;

/// The effects of closing a list, to be shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The number of members.
    pub members: u64,
    /// The number of held posts. They stay, and are sent if a moderator approves them.
    pub posts: usize,
    /// The number of waiting requests to join or leave.
    pub requests: usize,
    /// Whether there is an archive, which stays as readable as it is.
    pub has_archive: bool,
}

/// Returns the effects of closing a list.
pub fn closing(site: &Site, store: &Store, list: &List) -> Result<Closing, StoreError> {
    let super::Going { members, posts, requests, has_archive } =
        super::going(site, store.read(), list)?;
    Ok(Closing { members, posts, requests, has_archive })
}

/// Closes a list. Its members stay, or they are removed without notices; then the file is returned to
/// which the whole list was saved.
pub fn close(
    site: &Site,
    store: &Store,
    list: &List,
    members_stay: bool,
    who: &str,
) -> Result<Option<PathBuf>, RunError> {
    let kept = store.write(|tx| -> Result<_, StoreError> {
        let kept = if members_stay { None } else { Some(keep(site, tx.read(), list)?) };
        if !members_stay {
            let how = format!("the list was closed by {who}");
            tx.remove_all_members(list.id, Timestamp::now(), &how)?;
        }
        tx.change_settings(&list.name, &[("closed", "yes")])?;
        Ok(kept)
    })?;
    Ok(kept)
}

/// Opens a closed list again.
pub fn reopen(store: &Store, list: &List) -> Result<(), StoreError> {
    store.write(|tx| tx.change_settings(&list.name, &[("closed", "no")]))
}
