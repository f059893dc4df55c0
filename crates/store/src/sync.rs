//! Synchronizing members with a file. The addresses are stored in a temporary table, so that memory
//! use does not depend on their number.

use crate::db::{Row, params};
use crate::insert::many;
use crate::value::SettingValue as _;
use crate::{Act, List, StoreError, Tx, members};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use std::cell::RefCell;

/// The wanted members of a list. Nothing is changed before [`Sync::apply`].
#[derive(Debug)]
pub struct Sync<'s> {
    tx: &'s Tx<'s>,
    list: &'s List,
    /// Wanted members that are not in the table yet.
    waiting: RefCell<Vec<Wanted>>,
}

#[derive(Debug)]
struct Wanted {
    key: AddressKey,
    address: String,
    real_name: String,
}

/// A necessary change for one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncChange<'a> {
    /// It becomes a member: address and name, which may be empty.
    Add(&'a str, &'a str),
    /// It is removed.
    Remove(&'a str),
}

impl Tx<'_> {
    /// Starts a synchronization, with no wanted members.
    pub fn sync<'s>(&'s self, list: &'s List) -> Result<Sync<'s>, StoreError> {
        let columns = "address_key text primary key, domain text not null, address text not null, \
                       real_name text not null";
        self.read().run(|db| db.make_temporary("wanted", columns))?;
        Ok(Sync { tx: self, list, waiting: RefCell::default() })
    }
}

impl Sync<'_> {
    /// Adds a wanted member, unless the address was added before.
    pub fn want(&self, address: &str, real_name: &str) -> Result<(), StoreError> {
        let (key, address) = (AddressKey::of(address), address.to_owned());
        let mut waiting = self.waiting.borrow_mut();
        waiting.push(Wanted { key, address, real_name: real_name.to_owned() });
        if waiting.len() < self.tx.rows_together() {
            return Ok(());
        }
        self.write_down(&std::mem::take(&mut *waiting))
    }

    /// Adds those who wait to the table.
    fn settle(&self) -> Result<(), StoreError> {
        self.write_down(&self.waiting.take())
    }

    fn write_down(&self, wanted: &[Wanted]) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "insert into wanted (address_key, domain, address, real_name)
             values {} on conflict (address_key) do nothing",
            many(&[], 4, wanted.len())
        );
        let domains: Vec<&str> = wanted.iter().map(|one| one.key.domain()).collect();
        let mut params = Vec::with_capacity(4 * wanted.len());
        for (one, domain) in wanted.iter().zip(&domains) {
            params.extend_from_slice(params![one.key, *domain, one.address, one.real_name]);
        }
        self.tx.execute(&sql, &params).map(drop)
    }

    /// Removes an address from the wanted members.
    pub fn forget(&self, address: &str) -> Result<(), StoreError> {
        self.settle()?;
        self.tx.execute(
            "delete from wanted where address_key = ?1",
            params![AddressKey::of(address)],
        )?;
        Ok(())
    }

    /// Calls `each` with every necessary change: first new members, then those to remove, each
    /// sorted by address.
    pub fn changes<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(SyncChange<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.settle()?;
        self.people(COMING, &mut |address, name| each(SyncChange::Add(address, name)))?;
        self.people(GOING, &mut |address, _| each(SyncChange::Remove(address)))
    }

    fn people<E: From<StoreError>>(
        &self,
        of: &str,
        each: &mut dyn FnMut(&str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("select address, real_name from {of} order by address_key");
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.tx.read().stream(
            &sql,
            params![self.list.id],
            read,
            |(address, name): (String, String)| each(&address, &name),
        )
    }

    /// Makes the changes, with the list's options for new members. `how` says who did it, and `at`
    /// when. Nobody is notified. Returns how many members were added and removed.
    pub fn apply(self, digest: bool, at: Timestamp, how: &str) -> Result<(u64, u64), StoreError> {
        self.settle()?;
        let options = self.list.settings.new_options().bits();
        let noted = |act: Act, of: &str| {
            format!(
                "insert into consent (list_id, address, act, how, at)
                 select ?1, address_key, '{}', ?2, ?3 from {of}",
                act.write()
            )
        };
        let came = noted(Act::Joined, COMING);
        let went = noted(Act::Left, GOING);
        for sql in [came, went] {
            self.tx.execute(&sql, params![self.list.id, how, at])?;
        }
        let values = [
            ("list_id", "?1"),
            ("address_key", "address_key"),
            ("domain", "domain"),
            ("address", "address"),
            ("real_name", "real_name"),
            ("digest", "?2"),
            ("options", "?3"),
            ("joined_at", "?4"),
            ("consent", "?5"),
        ];
        let rows = members::rows(&values, Some("wanted where true"));
        let added = self.tx.change_members(
            self.list.id,
            &rows.add(),
            params![self.list.id, digest, options, at, how],
        )?;
        let removed = self.tx.change_members(
            self.list.id,
            "delete from member where list_id = ?1
             and address_key not in (select address_key from wanted)",
            params![self.list.id],
        )?;
        self.tx.execute("delete from wanted", &[])?;
        Ok((added as u64, removed as u64))
    }
}

