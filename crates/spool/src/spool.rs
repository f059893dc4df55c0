//! The queue directories as a whole.

use crate::claim::Look;
use crate::label::Labels;
use crate::listing::{base_with_suffix, by_time, first_received_first, for_each_file};
use crate::metadata::Metadata;
use crate::{Batch, Claim, Entry, EntryName, Queue, SpoolError, claim, durable, label, recover};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The spool of a site: a directory (`qfiles/`) with a directory for each queue.
#[derive(Debug, Clone)]
pub struct Spool {
    paths: Paths,
    labels: Option<Arc<Labels>>,
}

/// Paths. All paths of a spool are constructed here.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: PathBuf,
}

/// The name of the file among the records that is none.
pub(crate) const LABELS: &str = "labels";

/// An entry's state, which is the suffix of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Claimed,
    Preserved,
}

impl State {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            State::Ready => "pck",
            State::Claimed => "bak",
            State::Preserved => "psv",
        }
    }
}

impl Paths {
    pub fn queue(&self, queue: Queue) -> PathBuf {
        self.root.join(queue.name())
    }

    pub fn entry(&self, queue: Queue, name: &EntryName, state: State) -> PathBuf {
        let mut path = self.queue(queue).into_os_string();
        ["/", name.as_str(), ".", state.suffix()].iter().for_each(|part| path.push(part));
        path.into()
    }

    /// Outputs that are not in their queues yet.
    pub fn staged(&self) -> PathBuf {
        self.root.join(".staged")
    }

    /// Files of finished entries.
    pub fn spare(&self) -> PathBuf {
        self.root.join(".spare")
    }

    /// Hand-overs that are decided but perhaps not completed.
    pub fn handover(&self) -> PathBuf {
        self.root.join(".handover")
    }

    /// The file that processes lock while they write labels.
    pub fn labels(&self) -> PathBuf {
        self.handover().join(LABELS)
    }

    /// Waits until the names in the directories of queues are durable, and no entry that was removed from
    /// them can return.
    pub fn sync_queues(&self, queues: impl IntoIterator<Item = Queue>) -> Result<(), SpoolError> {
        queues.into_iter().try_for_each(|queue| durable::sync_dir(&self.queue(queue)))?;
        self.sync_spares()
    }

    /// Waits until no entry that was removed can return under the name of a spare file.
    pub fn sync_spares(&self) -> Result<(), SpoolError> {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if fs::symlink_metadata(self.labels()).is_err_and(|error| is_missing(&error)) {
            return Ok(());
        }
        match durable::sync_dir(&self.spare()) {
            // Names in a directory that was removed do not return.
            Err(SpoolError::Io { source, .. }) if is_missing(&source) => Ok(()),
            other => other,
        }
    }

    pub fn relative(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// A file seen in a queue directory.
#[derive(Debug, Clone)]
pub struct QueueFile {
    /// The entry's name.
    pub name: EntryName,
    /// Ready, claimed, or kept for a person.
    pub state: QueueFileState,
    /// Size in bytes.
    pub size: u64,
    /// Last change; for an entry in `retry` that we wrote, the due time.
    pub modified: SystemTime,
}

/// A due time this much too late is tolerated: another clock may have been ahead.
const SLACK: Duration = Duration::from_secs(300);

impl QueueFile {
    /// When an entry of `retry` is due, by its file's time. `None` if that time is impossible: no
    /// entry waits longer than `longest`, so the clock was wrong when it was set.
    pub fn due(&self, now: SystemTime, longest: Duration) -> Option<SystemTime> {
        (self.modified <= now + longest + SLACK).then_some(self.modified)
    }
}

/// What one look at a queue shows.
#[derive(Debug, Default)]
pub struct Seen {
    /// The ready entries, in the order of receipt.
    pub ready: Vec<EntryName>,
    /// How many claims have no live owner.
    pub abandoned: usize,
}

/// The state in a file's suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueFileState {
    /// `.pck`: ready.
    Ready,
    /// `.bak`: in work, or left by a dead process.
    Claimed,
    /// `.psv`: kept because it cannot be processed.
    Preserved,
}

impl Spool {
    /// The spool in `root`; the disk is not accessed yet.
    pub fn new(root: impl Into<PathBuf>) -> Spool {
        Spool { paths: Paths { root: root.into() }, labels: None }
    }

    /// The same, for a process that stays and enqueues single entries: while many arrive, they are
    /// durable before the directories of their queues are. When it and its clones are dropped, or at
    /// [`Spool::rest`], the directories are durable, too.
    pub fn busy(root: impl Into<PathBuf>) -> Spool {
        let spool = Spool::new(root);
        Spool { labels: Some(Arc::new(Labels::of(&spool))), ..spool }
    }

