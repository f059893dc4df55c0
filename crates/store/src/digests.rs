//! Posts that wait for the next digest.

use crate::{Store, StoreError, Tx, sql};
use rusqlite::params;

impl Store {
    /// How many posts wait for a list's next digest, and their size in bytes.
    pub fn digest_size(&self, list_id: i64) -> Result<(u64, u64), StoreError> {
        let (number, size): (i64, i64) = self.run(|connection| {
            sql::prepare(
                connection,
                "select count(*), coalesce(sum(size), 0) from digest_post where list_id = $1",
            )?
            .query_row([list_id], |row| Ok((row.get(0)?, row.get(1)?)))
        })?;
        Ok((u64::try_from(number).unwrap_or(0), u64::try_from(size).unwrap_or(0)))
    }
}

impl Tx<'_> {
    /// Keeps a post for the next digest, once for each queue entry.
    pub fn add_to_digest(
        &self,
        list_id: i64,
        entry: &str,
        posted_at: f64,
        content: &[u8],
    ) -> Result<(), StoreError> {
        self.run(|connection| {
            sql::execute(
                connection,
                "insert into digest_post (list_id, entry, posted_at, size, content)
                 values ($1, $2, $3, $4, $5) on conflict (entry) do nothing",
                params![list_id, entry, posted_at, content.len() as i64, content],
            )
        })?;
        Ok(())
    }
}
