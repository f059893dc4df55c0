//! The hand-over of many entries in one go, all or nothing (group commit).
//!
//! Outputs are written to `.staged/` and synced; then a record with the names of all outputs and
//! sources is renamed into `.handover/`. That rename is the decision. Afterwards the outputs are
//! renamed into their queues, the sources unlinked and the record removed. A process that dies
//! before the decision has done nothing; after it, recovery completes the work. So a
//! runner's output appears once, however often its process is killed.
//!
//! The record stays until the queues' directories are durable. A process that hands over many
//! batches may wait for that once, at the end: [`Batch::carry`] and [`Unsettled`].

use crate::label::{self, Label, Labels};
use crate::spare::{self, Taken};
use crate::spool::State;
use crate::staged::Staged;
use crate::unsettled::Unsettled;
use crate::{
    Claim, Entry, EntryName, Metadata, Queue, Spool, SpoolError, claim, durable, entry, fault, name,
};
use dormouse_clock::Timestamp;
use rustix::fs::{Advice, Timespec, Timestamps};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

/// The maximum number of threads that sync the outputs of one batch, and the minimum number of
/// files for each.
const SYNC_THREADS: usize = 8;
const LEAST_SHARE: usize = 4;

/// Outputs to create and sources to remove together.
#[derive(Debug)]
pub struct Batch<'s> {
    spool: &'s Spool,
    id: String,
    staged: Vec<Staged>,
    sources: Vec<Claim>,
    /// The record before it decides.
    draft: Option<PathBuf>,
    decided: bool,
}

impl<'s> Batch<'s> {
    pub(crate) fn new(spool: &'s Spool) -> Batch<'s> {
        let id = format!("{}-{:016x}", std::process::id(), name::random());
        Batch { spool, id, staged: Vec::new(), sources: Vec::new(), draft: None, decided: false }
    }

    /// Adds an output. In `retry`, the time of its file is the due time (`deliver_after`), so that
    /// it need not be opened earlier.
    pub fn enqueue(
        &mut self,
        queue: Queue,
        name: &EntryName,
        entry: &Entry,
    ) -> Result<(), SpoolError> {
        let due = if queue == Queue::Retry { entry.metadata.time("deliver_after") } else { None };
        self.put(queue, name, &entry.to_bytes(), due)
    }

    /// Adds a new message with a new name, and returns that name. Without a
    /// `received_time` the current time is used.
    pub fn add(
        &mut self,
        queue: Queue,
        message: &[u8],
        metadata: &Metadata,
    ) -> Result<EntryName, SpoolError> {
        let received = metadata.time("received_time").unwrap_or_else(Timestamp::now);
        let listname = metadata.text("listname");
        let name = EntryName::new(received, message, listname.as_deref().unwrap_or("--nolist--"));
        let mut metadata = metadata.clone();
        metadata.set_time("received_time", received);
        self.put(queue, &name, &entry::encode(message, &metadata), None)?;
        Ok(name)
    }

    /// Adds an output by the bytes of its file, which may come from another program. `due` is the
    /// due time of an entry in `retry`.
    pub fn put(
        &mut self,
        queue: Queue,
        name: &EntryName,
        bytes: &[u8],
        due: Option<Timestamp>,
    ) -> Result<(), SpoolError> {
        // The last one is usually synced as soon as it is written.
        self.begin_to_write();
        let Taken { mut file, size, path, durable } = self.new_file(bytes.len())?;
        let label = durable.and_then(|spare| Label::new(&spare, queue, name, bytes));
        let room = if label.is_some() { label::ROOM } else { 0 };
        let written = durable::write_entry(&mut file, size, &path, bytes, room)
            .and_then(|()| due.map_or(Ok(()), |due| set_time(&file, &path, due)));
        let (file, name, has_due) = (Some(file), name.clone(), due.is_some());
        let (is_labelled, is_shown) = (false, false);
        self.staged.push(Staged { file, path, queue, name, has_due, label, is_labelled, is_shown });
        fault::point("batch.staged");
        written
    }

    /// A locked file for an entry of that length.
    fn new_file(&self, length: usize) -> Result<Taken, SpoolError> {
        let paths = self.spool.paths();
        let may_be_labelled = self.is_empty() && length as u64 + label::ROOM <= label::LARGEST;
        if may_be_labelled
            && self.spool.labels().is_some_and(Labels::begin)
            && let Some(taken) = spare::take_durable(paths)
        {
            return Ok(taken);
        }
        let path = staged_path(self.spool, &self.id, self.staged.len());
        if let Some(taken) = spare::take(paths, &path) {
            return Ok(taken);
        }
        let created = match durable::create_locked(&path) {
            Err(SpoolError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.spool.create()?;
                durable::create_locked(&path)
            }
            other => other,
        };
        Ok(Taken { file: created?, size: 0, path, durable: None })
    }

    /// Lets the disk begin to write the last output, if it is not synced at once.
    pub fn begin_to_write(&self) {
        if let Some(file) = self.staged.last().and_then(|staged| staged.file.as_ref()) {
            begin_to_write(file);
        }
    }

    /// Adds a source, which is finished when this batch is committed.
    pub fn finish(&mut self, claim: Claim) {
        self.sources.push(claim);
    }

    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.sources.is_empty()
    }

