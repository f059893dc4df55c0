//! The retry runner: moves due entries back to `out`, or to the queue that they name.

use crate::queue::{QueueDesk, Runner, TakenEntry};
use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_spool::{
    Entry, EntryName, Envelope, Queue, QueueFile, QueueFileState, Spool, SpoolError,
};
use dormouse_store::{Config, LONGEST_WAIT};
use dormouse_trace::Step;

/// Returns the entries that are due according to their file's time, or whose time is impossible. So
/// waiting entries need not be opened.
pub(crate) fn due(
    spool: &Spool,
    config: &Config,
    queue: Queue,
) -> Result<Vec<EntryName>, SpoolError> {
    let now = dormouse_clock::now();
    let longest = config.longest_retry_wait();
    let is_due = |found: &QueueFile| {
        found.state == QueueFileState::Ready && found.due(now, longest).is_none_or(|due| due <= now)
    };
    Ok(spool.list(queue)?.into_iter().filter(is_due).map(|found| found.name).collect())
}

/// Moves due entries back to their queue. Mailman's entries have their due time only in the
/// metadata (`deliver_after`); it is copied to the file's time here.
pub(crate) struct Retry;

impl Runner for Retry {
    fn work(&mut self, desk: &mut QueueDesk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        for TakenEntry { claim, entry, .. } in taken {
            let envelope = match Envelope::read(&entry.metadata) {
                Ok(envelope) => envelope,
                Err(wrong) => {
                    desk.set_aside(claim, entry, &wrong.to_string())?;
                    continue;
                }
            };
            let now = dormouse_clock::now();
            let latest = now + desk.shared.site.config().longest_retry_wait();
            // However far away its time is, it is checked regularly, because the clock may have
            // been wrong.
            if let Some(due) = envelope.scheduled_for().and_then(Timestamp::to_system)
                && due > now
            {
                claim.wait_until(due.min(latest))?;
                continue;
            }
            match envelope.deliver_after().unwrap_or_default().to_system() {
                Some(due) if due > now && due <= latest => {
                    claim.wait_until(due)?;
                    continue;
                }
                Some(due) if due <= now => {}
                _ => tracing::warn!(
                    "retry/{}: its due date is impossible; it is tried now",
                    claim.name()
                ),
            }
            claim.move_to(envelope.retry_for().unwrap_or(Queue::Out))?;
            desk.tally.count(Step::Passed);
        }
        Ok(())
    }
}

/// The first wait after a failure, in seconds; it is doubled each time.
const FIRST_WAIT: f64 = 60.0;

/// Returns the entry for `retry`, where it waits longer each time until it returns to its queue. It
/// is for articles, and for entries for another host's archive.
///
/// # Errors
/// The reason why it is not tried again, if `delivery.retry_period` is over.
pub(crate) fn postponed(
    config: &Config,
    queue: Queue,
    entry: Entry,
    reason: &str,
) -> Result<Entry, String> {
    let now = Timestamp::now();
    let period = config.delivery_retry_period.seconds_f64();
    let envelope = entry.metadata.envelope();
    // A later date was stored while the clock was wrong.
    let until = envelope.deliver_until().unwrap_or(now + period).min(now + period);
    if now > until {
        return Err(format!("given up after delivery.retry_period: {reason}"));
    }
    let attempts = envelope.news_attempts().unwrap_or(0).clamp(0, 20);
    let wait = (FIRST_WAIT * f64::from(1u32 << attempts)).min(LONGEST_WAIT.as_secs_f64());
    let mut entry = Entry::new(entry.message, entry.metadata);
    entry.metadata.edit().news_attempts(attempts + 1);
    entry.metadata.edit().deliver_until(until);
    entry.metadata.edit().deliver_after(now + wait);
    entry.metadata.edit().retry_for(queue);
    entry.metadata.edit().retry_reason(reason);
    Ok(entry)
}
