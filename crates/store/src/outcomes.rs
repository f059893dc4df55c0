//! The results of commands by mail. The database commits before the queues. If the process dies in
//! between, the mail is processed again, and must get the same reply.

use crate::db::params;
use crate::{Read, StoreError, Tx};
use dormouse_clock::Timestamp;

impl Read {
    /// Returns all stored results, with the names of their entries.
    pub fn outcomes(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.rows("select entry, content from outcome", &[], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Returns the result of an entry, if it was processed before.
    pub fn outcome(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.first("select content from outcome where entry = ?1", params![entry], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Stores the result of an entry.
    pub fn keep_outcome(
        &self,
        entry: &str,
        content: &[u8],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into outcome (entry, content, at) values (?1, ?2, ?3)
             on conflict (entry) do nothing",
            params![entry, content, at],
        )?;
        Ok(())
    }

    /// Deletes the result of an entry.
    pub fn forget_outcome(&self, entry: &str) -> Result<(), StoreError> {
        self.execute("delete from outcome where entry = ?1", params![entry])?;
        Ok(())
    }

    /// Deletes the results from before a time, whose entries no longer exist, and returns how many
    /// there were.
    pub fn forget_outcomes(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.execute("delete from outcome where at < ?1", params![before])
    }
}
