//! The drain: processes the queues of its scope, in data-flow order, until they are empty
//! (docs/design/DESIGN.md "Waking").
//!
//! `floor`: one round over all queues, with its workers.

mod floor;

use crate::Shared;
use crate::arrangement::Scope;
use crate::queue::{Lane, Tallies};
use crate::turn::Turn;
use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_spool::{Queue, Spool, SpoolError};
use floor::Floor;
use rustix::thread::sched_getaffinity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};
use sysexits::ExitCode;

/// The result of a drain.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Its start.
    pub started_at: Timestamp,
    /// Its duration, in milliseconds.
    pub took_ms: f64,
    /// The results of the entries of each queue.
    #[serde(flatten)]
    pub queues: Tallies,
    /// Deferred entries that were due.
    pub retried: u64,
    /// Claims and hand-overs that a dead process had left.
    pub recovered: u64,
    /// The number of statements of SQLite, or round trips to a server.
    pub asked: u64,
    /// The peak resident size of this process, in kB, if the system tells it.
    pub peak_memory_kb: Option<u64>,
    /// The errors.
    pub errors: Vec<String>,
    /// Whether the last round had errors.
    pub failed: bool,
    /// Whether one of them remains until a person changes something.
    #[serde(skip)]
    pub needs_a_person: bool,
    /// Entries left in the queues of its scope: ready ones, and claims and hand-overs without an
    /// owner ([`HALF_DONE`]).
    pub left: BTreeMap<String, usize>,
}

impl Summary {
    /// Whether anything was done or went wrong.
    pub fn did_something(&self) -> bool {
        self.queues.sum().entries + self.recovered > 0 || !self.errors.is_empty()
    }

    /// Returns the number of entries of a queue that were processed.
    pub fn worked_off(&self, queue: Queue) -> u64 {
        self.queues.of(queue).entries
    }

    /// Whether all is done: every waking queue is empty, no claim or hand-over is without an owner,
    /// and the last round had no error. Only then may a drain exit with 0: otherwise systemd, which
    /// checks the queues when it ends, would restart it immediately, and nobody would continue what
    /// no unit watches.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty() && !self.failed
    }
}

/// The maximum number of rounds with an error or without progress, and the pause after an error.
const ROUNDS: u32 = 3;
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// Waits for another entry before the drain ends, and returns false if none came. It is told
/// whether mail has arrived while the drain was working.
pub type Linger<'l> = &'l dyn Fn(bool) -> bool;

/// Runs until every queue of the scope is empty. `linger` is called before the end if something was
/// done.
pub fn run(shared: &Shared<'_>, scope: &Scope, linger: Linger<'_>) -> Summary {
    let mut turn = Turn::new(shared, scope);
    turn.take();
    run_in_turn(shared, scope, linger, turn)
}

/// Does the same, unless another drain is running that will see all entries that are in the queues
/// now; then returns `None`.
pub fn run_unless_another_does(
    shared: &Shared<'_>,
    scope: &Scope,
    linger: Linger<'_>,
) -> Option<Summary> {
    let mut turn = Turn::new(shared, scope);
    turn.take().then(|| run_in_turn(shared, scope, linger, turn))
}

