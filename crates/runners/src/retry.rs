//! The retry runner: what is due goes back to `out`, or to the queue that it names.

use dormouse_spool::{Queue, Spool, SpoolError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Metadata key: the queue that an entry goes back to, when that is not `out`.
pub const BACK_TO: &str = "retry_for";

/// Metadata key: why an entry waits.
pub const REASON: &str = "retry_reason";

/// Moves every entry whose time has come, and returns how many those are.
///
/// An entry's file time says when it is due, so that waiting entries are not opened. Entries that
/// Mailman wrote say so in their metadata (`deliver_after`); their file time is set on the way.
pub fn run(spool: &Spool, now: SystemTime) -> Result<u64, SpoolError> {
    let mut moved = 0;
    for found in spool.list(Queue::Retry)? {
        if found.state != dormouse_spool::FoundState::Ready || found.modified > now {
            continue;
        }
        let Some(mut claim) = spool.claim(Queue::Retry, &found.name)? else { continue };
        let (due, queue) = match claim.read() {
            Ok(entry) => (
                entry.metadata.float("deliver_after").unwrap_or(0.0),
                entry.metadata.text(BACK_TO).and_then(|name| name.parse().ok()),
            ),
            Err(error) if error.is_bad_entry() => {
                let kept = claim.preserve()?;
                tracing::error!("{error}; kept as {}", kept.display());
                continue;
            }
            Err(error) => return Err(error),
        };
        let due = UNIX_EPOCH
            .checked_add(Duration::try_from_secs_f64(due).unwrap_or_default())
            .unwrap_or(now);
        if due > now {
            claim.wait_until(due)?;
        } else {
            claim.move_to(queue.unwrap_or(Queue::Out))?;
            moved += 1;
        }
    }
    Ok(moved)
}
