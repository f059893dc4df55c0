//! Summaries of a site's lists.

use crate::db::{self, Row, params};
use crate::value::SettingValue as _;
use crate::{ListName, Read, StoreError};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;

use std::collections::BTreeMap;

/// The summary of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance {
    /// The list's name in the store.
    pub name: ListName,
    /// The host of its addresses.
    pub host: String,
    /// The list's description.
    pub description: String,
    /// The owners' addresses.
    pub owners: Vec<String>,
    /// The number of members.
    pub members: u64,
    /// The number of posts, according to the list's counter.
    pub posts: u64,
    /// When the last post was sent; 0 if there is none.
    pub last_post_time: Timestamp,
    /// The number of members with bounces, or whose delivery was turned off because of bounces.
    pub bouncing: u64,
    /// The number of held posts and requests.
    pub waiting: u64,
    /// Whether the list is closed.
    pub is_closed: bool,
}

/// A selection of lists.
#[derive(Debug, Clone, Copy, Default)]
pub struct Glances<'g> {
    /// A word in the name, the description or an owner's address; any if empty.
    pub word: &'g str,
    /// The host of their addresses; any if empty.
    pub host: &'g str,
    /// Only lists whose names are after this one.
    pub after: &'g str,
    /// The maximum number of lists.
    pub most: u32,
}

const SETTING: &str = "(select value from list_setting where list_id = list.id and name = ";

fn read(row: &Row<'_>) -> db::Result<Glance> {
    let owners: Option<String> = row.get(3)?;
    let closed: Option<String> = row.get(9)?;
    let count = |at: usize| row.get::<i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(Glance {
        name: row.get(0)?,
        host: row.get::<Option<String>>(1)?.unwrap_or_default(),
        description: row.get::<Option<String>>(2)?.unwrap_or_default(),
        owners: owners.map(|text| addresses(&text)).unwrap_or_default(),
        members: count(4)?,
        posts: count(5)?.saturating_sub(1),
        last_post_time: row.get(6)?,
        bouncing: count(7)?,
        waiting: count(8)?,
        is_closed: closed.is_some_and(|text| bool::read_kept(&text).unwrap_or(false)),
    })
}

fn addresses(kept: &str) -> Vec<String> {
    Vec::<String>::read_kept(kept).unwrap_or_default()
}

/// Returns a `like` pattern for texts that contain a word, with `\` before special characters.
fn within(word: &str) -> String {
    let mut pattern = String::from("%");
    for letter in word.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern + "%"
}

/// The names of the lists that a person owns or moderates.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Offices {
    /// The lists that the person owns.
    pub owns: Vec<String>,
    /// The lists that the person moderates.
    pub moderates: Vec<String>,
}

