//! Invalid patterns in lists' settings, about which the owners are notified.

use crate::db::params;
use crate::{ListId, StoreError, Tx};
use dormouse_clock::Timestamp;

/// The time in seconds after which the owners are notified again.
const TOLD_FOR: f64 = 30.0 * 86_400.0;

impl Tx<'_> {
    /// Records an invalid pattern. Returns true if the owners should be notified now.
    pub fn note_pattern_problem(
        &self,
        list_id: ListId,
        setting: &str,
        pattern: &str,
        problem: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.execute(
            "insert into pattern_problem (list_id, setting, pattern, problem, told_at)
             values (?1, ?2, ?3, ?4, ?5) on conflict (list_id, setting, pattern)
             do update set problem = excluded.problem, told_at = excluded.told_at
             where pattern_problem.told_at < ?6 or pattern_problem.told_at > ?7", // A time in the future is due to a wrong clock.
            params![list_id, setting, pattern, problem, now, now - TOLD_FOR, now + 86_400.0],
        )
        .map(|changed| changed > 0)
    }
}