    /// The number of entries it finishes.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Carries out the hand-over. Afterwards every output is durable.
    ///
    /// # Errors
    /// Before the decision nothing has happened: the outputs are discarded and the sources are
    /// given back. After it, recovery completes the rest.
    pub fn commit(self) -> Result<(), SpoolError> {
        let spool = self.spool;
        self.carry()?.settle(spool)
    }

    /// The same, except that the queues' directories are not durable yet: until
    /// [`Unsettled::settle`] a power failure leaves the hand-over, or a part of it, to recovery. A
    /// batch without sources, or with an output that has the name of a source, is durable
    /// immediately.
    ///
    /// # Errors
    /// Those of [`Batch::commit`].
    pub fn carry(mut self) -> Result<Unsettled, SpoolError> {
        // A single output is decided by its own rename, and sources without an output do not
        // depend on each other.
        let is_recorded = self.staged.len() + self.sources.len() > 1 && !self.staged.is_empty();
        let is_labelled = !is_recorded && self.write_label()?;
        if !is_labelled {
            self.leave_spares()?;
        }
        let draft = if is_recorded { Some(self.write_draft()?) } else { None };
        self.sync()?;
        fault::point("batch.synced");
        if is_labelled && self.show_labelled()? {
            self.decided = true;
            return Ok(Unsettled::default());
        }
        let record = match draft {
            Some(draft) => Some(self.decide(draft)?),
            None => None,
        };
        fault::point("batch.decided");
        let is_new = self.sources.is_empty();
        // An entry that keeps its name may return to its queue; if the record still existed then,
        // recovery would remove the entry.
        let keeps_name = |staged: &Staged| self.sources.iter().any(|it| *it.name() == staged.name);
        let comes_back = self.staged.iter().any(keeps_name);
        let carried = self.carry_out().and_then(|mut unsettled| {
            unsettled.keep(record);
            if is_new || comes_back {
                unsettled.settle_all(self.spool)?;
            }
            Ok(unsettled)
        });
        match carried {
            // External mail is safe from here on: an error now would make its sender deliver it
            // twice.
            Err(error) if self.decided && is_new => {
                tracing::error!("{error}; the next run completes the hand-over");
                Ok(Unsettled::default())
            }
            Err(error) if is_new => self.take_back(error).map(|()| Unsettled::default()),
            Err(error) => Err(error),
            Ok(unsettled) => {
                self.decided = true;
                Ok(unsettled)
            }
        }
    }

