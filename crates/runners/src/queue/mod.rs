//! The queues' runners: one loop, and a row for each queue.
//!
//! # Layout
//! - [`Row`], [`TABLE`]: each queue's setting, its batch and its function.
//! - `lane`: the loop. It claims entries, sets aside unreadable ones, postpones suspects and costly
//!   ones, and passes the rest to the queue's `Runner`.
//! - `desk`: everything that a runner needs: the store, the trace, the tally, and one way to set an
//!   entry aside.
//! - `transaction`: the runner of queues whose entries share a transaction of the store.
//! - `patience`: when a costly entry makes way for light ones.
//! - `tally`: the results of entries. [`waiting`]: entries that wait, as shown to a person.
//!
//! The function of each queue is in a file next to this directory.

mod backlog;
mod desk;
mod lane;
mod patience;
mod tally;
pub(crate) mod transaction;
pub mod waiting;

pub(crate) use desk::{QueueDesk, TakenEntry, guarded, no_such_list, panic_text};
pub(crate) use lane::{How, Lane};
pub(crate) use patience::Patience;
pub use tally::{QueueTally, Tallies};

use crate::{Shared, archiving, bounces, email_commands, incoming, news, outgoing, retry};

use dormouse_membership::RunError;
use dormouse_spool::{Entry, EntryName, Envelope, Queue, Spool, SpoolError};
use dormouse_store::{Arrangement, Config};
use transaction::BatchTransaction;

/// How a queue is processed. A queue with a row has a runner, units, and a place in drains and in
/// `status`.
pub struct Row {
    /// The queue.
    pub queue: Queue,
    /// The name of its entries in the summary of a run.
    pub label: &'static str,
    /// Its arrangement.
    pub setting: fn(&Config) -> Arrangement,
    /// Whether an entry in it is ready immediately, and so starts a drain.
    pub wakes: bool,
    /// Whether it waits while mail is being sent.
    pub is_last: bool,
    /// The number of entries in a batch.
    batch: fn(&Config) -> u64,
    /// The number of worker threads; 0 if the drain's own thread processes it.
    pub(crate) workers: fn(&Config) -> u64,
    /// Whether an entry is costly, so that others go first. Large ones always are.
    is_costly: fn(&Envelope<'_>) -> bool,
    /// Lists its ready entries.
    pub(crate) ready: Ready,
    /// Creates its runner.
    pub(crate) runner: fn(&Shared<'_>) -> Box<dyn Runner>,
}

/// Lists the ready entries of a queue.
type Ready = fn(&Spool, &Config, Queue) -> Result<Vec<EntryName>, SpoolError>;

/// Processes the entries of a queue.
pub(crate) trait Runner {
    /// Processes some entries. When it returns, each is finished, handed over or set aside; claims
    /// that it drops are released.
    ///
    /// # Errors
    /// Errors that are not caused by an entry; the entries concerned stay in the queue.
    fn work(&mut self, desk: &mut QueueDesk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError>;

    /// Called when no more entries come for now, to close connections.
    fn end(&mut self) {}
}

const ALONE: fn(&Config) -> u64 = |_| 1;
const TOGETHER: fn(&Config) -> u64 = |config| config.run_batch;
const NONE_BESIDE: fn(&Config) -> u64 = |_| 0;
const ALL: Ready = |spool, _, queue| spool.ready(queue);
const NEVER: fn(&Envelope<'_>) -> bool = |_| false;

/// Creates the row of a queue whose entries share transactions of the store.
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

/// Every queue that has a runner, in data-flow order. People wait for their mail, so it is sent
/// before it is archived.
pub static TABLE: [Row; 8] = [
    together(
        Queue::In,
        "incoming",
        |config| config.runners_in,
        |_| Box::new(BatchTransaction::with_policies(incoming::process)),
    ),
    together(
        Queue::Commands,
        "commands",
        |config| config.runners_commands,
        |_| Box::new(BatchTransaction::of(email_commands::process)),
    ),
    together(
        Queue::Bounces,
        "bounces",
        |config| config.runners_bounces,
        |_| Box::new(BatchTransaction::of(bounces::process)),
    ),
    together(
        Queue::Virgin,
        "virgin",
        |config| config.runners_virgin,
        |_| Box::new(BatchTransaction::of(incoming::process)),
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

/// Returns the row of a queue; `None` for `shunt` and `bad`.
pub fn row(queue: Queue) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.queue == queue)
}

/// Returns the queues whose entries start a drain, which can empty them.
pub fn waking() -> impl Iterator<Item = Queue> {
    TABLE.iter().filter(|row| row.wakes).map(|row| row.queue)
}

/// The result of an entry: the event for the trace, and new entries.
pub(crate) type Processed = (dormouse_trace::Event, Vec<dormouse_membership::Output>);

/// Processes an entry in a transaction of the store.
pub(crate) type Process =
    fn(transaction::EntryJob<'_>, Entry) -> Result<Processed, dormouse_pipeline::HandlerError>;
