//! New entries that are durable before the directory of their queue is.
//!
//! To sync a directory takes as long as to sync a file, or longer. But the name of a [spare file](crate::spare),
//! `INODE-TICKET`, has been on the disk for some time. So a new entry that is written into one gets a *label*: a
//! line after its pickles that names the spare file, the entry's queue and name, and a digest. As soon as the file is
//! synced the entry is durable. Then it gets its name in the queue as a second one, without waiting for the
//! directory. If a power failure undoes that, recovery does it again.
//!
//! A label counts only while the file has the name that it mentions, which is used once: a file that becomes
//! spare again gets another ticket. So the rest of an old entry in a spare file, whose zeros did not reach the disk,
//! means nothing. Anyone who removes an entry [removes the first name](forget) before, and its end is durable
//! only after both directories were synced ([`Paths::sync_queues`]). The process that wrote labels removes the
//! first names of entries that still wait when the directories of the queues are durable.
//!
//! Such a process holds a shared lock on `.handover/labels`. If nobody does and the file exists, one died, possibly
//! with the machine: recovery looks for labels, under an exclusive lock.

use crate::spool::Paths;
use crate::{EntryName, Queue, Spool, SpoolError, durable, fault, recover, spare};
use sha1::{Digest as _, Sha1};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

mod restored;

pub(crate) use restored::{Labelled, Restored, candidates, is_abandoned, read_label};

/// What the line begins with. No line of a journal does.
const WORD: &str = "label ";
/// The number of bytes that are kept free for a label behind an entry's pickles.
pub(crate) const ROOM: u64 = 256;
/// The maximum size of a file with a label.
pub(crate) const LARGEST: u64 = 32 * 1024;
/// The number of entries after which their queues are made durable.
const MOST: usize = 256;

/// The content of the file of labels if several processes have written them at the same time.
const SHARED: &[u8] = b"shared\n";

/// Entries that follow each other within this time get labels: a single one is not worth the lock.
const BUSY: Duration = Duration::from_secs(1);

/// How long no labels are written after the file system has refused a link.
const PAUSE: Duration = Duration::from_secs(60);

/// Whether this is a line of an entry's journal that is a label.
pub(crate) fn is_label(line: &[u8]) -> bool {
    line.starts_with(WORD.as_bytes())
}

/// Whether a spare file of that name is used once under that name.
pub(crate) fn is_ticket(file: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    file.split_once('-').is_some_and(|(inode, ticket)| {
        !inode.is_empty()
            && inode.bytes().all(|byte| byte.is_ascii_digit())
            && ticket.len() == 16
            && ticket.bytes().all(hex)
    })
}

/// The label of an entry that was written into a spare file, and where it belongs in that file.
#[derive(Debug)]
pub(crate) struct Label {
    text: String,
    at: u64,
}

impl Label {
    /// Creates the label for these bytes in that spare file.
    pub fn new(spare: &str, queue: Queue, name: &EntryName, bytes: &[u8]) -> Option<Label> {
        let fields = format!("{spare} {queue}/{name} {}", bytes.len());
        let text = format!("\n{WORD}{fields} {}\n", digest(bytes, &fields));
        // Names of other programs may have any letters.
        let is_plain = !name.as_str().contains(char::is_whitespace);
        (is_plain && text.len() as u64 <= ROOM).then_some(Label { text, at: bytes.len() as u64 })
    }

    /// Writes it. The entry is durable when the file has been synced.
    pub fn write(&self, file: &File, path: &Path) -> Result<(), SpoolError> {
        put(file, self.text.as_bytes(), self.at, path)
    }

    /// Removes it again durably.
    pub fn erase(&self, file: &File, path: &Path) -> Result<(), SpoolError> {
        put(file, &vec![b'\n'; self.text.len()], self.at, path)?;
        durable::sync(file, path)
    }
}

fn put(file: &File, bytes: &[u8], at: u64, path: &Path) -> Result<(), SpoolError> {
    fault::operation("write")
        .and_then(|()| file.write_all_at(bytes, at))
        .map_err(SpoolError::io("write", path))
}

