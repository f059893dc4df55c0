//! Answers of the domain name system, kept as long as they are good, so that they outlive the
//! process that asked.

use crate::{Store, StoreError, Tx, sql};
use rusqlite::params;

impl Store {
    /// The answer for a name, if it is still good at `now` (seconds since the epoch).
    pub fn dns_answer(&self, name: &str, now: f64) -> Result<Option<String>, StoreError> {
        self.run(|connection| {
            sql::first(
                connection,
                "select answer from dns_answer where name = $1 and expires_at > $2",
                params![name, now],
                |row| row.get(0),
            )
        })
    }
}

impl Tx<'_> {
    /// Keeps an answer, and forgets those that are not good any more.
    pub fn keep_dns_answer(
        &self,
        name: &str,
        answer: &str,
        expires_at: f64,
        now: f64,
    ) -> Result<(), StoreError> {
        self.run(|connection| {
            sql::execute(connection, "delete from dns_answer where expires_at <= $1", [now])?;
            sql::execute(
                connection,
                "insert into dns_answer (name, answer, expires_at) values ($1, $2, $3)
                 on conflict (name) do update
                 set answer = excluded.answer, expires_at = excluded.expires_at",
                params![name, answer, expires_at],
            )
        })?;
        Ok(())
    }
}
