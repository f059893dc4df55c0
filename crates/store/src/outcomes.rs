//! What commands by mail came to. The store commits before the queues do; a mail whose answer did
//! not get into its queue is processed again, and must then be answered as before.

use crate::db::params;
use crate::{Read, StoreError, Tx};

impl Read {
    /// Everything that is kept: the entry, and what it came to.
    pub fn outcomes(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.rows("select entry, content from outcome", &[], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// What an entry came to, if it was processed before.
    pub fn outcome(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.first("select content from outcome where entry = ?1", params![entry], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Keeps what an entry came to.
    pub fn keep_outcome(&self, entry: &str, content: &[u8], at: f64) -> Result<(), StoreError> {
        self.execute(
            "insert into outcome (entry, content, at) values (?1, ?2, ?3)
             on conflict (entry) do nothing",
            params![entry, content, at],
        )?;
        Ok(())
    }

    /// Forgets what an entry came to.
    pub fn forget_outcome(&self, entry: &str) -> Result<(), StoreError> {
        self.execute("delete from outcome where entry = ?1", params![entry])?;
        Ok(())
    }

    /// Forgets what was kept before a time, when the entries are long gone.
    pub fn forget_outcomes(&self, before: f64) -> Result<usize, StoreError> {
        self.execute("delete from outcome where at < ?1", params![before])
    }
}
