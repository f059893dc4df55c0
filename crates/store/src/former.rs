//! Renaming of lists, which remain reachable under their former names.

use crate::db::{self, Row, params};
use crate::lists::List;
use crate::{Count, Due, ListId, ListName, Read, StoreError, Tx, audit, check, members};
use dormouse_clock::Timestamp;

use std::collections::BTreeMap;

/// A former name of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerName {
    /// The former name: `name`, or `name@host`.
    pub name: ListName,
    /// The host of its addresses at that time.
    pub host: String,
}

impl FormerName {
    /// Returns the part of its addresses before the `@`.
    pub fn local_part(&self) -> &str {
        self.name.local()
    }

    /// Returns the former posting address.
    pub fn address(&self) -> String {
        format!("{}@{}", self.local_part(), self.host)
    }
}

/// The settings that can contain another list as `@name`.
const NAMES_LISTS: [&str; 4] = [
    "accept_these_nonmembers",
    "hold_these_nonmembers",
    "reject_these_nonmembers",
    "discard_these_nonmembers",
];

fn read(row: &Row<'_>) -> db::Result<FormerName> {
    Ok(FormerName { name: row.get(0)?, host: row.get(1)? })
}

impl Read {
    /// Returns a list's former names, the latest first.
    pub fn former_names(&self, list_id: ListId) -> Result<Vec<FormerName>, StoreError> {
        let sql = "select name, host from former_name where list_id = ?1 order by at desc, name";
        self.rows(sql, params![list_id], read)
    }

    /// Returns the former names of the list with that name.
    pub(crate) fn names_before(&self, list: &ListName) -> Result<Vec<ListName>, StoreError> {
        let sql = "select former_name.name from former_name
                   join list on list.id = former_name.list_id
                   where list.name = ?1 order by former_name.name";
        self.rows(sql, params![list], |row| row.get(0))
    }

