//! Volumes and messages.

use super::{
    ArchiveIndex, Hit, Indexed, MESSAGE, VOLUME, Volume, of_message, read_hit, read_message,
    read_volume,
};
use crate::StoreError;
use crate::db::params;
use dormouse_mail::AddressKey;

impl ArchiveIndex {
    /// Returns all volumes, the newest first.
    pub fn volumes(&self) -> Result<Vec<Volume>, StoreError> {
        let sql = format!("select {VOLUME} from volume order by first_day desc, id desc");
        self.rows(&sql, &[], read_volume)
    }

    /// Returns a volume.
    pub fn volume(&self, id: i64) -> Result<Option<Volume>, StoreError> {
        self.first(&format!("select {VOLUME} from volume where id = ?1"), params![id], read_volume)
    }

    /// Returns the volume with this name, and creates it if it is missing.
    pub fn volume_named(
        &self,
        name: &str,
        label: &str,
        first_day: i64,
    ) -> Result<Volume, StoreError> {
        let find = format!("select {VOLUME} from volume where name = ?1");
        if let Some(volume) = self.first(&find, params![name], read_volume)? {
            return Ok(volume);
        }
        self.execute(
            "insert into volume (name, label, first_day) values (?1, ?2, ?3)",
            params![name, label, first_day],
        )?;
        self.first(&find, params![name], read_volume)?.ok_or_else(|| StoreError::Content {
            what: "a volume",
            problem: format!("{name} was not created"),
        })
    }

    /// Adds a message to the count of a volume (1), or removes one (-1).
    pub fn count_in_volume(&self, id: i64, change: i64, date: i64) -> Result<(), StoreError> {
        self.execute(
            "update volume set messages = messages + ?2,
                first_date = min(coalesce(first_date, ?3), ?3),
                last_date = max(coalesce(last_date, ?3), ?3)
             where id = ?1",
            params![id, change, date],
        )?;
        Ok(())
    }

    /// Sets how much of a volume's text is written, in bytes.
    pub fn set_text_length(&self, id: i64, length: i64) -> Result<(), StoreError> {
        self.execute("update volume set text_length = ?2 where id = ?1", params![id, length])?;
        Ok(())
    }

    /// Sets whether there is a compressed copy of a volume's text.
    pub fn set_gzipped(&self, id: i64, is_gzipped: bool) -> Result<(), StoreError> {
        self.execute("update volume set is_gzipped = ?2 where id = ?1", params![id, is_gzipped])?;
        Ok(())
    }

    /// Returns the message with this number.
    pub fn message(&self, number: i64) -> Result<Option<Indexed>, StoreError> {
        self.first(
            &format!("select {MESSAGE} from message where number = ?1"),
            params![number],
            read_message,
        )
    }

    /// Returns all messages with this Message-ID, in the order of their numbers.
    pub fn messages_with_id(&self, message_id: &str) -> Result<Vec<Indexed>, StoreError> {
        let sql = format!("select {MESSAGE} from message where message_id = ?1 order by number");
        self.rows(&sql, params![message_id], read_message)
    }

    /// Whether a message with these bytes is in the index.
    pub fn has_digest(&self, digest: &[u8]) -> Result<bool, StoreError> {
        let found = self.first(
            "select 1 from message where digest = ?1 limit 1",
            params![digest],
            |row| row.get::<i64>(0),
        )?;
        Ok(found.is_some())
    }

    /// Whether a message has this Message-ID.
    pub fn has_message_id(&self, message_id: &str) -> Result<bool, StoreError> {
        let found = self.first(
            "select 1 from message where message_id = ?1 limit 1",
            params![message_id],
            |row| row.get::<i64>(0),
        )?;
        Ok(found.is_some())
    }

    /// Returns the newest messages.
    pub fn newest(&self, count: u64) -> Result<Vec<Hit>, StoreError> {
        let sql = format!(
            "select {columns}, volume.name from message join volume on volume.id = volume_id
             where removed = 0 order by date desc, number desc limit ?1",
            columns = of_message()
        );
        self.rows(&sql, params![count as i64], read_hit)
    }

    /// Returns the number of messages, and the next message's number.
    pub fn counts(&self) -> Result<(i64, i64), StoreError> {
        let listed =
            self.first("select coalesce(sum(messages), 0) from volume", &[], |row| row.get(0))?;
        Ok((listed.unwrap_or(0), self.next_number()?))
    }