    /// Whether entries were enqueued before the directories of their queues are durable.
    pub fn is_busy(&self) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.are_on())
    }

    /// Makes the directories of the queues durable. No entry may be arriving in this process.
    pub fn rest(&self) {
        self.labels.iter().for_each(|labels| labels.end());
    }

    /// What makes new entries durable before the directory of their queue is.
    pub(crate) fn labels(&self) -> Option<&Labels> {
        self.labels.as_deref()
    }

    /// Creates what is missing: directories, with mode 2770, and the identity.
    pub fn create(&self) -> Result<(), SpoolError> {
        durable::make_dir(&self.paths.root)?;
        for queue in Queue::ALL {
            durable::make_dir(&self.paths.queue(queue))?;
        }
        durable::make_dir(&self.paths.staged())?;
        durable::make_dir(&self.paths.handover())?;
        durable::make_dir(&self.paths.spare())?;
        self.identity().map(drop)
    }

    /// The directory of a queue.
    pub fn dir(&self, queue: Queue) -> PathBuf {
        self.paths.queue(queue)
    }

    /// The spool's own directory.
    pub fn root(&self) -> &Path {
        &self.paths.root
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The ready entries of a queue, in the order of receipt. Entries that arrive meanwhile are
    /// seen by the next call.
    pub fn ready(&self, queue: Queue) -> Result<Vec<EntryName>, SpoolError> {
        self.names(queue, State::Ready)
    }

    pub(crate) fn names(&self, queue: Queue, state: State) -> Result<Vec<EntryName>, SpoolError> {
        let mut names = Vec::new();
        for_each_file(&self.paths.queue(queue), |file| {
            if let Some(base) = base_with_suffix(file, state.suffix()) {
                names.push(EntryName::from_base(base));
            }
        })?;
        Ok(first_received_first(names))
    }

    /// What one look at a queue shows.
    pub fn look(&self, queue: Queue) -> Result<Seen, SpoolError> {
        let (ready, claimed) = self.ready_and_claimed(queue)?;
        Ok(Seen { ready, abandoned: recover::abandoned(self, queue, &claimed) })
    }

    /// The ready entries of a queue and the claimed ones, in the order of receipt.
    pub(crate) fn ready_and_claimed(
        &self,
        queue: Queue,
    ) -> Result<(Vec<EntryName>, Vec<EntryName>), SpoolError> {
        let (mut ready, mut claimed) = (Vec::new(), Vec::new());
        for_each_file(&self.paths.queue(queue), |file| {
            if let Some(base) = base_with_suffix(file, State::Ready.suffix()) {
                ready.push(EntryName::from_base(base));
            } else if let Some(base) = base_with_suffix(file, State::Claimed.suffix()) {
                claimed.push(EntryName::from_base(base));
            }
        })?;
        Ok((first_received_first(ready), first_received_first(claimed)))
    }

    /// Whether a queue has no ready entry.
    pub fn is_empty(&self, queue: Queue) -> Result<bool, SpoolError> {
        Ok(self.ready(queue)?.is_empty())
    }

    /// Everything in a queue, for people, including claimed and preserved entries.
    pub fn list(&self, queue: Queue) -> Result<Vec<QueueFile>, SpoolError> {
        let dir = self.paths.queue(queue);
        let mut found = Vec::new();
        let states = [
            (State::Ready, QueueFileState::Ready),
            (State::Claimed, QueueFileState::Claimed),
            (State::Preserved, QueueFileState::Preserved),
        ];
        for_each_file(&dir, |file| {
            for (state, seen) in states {
                if let Some(base) = base_with_suffix(file, state.suffix()) {
                    found.push((base.to_owned(), seen));
                }
            }
        })?;
        let mut files = Vec::with_capacity(found.len());
        for (base, state) in found {
            let suffix = match state {
                QueueFileState::Ready => State::Ready,
                QueueFileState::Claimed => State::Claimed,
                QueueFileState::Preserved => State::Preserved,
            };
            let name = EntryName::from_base(&base);
            let path = self.paths.entry(queue, &name, suffix);
            match fs::metadata(&path) {
                Ok(meta) => files.push(QueueFile {
                    name,
                    state,
                    size: meta.len(),
                    modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                }),
                // Claimed between the listing and the look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(SpoolError::io("look at", &path)(error)),
            }
        }
        Ok(by_time(files, |found| &found.name))
    }

    /// When to look at the first entry of `retry`, if there is one. An entry written by Mailman is
    /// due immediately: the time of its file is set when it is looked at. So is one with an
    /// impossible date, because no entry waits longer than `longest`.
    pub fn next_due(&self, longest: Duration) -> Result<Option<SystemTime>, SpoolError> {
        let now = dormouse_clock::now();
        let waiting = self.list(Queue::Retry)?;
        let ready = waiting.iter().filter(|found| found.state == QueueFileState::Ready);
        Ok(ready.map(|found| found.due(now, longest).unwrap_or(now)).min())
    }

    /// Reads an entry without claiming it, in any state; `None` if no entry has that name.
    pub fn peek(&self, queue: Queue, name: &EntryName) -> Result<Option<Entry>, SpoolError> {
        // It may be claimed and given back meanwhile.
        for state in [State::Ready, State::Claimed, State::Preserved, State::Ready] {
            let path = self.paths.entry(queue, name, state);
            match fs::read(&path) {
                // If it is finished meanwhile, its file may already have the content of another.
                Ok(bytes) if path.exists() => return Entry::from_bytes(&bytes, &path).map(Some),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(SpoolError::io("read", &path)(error)),
            }
        }
        Ok(None)
    }

    /// Removes an entry permanently, in any state. False if it does not exist, or if a live process
    /// is working on it.
    pub fn remove(&self, queue: Queue, name: &EntryName) -> Result<bool, SpoolError> {
        for state in [State::Ready, State::Claimed, State::Preserved] {
            let path = self.paths.entry(queue, name, state);
            if let Some(file) = claim::lock_file(&path)? {
                label::forget(&self.paths, &file)?;
                durable::unlink(&path)?;
                self.paths.sync_queues([queue])?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes one entry so that it survives a power failure, and returns its name. Nothing is
    /// visible in the queue before it is complete.
    ///
    /// # Errors
    /// On any failure nothing is left behind.
    pub fn enqueue(
        &self,
        queue: Queue,
        message: &[u8],
        metadata: &Metadata,
    ) -> Result<EntryName, SpoolError> {
        let mut batch = self.batch();
        let name = batch.add(queue, message, metadata)?;
        batch.commit()?;
        Ok(name)
    }

    /// Whether an entry is ready: no process works on it.
    pub fn is_ready(&self, queue: Queue, name: &EntryName) -> bool {
        self.paths.entry(queue, name, State::Ready).exists()
    }

    /// Claims a ready entry; `None` if another process was faster.
    pub fn claim(&self, queue: Queue, name: &EntryName) -> Result<Option<Claim>, SpoolError> {
        Claim::take(&self.paths, queue, name)
    }

    /// The same, together with other suspects and nothing else.
    pub fn claim_together(
        &self,
        queue: Queue,
        name: &EntryName,
    ) -> Result<Option<Claim>, SpoolError> {
        Claim::take_together(&self.paths, queue, name)
    }

    /// Claims a ready entry unless it is suspected of having killed a process: claim such an entry
    /// with [`Spool::claim`] when nothing else is claimed.
    pub fn claim_unless_suspect(&self, queue: Queue, name: &EntryName) -> Result<Look, SpoolError> {
        Claim::take_unless_suspect(&self.paths, queue, name)
    }

    /// Sets aside something that has an entry's name and cannot be opened: it stays in its queue,
    /// with a name that starts nothing. Returns its path.
    pub fn put_aside(&self, queue: Queue, name: &EntryName) -> Result<PathBuf, SpoolError> {
        let aside = self.paths.entry(queue, name, State::Preserved);
        durable::rename(&self.paths.entry(queue, name, State::Ready), &aside)?;
        durable::sync_dir(&self.paths.queue(queue))?;
        Ok(aside)
    }

    /// Completes the decided hand-overs of dead processes, and puts entries that a power failure has taken
    /// from their queues back. Returns how many there were.
    pub fn finish_handovers(&self) -> Result<usize, SpoolError> {
        recover::finish_handovers(self)
    }

    /// The outputs of decided hand-overs that a queue does not show yet.
    pub fn promised(&self, queue: Queue) -> Result<Vec<EntryName>, SpoolError> {
        recover::promised(self, queue)
    }

    /// The number of hand-overs without a live owner: recovery must complete them. For claims see
    /// [`Seen::abandoned`].
    pub fn abandoned_handovers(&self) -> Result<usize, SpoolError> {
        recover::abandoned_handovers(self)
    }

    /// Claims a preserved (`.psv`) or ready entry, to move it by hand; `None` if there is none, or
    /// a live process holds it.
    pub fn claim_any(&self, queue: Queue, name: &EntryName) -> Result<Option<Claim>, SpoolError> {
        if let Some(claim) = self.claim(queue, name)? {
            return Ok(Some(claim));
        }
        let preserved = self.paths.entry(queue, name, State::Preserved);
        if let Some(_lock) = claim::lock_file(&preserved)? {
            durable::rename(&preserved, &self.paths.entry(queue, name, State::Ready))?;
        }
        self.claim(queue, name)
    }

    /// Waits until the names in a queue's directory are durable.
    pub fn sync(&self, queue: Queue) -> Result<(), SpoolError> {
        self.paths.sync_queues([queue])
    }

    /// Starts a hand-over.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// The files that dead processes have left for recovery, apart from claims. Changes nothing.
    pub fn remains(&self) -> Result<Vec<PathBuf>, SpoolError> {
        recover::remains(self)
    }

    /// Whether [`Spool::remains`] finds anything.
    pub fn has_remains(&self) -> Result<bool, SpoolError> {
        Ok(!self.remains()?.is_empty())
    }

    /// Completes or gives back the work of dead processes. See [`recover`].
    pub fn recover(&self, queues: &[Queue]) -> Result<recover::Recovered, SpoolError> {
        recover::recover(self, queues)
    }
}
