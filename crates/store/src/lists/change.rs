//! Changing the settings of a list.

use crate::check::Subject;
use crate::db::params;
use crate::settings::ListSettings;
use crate::{ListId, StoreError, Tx};

impl Tx<'_> {
    /// Changes settings of a list on a person's request, all or none. The error says which values
    /// are allowed.
    pub fn change_settings(&self, list: &str, changes: &[(&str, &str)]) -> Result<(), StoreError> {
        let missing = || StoreError::Setting(format!("no mailing list here is called {list}"));
        let mut found = self.read().list(list)?.ok_or_else(missing)?;
        for (name, value) in changes {
            found.settings.put(name, value).map_err(StoreError::Setting)?;
        }
        // If the database fails, assume that the list exists.
        let is_list = |name: &str| self.read().list(name).map_or(true, |list| list.is_some());
        let of = Subject { name: &found.name, settings: &found.settings, is_list: &is_list };
        for (name, _) in changes {
            ListSettings::check(name, of)
                .map_err(|wrong| StoreError::Setting(format!("{name}: {wrong}")))?;
        }
        self.try_edit_settings(&found.name, |settings| {
            changes.iter().try_for_each(|(name, value)| settings.put(name, value))
        })
    }

    /// Changes settings of a list without checks, for changes by the program itself:
    /// `tx.edit_settings("dev", |settings| settings.advertised = false)`. [`Tx::change_settings`]
    /// checks requests of people.
    pub fn edit_settings(
        &self,
        list: &str,
        edit: impl FnOnce(&mut ListSettings),
    ) -> Result<(), StoreError> {
        self.try_edit_settings(list, |settings| {
            edit(settings);
            Ok(())
        })
    }

    /// As [`Tx::edit_settings`], for a setting by its name, with its value as people write it.
    pub fn set_setting(&self, list: &str, name: &str, value: &str) -> Result<(), StoreError> {
        self.try_edit_settings(list, |settings| settings.put(name, value))
    }

    pub(super) fn try_edit_settings(
        &self,
        list: &str,
        edit: impl FnOnce(&mut ListSettings) -> Result<(), String>,
    ) -> Result<(), StoreError> {
        let mut found = self
            .read()
            .list(list)?
            .ok_or_else(|| StoreError::Setting(format!("no mailing list here is called {list}")))?;
        let before = found.settings.clone();
        edit(&mut found.settings).map_err(StoreError::Setting)?;
        let defaults = ListSettings::default();
        for name in ListSettings::names() {
            let (old, value) = (before.kept(name), found.settings.kept(name));
            let (Some(old), Some(value)) = (old, value) else { continue };
            if old == value {
                continue;
            }
            self.note_change(found.id, name, &old, &value)?;
            self.note_setting(&found.name, name);
            let is_default = defaults.kept(name).as_ref() == Some(&value);
            self.keep_setting(found.id, name, Some(value).filter(|_| !is_default))?;
        }
        self.note_lists();
        Ok(())
    }

    /// Stores a setting in its stored form; `None` means its default, which is not stored.
    pub(crate) fn keep_setting(
        &self,
        list_id: ListId,
        name: &str,
        value: Option<String>,
    ) -> Result<(), StoreError> {
        match value {
            None => self.execute(
                "delete from list_setting where list_id = ?1 and name = ?2",
                params![list_id, name],
            )?,
            Some(value) => self.execute(
                "insert into list_setting (list_id, name, value) values (?1, ?2, ?3)
                 on conflict (list_id, name) do update set value = excluded.value",
                params![list_id, name, value],
            )?,
        };
        Ok(())
    }
}