/// The tables and conditions for those who join and leave the list `?1`.
const COMING: &str = "wanted where not exists (
         select 1 from member
         where member.list_id = ?1 and member.address_key = wanted.address_key
     )";
const GOING: &str = "member
     where list_id = ?1 and address_key not in (select address_key from wanted)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemberOption, NewMember, Store, testing};

    #[test]
    fn those_who_are_wanted_are_members_and_the_others_are_not() {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list =
            store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &[])).unwrap();
        for address in ["Stays@x.example", "goes@x.example"] {
            let new = NewMember {
                address: address.to_owned(),
                real_name: "Old Name".to_owned(),
                digest: true,
            };
            store.write(|tx| tx.add_member(&list, &new, Timestamp::from_seconds(1.0), "")).unwrap();
        }
        let run = |apply: bool| {
            store
                .write(|tx| -> Result<_, StoreError> {
                    let sync = tx.sync(&list)?;
                    sync.want("stays@x.example", "")?;
                    sync.want("Comes@x.example", "New")?;
                    sync.want("comes@x.example", "")?;
                    sync.want("banned@x.example", "")?;
                    sync.forget("Banned@x.example")?;
                    let mut seen = Vec::new();
                    sync.changes(|change| -> Result<(), StoreError> {
                        seen.push(format!("{change:?}"));
                        Ok(())
                    })?;
                    let done = if apply {
                        sync.apply(false, Timestamp::from_seconds(2.0), "")?
                    } else {
                        (0, 0)
                    };
                    Ok((seen, done))
                })
                .unwrap()
        };
        let expected = vec![
            r#"Add("Comes@x.example", "New")"#.to_owned(),
            r#"Remove("goes@x.example")"#.to_owned(),
        ];
        assert_eq!(run(false), (expected.clone(), (0, 0)));
        assert_eq!(run(true), (expected, (1, 1)));
        assert_eq!(run(true), (Vec::new(), (0, 0)));
        let acts = |address: &str| {
            let consents = store.read().consents(address).unwrap();
            consents.into_iter().map(|consent| consent.act).collect::<Vec<_>>()
        };
        assert_eq!(acts("goes@x.example"), ["joined", "left"]);
        assert_eq!(acts("comes@x.example"), ["joined"]);
        assert_eq!(acts("stays@x.example"), ["joined"]);
        assert_eq!(store.read().count_members(list.id).unwrap(), 2);
        let stayed = store.read().member(list.id, "stays@x.example").unwrap().unwrap();
        assert_eq!((stayed.address.as_str(), stayed.digest), ("Stays@x.example", true));
        let came = store.read().member(list.id, "comes@x.example").unwrap().unwrap();
        assert_eq!((came.real_name.as_str(), came.digest), ("New", false));
        assert!(came.options.has(MemberOption::DontReceiveDuplicates));
    }
}