    /// Returns all former names of lists, with their current ones.
    pub fn all_former_names(&self) -> Result<BTreeMap<ListName, ListName>, StoreError> {
        let sql = "select former_name.name, list.name from former_name
                   join list on list.id = former_name.list_id";
        let rows: Vec<(ListName, ListName)> =
            self.rows(sql, params![], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Returns the lists under each of their current and former names.
    pub fn lists_by_all_names(&self) -> Result<Vec<List>, StoreError> {
        let mut lists = Vec::new();
        self.each_list_by_all_names(|list| -> Result<(), StoreError> {
            lists.push(list);
            Ok(())
        })?;
        Ok(lists)
    }

    /// Calls `each` with every list that mail comes to, by name, and then with those that had other names,
    /// under each of these.
    pub(crate) fn each_list_by_all_names<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(List) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_list(&mut each)?;
        let sql = "select name, host, list_id from former_name order by name";
        let rows: Vec<(FormerName, ListId)> =
            self.rows(sql, params![], |row| Ok((read(row)?, row.get(2)?)))?;
        for (former, id) in rows {
            let Some(mut list) = self.list_by_id(id)? else { continue };
            list.name = former.name;
            list.settings.host_name = former.host;
            each(list)?;
        }
        Ok(())
    }

    /// Returns the number of the list with this former name.
    pub(crate) fn list_of_former_name(&self, name: &str) -> Result<Option<ListId>, StoreError> {
        let sql = "select list_id from former_name where name = ?1";
        self.first(sql, params![name], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Renames a list, or moves it to another host, or both. It remains reachable under its old
    /// name. Its `real_name` and subject prefix change if they were its old name, and so do other
    /// lists' settings that contain `@name`.
    ///
    /// # Errors
    /// If the new host is invalid, or nothing changes, or the name is taken by another list.
    pub fn rename_list(
        &self,
        list: &List,
        name: &ListName,
        host: &str,
    ) -> Result<List, StoreError> {
        let (local, host) = (name.local().to_owned(), host.to_lowercase());
        let old_host = &list.settings.host_name;
        let moves = !host.eq_ignore_ascii_case(old_host);
        // The host of an imported list may be one that no list could move to.
        if moves {
            check::host(&host).map_err(StoreError::Setting)?;
        }
        if *name == list.name && !moves {
            return Err(StoreError::Setting(format!("the list is called {name} already")));
        }
        if *name != list.name && self.read().list(name)?.is_some_and(|found| found.id != list.id) {
            return Err(StoreError::ListExists(name.clone()));
        }
        self.check_addresses_are_free(&local, &host)?;
        let now = Timestamp::now();
        self.note_lists();
        // It may get back a former name.
        self.execute("delete from former_name where name = ?1", params![name])?;
        if *name != list.name {
            self.execute(
                "insert into former_name (name, list_id, host, at) values (?1, ?2, ?3, ?4)",
                params![list.name, list.id, old_host, now],
            )?;
            self.execute("update list set name = ?2 where id = ?1", params![list.id, name])?;
        }
        self.note_change(list.id, audit::RENAMED, &list.name, name)?;
        if moves {
            self.edit_settings(name, |settings| settings.host_name = host)?;
        }
        let old_real_name = &list.settings.real_name;
        if old_real_name.eq_ignore_ascii_case(list.local_part()) && local != list.local_part() {
            let real_name = crate::lists::capitalized(&local);
            let prefix = list.settings.subject_prefix.replace(old_real_name, &real_name);
            self.edit_settings(name, |settings| {
                settings.real_name = real_name;
                settings.subject_prefix = prefix;
            })?;
        }
        self.rename_in_settings(&list.name, name)?;
        self.note_archive(&list.name);
        self.note_archive(name);
        Due::ALL.iter().for_each(|&job| self.note_due(job));
        let renamed = self.read().list_by_id(list.id)?;
        renamed
            .ok_or_else(|| StoreError::Setting(format!("there is no list {} any more", list.name)))
    }

    /// Replaces `@old` with `@new` in the settings of all lists.
    fn rename_in_settings(&self, old: &ListName, new: &ListName) -> Result<(), StoreError> {
        let (old, new) = (format!("@{old}"), format!("@{new}"));
        let sql = "select list.name, list_setting.name, list_setting.value from list_setting
                   join list on list.id = list_setting.list_id where list_setting.name = ?1";
        for setting in NAMES_LISTS {
            let rows: Vec<(String, String, String)> =
                self.read().rows(sql, params![setting], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            for (list, setting, _) in rows.iter().filter(|(.., value)| value.contains(&old)) {
                let Some(found) = self.read().list(list)? else { continue };
                let value = found.settings.get(setting).unwrap_or_default();
                let renamed = |line: &str| match line.trim().eq_ignore_ascii_case(&old) {
                    true => format!("{new}\n"),
                    false => format!("{line}\n"),
                };
                let renamed: String = value.lines().map(renamed).collect();
                self.set_setting(list, setting, &renamed)?;
            }
        }
        Ok(())
    }

    /// Removes a former name, which is then free. Returns false if the list did not have it.
    pub fn forget_former_name(&self, list_id: ListId, name: &str) -> Result<bool, StoreError> {
        let name = name.to_lowercase();
        let sql = "delete from former_name where list_id = ?1 and name = ?2";
        let had = self.execute(sql, params![list_id, name])? > 0;
        if had {
            // Only now is the text known to be a list's name: paths are built from it.
            self.note_archive(&ListName::kept(name));
            self.note_lists();
        }
        Ok(had)
    }

    /// Removes all members of a list, records `how`, and returns how many there were. Nobody is
    /// notified.
    pub fn remove_all_members(
        &self,
        list_id: ListId,
        at: Timestamp,
        how: &str,
    ) -> Result<u64, StoreError> {
        self.note_done(Due::Disabled);
        let left = crate::value::SettingValue::write(&crate::Act::Left);
        self.execute(
            "insert into consent (list_id, address, act, how, at)
                 select list_id, address_key, cast(?2 as text), cast(?3 as text),
                    cast(?4 as double precision) from member where list_id = ?1",
            params![list_id, left, how, at],
        )?;
        self.execute(
            "delete from pending where list_id = ?1 and kind <> 'subscribe'",
            params![list_id],
        )?;
        let sql = "delete from member where list_id = ?1";
        let removed = self.change_members(list_id, sql, params![list_id])?;
        self.tally(list_id, Count::Left, removed as u64);
        Ok(removed as u64)
    }

    /// Copies a list's members to another list, with their options, records `how`, and returns how
    /// many were new. Nobody is notified. Passwords, bounces and delivery status are not copied,
    /// and existing members of the other list are not changed.
    pub fn copy_members(
        &self,
        from: ListId,
        to: ListId,
        at: Timestamp,
        how: &str,
    ) -> Result<u64, StoreError> {
        let joined = crate::value::SettingValue::write(&crate::Act::Joined);
        self.execute(
            "insert into consent (list_id, address, act, how, at)
                 select cast(?2 as bigint), address_key, cast(?3 as text), cast(?4 as text),
                    cast(?5 as double precision) from member where list_id = ?1
                 and not exists (select 1 from member as there where there.list_id = ?2
                                 and there.address_key = member.address_key)",
            params![from, to, joined, how, at],
        )?;
        let values = [
            ("list_id", "cast(?2 as bigint)"),
            ("address_key", "address_key"),
            ("domain", "domain"),
            ("address", "address"),
            ("real_name", "real_name"),
            ("digest", "digest"),
            ("options", "options"),
            ("language", "language"),
            ("topics", "topics"),
            ("joined_at", "cast(?3 as double precision)"),
        ];
        let rows = members::rows(&values, Some("member where list_id = ?1"));
        let copied = self.change_members(to, &rows.add(), params![from, to, at])?;
        self.tally(to, Count::Joined, copied as u64);
        Ok(copied as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ListSettings, ListState, NewMember, Store};

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let site = crate::testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        for name in ["tea", "milk", "net-admin"] {
            store
                .write(|tx| {
                    tx.create_list(&name.parse().unwrap(), "l.example", &["o@x.example".into()])
                })
                .unwrap();
        }
        (home, store)
    }

    fn rename(store: &Store, list: &str, name: &str) -> Result<List, StoreError> {
        let list = store.read().list(list).unwrap().unwrap();
        let name = name.parse().map_err(StoreError::Setting)?;
        store.write(|tx| tx.rename_list(&list, &name, "l.example"))
    }

    #[test]
    fn a_list_is_found_by_the_names_it_had_and_what_named_it_follows() {
        let (_home, store) = store();
        store
            .write(|tx| {
                tx.change_settings(
                    "milk",
                    &[("accept_these_nonmembers", "@tea\n@net-admin\na@x.example")],
                )
            })
            .unwrap();
        let id = store.read().list("tea").unwrap().unwrap().id;
        let green = rename(&store, "tea", "Green").unwrap();
        assert_eq!((green.id, green.name.as_str()), (id, "green"));
        assert_eq!(green.settings.real_name, "Green");
        assert_eq!(green.settings.subject_prefix, "[Green] ");
        rename(&store, "green", "black").unwrap();
        for name in ["tea", "green", "black"] {
            assert_eq!(store.read().list(name).unwrap().unwrap().name, "black", "{name}");
            let found = store.read().list_by_address(name, "l.example").unwrap().unwrap();
            assert_eq!(found.id, id);
        }
        let accepted = store.read().list("milk").unwrap().unwrap().settings.accept_these_nonmembers;
        assert_eq!(accepted, ["@black", "@net-admin", "a@x.example"]);
        rename(&store, "tea", "tea").unwrap();
        assert_eq!(store.read().list("green").unwrap().unwrap().name, "tea");
        assert_eq!(store.read().former_names(id).unwrap().len(), 2);
    }

    #[test]
    fn no_name_is_taken_from_another_list() {
        let (_home, store) = store();
        rename(&store, "tea", "green").unwrap();
        for name in ["milk", "tea", "milk-owner", "net", "tea-request", "a b", "", "tea"] {
            assert!(rename(&store, "net-admin", name).is_err(), "{name}");
        }
        let create =
            |name: &str| store.write(|tx| tx.create_list(&name.parse().unwrap(), "l.example", &[]));
        let refused = create("tea").unwrap_err().to_string();
        assert!(refused.contains("green"), "{refused}");
        let id = store.read().list("green").unwrap().unwrap().id;
        assert!(store.write(|tx| tx.forget_former_name(id, "tea")).unwrap());
        assert!(!store.write(|tx| tx.forget_former_name(id, "milk")).unwrap());
        assert_ne!(create("tea").unwrap().id, id);
    }

    #[test]
    fn text_that_is_not_a_former_name_touches_no_file() {
        let (home, store) = store();
        rename(&store, "tea", "green").unwrap();
        let id = store.read().list("green").unwrap().unwrap().id;
        let other = store.read().list("milk").unwrap().unwrap().id;
        let public = home.path().join("archives/public");
        std::fs::create_dir_all(&public).unwrap();
        let files = ["precious", "precious.mbox", "archives/public/tea", "archives/public/oat"]
            .map(|file| home.path().join(file));
        files.iter().for_each(|file| std::fs::write(file, "x").unwrap());
        for typed in ["../../precious", "../public/../../precious", "..", "", "oat"] {
            let released = store.write(|tx| tx.forget_former_name(id, typed)).unwrap();
            assert!(!released, "{typed}");
        }
        assert!(!store.write(|tx| tx.forget_former_name(other, "tea")).unwrap());
        for file in &files {
            assert!(file.exists(), "{}", file.display());
        }
        assert!(store.write(|tx| tx.forget_former_name(id, "Tea")).unwrap());
        assert_eq!(files.each_ref().map(|file| file.exists()), [true, true, false, true]);
    }

    #[test]
    fn an_imported_list_keeps_its_unusual_name_and_host_until_they_change() {
        let (_home, store) = store();
        let settings = ListSettings { host_name: "h_1.example".to_owned(), ..Default::default() };
        let name = |text: &str| ListName::existing(text).unwrap();
        let put = |tx: &Tx<'_>, text| tx.put_list(&name(text), &settings, &ListState::default());
        let list = store.write(|tx| put(tx, "a..b")).unwrap();
        assert_eq!(store.read().list("A..b").unwrap().unwrap().name, "a..b");
        let rename = |text: &str, host: &str| {
            let list = store.read().list_by_id(list.id).unwrap().unwrap();
            store.write(|tx| tx.rename_list(&list, &name(text), host))
        };
        // The host is checked only if it changes.
        assert_eq!(rename("ab", "H_1.example").unwrap().address(), "ab@h_1.example");
        for host in ["h_2.example", "", "-", "h.example/..", "h.example\nX: y", "a@b"] {
            let refused = rename("ab", host).unwrap_err().to_string();
            assert!(refused.contains("is not a host name"), "{host:?}: {refused}");
        }
        assert_eq!(rename("ab", "l.example").unwrap().address(), "ab@l.example");
        assert!(rename("ab", "h_1.example").is_err());
        // It gets its former name back.
        assert_eq!(rename("a..b", "l.example").unwrap().name, "a..b");
    }

    #[test]
    fn members_are_copied_once_with_their_options_and_without_their_secrets() {
        let (_home, store) = store();
        let (tea, milk) = (
            store.read().list("tea").unwrap().unwrap(),
            store.read().list("milk").unwrap().unwrap(),
        );
        let member = |address: &str| NewMember {
            address: address.to_owned(),
            real_name: "N".to_owned(),
            digest: true,
        };
        store
            .write(|tx| {
                tx.add_member(&tea, &member("a@x.example"), Timestamp::from_seconds(1.0), "t")?;
                tx.add_member(&tea, &member("B@x.example"), Timestamp::from_seconds(1.0), "t")?;
                tx.add_member(&milk, &member("b@x.example"), Timestamp::from_seconds(1.0), "t")
            })
            .unwrap();
        let copy = || {
            store
                .write(|tx| {
                    tx.copy_members(tea.id, milk.id, Timestamp::from_seconds(2.0), "copied")
                })
                .unwrap()
        };
        assert_eq!((copy(), copy()), (1, 0));
        let copied = store.read().member(milk.id, "a@x.example").unwrap().unwrap();
        assert!(copied.digest);
        let said = store.read().consents("a@x.example").unwrap();
        assert!(said.iter().any(|act| act.list == "milk" && act.how == "copied"), "{said:?}");
    }
}
