//! Members. Large memberships are streamed, page by page, and never held whole.

mod moves;
mod recipients;

pub use recipients::{Audience, Cursor, Interest, Recipient};

use crate::db::{self, Row, params};
use crate::insert::Rows;
use crate::options::{MemberOption, MemberOptions};
use crate::value::choice;
use crate::{Act, Count, Due, List, ListId, Read, StoreError, Tx};
use dormouse_mail::AddressKey;
use std::sync::LazyLock;

choice! {
    /// Whether a member gets mail, and who decided that not (docs/spec/pickles.md §4).
    Delivery {
        /// Mail is delivered.
        Enabled = 0 "enabled",
        /// Off, for a reason that is not known.
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
    /// By Mailman's number; one that it does not know has an unknown reason.
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
    /// The address, by which the member is found.
    pub key: AddressKey,
    /// The address as the member writes it.
    pub address: String,
    /// The member's name, or nothing.
    pub real_name: String,
    /// Digests instead of single posts.
    pub digest: bool,
    /// Mailman's options.
    pub options: MemberOptions,
    /// Whether mail is delivered.
    pub delivery: Delivery,
    /// The language for notices; the list's when empty.
    pub language: String,
    /// Since when, in seconds since the epoch.
    pub joined_at: f64,
}

/// A member to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMember {
    /// The address.
    pub address: String,
    /// The name, or nothing.
    pub real_name: String,
    /// Digests instead of single posts.
    pub digest: bool,
}

/// What became of a [`NewMember`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// A member now.
    Added,
    /// A member already.
    AlreadyMember,
}

/// So many members are looked through in one search.
const LOOKED_THROUGH: u32 = 100_000;

/// What [`read`] reads.
pub(crate) const COLUMNS: &str =
    "address_key, address, real_name, digest, options, delivery, language, joined_at";

/// Rows for the table of members.
pub(crate) fn rows<'r>(values: &'r [(&'r str, &'r str)], from: Option<&'r str>) -> Rows<'r> {
    Rows { table: "member", values, from, key: "list_id, address_key" }
}

/// The statement that adds a member: made once, as thousands are added together.
static ADD: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("list_id", "?1"),
        ("address_key", "?2"),
        ("domain", "?3"),
        ("address", "?4"),
        ("real_name", "?5"),
        ("digest", "?6"),
        ("options", "?7"),
        ("joined_at", "?8"),
        ("consent", "?9"),
    ];
    rows(&values, None).add()
});

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

impl Read {
    /// The member with that address, in any case.
    pub fn member(&self, list_id: ListId, address: &str) -> Result<Option<Member>, StoreError> {
        let sql = format!("select {COLUMNS} from member where list_id = ?1 and address_key = ?2");
        self.first(&sql, params![list_id, AddressKey::of(address)], read)
    }

    /// The language of the member with that address; empty when it is nobody's or none was chosen.
    pub fn language_of(&self, list_id: ListId, address: &str) -> Result<String, StoreError> {
        Ok(self.member(list_id, address)?.map(|member| member.language).unwrap_or_default())
    }

    /// Whether that address is a member's.
    pub fn is_member(&self, list_id: ListId, address: &str) -> Result<bool, StoreError> {
        let sql = "select 1 from member where list_id = ?1 and address_key = ?2";
        let found =
            self.first(sql, params![list_id, AddressKey::of(address)], |row| row.get::<i64>(0))?;
        Ok(found.is_some())
    }

    /// The topics that a member wants to read about; none means all posts.
    pub fn topics(&self, list_id: ListId, address: &str) -> Result<Vec<String>, StoreError> {
        let sql = "select topics from member where list_id = ?1 and address_key = ?2";
        let found: Option<String> =
            self.first(sql, params![list_id, AddressKey::of(address)], |row| row.get(0))?;
        // What is no list of names chooses nothing.
        Ok(found.and_then(|topics| serde_json::from_str(&topics).ok()).unwrap_or_default())
    }

    /// A member's password as it is stored; empty for one who never had any.
    pub fn member_password(&self, list_id: ListId, address: &str) -> Result<String, StoreError> {
        let sql = "select password from member where list_id = ?1 and address_key = ?2";
        let found = self.first(sql, params![list_id, AddressKey::of(address)], |row| row.get(0))?;
        Ok(found.unwrap_or_default())
    }

    /// The lists that an address is a member of, by number.
    pub fn lists_of(&self, address: &str) -> Result<Vec<ListId>, StoreError> {
        let sql = "select list_id from member where address_key = ?1 order by list_id";
        self.rows(sql, params![AddressKey::of(address)], |row| row.get(0))
    }

