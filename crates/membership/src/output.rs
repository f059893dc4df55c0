//! What is put into a queue because something was decided.

use dormouse_spool::{Entry, Queue};

/// An entry that a decision leads to: a notice, a post that goes on.
pub struct Output {
    /// Where it goes.
    pub queue: Queue,
    /// Tells it from the other outputs of the same entry; its name is derived from this.
    pub label: String,
    /// The entry.
    pub entry: Entry,
}
