//! Creates a list as a copy of another.

use super::{ListError, NewList, create};
use dormouse_clock::Timestamp;
use dormouse_store::{List, Site, Store, StoreError};
use std::fs;
use std::io;
use std::path::Path;

/// What a copy of a list gets in addition to its settings.
#[derive(Debug, Clone, Copy)]
pub struct Copy<'c> {
    /// Its name as typed: `name`, or `name@host`.
    pub name: &'c str,
    /// The owners. If empty, the other list's owners and moderators are copied.
    pub owners: &'c [String],
    /// Whether the members are copied, too. They get no mail about it.
    pub members: bool,
    /// The person who does this, for the members' records of consent.
    pub who: &'c str,
}

/// Creates a list like another, and returns its number of members.
pub fn copy(
    site: &Site,
    store: &Store,
    other: &List,
    copy: Copy<'_>,
) -> Result<(List, u64), ListError> {
    let owners = if copy.owners.is_empty() { &other.settings.owner } else { copy.owners };
    let moderators = other.settings.get("moderator").unwrap_or_default();
    let about =
        [("description", other.settings.description.as_str()), ("info", &other.settings.info)];
    let mut settings = about.to_vec();
    // `like` copies `moderator`, too; a list with other owners must not get it.
    let nobody = [("moderator", "")];
    match copy.owners.is_empty() {
        true => settings.push(("moderator", &moderators)),
        false => settings.extend(nobody),
    }
    let list = create(
        site,
        store,
        NewList { name: copy.name, owners, like: Some(other), settings: &settings },
    )?;
    let texts = |list: &List| site.dir().join("lists").join(&list.name);
    copy_texts(&texts(other), &texts(&list)).map_err(|source| StoreError::Io {
        action: "copy the texts of",
        path: texts(other),
        source,
    })?;
    let mut members = 0;
    if copy.members {
        let how = format!("copied from {} by {}", other.name, copy.who);
        members = store.write(|tx| tx.copy_members(other.id, list.id, Timestamp::now(), &how))?;
    }
    Ok((list, members))
}

/// Copies a directory of directories of files. Existing files are kept.
fn copy_texts(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_texts(&entry.path(), &to)?;
        } else if !to.exists() {
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}
