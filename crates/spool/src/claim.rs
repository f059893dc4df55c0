//! An entry held by this process: renamed to `.bak` and locked (docs/design/DESIGN.md "The spool").

use crate::entry::{ALONE, RETURNED, Suspicion, kept_from};
use crate::spool::{Paths, State};
use crate::{Entry, EntryName, Queue, SpoolError, durable, fault};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A journal's last lines are looked for so near to the end of the file.
const TAIL: u64 = 512;

/// Most entries are read at once.
const FIRST_READ: usize = 16 * 1024;

/// A claimed entry. The lock lasts as long as this value (or the process) does: a `.bak` whose
/// lock is free belongs to a dead process, and recovery gives it back. A claim that is dropped on the
/// way of an error gives its entry back itself: nobody died of it.
#[derive(Debug)]
pub struct Claim {
    paths: Paths,
    queue: Queue,
    name: EntryName,
    file: File,
    journal_open: bool,
    /// Dropping this gives the entry back.
    is_ours: bool,
    /// Its journal says that it is in hand alone.
    is_alone: bool,
}

/// What is found of an entry that is to be claimed.
#[derive(Debug)]
pub enum Look {
    /// Somebody else was faster.
    Gone,
    /// Somebody died who held it: to be claimed when nothing else is in hand. That killed so many
    /// processes that held nothing else.
    Suspect(u32),
    /// It is ours.
    Claimed(Claim),
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What made this process panic has to be counted by recovery.
        if !self.is_ours || std::thread::panicking() {
            return;
        }
        if let Err(error) = self.give_back() {
            tracing::warn!("{error}; recovery will give it back");
        }
    }
}

impl Claim {
    /// Claims a ready entry; `None` when somebody else was faster. Whoever claims a suspect has no
    /// other entry in hand: should the process die, it died of this one.
    pub(crate) fn take(
        paths: &Paths,
        queue: Queue,
        name: &EntryName,
    ) -> Result<Option<Claim>, SpoolError> {
        let Some(mut claim) = Claim::lock(paths, queue, name)? else { return Ok(None) };
        if claim.suspicion()?.is_suspect {
            // Before it is claimed: what dies from now on is counted.
            claim.append_to(ALONE, &paths.entry(queue, name, State::Ready))?;
            claim.is_alone = true;
        }
        claim.rename().map(Some)
    }

    /// Claims a ready entry unless it is a suspect.
    pub(crate) fn take_unless_suspect(
        paths: &Paths,
        queue: Queue,
        name: &EntryName,
    ) -> Result<Look, SpoolError> {
        let Some(claim) = Claim::lock(paths, queue, name)? else { return Ok(Look::Gone) };
        match claim.suspicion()? {
            Suspicion { is_suspect: true, deaths } => Ok(Look::Suspect(deaths)),
            _ => claim.rename().map(Look::Claimed),
        }
    }

    fn lock(paths: &Paths, queue: Queue, name: &EntryName) -> Result<Option<Claim>, SpoolError> {
        let ready = paths.entry(queue, name, State::Ready);
        let Some(file) = lock_file(&ready)? else { return Ok(None) };
        fault::point("claim.locked");
        let (paths, name) = (paths.clone(), name.clone());
        let claim = Claim {
            paths,
            queue,
            name,
            file,
            journal_open: false,
            is_ours: false,
            is_alone: false,
        };
        Ok(Some(claim))
    }

    fn rename(mut self) -> Result<Claim, SpoolError> {
        let ready = self.paths.entry(self.queue, &self.name, State::Ready);
        durable::rename(&ready, &self.path())?;
        self.is_ours = true;
        fault::point("claim.renamed");
        Ok(self)
    }

