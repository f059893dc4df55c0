//! Hand-overs whose directories are not durable yet.

use crate::spare::{self, Retired};
use crate::{Claim, Queue, Spool, SpoolError, durable, fault};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

/// The number of records, and of files of finished entries, at which it is time to settle. Each is an open
/// file, and the files cannot be used again before.
const MOST_RECORDS: usize = 16;
const MOST_RETIRED: usize = 32;

/// Hand-overs that were carried out in directories that are not durable yet. Their records stay
/// until they are. Dropping this leaves the rest to recovery.
#[derive(Debug, Default)]
#[must_use = "records stay until it is settled"]
pub struct Unsettled {
    touched: BTreeSet<Queue>,
    /// The records with their locks, which keep recovery away.
    records: Vec<(PathBuf, File)>,
    /// The files of finished entries.
    retired: Vec<Retired>,
}

impl Unsettled {
    /// Whether so much is waiting that it is time to settle.
    pub fn is_much(&self) -> bool {
        self.records.len() >= MOST_RECORDS || self.retired.len() >= MOST_RETIRED
    }

    /// Whether entries were put into a queue or removed from it.
    pub fn touches(&self, queue: Queue) -> bool {
        self.touched.contains(&queue)
    }

    /// Keeps a record until the hand-over is durable.
    pub(crate) fn keep(&mut self, record: Option<(PathBuf, File)>) {
        self.records.extend(record);
    }

    /// Adds others.
    pub fn add(&mut self, other: Unsettled) {
        self.touched.extend(other.touched);
        self.records.extend(other.records);
        self.retired.extend(other.retired);
    }

    /// Finishes an entry. A power failure before it is settled may restore it, with its journal.
    ///
    /// # Errors
    /// When it cannot be removed from its queue.
    pub fn finish(&mut self, spool: &Spool, claim: Claim) -> Result<(), SpoolError> {
        self.touch(claim.queue());
        self.retired.extend(spare::retire(spool.paths(), claim)?);
        fault::point("claim.finished");
        Ok(())
    }

    pub(crate) fn touch(&mut self, queue: Queue) {
        self.touched.insert(queue);
    }

    /// Waits until the queues' directories are durable, and removes the records.
    ///
    /// # Errors
    /// Recovery does the rest.
    pub fn settle(mut self, spool: &Spool) -> Result<(), SpoolError> {
        self.settle_all(spool)
    }

    pub(crate) fn settle_all(&mut self, spool: &Spool) -> Result<(), SpoolError> {
        let touched = std::mem::take(&mut self.touched);
        if !touched.is_empty() {
            spool.paths().sync_queues(touched)?;
        }
        self.retired.drain(..).for_each(Retired::free);
        for (path, _lock) in self.records.drain(..) {
            fault::point("batch.carried-out");
            durable::unlink(&path)?;
        }
        Ok(())
    }
}