impl Read {
    /// Returns summaries sorted by name. Only the necessary settings are read, so that a page is
    /// fast on a site with many lists.
    pub fn glances(&self, of: Glances<'_>) -> Result<Vec<Glance>, StoreError> {
        let statement = format!(
            r"select list.name, {SETTING}'host_name'), {SETTING}'description'), {SETTING}'owner'),
                 coalesce((select number from member_count where list_id = list.id), 0),
                 list.post_id, list.last_post_time,
                 (select count(*) from member
                  where list_id = list.id and (bounce_date <> '' or delivery = 4)),
                 (select count(*) from held_post where list_id = list.id)
                     + (select count(*) from held_request where list_id = list.id),
                 {SETTING}'closed')
             from list
             where list.name > ?1
               and (?2 = '' or {SETTING}'host_name') = ?2)
               and (?3 = '%%' or list.name like ?3 escape '\' or exists (
                   select 1 from list_setting where list_id = list.id
                   and list_setting.name in ('description', 'owner', 'real_name')
                   and lower(value) like ?3 escape '\'))
             order by list.name limit ?4"
        );
        let word = within(of.word.trim());
        let host = of.host.trim().to_lowercase();
        self.rows(&statement, params![of.after, host, word, of.most], read)
    }

    /// Returns the hosts of lists' addresses, each with the number of its lists.
    pub fn hosts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let statement = "select value, count(*) from list_setting where name = 'host_name'
                         group by value order by value";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<i64>(1)?));
        let rows: Vec<(String, i64)> = self.rows(statement, params![], read)?;
        Ok(rows.into_iter().map(|(host, lists)| (host, lists.unsigned_abs())).collect())
    }

    /// Whether a list has or had its addresses at this host.
    pub fn has_host(&self, host: &str) -> Result<bool, StoreError> {
        let statement = "select 1 from list_setting where name = 'host_name' and lower(value) = ?1
                         union all select 1 from former_name where lower(host) = ?1";
        self.any(statement, params![host.to_ascii_lowercase()])
    }

    /// Returns everybody who owns or moderates lists, by address.
    pub fn who_runs_lists(&self) -> Result<BTreeMap<AddressKey, Offices>, StoreError> {
        let statement = "select list.name, list_setting.name, value from list_setting
                         join list on list.id = list_setting.list_id
                         where list_setting.name in ('owner', 'moderator') order by list.name";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows: Vec<(String, String, String)> = self.rows(statement, params![], read)?;
        let mut people = BTreeMap::<AddressKey, Offices>::new();
        for (list, role, kept) in rows {
            for address in addresses(&kept) {
                let person = people.entry(AddressKey::of(&address)).or_default();
                let lists = if role == "owner" { &mut person.owns } else { &mut person.moderates };
                lists.push(list.clone());
            }
        }
        Ok(people)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewMember, Store};

    #[test]
    fn lists_are_found_by_word_and_host_and_pages_follow_each_other() {
        let home = tempfile::tempdir().unwrap();
        let site = crate::testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        for (name, host, owner) in [
            ("dev", "l.example", "anna@x.example"),
            ("tea", "l.example", "otto@x.example"),
            ("a_b", "m.example", "otto@x.example"),
            ("axb", "m.example", "Anna@X.example"),
        ] {
            store
                .write(|tx| tx.create_list(&name.parse().unwrap(), host, &[owner.to_owned()]))
                .unwrap();
        }
        store.write(|tx| tx.set_setting("tea", "description", "Grüne Blätter, 50%")).unwrap();
        let tea = store.read().list("tea").unwrap().unwrap();
        let member = NewMember {
            address: "m@x.example".to_owned(),
            real_name: String::new(),
            digest: false,
        };
        store.write(|tx| tx.add_member(&tea, &member, Timestamp::from_seconds(1.0), "t")).unwrap();
        let names = |of: Glances<'_>| -> Vec<String> {
            let found = store.read().glances(Glances { most: 50, ..of }).unwrap();
            found.into_iter().map(|list| list.name.into()).collect()
        };
        assert_eq!(names(Glances::default()), ["a_b", "axb", "dev", "tea"]);
        assert_eq!(names(Glances { after: "axb", ..Glances::default() }), ["dev", "tea"]);
        assert_eq!(names(Glances { host: "M.example", ..Glances::default() }), ["a_b", "axb"]);
        assert_eq!(names(Glances { word: "anna@", ..Glances::default() }), ["axb", "dev"]);
        assert_eq!(names(Glances { word: "A_B", ..Glances::default() }), ["a_b"]);
        assert_eq!(names(Glances { word: "50%", ..Glances::default() }), ["tea"]);
        let glance =
            store.read().glances(Glances { word: "tea", most: 1, ..Glances::default() }).unwrap();
        assert_eq!((glance[0].members, glance[0].posts), (1, 0));
        assert_eq!(glance[0].owners, ["otto@x.example"]);
        assert_eq!(store.read().hosts().unwrap().len(), 2);
        for (host, is_known) in [("l.example", true), ("L.Example", true), ("other.example", false)]
        {
            assert_eq!(store.read().has_host(host).unwrap(), is_known, "{host}");
        }
        let people = store.read().who_runs_lists().unwrap();
        assert_eq!(people["anna@x.example"].owns, ["axb", "dev"]);
    }
}
