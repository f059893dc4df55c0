//! The drain: the queues of its scope are worked off, in data-flow order, until a whole pass finds
//! nothing (DESIGN.md "Waking").

use crate::arrangement::Scope;
use crate::turn::Turn;
use crate::{RunError, Shared, digest, news, outgoing, retry, work};
use dormouse_spool::{Queue, Spool, SpoolError, clock};
use dormouse_store::{Due, Store};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The queues whose entries wake a drain: those that it can empty. People wait for their mail, so it
/// leaves before it is archived.
pub const WAKING: [Queue; 7] = [
    Queue::In,
    Queue::Commands,
    Queue::Bounces,
    Queue::Virgin,
    Queue::News,
    Queue::Out,
    Queue::Archive,
];

/// What a drain came to.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// When it began, in seconds since the epoch.
    pub started_at: f64,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// Entries of `in`.
    pub incoming: work::Tally,
    /// Entries of `commands`.
    pub commands: work::Tally,
    /// Entries of `bounces`.
    pub bounces: work::Tally,
    /// Entries of `virgin`.
    pub r#virgin: work::Tally,
    /// Entries of `news`.
    #[serde(default)]
    pub news: work::Tally,
    /// Entries of `out`, and what became of their recipients.
    pub outgoing: outgoing::Tally,
    /// Entries of `archive`.
    #[serde(default)]
    pub archived: work::Tally,
    /// Deferred entries that were due again.
    pub retried: u64,
    /// Entries that a dead process had left behind.
    pub recovered: u64,
    /// The most memory this process had resident, in kB; absent where the system does not tell.
    pub peak_memory_kb: Option<u64>,
    /// What could not be done, in words.
    pub errors: Vec<String>,
    /// Takeable entries left in the queues of its scope that wake somebody.
    pub left: BTreeMap<String, usize>,
}

impl Summary {
    /// Whether anything at all was done.
    pub fn did_something(&self) -> bool {
        self.incoming.entries
            + self.commands.entries
            + self.bounces.entries
            + self.r#virgin.entries
            + self.news.entries
            + self.outgoing.entries
            + self.archived.entries
            + self.retried
            + self.recovered
            > 0
            || !self.errors.is_empty()
    }

    /// How many entries of a queue were worked off.
    pub fn worked_off(&self, queue: Queue) -> u64 {
        match queue {
            Queue::In => self.incoming.entries,
            Queue::Commands => self.commands.entries,
            Queue::Bounces => self.bounces.entries,
            Queue::Virgin => self.r#virgin.entries,
            Queue::News => self.news.entries,
            Queue::Out => self.outgoing.entries,
            Queue::Archive => self.archived.entries,
            Queue::Retry => self.retried,
            Queue::Shunt | Queue::Bad => 0,
        }
    }

    /// Whether every waking queue is empty. Only then may a drain exit with 0: systemd looks at
    /// the queues again when it ends, and would start it again at once.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

/// How often a pass that got nothing out of a queue that is not empty is repeated, and after what
/// pause: between locking and renaming an entry another drain needs microseconds.
const PATIENCE: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

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
    let began = Instant::now();
    dormouse_spool::allow_open_files();
    let mut summary =
        Summary { started_at: dormouse_spool::clock::seconds(), ..Summary::default() };
    match shared.spool.recover(scope.queues()) {
        Ok(recovered) => {
            summary.recovered =
                (recovered.given_back + recovered.handovers + recovered.preserved.len()) as u64;
        }
        Err(error) => note(&mut summary, &error.into()),
    }
    let mut store = None;
    // A process may have died between a post and the digest that it made large enough.
    if shared.site.is_due(Due::Senddigests)
        && let Err(error) = send_large_digests(shared, &mut store)
    {
        note(&mut summary, &error);
    }
    let mut patience = PATIENCE;
    while !shared.stopping() {
        let errors = summary.errors.len();
        if pass(shared, scope, &mut store, &mut summary) {
            patience = PATIENCE;
            continue;
        }
        if summary.errors.len() > errors {
            break;
        }
        // What is ready but was not to be had is being claimed by another drain at this moment.
        if is_waiting(shared.spool, scope) {
            if patience == 0 {
                break;
            }
            patience -= 1;
            std::thread::sleep(PAUSE);
            continue;
        }
        if summary.did_something() && linger() {
            continue;
        }
        // Who saw the turn taken relies on this look.
        turn.pass_on();
        if !is_waiting(shared.spool, scope) {
            break;
        }
        turn.take();
    }
    if let Some(store) = &store
        && let Err(error) = store.settle_archives()
    {
        note(&mut summary, &error.into());
    }
    for queue in scope.waking() {
        match scope.ready(shared.spool, queue) {
            Ok(names) if names.is_empty() => {}
            Ok(names) => {
                summary.left.insert(queue.to_string(), names.len());
            }
            Err(error) => {
                summary.left.insert(queue.to_string(), 0);
                note(&mut summary, &error.into());
            }
        }
    }
    summary.peak_memory_kb = peak_memory_kb();
    summary.took_ms = began.elapsed().as_secs_f64() * 1000.0;
    summary
}

