//! The record of changes to lists' settings.

use crate::db::{self, params};
use crate::{ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;

/// Who makes changes through a [`Store`](crate::Store), and by which means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// An address, a user of this machine, or the program itself.
    pub who: String,
    /// `web`, `command line`, `mail`, or `program`.
    pub via: &'static str,
}

impl Default for Author {
    fn default() -> Author {
        Author { who: "dormouse".to_owned(), via: "program" }
    }
}

/// A change of a list's setting.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingChange {
    /// The change's number; later changes have greater ones.
    pub id: i64,
    /// The setting's name.
    pub name: String,
    /// The stored value before the change; empty for a password.
    pub old_value: String,
    /// The stored value after the change; empty for a password.
    pub new_value: String,
    /// Who changed it.
    pub who: String,
    /// By which means, as in [`Author::via`].
    pub via: String,
    /// When it was changed.
    pub changed_at: Timestamp,
}

impl SettingChange {
    /// Whether the old value can be restored: passwords are not recorded, and a list's name is not
    /// a setting.
    pub fn is_revertible(&self) -> bool {
        !self.is_secret() && self.name != RENAMED
    }

    /// Whether it is the change of a password, whose values are not recorded.
    pub fn is_secret(&self) -> bool {
        is_secret(&self.name)
    }
}

/// The name under which the renaming of a list is recorded.
pub(crate) const RENAMED: &str = "name";

/// Whether values of this setting are not recorded.
pub fn is_secret(name: &str) -> bool {
    name.ends_with("password")
}

const COLUMNS: &str = "id, name, old_value, new_value, who, via, changed_at";

pub(crate) fn read(row: &db::Row<'_>) -> db::Result<SettingChange> {
    Ok(SettingChange {
        id: row.get(0)?,
        name: row.get(1)?,
        old_value: row.get(2)?,
        new_value: row.get(3)?,
        who: row.get(4)?,
        via: row.get(5)?,
        changed_at: row.get(6)?,
    })
}

impl Read {
    /// Returns at most `most` changes of a list's settings, the latest first; with `before` only
    /// those with a smaller number.
    ///
    /// # Errors
    /// If the database fails.
    pub fn setting_changes(
        &self,
        list_id: ListId,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<SettingChange>, StoreError> {
        let statement = format!(
            "select {COLUMNS} from setting_change where list_id = ?1 and id < ?2 order by id desc limit ?3"
        );
        let before = before.unwrap_or(i64::MAX);
        self.rows(&statement, params![list_id, before, most], read)
    }

    /// A change of a list's setting.
    ///
    /// # Errors
    /// If the database fails.
    pub fn setting_change(
        &self,
        list_id: ListId,
        id: i64,
    ) -> Result<Option<SettingChange>, StoreError> {
        let statement =
            format!("select {COLUMNS} from setting_change where list_id = ?1 and id = ?2");
        self.first(&statement, params![list_id, id], read)
    }
}

impl Tx<'_> {
    /// Records who changed a setting, if the value is another one.
    pub(crate) fn note_change(
        &self,
        list_id: ListId,
        name: &str,
        old: &str,
        new: &str,
    ) -> Result<(), StoreError> {
        if old == new {
            return Ok(());
        }
        let (old, new) = if is_secret(name) { ("", "") } else { (old, new) };
        let Author { who, via } = self.author();
        let now = Timestamp::now();
        self.execute(
            "insert into setting_change (list_id, name, old_value, new_value, who, via, changed_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![list_id, name, old, new, who, via, now],
        )?;
        Ok(())
    }
}
