//! What waits in the queues for a person, or waits too long.

use super::Topic;
use crate::commands::units;
use crate::output;
use dormouse_clock::Timestamp;
use dormouse_runners::arrangement;
use dormouse_spool::{Queue, QueueFile, QueueFileState, Spool};
use dormouse_store::{Arrangement, Site};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// How long an entry may wait after a process should have taken it, in seconds.
const PATIENCE: f64 = 600.0;

pub fn queues(topic: &mut Topic, site: &Site) {
    let spool = &Spool::new(site.qfiles());
    set_aside(topic, spool);
    for (queue, how) in arrangement::all(site.config()) {
        let found = spool.list(queue).unwrap_or_default();
        if let Some(found) = found.iter().find(|found| found.state == QueueFileState::Preserved) {
            let name = &found.name;
            topic.odd(
                format!("{queue}/{name}.psv was set aside: it cannot be opened as an entry"),
                format!(
                    "repair or remove it; `dormouse queue retry {queue}/{name}` tries it again"
                ),
            );
        }
        waiting(topic, site, spool, queue, &how, &found);
    }
    topic.or_good("nothing has waited too long");
}

/// Entries of the queues that only a person empties.
fn set_aside(topic: &mut Topic, spool: &Spool) {
    for queue in [Queue::Shunt, Queue::Bad] {
        let count = spool.list(queue).map_or(0, |found| found.len());
        if count > 0 {
            let entries = output::count(count as u64, "entry waits", "entries wait");
            let then = match queue {
                Queue::Bad => "entries that cannot be read go only by `dormouse queue rm`",
                _ => "dormouse queue retry --all shunt",
            };
            topic.odd(
                format!("{entries} in {queue} for a person"),
                format!("dormouse queue ls {queue}; {then}"),
            );
        }
    }
}

/// Entries that wait in a queue that is off, or longer than its arrangement explains.
fn waiting(
    topic: &mut Topic,
    site: &Site,
    spool: &Spool,
    queue: Queue,
    how: &Arrangement,
    found: &[QueueFile],
) {
    let ready = || found.iter().filter(|entry| entry.state == QueueFileState::Ready);
    let patience = match how {
        Arrangement::OnDemand | Arrangement::Resident(_) => PATIENCE,
        Arrangement::Timer(every) => PATIENCE + every.seconds_f64(),
        Arrangement::Off => {
            let waiting = ready().count() as u64;
            if waiting > 0 {
                let entries = output::count(waiting, "entry waits", "entries wait");
                let install = units::install_command(site);
                topic.odd(
                    format!("{entries} in {queue}, which is off"),
                    format!("dormouse config set runners.{queue} on-demand; {install}"),
                );
            }
            return;
        }
    };
    let now = Timestamp::now();
    // An entry in retry waits until its due time, one in out has the post's time of receipt, and one
    // that was imported is as old as it was on the old site: the file's own age counts, too.
    let waited = ready().map(|entry| {
        let due = Timestamp::from(entry.modified);
        let path = spool.dir(queue).join(format!("{}.pck", entry.name));
        let came = fs::metadata(path).map_or(0, |found| found.ctime());
        now - due.max(Timestamp::from_seconds(came as f64))
    });
    let oldest = waited.fold(0.0, f64::max);
    if oldest > patience {
        topic.bad(
            format!("an entry has waited in {queue} for {}", output::span(oldest)),
            "start `dormouse run` and see what it reports",
        );
    }
}
