//! Which jobs have been done for which period. A period's text sorts as the periods follow each
//! other: `2026-11-23`, `2026-12`.

use crate::db::params;
use crate::{ListId, Read, StoreError, Tx};

/// The period that a job is done for, and how late one may be that is believed to be over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The period, such as `2026-11-23`.
    pub name: String,
    /// The latest period that may have been done by now: a clock may be set back by an hour. What was
    /// done for a later one was done by a clock that was wrong, and is no reason to wait.
    pub latest: String,
}

impl Period {
    /// Whether it is over, with that as the last one that the job was done for.
    pub fn is_over(&self, last: &str) -> bool {
        last >= self.name.as_str() && self.is_believed(last)
    }

    /// Whether a job may have been done for that period.
    pub fn is_believed(&self, last: &str) -> bool {
        last <= self.latest.as_str()
    }
}

/// A period after which any may have been.
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
    /// The period that a job of the site was last done for.
    pub fn last_run(&self, job: &str) -> Result<Option<String>, StoreError> {
        let sql = "select period from job_run where job = ?1";
        self.first(sql, params![job], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Takes note that a job is done for a list and a period (a day, a month). False if it had
    /// been done for that period before, or for a later one that is believed.
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

    /// The same for a job of the whole site.
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
