//! The runners, the posting pipeline and the drain: what happens to mail between intake and MTA.
//!
//! # Layout, in the order mail flows
//! - [`intake`]: a message on a stream becomes a durable entry. [`door`]: what it must know of the
//!   site. [`address`] knows a list's addresses.
//! - [`queue`]: the loop that claims entries and gives them to their queue's function, and the table
//!   of the queues.
//! - `incoming`: entries of `in` and `virgin` go through a [`pipeline`] of handlers, which may write
//!   [`notices`], use [`template`]s and make texts of messages ([`scrubbing`]). `policies`: what
//!   the senders' domains ask. [`rehearsal`]: what would happen to a message, without it happening.
//! - [`bounces`]: what comes back, and what it comes to for members.
//! - `outgoing`: entries of `out` go to the MTA: [`recipients`] says to whom, [`outbound`] what
//!   is said, `decorate` adds the list's texts, `unsubscribe` a way out, [`progress`] how far it
//!   came, [`mta`] where it goes.
//! - [`news`]: entries of `news` go to newsgroups, and articles become posts. `archiving`: entries
//!   of `archive` go into their lists' archives.
//! - [`retry`]: deferred entries go back to where they came from when they are due. [`shunt`]: what
//!   waits for a person.
//! - `commands`: entries of `commands` are mails to `-request`, `-join`, `-leave` and `-confirm`.
//!   [`membership`]: joining, leaving and options, whoever asks. [`seal`]: texts that only this site
//!   can have written.
//! - [`lists`]: lists are created and removed. [`role`]: whose [`password`] one is.
//! - [`moderation`]: posts that wait for a moderator, and what decides on them.
//! - [`example`]: how a post arrives.
//! - [`digest`]: many posts in one mail.
//! - [`cron`]: what the clock does.
//! - [`trace`]: what happened to a message, for those who ask.
//! - [`arrangement`]: which queues are worked off how. [`drain`]: all of them, until nothing is left;
//!   `turn`: one drain at a time is enough.

pub mod address;
mod archiving;
pub mod arrangement;
pub mod bounces;
pub mod budget;
pub mod commands;
pub mod cron;
mod decorate;
pub mod digest;
pub mod door;
pub mod drain;
mod error;
pub mod example;
mod incoming;
pub mod intake;
pub mod lists;
pub mod membership;
pub mod moderation;
pub mod mta;
pub mod news;
pub mod notices;
mod outbound;
mod outgoing;
pub mod password;
pub mod pipeline;
mod policies;
pub mod progress;
pub mod queue;
pub mod recipients;
pub mod rehearsal;
pub mod retry;
pub mod role;
pub mod scrubbing;
pub mod seal;
pub mod shunt;
pub mod template;
pub mod trace;
mod turn;
mod unsubscribe;

pub use error::RunError;

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
