//! Which jobs have been done for which period. A period's text sorts as the periods follow each
//! other: `2026-11-23`, `2026-12`.

use crate::{Store, StoreError, Tx, sql};
use rusqlite::params;

impl Store {
    /// The period that a job of the site was last done for.
    pub fn last_run(&self, job: &str) -> Result<Option<String>, StoreError> {
        let sql = "select period from job_run where job = $1";
        self.run(|connection| sql::first(connection, sql, [job], |row| row.get(0)))
    }
}

impl Tx<'_> {
    /// Takes note that a job is done for a list and a period (a day, a month). False if it had
    /// been done for that period before, or for a later one: a clock may be set back.
    pub fn mark_done(&self, job: &str, list_id: i64, period: &str) -> Result<bool, StoreError> {
        self.run(|connection| {
            sql::execute(
                connection,
                "insert into job_done (job, list_id, period) values ($1, $2, $3)
                 on conflict (job, list_id) do update set period = excluded.period
                 where job_done.period < excluded.period",
                params![job, list_id, period],
            )
        })
        .map(|changed| changed > 0)
    }

    /// The same for a job of the whole site.
    pub fn mark_run(&self, job: &str, period: &str) -> Result<bool, StoreError> {
        self.run(|connection| {
            sql::execute(
                connection,
                "insert into job_run (job, period) values ($1, $2)
                 on conflict (job) do update set period = excluded.period
                 where job_run.period < excluded.period",
                params![job, period],
            )
        })
        .map(|changed| changed > 0)
    }
}
