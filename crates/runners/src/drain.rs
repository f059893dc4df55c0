//! The drain: the queues of its scope are worked off, in data-flow order, until nothing is left
//! (docs/design/DESIGN.md "Waking").
//!
//! `floor`: one round over all queues, with the workers beside it.

mod floor;

use crate::Shared;
use crate::arrangement::Scope;
use crate::queue::{Lane, Tallies};
use crate::turn::Turn;
use dormouse_membership::RunError;
use dormouse_spool::{Queue, Spool, SpoolError};
use floor::Floor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

/// The result of a drain.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// When it began, in seconds since the epoch.
    pub started_at: f64,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// What became of the entries of each queue.
    #[serde(flatten)]
    pub queues: Tallies,
    /// Deferred entries that were due again.
    pub retried: u64,
    /// Entries that a dead process had left behind.
    pub recovered: u64,
    /// How often the database was asked: statements of SQLite, round trips to a server.
    pub asked: u64,
    /// The most memory this process had resident, in kB; absent where the system does not tell.
    pub peak_memory_kb: Option<u64>,
    /// What could not be done, in words.
    pub errors: Vec<String>,
    /// Whether trying again did not help.
    pub failed: bool,
    /// Entries left in the queues of its scope: takeable ones, and those that nobody sees to.
    pub left: BTreeMap<String, usize>,
}

impl Summary {
    /// Whether anything at all was done.
    pub fn did_something(&self) -> bool {
        self.queues.sum().entries + self.recovered > 0 || !self.errors.is_empty()
    }

    /// How many entries of a queue were worked off.
    pub fn worked_off(&self, queue: Queue) -> u64 {
        self.queues.of(queue).entries
    }

    /// Whether all is done: every waking queue is empty, nothing is half handed over, and no error
    /// remains. Only then may a drain exit with 0: systemd looks at the queues again when it ends, and
    /// would start it again at once; and what no unit looks at has nobody else.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty() && !self.failed
    }
}

/// How often everything is tried again after an error, and after what pause.
const ROUNDS: u32 = 3;
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// Waits for another entry before the drain ends; false when none came.
pub type Linger<'l> = &'l dyn Fn() -> bool;

/// Runs until every queue of the scope is empty. `linger` is asked before the end, once something
/// was done.
pub fn run(shared: &Shared<'_>, scope: &Scope, linger: Linger<'_>) -> Summary {
    let mut turn = Turn::new(shared, scope);
    turn.take();
    run_in_turn(shared, scope, linger, turn)
}

/// The same, unless a drain is at work that will see what is in the queues now: then nothing is
/// done.
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
    let mut summary =
        Summary { started_at: dormouse_spool::clock::seconds(), ..Summary::default() };
    let rows = scope.queues().iter().filter_map(|queue| crate::queue::row(*queue));
    let lanes: Vec<Lane> = rows.map(Lane::new).collect();
    let mut rounds = ROUNDS;
    let mut store = None;
    while rounds > 0 {
        let (errors, done) = (summary.errors.len(), summary.queues.sum().entries);
        summary.left.clear();
        let emptied = thread::scope(|threads| {
            let mut floor = Floor::new(shared, scope, threads, &lanes, &mut summary);
            floor.take_over(store.take());
            let emptied = floor.recover() && floor.work(linger);
            store = floor.close();
            emptied
        });
        summary.failed = summary.errors.len() > errors;
        // Who saw the turn taken relies on this look.
        turn.pass_on();
        look_back(shared, scope, &mut summary);
        if summary.is_clean() || shared.stopping() {
            break;
        }
        if summary.failed {
            // What failed a moment ago may be over, and what is half done has nobody but us.
            rounds -= 1;
            if rounds == 0 {
                break;
            }
            store = None;
            thread::sleep(ROUND_PAUSE);
        } else if !emptied || summary.left.contains_key(HALF_DONE) {
            break;
        } else if summary.queues.sum().entries == done {
            // Not for ever: what came may be somebody else's, who does not get on.
            rounds -= 1;
            if rounds == 0 {
                break;
            }
        }
        // If nothing failed, entries came after the last look. Ended now, this would be a failure to
        // whoever started it, who would wait a while before starting it again.
        lanes.iter().for_each(Lane::try_again);
        turn.take();
    }
    summary.retried = summary.queues.of(Queue::Retry).passed;
    summary.asked = dormouse_store::asked() - asked_before;
    summary.peak_memory_kb = peak_memory_kb();
    summary.took_ms = began.elapsed().as_secs_f64() * 1000.0;
    summary
}

/// Takes note of what is left.
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

/// What claims and hand-overs that nobody sees to are called in a summary.
pub const HALF_DONE: &str = "half done";

/// Whether a queue has a takeable entry; one that cannot be listed has none to take.
pub fn is_waiting(spool: &Spool, scope: &Scope) -> bool {
    scope.waking().any(|queue| scope.waiting(spool, queue).is_ok_and(|names| !names.is_empty()))
}

fn note(summary: &mut Summary, error: &RunError) {
    summary.errors.push(error.to_string());
}

fn peak_memory_kb() -> Option<u64> {
    // In one read: the file says that it is empty, and would be read piece by piece.
    let mut status = [0; 4096];
    let length = File::open("/proc/self/status").ok()?.read(&mut status).ok()?;
    let status = String::from_utf8_lossy(&status[..length]);
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
