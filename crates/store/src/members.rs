//! Members. Large lists are read page by page, and are never completely in memory.

mod add;
mod count;
mod moves;
mod recipients;

pub use recipients::{Audience, Cursor, Interest, Recipient, RecipientPage};

use crate::db::{self, Param, Row, ToParam, params};
use crate::insert::Rows;
use crate::options::{MemberOption, MemberOptions};
use crate::value::choice;
use crate::{Act, Count, Due, ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use std::collections::BTreeMap;

choice! {
    /// Whether a member gets mail, and if not, who turned delivery off (docs/spec/pickles.md §4).
    Delivery {
        /// Mail is delivered.
        Enabled = 0 "enabled",
        /// Off, for an unknown reason.
        Unknown = 1 "unknown",
        /// The member turned it off.
        ByUser = 2 "byuser",
        /// An owner turned it off.
        ByAdmin = 3 "byadmin",
        /// Bounces turned it off.
        ByBounce = 4 "bybounce",
    }
}

impl Delivery {
    /// Returns the value for Mailman's number; an unknown number is an unknown reason.
    pub fn from_number(number: i64) -> Delivery {
        [Delivery::Enabled, Delivery::ByUser, Delivery::ByAdmin, Delivery::ByBounce]
            .into_iter()
            .find(|delivery| delivery.number() == number)
            .unwrap_or(Delivery::Unknown)
    }
}

/// A member of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The normalized address, by which the member is found.
    pub key: AddressKey,
    /// The address as the member writes it.
    pub address: String,
    /// The member's name, or empty.
    pub real_name: String,
    /// Whether the member gets digests instead of single posts.
    pub digest: bool,
    /// The options that Mailman knows.
    pub options: MemberOptions,
    /// Whether the member gets mail.
    pub delivery: Delivery,
    /// The language for notices; the list's if empty.
    pub language: String,
    /// When the member joined.
    pub joined_at: Timestamp,
}

/// A member to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMember {
    /// The address.
    pub address: String,
    /// The name, or empty.
    pub real_name: String,
    /// Whether the member gets digests instead of single posts.
    pub digest: bool,
}

/// The result of adding a [`NewMember`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The address is now a member.
    Added,
    /// The address was already a member.
    AlreadyMember,
}

/// The maximum number of members that one search examines.
const LOOKED_THROUGH: u32 = 100_000;

/// The columns for [`read`].
pub(crate) const COLUMNS: &str =
    "address_key, address, real_name, digest, options, delivery, language, joined_at";

/// Rows for the table of members.
pub(crate) fn rows<'r>(values: &'r [(&'r str, &'r str)], from: Option<&'r str>) -> Rows<'r> {
    Rows { table: "member", values, from, key: "list_id, address_key" }
}

pub(crate) fn read(row: &Row<'_>) -> db::Result<Member> {
    Ok(Member {
        key: row.get(0)?,
        address: row.get(1)?,
        real_name: row.get(2)?,
        digest: row.get(3)?,
        options: MemberOptions::from_bits(row.get(4)?),
        delivery: Delivery::from_number(row.get(5)?),
        language: row.get(6)?,
        joined_at: row.get(7)?,
    })
}

/// No statement adds, finds or removes more members.
const MOST_TOGETHER: usize = 500;

/// The placeholders of [`with_keys`].
fn places(keys: &[AddressKey]) -> String {
    (2..keys.len() + 2).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ")
}

/// The values of a statement about addresses on a list.
fn with_keys<'k>(list_id: &'k ListId, keys: &'k [AddressKey]) -> Vec<Param<'k>> {
    let list_id = [list_id.to_param()];
    list_id.into_iter().chain(keys.iter().map(ToParam::to_param)).collect()
}

impl Read {
    /// Returns the member with this address, in any case.
    pub fn member(&self, list_id: ListId, address: &str) -> Result<Option<Member>, StoreError> {
        let sql = format!("select {COLUMNS} from member where list_id = ?1 and address_key = ?2");
        self.first(&sql, params![list_id, AddressKey::of(address)], read)
    }

    /// Returns the language of the member with this address; empty if there is no such member, or
    /// none was chosen.
    pub fn language_of(&self, list_id: ListId, address: &str) -> Result<String, StoreError> {
        Ok(self.member(list_id, address)?.map(|member| member.language).unwrap_or_default())
    }

    /// Whether the address is a member.
    pub fn is_member(&self, list_id: ListId, address: &str) -> Result<bool, StoreError> {
        let sql = "select 1 from member where list_id = ?1 and address_key = ?2";
        let found =
            self.first(sql, params![list_id, AddressKey::of(address)], |row| row.get::<i64>(0))?;
        Ok(found.is_some())
    }

