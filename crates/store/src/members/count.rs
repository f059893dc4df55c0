//! How many members a list has. The number is stored, because counting a million rows takes 40 ms. All writers
//! wait for each other, and each statement that adds or removes members goes through
//! [`Tx::change_members`], so the number is exact.

use crate::db::{Param, params};
use crate::{ListId, Read, StoreError, Tx};

impl Read {
    /// How many members a list has.
    pub fn count_members(&self, list_id: ListId) -> Result<u64, StoreError> {
        let sql = "select number from member_count where list_id = ?1";
        let number: Option<i64> = self.first(sql, params![list_id], |row| row.get(0))?;
        Ok(number.map_or(0, i64::unsigned_abs))
    }

    /// How many memberships there are on all lists together.
    pub fn count_all_members(&self) -> Result<u64, StoreError> {
        let sql = "select cast(coalesce(sum(number), 0) as bigint) from member_count";
        let number: i64 = self.one(sql, params![], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    }

    /// Compares the stored numbers with the members that there are, and describes each difference.
    pub(crate) fn check_counts(&self) -> Result<Vec<String>, StoreError> {
        let sql = "select name, stored, found from (
                       select list.name as name,
                           coalesce((select number from member_count where list_id = list.id), 0) as stored,
                           (select count(*) from member where list_id = list.id) as found
                       from list) as counted
                   where stored <> found order by name";
        self.rows(sql, params![], |row| {
            let (name, stored, found): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("the list {name} has {found} members, but {stored} are counted"))
        })
    }
}