fn digest(bytes: &[u8], fields: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(bytes);
    sha1.update(fields);
    sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the label of a file whose name is that of a spare file. Returns the entry's place if the label is of that
/// name, and the entry is complete.
fn place_in(bytes: &[u8], spare: &str) -> Option<(Queue, EntryName)> {
    let line = bytes.rsplit(|byte| *byte == b'\n').find(|line| is_label(line))?;
    let (fields, sum) = std::str::from_utf8(line).ok()?.strip_prefix(WORD)?.rsplit_once(' ')?;
    let mut words = fields.split(' ');
    let (of, place, length) = (words.next()?, words.next()?, words.next()?);
    let written = bytes.get(..length.parse().ok()?)?;
    if of != spare || words.next().is_some() || digest(written, fields) != sum {
        return None;
    }
    let (queue, base) = place.split_once('/')?;
    Some((queue.parse().ok()?, EntryName::from_base(base)))
}

/// Whether this locked spare file has an entry that a power failure has brought back here. Recovery
/// will put it into its queue; until then the file must not be written to.
pub(crate) fn is_entry(file: &File, name: &str, size: u64) -> io::Result<bool> {
    let mut first = [0];
    // A pickle does not begin with a zero, with which spare files are overwritten.
    if !is_ticket(name) || file.read_at(&mut first, 0)? == 0 || first == [0] {
        return Ok(false);
    }
    Ok(place_in(&read(file, size)?, name).is_some())
}

fn read(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size.min(LARGEST) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Removes the name under which recovery would find the entry in this file, before the entry is removed.
pub(crate) fn forget(paths: &Paths, file: &File) -> Result<(), SpoolError> {
    let looked = || -> io::Result<Option<Vec<u8>>> {
        let found = file.metadata()?;
        // Its size does not matter: it may have grown by lines of its journal.
        (found.nlink() > 1).then(|| read(file, found.size())).transpose()
    };
    let Some(bytes) = looked().map_err(SpoolError::io("read a file in", &paths.spare()))? else {
        return Ok(());
    };
    let line = bytes.rsplit(|byte| *byte == b'\n').find(|line| is_label(line));
    let spare = line.and_then(|line| std::str::from_utf8(line).ok()?.split(' ').nth(1));
    match spare.filter(|spare| is_ticket(spare)).map(|spare| paths.spare().join(spare)) {
        Some(path) if is_named(file, &path) => {
            durable::unlink(&path)?;
            fault::point("label.forgotten");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether that is a name of this file.
pub(crate) fn is_named(file: &File, path: &Path) -> bool {
    let number = |found: fs::Metadata| (found.dev(), found.ino());
    let named = fs::symlink_metadata(path).map(number).ok();
    named.is_some() && named == file.metadata().map(number).ok()
}

/// Removes the file of labels. The first names must be gone durably before, because the end of an entry no longer
/// waits for that.
fn remove_marker(paths: &Paths) -> Result<(), SpoolError> {
    paths.sync_spares()?;
    durable::unlink(&paths.labels())
}

/// Waits until entries are durable in their queues, and removes their first names.
fn settle(paths: &Paths, first_names: &[PathBuf]) -> Result<(), SpoolError> {
    if first_names.is_empty() {
        return Ok(());
    }
    // All, because an entry may have been moved to another.
    for queue in Queue::ALL.into_iter().filter(|queue| paths.queue(*queue).exists()) {
        durable::sync_dir(&paths.queue(queue))?;
    }
    fault::point("label.settled");
    first_names.iter().try_for_each(|path| durable::unlink(path))
}

/// Writes labels while many entries arrive. Dropping it makes them all durable in their queues.
#[derive(Debug)]
pub(crate) struct Labels {
    /// For a process that writes no labels.
    spool: Spool,
    state: Mutex<Writing>,
}

#[derive(Debug, Default)]
struct Writing {
    /// The locked file, while labels are written.
    marker: Option<File>,
    /// When the last entry came.
    last: Option<Instant>,
    /// When the file system refused a link.
    refused: Option<Instant>,
    /// The first names of entries whose names in the queues may not be durable.
    first_names: Vec<PathBuf>,
}

impl Labels {
    pub fn of(spool: &Spool) -> Labels {
        Labels { spool: spool.clone(), state: Mutex::default() }
    }

    fn paths(&self) -> &Paths {
        self.spool.paths()
    }

    fn state<T>(&self, work: impl FnOnce(&mut Writing) -> T) -> T {
        // This is consistent at every instant, also after a panic.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether labels are being written.
    pub fn are_on(&self) -> bool {
        self.state(|writing| writing.marker.is_some())
    }

    /// Whether the entry that arrives now gets a label.
    pub fn begin(&self) -> bool {
        self.state(|writing| {
            if writing.refused.is_some_and(|refused| refused.elapsed() < PAUSE) {
                return false;
            }
            let last = writing.last.replace(Instant::now());
            // Somebody may have removed the file.
            writing.marker.take_if(|marker| !is_named(marker, &self.paths().labels()));
            if writing.marker.is_none() && last.is_some_and(|last| last.elapsed() < BUSY) {
                match self.lock() {
                    Ok(Some(marker)) => writing.marker = Some(marker),
                    // Not each time.
                    Ok(None) => writing.last = None,
                    Err(error) => {
                        writing.last = None;
                        tracing::warn!("{error}; each mail waits for a directory");
                    }
                }
            }
            writing.marker.is_some()
        })
    }

    /// Notes that a link was refused. Each attempt costs two syncs more.
    pub fn pause(&self) {
        self.state(|writing| writing.refused = Some(Instant::now()));
    }

    /// Notes that an entry with a label is in its queue.
    pub fn add(&self, first_name: &Path) {
        self.state(|writing| {
            writing.first_names.push(first_name.to_owned());
            spare::labelled(self.paths(), first_name);
            if writing.first_names.len() >= MOST
                && let Err(error) = self.settle(writing)
            {
                tracing::warn!("{error}; it is tried again");
            }
        });
    }

    fn settle(&self, writing: &mut Writing) -> Result<(), SpoolError> {
        settle(self.paths(), &writing.first_names)?;
        spare::none_labelled(self.paths());
        writing.first_names.clear();
        Ok(())
    }

    /// Waits until all entries are durable in their queues. No entry may be arriving.
    pub fn end(&self) {
        self.state(|writing| {
            let Some(marker) = writing.marker.take() else { return };
            writing.last = None;
            if let Err(error) = self.settle(writing).and_then(|()| self.unlock(&marker)) {
                tracing::warn!("{error}; the next run completes that");
            }
        });
    }

    /// Announces durably that labels are going to be written. None if another process is looking for
    /// labels at this moment, or labels of dead processes are left.
    fn lock(&self) -> Result<Option<File>, SpoolError> {
        let path = self.paths().labels();
        // Mail does not wait for another process's recovery.
        if let Ok(file) = File::open(&path)
            && let Err(TryLockError::WouldBlock) = file.try_lock_shared()
        {
            return Ok(None);
        }
        // Entries of dead processes come first: nobody will look for them as long as we hold the lock.
        recover::finish_handovers(&self.spool)?;
        let mut options = File::options();
        options.read(true).write(true).mode(durable::FILE_MODE);
        let opened = fault::operation("create").and_then(|()| {
            match options.clone().create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    options.open(&path).map(|file| (file, true))
                }
                created => created.map(|file| (file, false)),
            }
        });
        let (file, has_others) = opened.map_err(SpoolError::io("create", &path))?;
        // If nobody holds it now, recovery could not look at everything.
        if has_others && file.try_lock().is_ok() {
            return Ok(None);
        }
        if file.try_lock_shared().is_err() || !is_named(&file, &path) {
            return Ok(None);
        }
        if has_others {
            put(&file, SHARED, 0, &path)?;
        }
        // Another process may have created it, and not come this far.
        durable::sync_with_times(&file, &path)?;
        durable::sync_dir(&self.paths().handover())?;
        fault::point("label.announced");
        Ok(Some(file))
    }

    fn unlock(&self, marker: &File) -> Result<(), SpoolError> {
        let path = self.paths().labels();
        // Otherwise another process writes labels, or looks for them.
        if marker.try_lock().is_err() || !is_named(marker, &path) {
            return Ok(());
        }
        let failed = SpoolError::io("look at", &path);
        if marker.metadata().map_err(failed)?.size() == 0 {
            return remove_marker(self.paths());
        }
        // Another process may have died while we held the lock.
        marker.unlock().map_err(SpoolError::io("unlock", &path))?;
        recover::finish_handovers(&self.spool).map(drop)
    }
}

impl Drop for Labels {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