fn run_in_turn(shared: &Shared<'_>, scope: &Scope, linger: Linger<'_>, mut turn: Turn) -> Summary {
    let (began, asked_before) = (Instant::now(), dormouse_store::asked());
    dormouse_spool::allow_open_files();
    let mut summary = Summary { started_at: Timestamp::now(), ..Summary::default() };
    let rows = scope.queues().iter().filter_map(|queue| crate::queue::row(*queue));
    let lanes: Vec<Lane> = rows.map(Lane::new).collect();
    let mut rounds = ROUNDS;
    let mut store = None;
    while rounds > 0 {
        let (errors, done) = (summary.errors.len(), summary.queues.sum().entries);
        summary.left.clear();
        summary.needs_a_person = false;
        let emptied = thread::scope(|threads| {
            let mut floor = Floor::new(shared, scope, threads, &lanes, &mut summary);
            floor.take_over(store.take());
            let emptied = floor.recover() && floor.work(linger);
            store = floor.close();
            emptied
        });
        summary.failed = summary.errors.len() > errors;
        // Processes that found the turn taken rely on the look after this.
        turn.pass_on();
        look_back(shared, scope, &mut summary);
        if summary.is_clean() || shared.stopping() {
            break;
        }
        if summary.failed {
            // The cause may be over by now, and nobody else completes half-done work.
            rounds -= 1;
            if rounds == 0 || summary.needs_a_person {
                break;
            }
            store = None;
            thread::sleep(ROUND_PAUSE);
        } else if !emptied || summary.left.contains_key(HALF_DONE) {
            break;
        } else if summary.queues.sum().entries == done {
            // Limits the number of rounds: the new entries may be claimed by another process that
            // makes no progress.
            rounds -= 1;
            if rounds == 0 {
                break;
            }
        }
        // If nothing failed, entries have arrived since the queues were found empty. Exiting now
        // would count as a failure, and systemd would wait before the next start.
        lanes.iter().for_each(Lane::try_again);
        turn.take();
    }
    summary.retried = summary.queues.of(Queue::Retry).passed;
    summary.asked = dormouse_store::asked() - asked_before;
    summary.peak_memory_kb = peak_memory_kb();
    summary.took_ms = began.elapsed().as_secs_f64() * 1000.0;
    summary
}

/// Records what is left in the queues.
fn look_back(shared: &Shared<'_>, scope: &Scope, summary: &mut Summary) {
    let unknown = |summary: &mut Summary, what: &str, error: SpoolError| {
        summary.left.insert(what.to_owned(), 0);
        summary.failed = true;
        note(summary, &error.into());
    };
    let mut half_done = 0;
    match shared.spool.abandoned_handovers() {
        Ok(count) => half_done += count,
        Err(error) => unknown(summary, HALF_DONE, error),
    }
    for &queue in scope.queues() {
        match scope.look(shared.spool, queue) {
            Ok(seen) => {
                half_done += seen.abandoned;
                if !seen.ready.is_empty() && scope.waking().any(|waking| waking == queue) {
                    summary.left.insert(queue.to_string(), seen.ready.len());
                }
            }
            Err(error) => unknown(summary, queue.name(), error),
        }
    }
    if half_done > 0 {
        summary.left.insert(HALF_DONE.to_owned(), half_done);
    }
}

/// The name of claims and hand-overs without an owner in a summary.
pub const HALF_DONE: &str = "half done";

/// Whether a queue has a ready entry; a queue that cannot be listed has none.
pub fn is_waiting(spool: &Spool, scope: &Scope) -> bool {
    scope.waking().any(|queue| scope.waiting(spool, queue).is_ok_and(|names| !names.is_empty()))
}

/// Whether threads can work at the same time. A quota of the control group does not matter: it limits how
/// long they work, not at how many processors. (The standard library would read its files.)
pub(crate) fn has_other_processors() -> bool {
    static HAS_OTHERS: LazyLock<bool> =
        LazyLock::new(|| sched_getaffinity(None).is_ok_and(|processors| processors.count() > 1));
    *HAS_OTHERS
}

fn note(summary: &mut Summary, error: &RunError) {
    summary.needs_a_person |= error.is_everywhere() && error.sysexit() == ExitCode::Config;
    summary.errors.push(error.to_string());
}

fn peak_memory_kb() -> Option<u64> {
    // One read is enough. The usual functions would read piece by piece, because the file has size
    // 0.
    let mut status = [0; 4096];
    let length = File::open("/proc/self/status").ok()?.read(&mut status).ok()?;
    let status = String::from_utf8_lossy(&status[..length]);
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
