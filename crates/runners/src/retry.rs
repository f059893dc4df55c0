//! The retry runner: what is due goes back to `out`, or to the queue that it names.

use crate::queue::{Desk, Runner, TakenEntry};
use dormouse_membership::RunError;
use dormouse_spool::{
    Entry, EntryName, Envelope, Found, FoundState, Queue, Spool, SpoolError, clock,
};
use dormouse_store::{Config, LONGEST_WAIT};
use dormouse_trace::Step;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The entries whose file's time says that they are due, or that cannot be believed. So waiting entries
/// are not opened.
pub(crate) fn due(
    spool: &Spool,
    config: &Config,
    queue: Queue,
) -> Result<Vec<EntryName>, SpoolError> {
    let now = clock::now();
    let longest = config.longest_retry_wait();
    let is_due = |found: &Found| {
        found.state == FoundState::Ready && found.due(now, longest).is_none_or(|due| due <= now)
    };
    Ok(spool.list(queue)?.into_iter().filter(is_due).map(|found| found.name).collect())
}

/// Puts what is due back into its queue. Entries that Mailman wrote say only in their metadata when
/// they are due (`deliver_after`); their file time is set on the way.
pub(crate) struct Retry;

impl Runner for Retry {
    fn work(&mut self, desk: &mut Desk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        for TakenEntry { claim, entry, .. } in taken {
            let envelope = match Envelope::read(&entry.metadata) {
                Ok(envelope) => envelope,
                Err(wrong) => {
                    desk.set_aside(claim, entry, &wrong.to_string())?;
                    continue;
                }
            };
            let now = clock::now();
            let latest = now + desk.shared.site.config().longest_retry_wait();
            // However far away its time is, it is looked at now and then: the clock may have been wrong.
            if let Some(due) = envelope.scheduled_for().and_then(moment)
                && due > now
            {
                claim.wait_until(due.min(latest))?;
                continue;
            }
            match moment(envelope.deliver_after().unwrap_or(0.0)) {
                Some(due) if due > now && due <= latest => {
                    claim.wait_until(due)?;
                    continue;
                }
                Some(due) if due <= now => {}
                _ => tracing::warn!(
                    "retry/{}: the date until which it waits cannot be right; it is tried now",
                    claim.name()
                ),
            }
            claim.move_to(envelope.retry_for().unwrap_or(Queue::Out))?;
            desk.tally.count(Step::Passed);
        }
        Ok(())
    }
}

/// First wait after a failure; doubled each time.
const FIRST_WAIT: f64 = 60.0;

/// An entry as it waits in `retry`, for longer each time, until it returns to its queue: an article, or
/// an entry for another host's archive.
///
/// # Errors
/// The reason why it is not tried again: `delivery.retry_period` is over.
pub(crate) fn postponed(
    config: &Config,
    queue: Queue,
    entry: Entry,
    reason: &str,
) -> Result<Entry, String> {
    let now = clock::seconds();
    let period = config.delivery_retry_period.seconds_f64();
    let envelope = entry.metadata.envelope();
    // A date that lies further away was set by a clock that was wrong.
    let until = envelope.deliver_until().unwrap_or(now + period).min(now + period);
    if now > until {
        return Err(format!("given up after too long a time: {reason}"));
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

/// A time in seconds since the epoch, if there is such a time.
fn moment(seconds: f64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}
