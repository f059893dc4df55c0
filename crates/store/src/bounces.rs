//! Refusals by the MTA.

use crate::{Store, StoreError, Tx, sql};
use rusqlite::params;

/// A recipient that the MTA refused for good.
#[derive(Debug, Clone, PartialEq)]
pub struct BounceEvent {
    /// The list whose mail it was.
    pub list_id: i64,
    /// The recipient.
    pub address: String,
    /// The queue entry. A refusal counts once, however often its entry is processed.
    pub entry: String,
    /// The SMTP reply code.
    pub code: i64,
    /// The reply.
    pub text: String,
    /// When, in seconds since the epoch.
    pub at: f64,
}

impl Store {
    /// A list's bounce events, the newest first.
    pub fn bounce_events(&self, list_id: i64) -> Result<Vec<BounceEvent>, StoreError> {
        self.run(|connection| {
            sql::rows(
                connection,
                "select list_id, address, entry, code, text, at from bounce_event
                 where list_id = $1 order by at desc, id desc",
                [list_id],
                |row| {
                    Ok(BounceEvent {
                        list_id: row.get(0)?,
                        address: row.get(1)?,
                        entry: row.get(2)?,
                        code: row.get(3)?,
                        text: row.get(4)?,
                        at: row.get(5)?,
                    })
                },
            )
        })
    }
}

impl Tx<'_> {
    /// Records a refusal, once.
    pub fn add_bounce_event(&self, event: &BounceEvent) -> Result<(), StoreError> {
        self.run(|connection| {
            sql::execute(
                connection,
                "insert into bounce_event (list_id, address, entry, code, text, at)
                 values ($1, $2, $3, $4, $5, $6) on conflict (entry, address) do nothing",
                params![
                    event.list_id,
                    event.address,
                    event.entry,
                    event.code,
                    event.text,
                    event.at
                ],
            )
        })?;
        Ok(())
    }
}
