//! Automatic replies already sent, requests per day, and recent posts, for limiting each.

use crate::db::params;
use crate::{ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;

impl Read {
    /// Returns until when a sender gets no automatic reply of this kind; the epoch if there is no
    /// such limit.
    pub fn quiet_until(
        &self,
        list_id: ListId,
        kind: &str,
        address: &str,
    ) -> Result<Timestamp, StoreError> {
        let sql =
            "select until from autoresponse where list_id = ?1 and kind = ?2 and address = ?3";
        let found =
            self.first(sql, params![list_id, kind, AddressKey::of(address)], |row| row.get(0))?;
        Ok(found.unwrap_or_default())
    }

    /// Returns how often requests of this kind were counted for a subject on a day (as
    /// `2026-11-23`).
    pub fn asked(&self, kind: &str, subject: &str, day: &str) -> Result<u64, StoreError> {
        let sql = "select number from asked where kind = ?1 and subject = ?2 and day = ?3";
        let subject = subject.to_lowercase();
        let found: Option<i64> = self.first(sql, params![kind, subject, day], |row| row.get(0))?;
        Ok(found.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }
}

impl Tx<'_> {
    /// Records that a sender gets no automatic reply of this kind before `until`.
    pub fn keep_quiet(
        &self,
        list_id: ListId,
        kind: &str,
        address: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into autoresponse (list_id, kind, address, until) values (?1, ?2, ?3, ?4)
             on conflict (list_id, kind, address) do update set until = excluded.until",
            params![list_id, kind, AddressKey::of(address), until],
        )?;
        Ok(())
    }

    /// Counts a request of this kind for a subject on a day (as `2026-11-23`). Returns false, and
    /// does not count it, if there were `most` already; 0 means no limit.
    pub fn count_asked(
        &self,
        kind: &str,
        subject: &str,
        day: &str,
        most: u64,
    ) -> Result<bool, StoreError> {
        if most == 0 {
            return Ok(true);
        }
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.execute("delete from asked where day < ?1", params![day])?;
        let changed = self.execute(
            "insert into asked (kind, subject, day, number) values (?1, ?2, ?3, 1)
             on conflict (kind, subject, day) do update set number = asked.number + 1
             where asked.number < ?4",
            params![kind, subject.to_lowercase(), day, most],
        )?;
        Ok(changed > 0)
    }

    /// Records a post, which counts until `until`, and returns how many of the sender's posts count
    /// at `now`, including this one. A post counts once, however often its entry is processed.
    pub fn count_recent(
        &self,
        list_id: ListId,
        address: &str,
        entry: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let address = AddressKey::of(address);
        self.execute(
            "delete from recent_post where list_id = ?1 and until <= ?2",
            params![list_id, now],
        )?;
        self.execute(
            "insert into recent_post (list_id, address, entry, until)
             values (?1, ?2, ?3, ?4) on conflict (list_id, address, entry) do nothing",
            params![list_id, address, entry, until],
        )?;
        self.read().one(
            "select count(*) from recent_post where list_id = ?1 and address = ?2",
            params![list_id, address],
            |row| row.get(0),
        )
    }
}
