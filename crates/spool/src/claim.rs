//! An entry claimed by this process: renamed to `.bak` and locked (docs/design/DESIGN.md "The spool").

use crate::entry::{ALONE, RETURNED, Suspicion, TOGETHER, kept_from};
use crate::spool::{Paths, State};
use crate::{Entry, EntryName, Queue, SpoolError, durable, fault, label};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A journal's last lines are searched in this many bytes at the end of the file.
const TAIL: u64 = 512;

/// Entries of at most this many bytes are read in one call, which also looks for suspicion.
const SMALL: u64 = 16 * 1024;

/// A claimed entry. The lock lasts as long as this value (or the process): a `.bak` with a
/// free lock belongs to a dead process, and recovery gives it back. A claim that is dropped because
/// of an error gives its entry back by itself, without counting a death.
#[derive(Debug)]
pub struct Claim {
    paths: Paths,
    queue: Queue,
    name: EntryName,
    file: File,
    /// The size of its file when it was locked.
    size: u64,
    /// What was read of it when it was locked, from the end of its file, unless its journal has grown since.
    tail: Option<Vec<u8>>,
    journal_open: bool,
    /// Whether dropping this gives the entry back.
    is_ours: bool,
    /// Whether its journal says that it is claimed.
    is_noted: bool,
}

/// The result of trying to claim an entry.
#[derive(Debug)]
pub enum Look {
    /// Another process was faster.
    Gone,
    /// A process died while it held it: claim it only while holding nothing but suspects.
    Suspect(Suspicion),
    /// It is claimed.
    Claimed(Claim),
}

impl Drop for Claim {
    fn drop(&mut self) {
        // If this process panicked, recovery has to count it.
        if !self.is_ours || std::thread::panicking() {
            return;
        }
        if let Err(error) = self.give_back() {
            tracing::warn!("{error}; recovery will give it back");
        }
    }
}

impl Claim {
    /// Claims a ready entry; `None` if another process was faster. A process that claims a suspect
    /// must hold no other entry: if it dies, this one has killed it.
    pub(crate) fn take(
        paths: &Paths,
        queue: Queue,
        name: &EntryName,
    ) -> Result<Option<Claim>, SpoolError> {
        Claim::take_noted(paths, queue, name, ALONE)
    }

    /// The same for one of several suspects: if the process dies, any of them may have killed it.
    pub(crate) fn take_together(
        paths: &Paths,
        queue: Queue,
        name: &EntryName,
    ) -> Result<Option<Claim>, SpoolError> {
        Claim::take_noted(paths, queue, name, TOGETHER)
    }