    /// A single new entry whose place in the queue may not be durable. Its sender gets
    /// the error and keeps it, so it must not stay here. If it cannot be removed it
    /// stays, and there is no error, because it must not be delivered twice.
    fn take_back(&mut self, error: SpoolError) -> Result<(), SpoolError> {
        let paths = self.spool.paths();
        let shown = self.staged.iter().filter(|staged| staged.is_shown);
        for staged in shown {
            let path = paths.entry(staged.queue, &staged.name, State::Ready);
            let taken = match claim::lock_file(&path) {
                Ok(Some(_lock)) => durable::unlink(&path).map_err(|why| why.to_string()),
                Ok(None) => Err("a run is already processing it".to_owned()),
                Err(why) => Err(why.to_string()),
            };
            if let Err(why) = taken {
                tracing::error!(
                    "{error}; {} stays anyway ({why}), and a power failure now may lose it",
                    path.display()
                );
                return Ok(());
            }
        }
        Err(error)
    }

    /// Writes the label of a single output that may have one. When it is synced, it is decided.
    fn write_label(&mut self) -> Result<bool, SpoolError> {
        let [staged] = self.staged.as_mut_slice() else { return Ok(false) };
        staged.write_label()
    }

    /// Shows the single output with a label. False if that must be done in the usual way.
    fn show_labelled(&mut self) -> Result<bool, SpoolError> {
        let paths = self.spool.paths();
        for staged in &mut self.staged {
            let target = paths.entry(staged.queue, &staged.name, State::Ready);
            if staged.link(&target)? {
                if let Some(labels) = self.spool.labels() {
                    labels.add(&staged.path);
                }
                return Ok(true);
            }
        }
        if let Some(labels) = self.spool.labels() {
            labels.pause();
        }
        self.leave_spares()?;
        Ok(false)
    }

    /// Renames outputs that are not going to have a label to where recovery looks for others.
    fn leave_spares(&mut self) -> Result<(), SpoolError> {
        for (number, staged) in self.staged.iter_mut().enumerate() {
            if staged.label.take().is_some() {
                let path = staged_path(self.spool, &self.id, number);
                durable::rename(&staged.path, &path)?;
                staged.path = path;
            }
        }
        Ok(())
    }

