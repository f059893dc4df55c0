//! Threads: which message answers which, within a volume.

use super::{ArchiveIndex, IndexLine, Indexed, MESSAGE, of_message, read_line, read_message};
use crate::StoreError;
use crate::db::params;

impl ArchiveIndex {
    /// Returns the last message with this Message-ID in a volume.
    pub fn in_volume(
        &self,
        volume_id: i64,
        message_id: &str,
    ) -> Result<Option<Indexed>, StoreError> {
        let sql = format!(
            "select {MESSAGE} from message where message_id = ?2 and volume_id = ?1
             order by number desc limit 1"
        );
        self.first(&sql, params![volume_id, message_id], read_message)
    }

    /// Returns the oldest message in a volume with this stripped subject.
    pub fn first_with_subject(
        &self,
        volume_id: i64,
        stripped: &str,
    ) -> Result<Option<Indexed>, StoreError> {
        let sql = format!(
            "select {MESSAGE} from message where volume_id = ?1 and stripped = ?2
             order by date, number limit 1"
        );
        self.first(&sql, params![volume_id, stripped], read_message)
    }

    /// Returns the replies to a message, by date.
    pub fn answers(&self, number: i64) -> Result<Vec<IndexLine>, StoreError> {
        self.rows(
            "select number, subject, author, date, thread_key from message
             where parent = ?1 and removed = 0 order by date, number",
            params![number],
            read_line,
        )
    }

    /// Returns the replies to a message, including removed ones, by number.
    pub fn children(&self, number: i64) -> Result<Vec<Indexed>, StoreError> {
        let sql = format!("select {MESSAGE} from message where parent = ?1 order by number");
        self.rows(&sql, params![number], read_message)
    }

    /// Sets a message's place in a thread.
    pub fn set_place(
        &self,
        number: i64,
        parent: Option<i64>,
        thread_key: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "update message set parent = ?2, thread_key = ?3 where number = ?1",
            params![number, parent, thread_key],
        )?;
        Ok(())
    }

    /// Records that a message answers one that is not in its volume yet.
    pub fn want(
        &self,
        volume_id: i64,
        message_id: &str,
        number: i64,
        rank: usize,
    ) -> Result<(), StoreError> {
        let rank = i64::try_from(rank).unwrap_or(i64::MAX);
        self.execute(
            "insert into wanted (volume_id, message_id, number, rank) values (?1, ?2, ?3, ?4)
             on conflict do nothing",
            params![volume_id, message_id, number, rank],
        )?;
        Ok(())
    }

    /// Returns the messages of a volume that answer a missing message with this Message-ID, in the
    /// order of their numbers.
    pub fn wanting(&self, volume_id: i64, message_id: &str) -> Result<Vec<Indexed>, StoreError> {
        let sql = format!(
            "select {columns} from wanted join message on message.number = wanted.number
             where wanted.volume_id = ?1 and wanted.message_id = ?2 and removed = 0
             order by message.number",
            columns = of_message()
        );
        self.rows(&sql, params![volume_id, message_id], read_message)
    }

    /// Records that a message's reference was found, and deletes its references of the same or a
    /// lower rank.
    pub fn found(&self, number: i64, message_id: &str) -> Result<(), StoreError> {
        self.execute(
            "delete from wanted where number = ?1 and rank >= coalesce(
             (select rank from wanted where number = ?1 and message_id = ?2), 0)",
            params![number, message_id],
        )?;
        Ok(())
    }

    /// Deletes all missing references of a message.
    pub fn want_nothing(&self, number: i64) -> Result<(), StoreError> {
        self.execute("delete from wanted where number = ?1", params![number])?;
        Ok(())
    }
}
