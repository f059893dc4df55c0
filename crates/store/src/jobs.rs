//! Which jobs have been done for which period. The texts of periods sort chronologically:
//! `2026-11-23`, `2026-12`.

use crate::db::params;
use crate::{ListId, Read, StoreError, Tx};

/// The period of a job, and the latest one that can have been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The period, such as `2026-11-23`.
    pub name: String,
    /// The latest period that can have been done by now, given that a clock may be set back by an
    /// hour. A recorded later one was due to a wrong clock, and does not count.
    pub latest: String,
}

impl Period {
    /// Whether the job has been done for this period, given the last period for which it was done.
    pub fn is_over(&self, last: &str) -> bool {
        last >= self.name.as_str() && self.is_believed(last)
    }

    /// Whether a job can have been done for this period.
    pub fn is_believed(&self, last: &str) -> bool {
        last <= self.latest.as_str()
    }
}

/// A period without a limit for later ones.
impl From<&str> for Period {
    fn from(name: &str) -> Period {
        Period { name: name.to_owned(), latest: "~".to_owned() }
    }
}

impl From<&Period> for Period {
    fn from(period: &Period) -> Period {
        period.clone()
    }
}

impl Read {
    /// Returns the last period for which a job of the site was done.
    pub fn last_run(&self, job: &str) -> Result<Option<String>, StoreError> {
        let sql = "select period from job_run where job = ?1";
        self.first(sql, params![job], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Records that a job is done for a list and a period (a day, a month). Returns false if it was
    /// already done for this period or for a credible later one.
    pub fn mark_done(
        &self,
        job: &str,
        list_id: ListId,
        period: impl Into<Period>,
    ) -> Result<bool, StoreError> {
        let Period { name, latest } = period.into();
        self.execute(
            "insert into job_done (job, list_id, period) values (?1, ?2, ?3)
             on conflict (job, list_id) do update set period = excluded.period
             where job_done.period < excluded.period or job_done.period > ?4",
            params![job, list_id, name, latest],
        )
        .map(|changed| changed > 0)
    }

    /// As [`Tx::mark_done`], for a job of the whole site.
    pub fn mark_run(&self, job: &str, period: impl Into<Period>) -> Result<bool, StoreError> {
        let Period { name, latest } = period.into();
        self.execute(
            "insert into job_run (job, period) values (?1, ?2)
             on conflict (job) do update set period = excluded.period
             where job_run.period < excluded.period or job_run.period > ?3",
            params![job, name, latest],
        )
        .map(|changed| changed > 0)
    }
}
