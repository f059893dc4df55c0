//! Intake, the queues' runners, the periodic jobs and the drain: everything between accepting mail
//! and sending it.
//!
//! # Layout, in the order mail flows
//! - [`intake`]: a message on a stream becomes a durable entry. [`door`]: what it needs of the
//!   site. [`destination`]: the destination of an address.
//! - [`queue`]: the loop that claims entries and passes them to their queue's function, and the
//!   table of the queues.
//! - `incoming`: passes entries of `in` and `virgin` through the [pipeline](dormouse_pipeline), and
//!   carries out its verdict.
//! - [`email_commands`]: mail to `-request`, `-join`, `-leave` and `-confirm`.
//! - [`bounces`]: bounces, and their consequences for members.
//! - `outgoing`: sends entries of `out` to the MTA. `outbound`: the bytes that are sent.
//!   `unsubscribe`: the header to leave the list. [`mta`]: the transport in the settings.
//! - [`news`]: posts entries of `news` to newsgroups, and articles to lists. `archiving`: adds
//!   entries of `archive` to their lists' archives. [`elsewhere`]: archives on another host.
//! - [`retry`]: returns deferred entries to their queue when they are due. [`shunt`]: entries that
//!   wait for a person.
//! - [`digest`]: many posts in one mail. [`person`]: the data stored about a person.
//! - [`cron`]: the periodic jobs.
//! - [`arrangement`]: how the queues are processed. [`drain`]: all of them, until they are empty.
//!   `turn`: one drain at a time is enough. [`adoption`]: the queues of a dead host.
//!
//! # Limits
//! A slice of a queue is processed by one process at a time. Entries whose process died are
//! recovered by the next one. Nothing here waits for an event that may never happen.
//!
//! # Example
//! ```
//! use dormouse_runners::queue::waking;
//! use dormouse_spool::Queue;
//!
//! // Deferred mail does not start a drain: it waits until it is due.
//! assert!(waking().any(|queue| queue == Queue::In));
//! assert!(waking().all(|queue| queue != Queue::Retry));
//! ```

pub mod adoption;
mod archiving;
pub mod arrangement;
pub mod bounces;
pub mod cron;
pub mod destination;
pub mod digest;
pub mod door;
pub mod drain;
pub mod elsewhere;
pub mod email_commands;
mod incoming;
pub mod intake;
mod lock_file;
pub mod mta;
pub mod news;
mod outbound;
mod outgoing;
pub mod person;
pub mod queue;
mod refusal;
pub mod retry;
pub mod shunt;
mod turn;
mod unsubscribe;

pub use dormouse_membership::RunError;

use dormouse_delivery::{SessionOptions, Transport};
use dormouse_spool::Spool;
use dormouse_store::Site;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Everything that the runners of a process share.
#[derive(Debug)]
pub struct Shared<'r> {
    /// The site.
    pub site: &'r Site,
    /// Its queues.
    pub spool: &'r Spool,
    /// The transport of outgoing mail.
    pub transport: &'r Transport,
    /// Its options.
    pub options: &'r SessionOptions,
    /// Set when the process is asked to stop: the transaction in flight is completed, and other
    /// claims are released.
    pub stop: &'r AtomicBool,
    /// Grows while work goes on, so that a watchdog can tell if the process hangs.
    pub pulse: &'r AtomicU64,
}

impl Shared<'_> {
    /// Whether the process is asked to stop. It is called between any two steps, so it also counts
    /// as a sign of life.
    pub fn stopping(&self) -> bool {
        self.pulse.fetch_add(1, Ordering::Relaxed);
        self.stop.load(Ordering::Relaxed)
    }
}
