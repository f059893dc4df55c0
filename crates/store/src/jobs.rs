//! Which jobs have been done for which period.

use crate::{StoreError, Tx, sql};
use rusqlite::params;

impl Tx<'_> {
    /// Takes note that a job is done for a list and a period (a day, a month). False if it had
    /// been done for that period before.
    pub fn mark_done(&self, job: &str, list_id: i64, period: &str) -> Result<bool, StoreError> {
        self.run(|connection| {
            sql::execute(
                connection,
                "insert into job_done (job, list_id, period) values ($1, $2, $3)
                 on conflict (job, list_id) do update set period = excluded.period
                 where job_done.period <> excluded.period",
                params![job, list_id, period],
            )
        })
        .map(|changed| changed > 0)
    }
}
