//! Entries that result from a decision.

use dormouse_spool::{Entry, Queue};

/// An entry that results from a decision: a notice, or a post that continues.
pub struct Output {
    /// The queue that it goes to.
    pub queue: Queue,
    /// Distinguishes the outputs of one entry; the new entry's name is derived from it.
    pub label: String,
    /// The entry.
    pub entry: Entry,
}
