//! Volumes and messages.

use super::{
    ArchiveIndex, Hit, Indexed, MESSAGE, VOLUME, Volume, of_message, read_hit, read_message,
    read_volume,
};
use crate::StoreError;
use crate::db::params;
use dormouse_mail::AddressKey;

impl ArchiveIndex {
    /// All volumes, the newest first.
    pub fn volumes(&self) -> Result<Vec<Volume>, StoreError> {
        let sql = format!("select {VOLUME} from volume order by first_day desc, id desc");
        self.rows(&sql, &[], read_volume)
    }

    /// A volume.
    pub fn volume(&self, id: i64) -> Result<Option<Volume>, StoreError> {
        self.first(&format!("select {VOLUME} from volume where id = ?1"), params![id], read_volume)
    }

    /// The volume of that name, which is made if it is not there.
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
            problem: format!("{name} was not made"),
        })
    }

    /// Counts a message in (1) or out (-1) of a volume.
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

    /// Notes how much of a volume's text is written.
    pub fn set_text_length(&self, id: i64, length: i64) -> Result<(), StoreError> {
        self.execute("update volume set text_length = ?2 where id = ?1", params![id, length])?;
        Ok(())
    }

    /// Notes whether there is a compressed copy of a volume's text.
    pub fn set_gzipped(&self, id: i64, is_gzipped: bool) -> Result<(), StoreError> {
        self.execute("update volume set is_gzipped = ?2 where id = ?1", params![id, is_gzipped])?;
        Ok(())
    }

    /// The message of that number.
    pub fn message(&self, number: i64) -> Result<Option<Indexed>, StoreError> {
        self.first(
            &format!("select {MESSAGE} from message where number = ?1"),
            params![number],
            read_message,
        )
    }

    /// Every message with that Message-ID, the first one first.
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

    /// The newest messages.
    pub fn newest(&self, count: u64) -> Result<Vec<Hit>, StoreError> {
        let sql = format!(
            "select {columns}, volume.name from message join volume on volume.id = volume_id
             where removed = 0 order by date desc, number desc limit ?1",
            columns = of_message()
        );
        self.rows(&sql, params![count as i64], read_hit)
    }

    /// How many messages there are, and how many addresses were given.
    pub fn counts(&self) -> Result<(i64, i64), StoreError> {
        let listed =
            self.first("select coalesce(sum(messages), 0) from volume", &[], |row| row.get(0))?;
        Ok((listed.unwrap_or(0), self.next_number()?))
    }

    /// The numbers that came from `first` on.
    pub fn numbers_from(&self, first: i64) -> Result<Vec<i64>, StoreError> {
        self.rows("select number from message where number >= ?1", params![first], |row| row.get(0))
    }

    /// The messages of a volume, in the order of the mbox.
    pub fn numbers_in_volume(&self, volume_id: i64) -> Result<Vec<i64>, StoreError> {
        self.rows(
            "select number from message where volume_id = ?1 and removed = 0 order by mbox_start",
            params![volume_id],
            |row| row.get(0),
        )
    }

    /// Number and date of the last message of the mbox that was indexed.
    pub fn last_of_mbox(&self) -> Result<Option<(i64, i64)>, StoreError> {
        self.first(
            "select number, date from message order by mbox_start desc limit 1",
            &[],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Notes that the pages of messages have to be written.
    pub fn mark_messages(&self, numbers: impl IntoIterator<Item = i64>) -> Result<(), StoreError> {
        numbers.into_iter().try_for_each(|number| {
            let sql = "insert into stale_message (number) values (?1) on conflict do nothing";
            self.execute(sql, params![number]).map(|_| ())
        })
    }

    /// The first messages whose pages have to be written, `count` at the most.
    pub fn stale_messages(&self, count: usize) -> Result<Vec<i64>, StoreError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.rows(
            "select number from stale_message order by number limit ?1",
            params![count],
            |row| row.get(0),
        )
    }

    /// How many messages there are whose pages have to be written.
    pub fn stale_count(&self) -> Result<i64, StoreError> {
        let count = self.first("select count(*) from stale_message", &[], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }

    /// Notes that the pages of messages up to this one are written.
    pub fn mark_written(&self, last: i64) -> Result<(), StoreError> {
        self.execute("delete from stale_message where number <= ?1", params![last])?;
        Ok(())
    }

    /// Notes a post that stands in the mbox where the index does not reach yet.
    pub fn await_indexing(&self, digest: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "insert into waiting (digest) values (?1) on conflict do nothing",
            params![digest],
        )?;
        Ok(())
    }

    /// Whether that was noted of a post, or the index knew it before it was made anew.
    pub fn awaits_indexing(&self, digest: &[u8]) -> Result<bool, StoreError> {
        let found = self.first(
            "select 1 from waiting where digest = ?1
             union all select 1 from known_number where digest = ?1 limit 1",
            params![digest],
            |row| row.get::<i64>(0),
        )?;
        Ok(found.is_some())
    }

    /// The index reaches all posts.
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

    /// The messages with that author's address.
    pub fn messages_of(&self, email: &str) -> Result<Vec<i64>, StoreError> {
        let sql =
            "select number from message where lower(email) = ?1 and removed = 0 order by number";
        self.rows(sql, params![AddressKey::of(email)], |row| row.get(0))
    }

    /// Forgets the words of a message that says something else now, and keeps its first ones.
    pub fn put_text(&self, number: i64, digest: &[u8], excerpt: &str) -> Result<(), StoreError> {
        self.execute(
            "update message set digest = ?2, excerpt = ?3 where number = ?1",
            params![number, digest, excerpt],
        )?;
        self.execute("delete from word where rowid = ?1", params![number])?;
        Ok(())
    }

    /// Forgets what a message said; its address and Message-ID stay.
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
