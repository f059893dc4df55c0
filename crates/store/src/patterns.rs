//! Patterns of lists that cannot be used.

use crate::db::params;
use crate::{ListId, StoreError, Tx};

/// After so many seconds owners are told again.
const TOLD_FOR: f64 = 30.0 * 86_400.0;

impl Tx<'_> {
    /// Notes a pattern that cannot be used. True if the owners are to be told now.
    pub fn note_pattern_problem(
        &self,
        list_id: ListId,
        setting: &str,
        pattern: &str,
        problem: &str,
        now: f64,
    ) -> Result<bool, StoreError> {
        self.execute(
            "insert into pattern_problem (list_id, setting, pattern, problem, told_at)
             values (?1, ?2, ?3, ?4, ?5) on conflict (list_id, setting, pattern)
             do update set problem = excluded.problem, told_at = excluded.told_at
             where pattern_problem.told_at < ?6 or pattern_problem.told_at > ?7", // One that is told of tomorrow was told by a clock that was wrong.
            params![list_id, setting, pattern, problem, now, now - TOLD_FOR, now + 86_400.0],
        )
        .map(|changed| changed > 0)
    }
}