/// One pass over all queues in data-flow order. Whether anything was done.
fn pass(
    shared: &Shared<'_>,
    scope: &Scope,
    store: &mut Option<Store>,
    summary: &mut Summary,
) -> bool {
    let mut progressed = false;
    if scope.queues().contains(&Queue::Retry) {
        match retry::run(shared.spool, clock::now()) {
            Ok(moved) => {
                summary.retried += moved;
                progressed |= moved > 0;
            }
            Err(error) => note(summary, &error.into()),
        }
    }
    for queue in scope.waking() {
        let names = match scope.ready(shared.spool, queue) {
            Ok(names) if names.is_empty() => continue,
            Ok(names) => names,
            Err(error) => {
                note(summary, &error.into());
                continue;
            }
        };
        let (taken, errors) = match queue {
            Queue::Out => {
                let (tally, errors) = outgoing::run(shared, names);
                summary.outgoing.add(&tally);
                (tally.entries, errors)
            }
            Queue::News => match open_store(shared, store) {
                Ok(store) => {
                    let (tally, errors) = news::run(shared, store, names);
                    summary.news.add(&tally);
                    (tally.entries, errors)
                }
                Err(error) => (0, vec![error]),
            },
            _ => match open_store(shared, store) {
                Ok(store) => {
                    let (tally, errors) = work::run(shared, store, queue, names);
                    let sum = match queue {
                        Queue::In => &mut summary.incoming,
                        Queue::Archive => &mut summary.archived,
                        Queue::Commands => &mut summary.commands,
                        Queue::Bounces => &mut summary.bounces,
                        _ => &mut summary.r#virgin,
                    };
                    sum.add(&tally);
                    (tally.entries, errors)
                }
                Err(error) => (0, vec![error]),
            },
        };
        progressed |= taken > 0;
        if queue == Queue::In
            && taken > 0
            && let Err(error) = send_large_digests(shared, store)
        {
            note(summary, &error);
        }
        for error in &errors {
            note(summary, error);
        }
    }
    progressed
}

/// Digests that the posts just handed over have made large enough.
fn send_large_digests(shared: &Shared<'_>, store: &mut Option<Store>) -> Result<(), RunError> {
    let store = open_store(shared, store)?;
    let (now, zone) = (dormouse_spool::clock::seconds(), &TimeZone::system());
    digest::Press { site: shared.site, spool: shared.spool, store, now, zone }.send_large()?;
    Ok(())
}

fn open_store<'s>(
    shared: &Shared<'_>,
    store: &'s mut Option<Store>,
) -> Result<&'s Store, RunError> {
    Ok(match store {
        Some(store) => store,
        None => store.insert(Store::open(shared.site)?),
    })
}

/// Whether a queue has a takeable entry; one that cannot be listed has none to take.
pub fn is_waiting(spool: &Spool, scope: &Scope) -> bool {
    scope.waking().any(|queue| scope.ready(spool, queue).is_ok_and(|names| !names.is_empty()))
}

fn note(summary: &mut Summary, error: &RunError) {
    summary.errors.push(error.to_string());
}

/// Puts what is due from `retry` back into `out`, and nothing else.
pub fn run_retries(spool: &Spool) -> Result<u64, SpoolError> {
    spool.recover(&[Queue::Retry])?;
    retry::run(spool, clock::now())
}

fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