    /// Syncs several files in parallel, so that the disk waits once, not for each file.
    fn sync(&self) -> Result<(), SpoolError> {
        let sync_some = |some: &[Staged]| {
            some.iter().try_for_each(|staged| match &staged.file {
                Some(file) if staged.has_due => durable::sync_with_times(file, &staged.path),
                Some(file) => durable::sync(file, &staged.path),
                None => Ok(()),
            })
        };
        let share = self.staged.len().div_ceil(SYNC_THREADS).max(LEAST_SHARE);
        let mut shares = self.staged.chunks(share);
        let Some(first) = shares.next() else { return Ok(()) };
        std::thread::scope(|scope| {
            let others: Vec<_> = shares.map(|some| scope.spawn(move || sync_some(some))).collect();
            let mut synced = sync_some(first);
            for other in others {
                synced = synced.and(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            synced
        })
    }

    /// Writes the record, where recovery does not look for it yet.
    fn write_draft(&mut self) -> Result<(PathBuf, File), SpoolError> {
        let mut text = String::new();
        for staged in &self.staged {
            let file = staged.path.file_name().unwrap_or_default().to_string_lossy();
            writeln!(text, "output {file} {}/{}.pck", staged.queue, staged.name)
                .expect("writing to a string cannot fail");
        }
        for claim in &self.sources {
            writeln!(text, "source {}/{}.bak", claim.queue(), claim.name())
                .expect("writing to a string cannot fail");
        }
        text.push_str("end\n");
        let path = self.spool.paths().staged().join(format!("{}-record", self.id));
        let mut file = durable::create_locked(&path)?;
        self.draft = Some(path.clone());
        durable::write(&mut file, &path, text.as_bytes())?;
        // The syncs of the outputs wait for it, too.
        begin_to_write(&file);
        Ok((path, file))
    }

    /// Renames the record to where recovery looks for it. Returns its path and its lock. The names of
    /// the outputs are durable before.
    ///
    /// # Errors
    /// Then nothing is decided.
    fn decide(&mut self, (draft, file): (PathBuf, File)) -> Result<(PathBuf, File), SpoolError> {
        let paths = self.spool.paths();
        let path = paths.handover().join(&self.id);
        durable::sync(&file, &draft)?;
        durable::sync_dir(&paths.staged())?;
        fault::point("batch.recorded");
        durable::rename(&draft, &path)?;
        if let Err(error) = durable::sync_dir(&paths.handover()) {
            // While we hold its lock no other process can have begun to carry it out: nothing has
            // happened yet.
            if durable::unlink(&path).is_ok() {
                return Err(error);
            }
            // The decision may or may not survive a power failure, but it is never partial.
            tracing::error!("{error}; {} stays", path.display());
        }
        self.decided = true;
        self.sources.iter_mut().for_each(Claim::leave);
        Ok((path, file))
    }

    /// Puts the outputs into their queues and removes the sources from theirs.
    fn carry_out(&mut self) -> Result<Unsettled, SpoolError> {
        let paths = self.spool.paths();
        let mut unsettled = Unsettled::default();
        for staged in &mut self.staged {
            staged.file = None;
            let target = paths.entry(staged.queue, &staged.name, State::Ready);
            staged.rename(self.spool, &target)?;
            staged.is_shown = true;
            unsettled.touch(staged.queue);
            fault::point("batch.shown");
        }
        while let Some(claim) = self.sources.pop() {
            unsettled.finish(self.spool, claim)?;
            fault::point("batch.unlinked");
        }
        Ok(unsettled)
    }
}

/// Makes the disk begin to write, so that the syncs at the end wait for all files together. Only a
/// hint: its result does not matter.
fn begin_to_write(file: &File) {
    let _hint = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

impl Drop for Batch<'_> {
    /// An undecided batch leaves nothing; its sources are given back.
    fn drop(&mut self) {
        if self.decided {
            return;
        }
        for staged in &mut self.staged {
            if let Err(error) = staged.erase_label() {
                tracing::warn!("{error}; after a power failure it may be delivered anyway");
            }
        }
        for path in self.staged.iter().map(|staged| &staged.path).chain(&self.draft) {
            if let Err(error) = durable::unlink(path) {
                tracing::warn!("{error}; recovery will remove it");
            }
        }
        for claim in self.sources.drain(..) {
            if let Err(error) = claim.release() {
                tracing::warn!("{error}; recovery will give it back");
            }
        }
    }
}

/// The path of a batch's output until it is in its queue, unless it is a spare file that keeps its name.
fn staged_path(spool: &Spool, batch: &str, number: usize) -> PathBuf {
    spool.paths().staged().join(format!("{batch}-{number}"))
}

fn set_time(file: &File, path: &Path, due: Timestamp) -> Result<(), SpoolError> {
    let time = Timespec { tv_sec: due.whole_seconds(), tv_nsec: 0 };
    rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })
        .map_err(|error| SpoolError::io("set the time of", path)(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn what_is_decided_and_not_carried_out_is_left_to_recovery() {
        let dir = TempDir::new().unwrap();
        let spool = Spool::new(dir.path());
        spool.create().unwrap();
        let name =
            spool.enqueue(Queue::In, b"From: a@x.example\n\nhello\n", &Metadata::new()).unwrap();
        let claim = spool.claim(Queue::In, &name).unwrap().unwrap();
        let output = Entry::new(b"sent".to_vec(), Metadata::new());
        let mut batch = spool.batch();
        batch.enqueue(Queue::Out, &name, &output).unwrap();
        batch.finish(claim);
        batch.sync().unwrap();
        let draft = batch.write_draft().unwrap();
        // For example if a directory cannot be synced after the rename.
        drop(batch.decide(draft).unwrap());
        drop(batch);
        assert_eq!(spool.recover(&Queue::ALL).unwrap().handovers, 1);
        assert_eq!(spool.names(Queue::Out, State::Ready).unwrap(), [name]);
        assert!(spool.names(Queue::In, State::Ready).unwrap().is_empty());
    }
}
