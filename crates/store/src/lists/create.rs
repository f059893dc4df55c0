//! Creating and removing lists.

use super::{List, OWN, REAL_NAME, SUFFIXES};
use crate::db::params;
use crate::settings::{ListSettings, ReturnPathTag};
use crate::{Count, Due, ListId, ListName, StoreError, Tx, check, public};
use dormouse_clock::Timestamp;

impl Tx<'_> {
    /// Creates a list, with at least one owner. If there is an archive of a removed list with the
    /// same name, it stays hidden: the new list's archive is private unless somebody changes that.
    pub fn create_list(
        &self,
        name: &ListName,
        host: &str,
        owners: &[String],
    ) -> Result<List, StoreError> {
        let (local, host) = (name.local(), host.to_lowercase());
        check::host(&host).map_err(StoreError::Setting)?;
        match self.read().list(name)? {
            Some(list) if list.name == *name => return Err(StoreError::ListExists(name.clone())),
            Some(list) => {
                return Err(StoreError::Setting(format!(
                    "{name} is a former name of the list {0}, and mail to it still reaches {0}; \
                     `dormouse list rename {0} --forget {name}` releases it",
                    list.name
                )));
            }
            None => {}
        }
        self.check_addresses_are_free(local, &host)?;
        public::begin_anew(self.read().site_dir(), name)?;
        let now = Timestamp::now();
        self.note_lists();
        self.execute("insert into list (name, created_at) values (?1, ?2)", params![name, now])?;
        let real_name = capitalized(local);
        self.edit_settings(name, |settings| {
            settings.host_name = host;
            settings.real_name.clone_from(&real_name);
            settings.subject_prefix = format!("[{real_name}] ");
            settings.return_path_tag = ReturnPathTag::Required;
            settings.keep_signatures = true;
            settings.owner = owners.to_vec();
        })?;
        self.apply_defaults(name, &real_name)?;
        if public::is_archived(self.read().site_dir(), name) {
            self.edit_settings(name, |settings| settings.archive_private = true)?;
        }
        let made = self.read().list(name)?;
        made.ok_or_else(|| StoreError::Setting(format!("the list {name} was not created")))
    }

    /// Applies `[list-defaults]` to a new list.
    fn apply_defaults(&self, name: &ListName, real_name: &str) -> Result<(), StoreError> {
        let named = |text: &String| text.replace(REAL_NAME, real_name);
        let changes: Vec<(&str, String)> = self
            .list_defaults()
            .iter()
            .map(|(setting, text)| match setting.as_str() {
                // Mailman's DEFAULT_SUBJECT_PREFIX contains the list's name.
                "subject_prefix" => ("subject_prefix", named(text)),
                setting => (setting, text.clone()),
            })
            .collect();
        let changes: Vec<(&str, &str)> =
            changes.iter().map(|(setting, text)| (*setting, text.as_str())).collect();
        self.change_settings(name, &changes).map_err(|error| match error {
            StoreError::Setting(problem) => {
                StoreError::Setting(format!("[list-defaults] {problem}"))
            }
            other => other,
        })
    }

    /// Copies another list's settings, except for its own name, addresses, passwords, description
    /// and newsgroup.
    pub fn settings_like(&self, name: &str, other: &List) -> Result<(), StoreError> {
        let like = &other.settings;
        self.try_edit_settings(name, |settings| {
            for setting in ListSettings::names().iter().filter(|setting| !OWN.contains(setting)) {
                settings.put(setting, &like.get(setting).unwrap_or_default())?;
            }
            let prefix = like.subject_prefix.replace(&like.real_name, &settings.real_name);
            settings.subject_prefix = prefix;
            Ok(())
        })
    }

    /// Rejects a name with which an address would belong to two lists.
    pub(crate) fn check_addresses_are_free(
        &self,
        local: &str,
        host: &str,
    ) -> Result<(), StoreError> {
        let taken = |name: &str| -> Result<bool, StoreError> {
            let found = self.read().list_by_address(name, host)?;
            Ok(found.is_some_and(|list| list.settings.host_name.eq_ignore_ascii_case(host)))
        };
        for suffix in SUFFIXES {
            if let Some(other) = local.strip_suffix(suffix)
                && taken(other)?
            {
                return Err(StoreError::Setting(format!(
                    "{local}@{host} is an address of the list {other}; choose another name"
                )));
            }
            let longer = format!("{local}{suffix}");
            if taken(&longer)? {
                return Err(StoreError::Setting(format!(
                    "{longer}@{host} would be an address of the list {local}, and there is already a list \
                     {longer}; choose another name"
                )));
            }
        }
        Ok(())
    }

    /// Removes a list with all of its data. Returns false if there is none.
    pub fn delete_list(&self, name: &ListName) -> Result<bool, StoreError> {
        Due::ALL.iter().for_each(|&job| self.note_done(job));
        self.note_archive(name);
        self.note_lists();
        if let Some(list) = self.read().list(name)? {
            self.read()
                .former_names(list.id)?
                .iter()
                .for_each(|former| self.note_archive(&former.name));
        }
        Ok(self.execute("delete from list where name = ?1", params![name])? > 0)
    }

    /// Counts a post.
    pub fn count_post(&self, list_id: ListId, at: Timestamp) -> Result<(), StoreError> {
        self.tally(list_id, Count::Posts, 1);
        let mut posts = self.posts.borrow_mut();
        let (number, last) = posts.entry(list_id).or_default();
        (*number, *last) = (*number + 1, at);
        Ok(())
    }

    /// Writes the counts of posts, once for each list, at the end of the transaction.
    pub(crate) fn write_posts(&self) -> Result<(), StoreError> {
        for (list_id, (number, at)) in self.posts.take() {
            self.execute(
                "update list set post_id = post_id + ?2, last_post_time = ?3 where id = ?1",
                params![list_id, number, at],
            )?;
        }
        Ok(())
    }
}

pub(crate) fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
