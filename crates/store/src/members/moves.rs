//! Changes of members' addresses.

use super::{Delivery, rows};
use crate::db::{Row, params};
use crate::{Act, ListId, Member, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;

impl Read {
    /// Returns the member that had this address at a time: under the same address if it has been a
    /// member since then, or under a later one after changes of address.
    pub fn member_since(
        &self,
        list_id: ListId,
        address: &str,
        at: Timestamp,
    ) -> Result<Option<Member>, StoreError> {
        const MOST_MOVES: usize = 20;
        let (mut key, mut since) = (AddressKey::of(address), at);
        for _ in 0..MOST_MOVES {
            if let Some(member) = self.member(list_id, &key)?
                && member.joined_at <= at
            {
                return Ok(Some(member));
            }
            let sql = "select new_key, at from moved
                       where list_id = ?1 and old_key = ?2 and at >= ?3";
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let moved: Option<(AddressKey, Timestamp)> =
                self.first(sql, params![list_id, key, since], read)?;
            match moved {
                Some(moved) => (key, since) = moved,
                None => break,
            }
        }
        Ok(None)
    }
}

impl Tx<'_> {
    /// Adds `new` as a member with all options of the member `old`, but without what is due to its
    /// address: bounces, and delivery that they turned off. Returns false if `new` is already a
    /// member, or `old` is not.
    pub fn clone_member(
        &self,
        list_id: ListId,
        old: &str,
        new: &str,
        at: Timestamp,
        consent: &str,
    ) -> Result<bool, StoreError> {
        let key = AddressKey::of(new);
        let values = [
            ("list_id", "list_id"),
            ("address_key", "?3"),
            ("domain", "?4"),
            ("address", "?5"),
            ("real_name", "real_name"),
            ("digest", "digest"),
            ("options", "options"),
            ("delivery", "case when delivery = ?6 then 0 else delivery end"),
            ("delivery_changed_at", "delivery_changed_at"),
            ("language", "language"),
            ("password", "password"),
            ("topics", "topics"),
            ("one_last_digest", "one_last_digest"),
            ("joined_at", "?7"),
            ("consent", "?8"),
        ];
        let old_member = "member where list_id = ?1 and address_key = ?2";
        let copied = self.change_members(
            list_id,
            &rows(&values, Some(old_member)).add(),
            params![
                list_id,
                AddressKey::of(old),
                key,
                key.domain(),
                new,
                Delivery::ByBounce.number(),
                at,
                consent
            ],
        )?;
        if copied > 0 {
            self.add_consent(list_id, &key, Act::Joined, consent, at)?;
        }
        Ok(copied > 0)
    }

    /// Changes a member's address. Everything else is kept, except for what is due to the old
    /// address: bounces, and delivery that they turned off. An address that differs only in case is
    /// changed as well. Returns false if `new` is another member, or `old` is not a member. `how`
    /// says who did it, and `at` when.
    pub fn move_member(
        &self,
        list_id: ListId,
        old: &str,
        new: &str,
        how: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (old, key) = (AddressKey::of(old), AddressKey::of(new));
        let how = format!("{old} to {new}, {how}");
        if old != key && self.read().is_member(list_id, &key)? {
            return Ok(false);
        }
        let moved = self.execute(
            "update member set address_key = ?3, domain = ?4, address = ?5,
                 delivery = case when delivery = ?6 then 0 else delivery end,
                 bounce_score = 0, bounce_date = '', bounce_notices_left = 0,
                 bounce_last_notice = '', bounce_cookie = ''
             where list_id = ?1 and address_key = ?2",
            params![list_id, old, key, key.domain(), new, Delivery::ByBounce.number()],
        )?;
        if moved > 0 {
            self.add_consent(list_id, &old, Act::Moved, &how, at)?;
            if old != key {
                self.add_consent(list_id, &key, Act::Moved, &how, at)?;
                self.note_moved(list_id, &old, &key, at)?;
            }
        }
        Ok(moved > 0)
    }

    fn note_moved(
        &self,
        list_id: ListId,
        old: &AddressKey,
        new: &AddressKey,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into moved (list_id, old_key, new_key, at) values (?1, ?2, ?3, ?4)
             on conflict (list_id, old_key)
             do update set new_key = excluded.new_key, at = excluded.at",
            params![list_id, old, new, at],
        )?;
        Ok(())
    }
}