    /// Returns the numbers of messages from `first` on.
    pub fn numbers_from(&self, first: i64) -> Result<Vec<i64>, StoreError> {
        self.rows("select number from message where number >= ?1", params![first], |row| row.get(0))
    }

    /// Returns the numbers of a volume's messages, in the order of the mbox.
    pub fn numbers_in_volume(&self, volume_id: i64) -> Result<Vec<i64>, StoreError> {
        self.rows(
            "select number from message where volume_id = ?1 and removed = 0 order by mbox_start",
            params![volume_id],
            |row| row.get(0),
        )
    }

    /// Returns the number and date of the last indexed message of the mbox.
    pub fn last_of_mbox(&self) -> Result<Option<(i64, i64)>, StoreError> {
        self.first(
            "select number, date from message order by mbox_start desc limit 1",
            &[],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Marks the pages of messages to be written.
    pub fn mark_messages(&self, numbers: impl IntoIterator<Item = i64>) -> Result<(), StoreError> {
        numbers.into_iter().try_for_each(|number| {
            let sql = "insert into stale_message (number) values (?1) on conflict do nothing";
            self.execute(sql, params![number]).map(|_| ())
        })
    }

    /// Returns the first messages whose pages must be written, at most `count`.
    pub fn stale_messages(&self, count: usize) -> Result<Vec<i64>, StoreError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.rows(
            "select number from stale_message order by number limit ?1",
            params![count],
            |row| row.get(0),
        )
    }

    /// Returns the number of messages whose pages must be written.
    pub fn stale_count(&self) -> Result<i64, StoreError> {
        let count = self.first("select count(*) from stale_message", &[], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }

    /// Marks the pages of messages up to this one as written.
    pub fn mark_written(&self, last: i64) -> Result<(), StoreError> {
        self.execute("delete from stale_message where number <= ?1", params![last])?;
        Ok(())
    }

    /// Records a post in the part of the mbox that is not indexed yet.
    pub fn await_indexing(&self, digest: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "insert into waiting (digest) values (?1) on conflict do nothing",
            params![digest],
        )?;
        Ok(())
    }

    /// Whether a post is recorded as not yet indexed, or was in the index before it was rebuilt.
    pub fn awaits_indexing(&self, digest: &[u8]) -> Result<bool, StoreError> {
        let found = self.first(
            "select 1 from waiting where digest = ?1
             union all select 1 from known_number where digest = ?1 limit 1",
            params![digest],
            |row| row.get::<i64>(0),
        )?;
        Ok(found.is_some())
    }

    /// Deletes the records of posts that were not indexed, because the index is complete.
    pub fn forget_waiting(&self) -> Result<(), StoreError> {
        self.execute("delete from waiting", &[])?;
        Ok(())
    }

    /// Adds a message.
    pub fn insert(&self, message: &Indexed) -> Result<(), StoreError> {
        let sql = format!(
            "insert into message ({MESSAGE})
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        );
        self.execute(
            &sql,
            params![
                message.number,
                message.volume_id,
                message.mbox_start,
                message.mbox_length,
                message.digest,
                message.message_id,
                message.date,
                message.subject,
                message.author,
                message.email,
                message.excerpt,
                message.parent,
                message.stripped,
                message.thread_key,
                message.removed,
            ],
        )?;
        Ok(())
    }

    /// Returns the numbers of the messages of an author's address.
    pub fn messages_of(&self, email: &str) -> Result<Vec<i64>, StoreError> {
        let sql =
            "select number from message where lower(email) = ?1 and removed = 0 order by number";
        self.rows(sql, params![AddressKey::of(email)], |row| row.get(0))
    }

    /// Replaces the digest and excerpt of a changed message, and removes its words from the full
    /// text.
    pub fn put_text(&self, number: i64, digest: &[u8], excerpt: &str) -> Result<(), StoreError> {
        self.execute(
            "update message set digest = ?2, excerpt = ?3 where number = ?1",
            params![number, digest, excerpt],
        )?;
        self.execute("delete from word where rowid = ?1", params![number])?;
        Ok(())
    }

    /// Erases a message's content, author and words; its number and Message-ID are kept.
    pub fn mark_removed(&self, number: i64, digest: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "update message set removed = 1, digest = ?2, subject = '', author = '', email = '',
             excerpt = '', stripped = '' where number = ?1",
            params![number, digest],
        )?;
        self.execute("delete from word where rowid = ?1", params![number])?;
        Ok(())
    }
}