    /// What the journal's end says, without reading the entry: reading it may be what kills.
    fn suspicion(&self) -> Result<Suspicion, SpoolError> {
        let looked = || -> io::Result<Vec<u8>> {
            let size = self.size()?;
            let from = size.saturating_sub(TAIL);
            let mut tail = vec![0; (size - from) as usize];
            self.file.read_exact_at(&mut tail, from)?;
            Ok(tail)
        };
        let tail = looked().map_err(SpoolError::io("read", &self.path()))?;
        // Without a line feed at the end there is no journal, or a line was cut short: then what
        // stands there may be the message's.
        if tail.last() != Some(&b'\n') {
            return Ok(Suspicion::default());
        }
        let lines = tail.rsplit(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        Ok(Suspicion::of(lines.map_while(|line| std::str::from_utf8(line).ok())))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Takes over the claim of a dead process; `None` when its owner lives, or finished it. It is not
    /// given back when it is dropped: a hand-over may have been decided that names it.
    pub(crate) fn inherit(
        paths: &Paths,
        queue: Queue,
        name: &EntryName,
    ) -> Result<Option<Claim>, SpoolError> {
        let held = paths.entry(queue, name, State::Claimed);
        let file = lock_file(&held)?;
        Ok(file.map(|file| Claim {
            paths: paths.clone(),
            queue,
            name: name.clone(),
            file,
            journal_open: false,
            is_ours: false,
            is_alone: false,
        }))
    }

    /// The queue it was claimed from.
    pub fn queue(&self) -> Queue {
        self.queue
    }

    /// Its name, without suffix.
    pub fn name(&self) -> &EntryName {
        &self.name
    }

    /// How large its file is, in bytes; 0 when the system does not tell.
    pub fn bytes(&self) -> u64 {
        self.size().unwrap_or(0)
    }

    /// Where its file is while it is claimed.
    pub fn path(&self) -> PathBuf {
        self.paths.entry(self.queue, &self.name, State::Claimed)
    }

    /// Reads the entry.
    ///
    /// # Errors
    /// [`SpoolError::is_bad_entry`] tells a file that is no entry from a disk that does not read.
    pub fn read(&mut self) -> Result<Entry, SpoolError> {
        let path = self.path();
        let bytes = self.read_bytes().map_err(SpoolError::io("read", &path))?;
        Entry::from_bytes(&bytes, &path)
    }

    fn read_bytes(&self) -> io::Result<Vec<u8>> {
        fault::operation("read")?;
        let mut bytes = vec![0; FIRST_READ];
        let mut end = 0;
        loop {
            match self.file.read_at(&mut bytes[end..], end as u64) {
                Ok(0) => break,
                Ok(count) => end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if end == bytes.len() {
                bytes.resize(end * 2, 0);
            }
        }
        bytes.truncate(end);
        Ok(bytes)
    }

    /// Appends one line to the entry's journal. It survives the death of this process at once,
    /// and a power failure after [`Claim::sync`].
    ///
    /// # Panics
    /// When the line holds a line feed: the journal would be read back as two.
    pub fn append(&mut self, line: &str) -> Result<(), SpoolError> {
        self.append_to(line, &self.path())
    }

    fn append_to(&mut self, line: &str, path: &Path) -> Result<(), SpoolError> {
        assert!(!line.contains('\n'), "a journal line is one line");
        let mut bytes = Vec::with_capacity(line.len() + 2);
        if !self.journal_open {
            // Ends the second pickle, or a line that a crash cut short.
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        // Locked files are opened for appending.
        fault::operation("append")
            .and_then(|()| self.file.write_all(&bytes))
            .map_err(SpoolError::io("append to", path))?;
        self.journal_open = true;
        fault::point("claim.appended");
        Ok(())
    }

    /// Waits until the journal is on the disk.
    pub fn sync(&self) -> Result<(), SpoolError> {
        fault::operation("sync")
            .and_then(|()| self.file.sync_data())
            .map_err(SpoolError::io("sync", &self.path()))
    }

    /// Gives the entry back unprocessed.
    pub fn release(mut self) -> Result<(), SpoolError> {
        self.is_ours = false;
        self.give_back()
    }

    fn give_back(&mut self) -> Result<(), SpoolError> {
        if std::mem::take(&mut self.is_alone) {
            self.append(RETURNED)?;
        }
        durable::rename(&self.path(), &self.paths.entry(self.queue, &self.name, State::Ready))
    }

    /// Leaves the entry to a hand-over that has been decided.
    pub(crate) fn leave(&mut self) {
        self.is_ours = false;
    }

    /// Done with it, and nothing comes of it. Durable after the next [`crate::Spool::sync`]; until
    /// then a power failure may bring it back, with its journal.
    pub fn finish(mut self) -> Result<(), SpoolError> {
        durable::unlink(&self.path())?;
        self.is_ours = false;
        fault::point("claim.finished");
        Ok(())
    }

    /// Gives the entry back with `due` as its file time, which is when `retry` looks at it again.
    pub fn wait_until(self, due: SystemTime) -> Result<(), SpoolError> {
        self.set_due(due)?;
        self.release()
    }

    /// Moves the entry whole, with its journal, to `retry` until `due`.
    pub fn defer(self, due: SystemTime) -> Result<(), SpoolError> {
        self.set_due(due)?;
        self.move_to(Queue::Retry)
    }

    fn set_due(&self, due: SystemTime) -> Result<(), SpoolError> {
        self.file.set_modified(due).map_err(SpoolError::io("set the time of", &self.path()))
    }

    /// Moves the entry as it is to another queue, ready there.
    pub fn move_to(mut self, queue: Queue) -> Result<(), SpoolError> {
        let target = self.paths.entry(queue, &self.name, State::Ready);
        durable::rename(&self.path(), &target)?;
        self.is_ours = false;
        durable::sync_dir(&self.paths.queue(queue))?;
        durable::sync_dir(&self.paths.queue(self.queue))
    }

    /// Keeps an entry that can be read and not be processed for a person, as `bad/<name>.psv`. It
    /// knows where it came from.
    pub(crate) fn keep(mut self) -> Result<PathBuf, SpoolError> {
        let line = kept_from(self.queue);
        self.append(&line)?;
        self.preserve()
    }

    /// Keeps a file that is no entry for a person, as `bad/<name>.psv` (docs/spec/queue.md §4).
    /// Returns where it is now.
    pub fn preserve(mut self) -> Result<PathBuf, SpoolError> {
        let target = self.paths.entry(Queue::Bad, &self.name, State::Preserved);
        durable::make_dir(&self.paths.queue(Queue::Bad))?;
        durable::rename(&self.path(), &target)?;
        self.is_ours = false;
        durable::sync_dir(&self.paths.queue(Queue::Bad))?;
        Ok(target)
    }
}

/// Opens and locks a file of a queue, and makes sure that the name still means that file.
/// `None` when it is locked or gone.
pub(crate) fn lock_file(path: &Path) -> Result<Option<File>, SpoolError> {
    let not_openable = |problem: &str| SpoolError::NotOpenable {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let named = match std::fs::symlink_metadata(path) {
        Ok(named) if named.is_file() => named,
        // Opening a pipe would wait for somebody, and a link may lead anywhere.
        Ok(_) => return Err(not_openable("it is not a plain file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SpoolError::io("look at", path)(error)),
    };
    let open = || OpenOptions::new().read(true).append(true).open(path);
    let file = match fault::operation("open").and_then(|()| open()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_openable(&format!("{error} (its owner is the user {})", named.uid())));
        }
        Err(error) => return Err(SpoolError::io("open", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(SpoolError::io("lock", path)(error)),
    }
    let ours = file.metadata().map_err(SpoolError::io("look at", path))?;
    match std::fs::symlink_metadata(path) {
        Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SpoolError::io("look at", path)(error)),
    }
}
