//! Intake, the queues' runners, the clock and the drain: how mail moves between the MTA's two ends.
//!
//! # Layout, in the order mail flows
//! - [`intake`]: a message on a stream becomes a durable entry. [`door`]: what it must know of the
//!   site. [`destination`]: whom an address means.
//! - [`queue`]: the loop that claims entries and gives them to their queue's function, and the table
//!   of the queues.
//! - `incoming`: entries of `in` and `virgin` go through the [pipeline](dormouse_pipeline), and what
//!   it decides is carried out.
//! - [`commands`]: entries of `commands` are mails to `-request`, `-join`, `-leave` and `-confirm`.
//! - [`bounces`]: what comes back, and what follows from it for members.
//! - `outgoing`: entries of `out` go to the MTA. `outbound`: what is said to it, `unsubscribe`: a way
//!   out for the reader, [`mta`]: where it goes.
//! - [`news`]: entries of `news` go to newsgroups, and articles become posts. `archiving`: entries
//!   of `archive` go into their lists' archives. [`elsewhere`]: those that are on another host.
//! - [`retry`]: deferred entries go back to where they came from when they are due. [`shunt`]: what
//!   waits for a person.
//! - [`digest`]: many posts in one mail. [`person`]: what is known about somebody.
//! - [`cron`]: what the clock does.
//! - [`arrangement`]: which queues are worked off how. [`drain`]: all of them, until nothing is left;
//!   `turn`: one drain at a time is enough. [`adoption`]: the queues of a dead host.
//!
//! # Limits
//! One process works a slice of a queue at a time; entries whose process died are recovered by the
//! next one, and nothing here waits for what may not come.
//!
//! # Example
//! ```
//! use dormouse_runners::queue::waking;
//! use dormouse_spool::Queue;
//!
//! // Deferred mail wakes no drain: it waits until it is due.
//! assert!(waking().any(|queue| queue == Queue::In));
//! assert!(waking().all(|queue| queue != Queue::Retry));
//! ```

pub mod adoption;
mod archiving;
pub mod arrangement;
pub mod bounces;
pub mod commands;
pub mod cron;
pub mod destination;
pub mod digest;
pub mod door;
pub mod drain;
pub mod elsewhere;
mod incoming;
pub mod intake;
pub mod mta;
pub mod news;
mod outbound;
mod outgoing;
pub mod person;
pub mod queue;
pub mod retry;
pub mod shunt;
mod turn;
mod unsubscribe;

pub use dormouse_membership::RunError;

use dormouse_delivery::{Options, Transport};
use dormouse_spool::Spool;
use dormouse_store::Site;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What all runners of one process share.
#[derive(Debug)]
pub struct Shared<'r> {
    /// The site.
    pub site: &'r Site,
    /// Its queues.
    pub spool: &'r Spool,
    /// Where mail goes.
    pub transport: &'r Transport,
    /// How it goes there.
    pub options: &'r Options,
    /// Set when the process is asked to end: the transaction in flight is completed, the rest is
    /// given back.
    pub stop: &'r AtomicBool,
    /// Grows while work goes on: a watchdog that sees it stand still knows that something hangs.
    pub pulse: &'r AtomicU64,
}

impl Shared<'_> {
    /// Whether the process is asked to end. Asked between any two steps, so asking is a sign of life.
    pub fn stopping(&self) -> bool {
        self.pulse.fetch_add(1, Ordering::Relaxed);
        self.stop.load(Ordering::Relaxed)
    }
}