    fn take_noted(
        paths: &Paths,
        queue: Queue,
        name: &EntryName,
        how: &str,
    ) -> Result<Option<Claim>, SpoolError> {
        let Some(mut claim) = Claim::lock(paths, queue, name)? else { return Ok(None) };
        if claim.suspicion().is_any() {
            // Written before the claim, so that any death from now on is counted.
            claim.append_to(how, &paths.entry(queue, name, State::Ready))?;
            claim.is_noted = true;
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
        match claim.suspicion() {
            suspicion if suspicion.is_any() => Ok(Look::Suspect(suspicion)),
            _ => claim.rename().map(Look::Claimed),
        }
    }

    fn lock(paths: &Paths, queue: Queue, name: &EntryName) -> Result<Option<Claim>, SpoolError> {
        let ready = paths.entry(queue, name, State::Ready);
        let Some((file, size)) = lock_with_size(&ready)? else { return Ok(None) };
        fault::point("claim.locked");
        let mut claim = Claim::of(paths, queue, name, file, size);
        claim.tail = Some(claim.read_tail().map_err(SpoolError::io("read", &ready))?);
        Ok(Some(claim))
    }

    fn of(paths: &Paths, queue: Queue, name: &EntryName, file: File, size: u64) -> Claim {
        Claim {
            paths: paths.clone(),
            queue,
            name: name.clone(),
            file,
            size,
            tail: None,
            journal_open: false,
            is_ours: false,
            is_noted: false,
        }
    }

    fn rename(mut self) -> Result<Claim, SpoolError> {
        let ready = self.paths.entry(self.queue, &self.name, State::Ready);
        durable::rename(&ready, &self.path())?;
        self.is_ours = true;
        fault::point("claim.renamed");
        Ok(self)
    }

    /// Reads a small entry, or the end of a large one.
    fn read_tail(&self) -> io::Result<Vec<u8>> {
        let length = if self.size > SMALL { TAIL } else { self.size };
        let mut tail = vec![0; length as usize];
        self.file.read_exact_at(&mut tail, self.size - length)?;
        Ok(tail)
    }

    /// Looks at the journal's end without parsing the entry, because parsing it may be what kills.
    fn suspicion(&self) -> Suspicion {
        let tail = self.tail.as_deref().unwrap_or_default();
        let tail = &tail[tail.len().saturating_sub(TAIL as usize)..];
        // Without a line feed at the end there is no journal, or a line was truncated: then the text
        // may belong to the message.
        if tail.last() != Some(&b'\n') {
            return Suspicion::default();
        }
        // Most entries have no journal, but many line feeds.
        let end = tail.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
        let lines = tail[..end].rsplit(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        Suspicion::of(lines.map_while(|line| std::str::from_utf8(line).ok()))
    }

    /// Takes over the claim of a dead process; `None` if its owner is alive, or has finished it. It
    /// is not given back on drop, because a decided hand-over may name it.
    pub(crate) fn inherit(
        paths: &Paths,
        queue: Queue,
        name: &EntryName,
    ) -> Result<Option<Claim>, SpoolError> {
        let held = paths.entry(queue, name, State::Claimed);
        let locked = lock_with_size(&held)?;
        Ok(locked.map(|(file, size)| Claim::of(paths, queue, name, file, size)))
    }

    /// The queue it was claimed from.
    pub fn queue(&self) -> Queue {
        self.queue
    }

    /// The name, without suffix.
    pub fn name(&self) -> &EntryName {
        &self.name
    }

    /// The size of its file in bytes when it was claimed.
    pub fn bytes(&self) -> u64 {
        self.size
    }

    /// Its file, which is open for appending and locked.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The path of its file while it is claimed.
    pub fn path(&self) -> PathBuf {
        self.paths.entry(self.queue, &self.name, State::Claimed)
    }

    /// Reads the entry.
    ///
    /// # Errors
    /// [`SpoolError::is_bad_entry`] distinguishes an invalid file from a failing disk.
    pub fn read(&mut self) -> Result<Entry, SpoolError> {
        let path = self.path();
        let bytes = self.read_bytes().map_err(SpoolError::io("read", &path))?;
        Entry::from_bytes(&bytes, &path)
    }

    fn read_bytes(&mut self) -> io::Result<Vec<u8>> {
        fault::operation("read")?;
        let known = self.tail.take().filter(|tail| tail.len() as u64 == self.size);
        if let Some(whole) = known {
            return Ok(whole);
        }
        // Only we write to it.
        let mut bytes = vec![0; self.file.metadata()?.len() as usize];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Appends one line to the entry's journal. The line survives the death of this process
    /// immediately, and a power failure after [`Claim::sync`].
    ///
    /// # Panics
    /// If the line contains a line feed, because the journal would be read as two lines.
    pub fn append(&mut self, line: &str) -> Result<(), SpoolError> {
        self.append_to(line, &self.path())
    }

    fn append_to(&mut self, line: &str, path: &Path) -> Result<(), SpoolError> {
        assert!(!line.contains('\n'), "a journal line is one line");
        let mut bytes = Vec::with_capacity(line.len() + 2);
        if !self.journal_open {
            // Ends the second pickle, or a truncated line.
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.tail = None;
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
        if std::mem::take(&mut self.is_noted) {
            self.append(RETURNED)?;
        }
        durable::rename(&self.path(), &self.paths.entry(self.queue, &self.name, State::Ready))
    }

    /// Leaves the entry to a decided hand-over.
    pub(crate) fn leave(&mut self) {
        self.is_ours = false;
    }

    /// Finishes the entry without any output. Durable after the next [`crate::Spool::sync`]; until
    /// then a power failure may restore it, with its journal.
    pub fn finish(mut self) -> Result<(), SpoolError> {
        label::forget(&self.paths, &self.file)?;
        durable::unlink(&self.path())?;
        self.is_ours = false;
        fault::point("claim.finished");
        Ok(())
    }

    /// Gives the entry back with `due` as its file's time, when it is due in `retry` again.
    pub fn wait_until(self, due: SystemTime) -> Result<(), SpoolError> {
        self.set_due(due)?;
        self.release()
    }

    /// Moves the whole entry, with its journal, to `retry` until `due`.
    pub fn defer(self, due: SystemTime) -> Result<(), SpoolError> {
        self.set_due(due)?;
        self.move_to(Queue::Retry)
    }

    fn set_due(&self, due: SystemTime) -> Result<(), SpoolError> {
        self.file.set_modified(due).map_err(SpoolError::io("set the time of", &self.path()))
    }

    /// Moves the unchanged entry to another queue, ready there.
    pub fn move_to(mut self, queue: Queue) -> Result<(), SpoolError> {
        let target = self.paths.entry(queue, &self.name, State::Ready);
        durable::rename(&self.path(), &target)?;
        self.is_ours = false;
        self.paths.sync_queues([queue, self.queue])
    }

    /// Keeps a readable entry that cannot be processed for a person, as `bad/<name>.psv`. It
    /// records where it came from.
    pub(crate) fn keep(mut self) -> Result<PathBuf, SpoolError> {
        let line = kept_from(self.queue);
        self.append(&line)?;
        self.preserve()
    }

    /// Keeps an invalid file for a person, as `bad/<name>.psv` (docs/spec/queue.md §4).
    /// Returns its new path.
    pub fn preserve(mut self) -> Result<PathBuf, SpoolError> {
        let target = self.paths.entry(Queue::Bad, &self.name, State::Preserved);
        durable::make_dir(&self.paths.queue(Queue::Bad))?;
        durable::rename(&self.path(), &target)?;
        self.is_ours = false;
        self.paths.sync_queues([Queue::Bad])?;
        Ok(target)
    }
}

/// Opens and locks a file of a queue, and checks that the name still refers to that file.
/// `None` if it is locked or gone.
pub(crate) fn lock_file(path: &Path) -> Result<Option<File>, SpoolError> {
    Ok(lock_with_size(path)?.map(|(file, _)| file))
}

/// The same, with its size.
fn lock_with_size(path: &Path) -> Result<Option<(File, u64)>, SpoolError> {
    // Opening a pipe must not block, and a link may lead anywhere.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let open = || OpenOptions::new().read(true).append(true).custom_flags(flags).open(path);
    let file = match fault::operation("open").and_then(|()| open()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return why_not_opened(path, error).map(|()| None),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(SpoolError::io("lock", path)(error)),
    }
    let ours = file.metadata().map_err(SpoolError::io("look at", path))?;
    if !ours.is_file() {
        return Err(not_openable(path, "it is not a plain file"));
    }
    match std::fs::symlink_metadata(path) {
        Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {
            Ok(Some((file, ours.len())))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SpoolError::io("look at", path)(error)),
    }
}

fn not_openable(path: &Path, problem: &str) -> SpoolError {
    SpoolError::NotOpenable { path: path.to_owned(), problem: problem.to_owned() }
}

/// Returns what is wrong with something that cannot be opened; no error if it is gone.
fn why_not_opened(path: &Path, error: io::Error) -> Result<(), SpoolError> {
    match std::fs::symlink_metadata(path) {
        Ok(named) if !named.is_file() => Err(not_openable(path, "it is not a plain file")),
        Ok(named) if error.kind() == io::ErrorKind::PermissionDenied => {
            let owner = format!("{error} (its owner is the user {})", named.uid());
            Err(not_openable(path, &owner))
        }
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) | Err(_) => Err(SpoolError::io("open", path)(error)),
    }
}