impl Tx<'_> {
    /// Runs a statement that adds rows to the table of members, or deletes some, all of them of one list;
    /// how many. One that also updates rows is followed by [`Tx::recount_members`] instead.
    pub(crate) fn change_members(
        &self,
        list_id: ListId,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<usize, StoreError> {
        let changed = self.execute(sql, params)?;
        let is_removal = sql.trim_start().starts_with("delete");
        self.members_came(list_id, if is_removal { -(changed as i64) } else { changed as i64 })?;
        Ok(changed)
    }

    /// Adds to the number of a list's members.
    pub(super) fn members_came(&self, list_id: ListId, number: i64) -> Result<(), StoreError> {
        if number != 0 {
            self.execute(
                "insert into member_count (list_id, number) values (?1, ?2)
                 on conflict (list_id) do update set number = member_count.number + excluded.number",
                params![list_id, number],
            )?;
        }
        Ok(())
    }

    /// Counts a list's members, after a change of which it is not known how many rows are new.
    pub(crate) fn recount_members(&self, list_id: ListId) -> Result<(), StoreError> {
        self.execute(
            "insert into member_count (list_id, number)
                 select ?1, count(*) from member where list_id = ?1
             on conflict (list_id) do update set number = excluded.number",
            params![list_id],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::time;
    use crate::{Member, NewMember, Read, Store, StoreError, WholeMember};
    use std::fs;
    use std::path::Path;

    fn new(address: &str) -> NewMember {
        NewMember { address: address.to_owned(), real_name: String::new(), digest: false }
    }

    fn is_counted(store: &Read, number: u64) {
        let list = store.list("tea").unwrap().unwrap();
        assert_eq!(store.count_members(list.id).unwrap(), number);
        assert_eq!(store.check_counts().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn each_way_to_join_and_leave_is_counted_also_within_the_transaction() {
        let home = tempfile::tempdir().unwrap();
        let site = crate::testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let tea =
            store.write(|tx| tx.create_list(&"tea".parse().unwrap(), "l.example", &[])).unwrap();
        let milk =
            store.write(|tx| tx.create_list(&"milk".parse().unwrap(), "l.example", &[])).unwrap();
        is_counted(store.read(), 0);
        let many: Vec<NewMember> =
            (0..1203).map(|at| new(&format!("m{}@x.example", at % 1200))).collect();
        let added = store
            .write(|tx| {
                let added = tx.add_members(&tea, &many, time(1.0), "t")?;
                is_counted(tx.read(), 1200);
                tx.remove_member(tea.id, "M7@x.example", "t", time(2.0))?;
                tx.remove_member(tea.id, "nobody@x.example", "t", time(2.0))?;
                tx.clone_member(tea.id, "m8@x.example", "m7@x.example", time(2.0), "t")?;
                tx.clone_member(tea.id, "m8@x.example", "m9@x.example", time(2.0), "t")?;
                tx.move_member(tea.id, "m8@x.example", "moved@x.example", "t", time(2.0))?;
                tx.add_member(&milk, &new("m@x.example"), time(2.0), "t")?;
                is_counted(tx.read(), 1200);
                tx.copy_members(milk.id, tea.id, time(3.0), "t")?;
                Ok::<_, crate::StoreError>(added)
            })
            .unwrap();
        is_counted(store.read(), 1201);
        assert_eq!(added.iter().filter(|added| **added == crate::Added::Added).count(), 1200);
        assert!(added[1200..].iter().all(|added| *added == crate::Added::AlreadyMember));
        assert_eq!(store.read().count_all_members().unwrap(), 1202);
        store.rehearse(|tx| tx.remove_all_members(tea.id, time(3.0), "t")).unwrap();
        is_counted(store.read(), 1201);
        store
            .write(|tx| -> Result<(), crate::StoreError> {
                let sync = tx.sync(&tea)?;
                sync.want("m1@x.example", "")?;
                sync.want("comes@x.example", "")?;
                sync.apply(false, time(4.0), "t").map(drop)
            })
            .unwrap();
        is_counted(store.read(), 2);
        put(&store, &["m1@x.example", "imported@x.example"]);
        is_counted(store.read(), 3);
        let mut dump = Vec::new();
        store.read().dump(&tea, &mut dump).unwrap();
        store.write(|tx| tx.delete_list(&"tea".parse().unwrap())).unwrap();
        assert_eq!(store.read().count_all_members().unwrap(), 1);
        store.write(|tx| tx.restore(&dump[..])).unwrap();
        is_counted(store.read(), 3);
    }

    fn put(store: &Store, addresses: &[&str]) {
        let tea = store.read().list("tea").unwrap().unwrap();
        let mut known = Vec::new();
        let keep = |whole| -> Result<(), StoreError> {
            known.push(whole);
            Ok(())
        };
        store.read().whole_members(tea.id, keep).unwrap();
        let whole = |address: &&str| WholeMember {
            member: Member {
                key: dormouse_mail::AddressKey::of(address),
                address: (*address).to_owned(),
                ..known[0].member.clone()
            },
            ..known[0].clone()
        };
        let whole: Vec<WholeMember> = addresses.iter().map(whole).collect();
        store
            .write(|tx| tx.put_members(tea.id, whole.into_iter().map(Ok::<_, StoreError>)))
            .unwrap();
    }

    #[test]
    fn members_come_and_go_at_the_same_time_and_none_is_miscounted() {
        let home = tempfile::tempdir().unwrap();
        let site = crate::testing::site(home.path(), "l.example").unwrap();
        let tea = Store::open(&site)
            .unwrap()
            .write(|tx| tx.create_list(&"tea".parse().unwrap(), "l.example", &[]))
            .unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (site, tea) = (&site, &tea);
                scope.spawn(move || {
                    let store = Store::open(site).unwrap();
                    for at in 0..20 {
                        // Half of the addresses are wanted by two threads.
                        let address = format!("m{at}-{}@x.example", thread / 2);
                        store
                            .write(|tx| tx.add_member(tea, &new(&address), time(1.0), "t"))
                            .unwrap();
                        if at % 3 == 0 {
                            store
                                .write(|tx| tx.remove_member(tea.id, &address, "t", time(2.0)))
                                .unwrap();
                        }
                    }
                });
            }
        });
        let store = Store::open(&site).unwrap();
        assert_eq!(store.read().check_counts().unwrap(), Vec::<String>::new());
        assert!(store.read().count_members(tea.id).unwrap() >= 26);
    }

    /// Statements that would not be counted.
    #[test]
    fn no_other_statement_adds_or_removes_members() {
        let mut rest = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut seen = 0;
        while let Some(path) = rest.pop() {
            if path.is_dir() {
                rest.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            if ["members/count.rs", "members/add.rs"].iter().any(|own| path.ends_with(own))
                || path.extension().is_none_or(|end| end != "rs")
            {
                continue;
            }
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for statement in ["delete from member ", "insert into member ", "members::rows("] {
                for (at, _) in words.match_indices(statement) {
                    seen += 1;
                    let near = (at.saturating_sub(160), (at + 400).min(words.len()));
                    let near = words.get(near.0..near.1).unwrap_or(&words);
                    let is_counted = near.contains("change_members(")
                        || near.contains(".put_many(") && words.contains("recount_members(");
                    assert!(is_counted, "{}: {near}", path.display());
                }
            }
        }
        assert!(seen > 4, "{seen}");
    }
}