    /// Returns those of these addresses that are members.
    pub fn members_among(
        &self,
        list_id: ListId,
        keys: &[AddressKey],
    ) -> Result<BTreeMap<AddressKey, Member>, StoreError> {
        let mut found = BTreeMap::new();
        for keys in keys.chunks(MOST_TOGETHER) {
            let sql = format!(
                "select {COLUMNS} from member where list_id = ?1 and address_key in ({})",
                places(keys)
            );
            let members = self.rows(&sql, &with_keys(&list_id, keys), read)?;
            found.extend(members.into_iter().map(|member| (member.key.clone(), member)));
        }
        Ok(found)
    }

    /// Returns the topics that a member has chosen; none means all posts.
    pub fn topics(&self, list_id: ListId, address: &str) -> Result<Vec<String>, StoreError> {
        let sql = "select topics from member where list_id = ?1 and address_key = ?2";
        let found: Option<String> =
            self.first(sql, params![list_id, AddressKey::of(address)], |row| row.get(0))?;
        // An invalid value means that none was chosen.
        Ok(found.and_then(|topics| serde_json::from_str(&topics).ok()).unwrap_or_default())
    }

    /// Returns a member's stored password; empty if there is none.
    pub fn member_password(&self, list_id: ListId, address: &str) -> Result<String, StoreError> {
        let sql = "select password from member where list_id = ?1 and address_key = ?2";
        let found = self.first(sql, params![list_id, AddressKey::of(address)], |row| row.get(0))?;
        Ok(found.unwrap_or_default())
    }

    /// Returns the numbers of the lists of which the address is a member.
    pub fn lists_of(&self, address: &str) -> Result<Vec<ListId>, StoreError> {
        let sql = "select list_id from member where address_key = ?1 order by list_id";
        self.rows(sql, params![AddressKey::of(address)], |row| row.get(0))
    }

    /// Calls `each` with every member, sorted by address.
    pub fn members(
        &self,
        list_id: ListId,
        mut each: impl FnMut(Member) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut after = AddressKey::default();
        loop {
            let page = self.members_after(list_id, &after)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.key);
            page.into_iter().try_for_each(&mut each)?;
        }
    }

    /// Returns up to a thousand members after an address, sorted by address; none at the end.
    pub fn members_after(
        &self,
        list_id: ListId,
        after: &AddressKey,
    ) -> Result<Vec<Member>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from member where list_id = ?1 and address_key > ?2
             order by address_key limit 1000"
        );
        self.rows(&sql, params![list_id, after], read)
    }

    /// Returns up to `most` members after an address whose address or name contains a text, in any
    /// case, sorted by address; and the address where the search stopped if it has not examined all
    /// members. It examines [`LOOKED_THROUGH`] of them, to limit its time.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_members(
        &self,
        list_id: ListId,
        text: &str,
        after: &AddressKey,
        most: u32,
    ) -> Result<(Vec<Member>, Option<AddressKey>), StoreError> {
        let end = match text {
            "" => None,
            _ => {
                let sql = "select address_key from member where list_id = ?1 and address_key > ?2
                           order by address_key limit 1 offset ?3";
                self.first(sql, params![list_id, after, LOOKED_THROUGH], |row| row.get(0))?
            }
        };
        // `instr` is twice as fast as `like`, which matters for many members.
        let sql = format!(
            "select {COLUMNS} from member where list_id = ?1 and address_key > ?2
             and address_key <= ?5
             and (?3 = '' or instr(address_key, ?3) > 0 or instr(lower(real_name), ?3) > 0)
             order by address_key limit ?4"
        );
        // A range without an upper limit in a separate condition would prevent the use of the
        // index.
        let everything = char::MAX.to_string();
        let until = end.as_ref().map_or(everything.as_str(), AddressKey::as_str);
        let text = text.to_lowercase();
        Ok((self.rows(&sql, params![list_id, after, text, most, until], read)?, end))
    }

    /// Returns up to `most` members after an address whose address begins with a text, in any case,
    /// sorted by address.
    ///
    /// # Errors
    /// If the database fails.
    pub fn members_beginning(
        &self,
        list_id: ListId,
        text: &str,
        after: &AddressKey,
        most: u32,
    ) -> Result<Vec<Member>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from member where list_id = ?1 and address_key > ?2
             and address_key >= ?3 and address_key < ?4 order by address_key limit ?5"
        );
        let text = text.to_lowercase();
        // It follows every address that begins with the text.
        let end = format!("{text}{}", char::MAX);
        self.rows(&sql, params![list_id, after, text, end, most], read)
    }
}