    /// Calls `each` with every member, by address.
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

    /// Up to a thousand members, by address, after one; none at the end.
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

    /// Up to `most` members whose address or name contains some text, in any case, by address,
    /// after one; and where the search stopped if it has not looked through all of them. It looks through
    /// [`LOOKED_THROUGH`] of them, so that nobody waits for it.
    ///
    /// # Errors
    /// When the database fails.
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
        // Twice as fast as `like`, which matters where many are looked through.
        let sql = format!(
            "select {COLUMNS} from member where list_id = ?1 and address_key > ?2
             and address_key <= ?5
             and (?3 = '' or instr(address_key, ?3) > 0 or instr(lower(real_name), ?3) > 0)
             order by address_key limit ?4"
        );
        // A condition that may also be empty would hide from the index where the search ends.
        let everything = char::MAX.to_string();
        let until = end.as_ref().map_or(everything.as_str(), AddressKey::as_str);
        let text = text.to_lowercase();
        Ok((self.rows(&sql, params![list_id, after, text, most, until], read)?, end))
    }

    /// Up to `most` members whose address begins with some text, in any case, by address, after one.
    ///
    /// # Errors
    /// When the database fails.
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
        // Nothing that begins so is behind it.
        let end = format!("{text}{}", char::MAX);
        self.rows(&sql, params![list_id, after, text, end, most], read)
    }

    /// How many members a list has.
    pub fn count_members(&self, list_id: ListId) -> Result<u64, StoreError> {
        let count: i64 =
            self.one("select count(*) from member where list_id = ?1", params![list_id], |row| {
                row.get(0)
            })?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many memberships there are on all lists together.
    pub fn count_all_members(&self) -> Result<u64, StoreError> {
        let count: Option<i64> =
            self.first("select count(*) from member", params![], |row| row.get(0))?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }
}

impl Tx<'_> {
    /// Adds a member with the list's options for new ones.
    pub fn add_member(
        &self,
        list: &List,
        new: &NewMember,
        at: f64,
        consent: &str,
    ) -> Result<Added, StoreError> {
        let key = AddressKey::of(&new.address);
        let options = list.settings.new_options();
        let (name, domain) = (&new.real_name, key.domain());
        let added = self.execute(
            &ADD,
            params![
                list.id,
                key,
                domain,
                new.address,
                name,
                new.digest,
                options.bits(),
                at,
                consent
            ],
        )?;
        if added == 0 {
            return Ok(Added::AlreadyMember);
        }
        self.tally(list.id, Count::Joined, 1);
        self.add_consent(list.id, &key, Act::Joined, consent, at)?;
        Ok(Added::Added)
    }

    /// Removes a member; false when there was none. `how` says who did it, at `at` in seconds since
    /// the epoch.
    pub fn remove_member(
        &self,
        list_id: ListId,
        address: &str,
        how: &str,
        at: f64,
    ) -> Result<bool, StoreError> {
        let sql = "delete from member where list_id = ?1 and address_key = ?2";
        let removed = self.execute(sql, params![list_id, AddressKey::of(address)])?;
        if removed > 0 {
            self.tally(list_id, Count::Left, 1);
            self.add_consent(list_id, address, Act::Left, how, at)?;
            self.forget_pending_of_member(list_id, address)?;
        }
        Ok(removed > 0)
    }

    /// A member gets mail again, and what bounced is forgotten.
    pub fn re_enable(&self, list_id: ListId, address: &str, at: f64) -> Result<bool, StoreError> {
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

    /// Keeps a member's password, as it is stored: hashed, or as it was imported.
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

    /// Sets the topics that a member wants to read about; none means all posts.
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

    /// Lets the posts of all members wait for a moderator, or of none; how many members that changed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn moderate_all(&self, list_id: ListId, are_moderated: bool) -> Result<u64, StoreError> {
        let bit = MemberOption::Moderate as i64;
        let (was, change) = if are_moderated { (0, bit) } else { (bit, -bit) };
        let sql = "update member set options = options + ?3
                   where list_id = ?1 and (options & ?2) = ?4";
        Ok(self.execute(sql, params![list_id, bit, change, was])? as u64)
    }

    /// Changes a member's options and delivery. With delivery turned on again all bounces are forgotten.
    ///
    /// A post belongs to one issue of the digest, and for each issue a member either gets posts one by one or
    /// the digest: up to the issue `one_last_digest` as it was before the last switch, then as `digest`
    /// says. A switch takes effect with the next issue if there are posts for this one.
    pub fn update_member(
        &self,
        list_id: ListId,
        member: &Member,
        at: f64,
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
