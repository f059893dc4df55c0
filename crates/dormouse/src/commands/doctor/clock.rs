//! The machine's clock, as far as queue entries and past jobs give it away.

use super::Topic;
use crate::output;
use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_runners::cron::{Clock, JOBS};
use dormouse_spool::{Queue, QueueFile, QueueFileState, Spool};
use dormouse_store::{Site, Store};
use jiff::tz::TimeZone;

/// Clocks on one network may differ by this many seconds.
const SLACK: f64 = 120.0;
/// When this program was released: no correct clock shows an earlier time.
const RELEASED: Timestamp = Timestamp::from_seconds(1_764_547_200.0);

pub fn clocks(topic: &mut Topic, site: &Site) {
    let spool = &Spool::new(site.qfiles());
    let now = Timestamp::now();
    for queue in Queue::ALL {
        let found = spool.list(queue).unwrap_or_default();
        let received = found.iter().filter_map(|entry| entry.name.received());
        let ahead = received.fold(Timestamp::EPOCH, Timestamp::max) - now;
        if ahead > SLACK {
            topic.bad(
                format!("an entry of {queue} was received {} from now", output::span(ahead)),
                "set the clock (timedatectl set-ntp true): retries and timers depend on it",
            );
        }
    }
    if now < RELEASED {
        topic.bad(
            "the clock shows a date before the release of this program",
            "timedatectl set-ntp true",
        );
    }
    // If the database cannot be read, the check of the database says so.
    for (job, last) in Store::open_read_only(site)
        .ok()
        .and_then(|store| impossible_runs(site, &store).ok())
        .unwrap_or_default()
    {
        topic.odd(
            format!(
                "the job {job} last ran for {last}, which is in the future: the clock was wrong"
            ),
            format!("nothing waits for that date; the next `dormouse cron {job}` corrects it"),
        );
    }
    let longest = site.config().longest_retry_wait();
    let waiting = spool.list(Queue::Retry).unwrap_or_default();
    let wrong = |found: &&QueueFile| {
        found.state == QueueFileState::Ready && found.due(dormouse_clock::now(), longest).is_none()
    };
    let count = waiting.iter().filter(wrong).count() as u64;
    if count > 0 {
        topic.odd(
            format!(
                "{} in retry until an impossible date: the clock was wrong",
                output::count(count, "entry waits", "entries wait")
            ),
            "dormouse run tries them now",
        );
    }
    topic.or_good("no entry is from the future");
}

/// Returns the jobs that last ran for a period in the future.
fn impossible_runs(site: &Site, store: &Store) -> Result<Vec<(&'static str, String)>, RunError> {
    let spool = Spool::new(site.qfiles());
    let (now, zone) = (Timestamp::now(), &TimeZone::system());
    let clock = Clock { site, spool: &spool, store, now, zone, lists: &[] };
    let mut found = Vec::new();
    for job in JOBS {
        found.extend(clock.impossible_run(job)?.map(|last| (job.name, last)));
    }
    Ok(found)
}