impl Tx<'_> {
    /// Removes a member, and its pending requests. Returns false if there was none. `how` says who
    /// did it, and `at` when.
    pub fn remove_member(
        &self,
        list_id: ListId,
        address: &str,
        how: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.remove_members(list_id, &[AddressKey::of(address)], how, at)
            .map(|gone| !gone.is_empty())
    }

    /// Removes members and their pending requests, and returns those that there were.
    pub fn remove_members(
        &self,
        list_id: ListId,
        keys: &[AddressKey],
        how: &str,
        at: Timestamp,
    ) -> Result<BTreeMap<AddressKey, Member>, StoreError> {
        let gone = self.read().members_among(list_id, keys)?;
        let keys: Vec<AddressKey> = gone.keys().cloned().collect();
        for keys in keys.chunks(MOST_TOGETHER) {
            let (places, params) = (places(keys), with_keys(&list_id, keys));
            let sql =
                format!("delete from member where list_id = ?1 and address_key in ({places})");
            self.change_members(list_id, &sql, &params)?;
            // Requests to join stay.
            let sql = format!(
                "delete from pending
                 where list_id = ?1 and address in ({places}) and kind <> 'subscribe'"
            );
            self.execute(&sql, &params)?;
        }
        if !keys.is_empty() {
            self.tally(list_id, Count::Left, keys.len() as u64);
            self.add_consents(list_id, &keys, Act::Left, how, at)?;
        }
        Ok(gone)
    }

    /// Turns a member's delivery on again, and resets the bounce state. Returns false if there is
    /// no such member.
    pub fn re_enable(
        &self,
        list_id: ListId,
        address: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.note_done(Due::Disabled);
        self.execute(
            "update member set delivery = 0, delivery_changed_at = ?3, bounce_score = 0,
                 bounce_date = '', bounce_notices_left = 0, bounce_last_notice = '',
                 bounce_cookie = ''
             where list_id = ?1 and address_key = ?2",
            params![list_id, AddressKey::of(address), at],
        )
        .map(|changed| changed > 0)
    }

    /// Stores a member's password: hashed, or as it was imported.
    pub fn set_member_password(
        &self,
        list_id: ListId,
        address: &str,
        password: &str,
    ) -> Result<(), StoreError> {
        let sql = "update member set password = ?3 where list_id = ?1 and address_key = ?2";
        self.execute(sql, params![list_id, AddressKey::of(address), password])?;
        Ok(())
    }

    /// Sets the topics that a member has chosen; none means all posts.
    pub fn set_topics(
        &self,
        list_id: ListId,
        address: &str,
        topics: &[String],
    ) -> Result<(), StoreError> {
        let topics = serde_json::Value::from(topics).to_string();
        let sql = "update member set topics = ?3 where list_id = ?1 and address_key = ?2";
        self.execute(sql, params![list_id, AddressKey::of(address), topics])?;
        Ok(())
    }

    /// Sets or clears the moderation of all members' posts, and returns how many members changed.
    ///
    /// # Errors
    /// If the database fails.
    pub fn moderate_all(&self, list_id: ListId, are_moderated: bool) -> Result<u64, StoreError> {
        let bit = MemberOption::Moderate as i64;
        let (was, change) = if are_moderated { (0, bit) } else { (bit, -bit) };
        let sql = "update member set options = options + ?3
                   where list_id = ?1 and (options & ?2) = ?4";
        Ok(self.execute(sql, params![list_id, bit, change, was])? as u64)
    }

    /// Changes a member's name, language, options and delivery. If delivery is turned on again, the
    /// bounce score is reset.
    ///
    /// Each post belongs to one issue of the digest, and for each issue a member gets either the
    /// posts or the digest: up to the issue `one_last_digest` as before the last change of
    /// `digest`, then as `digest` says. If the current issue has posts, a change takes effect with
    /// the next one.
    pub fn update_member(
        &self,
        list_id: ListId,
        member: &Member,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if member.delivery == Delivery::ByBounce {
            self.note_due(Due::Disabled);
        }
        self.execute("update member set real_name = ?3, options = ?5, language = ?6,
                          one_last_digest = case
                              when digest = ?4 then one_last_digest
                              when one_last_digest >
                                      (select digests_sent from list where list.id = ?1) then 0
                              when exists (select 1 from digest_post where digest_post.list_id = ?1)
                                  then (select digests_sent + 1 from list where list.id = ?1)
                              else (select digests_sent from list where list.id = ?1)
                          end,
                          digest = ?4,
                          delivery_changed_at = case when delivery = ?7 then delivery_changed_at else ?8 end,
                          bounce_score = case when ?7 = 0 and delivery <> 0 then 0 else bounce_score end,
                          bounce_date = case when ?7 = 0 and delivery <> 0 then '' else bounce_date end,
                          delivery = ?7
                      where list_id = ?1 and address_key = ?2", params![
                    list_id, member.key, member.real_name, member.digest, member.options.bits(), member.language,
                    member.delivery.number(), at
                ])?;
        Ok(())
    }
}
