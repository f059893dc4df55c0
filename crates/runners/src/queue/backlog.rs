//! What is left of a queue's last listing, and what was put off while it is processed.

use dormouse_clock::Timestamp;
use dormouse_spool::{EntryName, Suspicion};
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// Suspects are taken in groups of a part of a batch; each shared death divides its size by this.
/// So bystanders are done in a few groups, and the entry that kills is alone after a few deaths.
const PART: u32 = 8;

/// The entries of a queue that wait to be taken.
#[derive(Default)]
pub(super) struct Backlog {
    /// The listing that recovery made, until it is used.
    pub listed: Option<Vec<EntryName>>,
    /// The rest of the last listing.
    pub names: VecDeque<EntryName>,
    pub costly: VecDeque<EntryName>,
    /// Each with its suspicion.
    pub suspects: Vec<(Suspicion, EntryName)>,
    /// The names in `costly` and `suspects`, and those that failed in this round.
    pub put_off: HashSet<EntryName>,
    pub slow_lists: HashSet<String>,
    /// Whether an error occurred that would affect every entry.
    pub is_stopped: bool,
    /// When the queue was last listed, for queues whose entries become ready by themselves.
    pub looked: Option<Instant>,
    /// Whether a batch was taken since the queue was empty.
    pub has_begun: bool,
    /// When the latest entry that was listed had been received.
    pub newest: Option<Timestamp>,
}

/// The first of several batches is smaller by this: the sooner it ends, the sooner it is sent and archived
/// by other processors.
const FIRST_PART: usize = 4;

impl Backlog {
    /// Returns the size of the next batch.
    pub fn next_batch(&mut self, batch: usize) -> usize {
        if std::mem::replace(&mut self.has_begun, true) || self.names.len() <= batch {
            return batch;
        }
        (batch / FIRST_PART).max(1)
    }

    /// Returns how many of the next suspects are taken together. Those with the fewest deaths go
    /// first, so bystanders are done before the entry that kills.
    pub fn group(&mut self, batch: usize) -> usize {
        self.suspects.sort_by(|(a, _), (b, _)| b.cmp(a));
        let Some(&(next, _)) = self.suspects.last() else { return 0 };
        if next.alone > 0 {
            return 1;
        }
        let parts = u64::from(PART).checked_pow(next.together).unwrap_or(u64::MAX);
        let most = usize::try_from((batch as u64 / parts).max(1)).unwrap_or(usize::MAX);
        self.suspects.iter().rev().take(most).take_while(|(other, _)| *other == next).count()
    }
}
