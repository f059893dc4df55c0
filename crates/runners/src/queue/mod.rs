//! What works the queues off: one loop, and a row for each queue.
//!
//! # Layout
//! - [`Row`], [`TABLE`]: each queue's setting, its batch and its function.
//! - `lane`: the loop. It claims entries, sets aside what cannot be read, puts off suspects and what
//!   is costly, and gives the rest to the queue's `Runner`.
//! - `desk`: what a runner has at hand: the store, the trace, the tally, and one way to set an entry
//!   aside.
//! - `transaction`: the runner of queues whose entries share a transaction of the store.
//! - `tally`: what became of entries. [`waiting`]: those that wait, for a person.
//!
//! What a runner does with an entry stands in a file of its own, beside this directory.

mod desk;
mod lane;
mod tally;
pub(crate) mod transaction;
pub mod waiting;

pub(crate) use desk::{Desk, TakenEntry, guarded, no_such_list, panic_text};
pub(crate) use lane::{How, Lane, Patience};
pub use tally::{Tallies, Tally};

use crate::{Shared, archiving, bounces, commands, incoming, news, outgoing, retry};

use dormouse_membership::RunError;
use dormouse_spool::{Entry, EntryName, Envelope, Queue, Spool, SpoolError};
use dormouse_store::{Arrangement, Config};
use transaction::Transaction;

/// How a queue is worked off. A queue that has a row has a runner, units, a place in a drain and in
/// `status`.
pub struct Row {
    /// The queue.
    pub queue: Queue,
    /// What its entries are called in the summary of a run.
    pub label: &'static str,
    /// Its arrangement.
    pub setting: fn(&Config) -> Arrangement,
    /// Whether an entry in it can be worked off at once, and so wakes a drain.
    pub wakes: bool,
    /// Whether it waits until what can leave soon has left.
    pub is_last: bool,
    /// How many of its entries are taken together.
    batch: fn(&Config) -> u64,
    /// How many threads work it off beside the drain; 0 where the drain does it itself.
    pub(crate) workers: fn(&Config) -> u64,
    /// Whether an entry takes its time, so that others go first. One of many bytes always does.
    is_costly: fn(&Envelope<'_>) -> bool,
    /// Which of its entries can be taken now.
    pub(crate) ready: Ready,
    /// What works entries off.
    pub(crate) runner: fn(&Shared<'_>) -> Box<dyn Runner>,
}

/// Looks for the entries of a queue that can be taken now.
type Ready = fn(&Spool, &Config, Queue) -> Result<Vec<EntryName>, SpoolError>;

/// What works the entries of a queue off.
pub(crate) trait Runner {
    /// Works off some entries. Each is done, handed on or set aside when it returns; those that it
    /// drops are given back.
    ///
    /// # Errors
    /// Trouble that is not an entry's own: what it is about stays in the queue.
    fn work(&mut self, desk: &mut Desk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError>;

    /// Nothing more comes for now.
    fn end(&mut self) {}
}

const ALONE: fn(&Config) -> u64 = |_| 1;
const TOGETHER: fn(&Config) -> u64 = |config| config.run_batch;
const NONE_BESIDE: fn(&Config) -> u64 = |_| 0;
const ALL: Ready = |spool, _, queue| spool.ready(queue);
const NEVER: fn(&Envelope<'_>) -> bool = |_| false;

/// A row whose entries share transactions of the store.
const fn together(
    queue: Queue,
    label: &'static str,
    setting: fn(&Config) -> Arrangement,
    runner: fn(&Shared<'_>) -> Box<dyn Runner>,
) -> Row {
    Row {
        queue,
        label,
        setting,
        wakes: true,
        is_last: false,
        batch: TOGETHER,
        workers: NONE_BESIDE,
        is_costly: NEVER,
        ready: ALL,
        runner,
    }
}

/// Every queue that has a runner, in data-flow order. People wait for their mail, so it leaves before
/// it is archived.
pub static TABLE: [Row; 8] = [
    together(
        Queue::In,
        "incoming",
        |config| config.runners_in,
        |_| Box::new(Transaction::with_policies(incoming::process)),
    ),
    together(
        Queue::Commands,
        "commands",
        |config| config.runners_commands,
        |_| Box::new(Transaction::of(commands::process)),
    ),
    together(
        Queue::Bounces,
        "bounces",
        |config| config.runners_bounces,
        |_| Box::new(Transaction::of(bounces::process)),
    ),
    together(
        Queue::Virgin,
        "virgin",
        |config| config.runners_virgin,
        |_| Box::new(Transaction::of(incoming::process)),
    ),
    Row {
        queue: Queue::News,
        label: "news",
        setting: |config| config.runners_news,
        wakes: true,
        is_last: false,
        batch: ALONE,
        workers: |_| 1,
        is_costly: NEVER,
        ready: ALL,
        runner: |_| Box::<news::NewsRunner>::default(),
    },
    Row {
        queue: Queue::Out,
        label: "outgoing",
        setting: |config| config.runners_out,
        wakes: true,
        is_last: false,
        batch: ALONE,
        workers: |config| config.delivery_connections.max(1),
        is_costly: outgoing::is_for_many,
        ready: ALL,
        runner: |_| Box::<outgoing::Outgoing>::default(),
    },
    Row {
        is_last: true,
        ..together(
            Queue::Archive,
            "archived",
            |config| config.runners_archive,
            |_| Box::<archiving::Archiving>::default(),
        )
    },
    Row {
        queue: Queue::Retry,
        label: "retry",
        setting: |config| config.runners_retry,
        wakes: false,
        is_last: false,
        batch: ALONE,
        workers: NONE_BESIDE,
        is_costly: NEVER,
        ready: retry::due,
        runner: |_| Box::new(retry::Retry),
    },
];

/// The row of a queue; none for those that wait for a person.
pub fn row(queue: Queue) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.queue == queue)
}

/// The queues whose entries wake a drain: those that it can empty.
pub fn waking() -> impl Iterator<Item = Queue> {
    TABLE.iter().filter(|row| row.wakes).map(|row| row.queue)
}

/// An entry for a queue, as a runner makes it.
pub(crate) type Processed = (dormouse_trace::Event, Vec<dormouse_membership::Output>);

/// Takes an entry through its queue's work, inside a transaction.
pub(crate) type Process =
    fn(transaction::Job<'_>, Entry) -> Result<Processed, dormouse_pipeline::HandlerError>;
