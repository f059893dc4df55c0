//! Entries of dead processes that wrote labels.

use super::{LARGEST, is_named, is_ticket, place_in, read, remove_marker, settle};
use crate::listing::for_each_file;
use crate::record::Record;
use crate::spool::{Paths, State};
use crate::{EntryName, Queue, SpoolError, durable, fault};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// An entry under the name of the spare file that it was written into.
#[derive(Debug)]
pub(crate) struct Labelled {
    pub path: PathBuf,
    pub queue: Queue,
    pub name: EntryName,
}

impl Labelled {
    /// Whether the entry has another name: in its queue, or where it was moved from there.
    pub fn is_in_a_queue(&self, paths: &Paths) -> bool {
        let states = [State::Ready, State::Claimed, State::Preserved];
        let has =
            |queue, state| fs::symlink_metadata(paths.entry(queue, &self.name, state)).is_ok();
        Queue::ALL.into_iter().any(|queue| states.into_iter().any(|state| has(queue, state)))
    }

    /// Links it into its queue as claimed; renames it if the file system has no links.
    fn show(&self, paths: &Paths) -> Result<(), SpoolError> {
        let claimed = paths.entry(self.queue, &self.name, State::Claimed);
        durable::make_dir(&paths.queue(self.queue))?;
        match durable::link(&self.path, &claimed) {
            Err(SpoolError::Io { source, .. }) if source.kind() != io::ErrorKind::AlreadyExists => {
                durable::rename(&self.path, &claimed)
            }
            other => other,
        }
    }
}

/// Returns the paths of spare files that may have an entry.
pub(crate) fn candidates(paths: &Paths) -> Result<Vec<PathBuf>, SpoolError> {
    let (dir, mut found) = (paths.spare(), Vec::new());
    for_each_file(&dir, |file| found.extend(is_ticket(file).then(|| dir.join(file))))?;
    Ok(found)
}

/// Reads the label of a spare file.
pub(crate) fn read_label(path: PathBuf, file: &File) -> Result<Option<Labelled>, SpoolError> {
    let spare = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let bytes = file.metadata().and_then(|found| read(file, found.size()));
    let bytes = bytes.map_err(SpoolError::io("read", &path))?;
    let place = place_in(&bytes, spare);
    Ok(place.map(|(queue, name)| Labelled { path, queue, name }))
}

/// The entries of a dead process, claimed until its hand-overs are completed: one of these may have
/// finished an entry that a power failure has brought back.
#[derive(Debug)]
pub(crate) struct Restored {
    /// Its lock keeps others from looking, and from writing labels.
    marker: File,
    /// With their locks.
    entries: Vec<(Labelled, File)>,
    /// The first names of all.
    first_names: Vec<PathBuf>,
    /// Whether another process held a file with an entry that is in no queue.
    is_partial: bool,
}

/// Whether a process that wrote labels died and nobody has looked for its entries.
pub(crate) fn is_abandoned(paths: &Paths) -> Result<bool, SpoolError> {
    Ok(lock_marker(paths)?.is_some())
}

/// Locks the file of dead processes that wrote labels, if there is one. If another process is looking for their
/// entries, waits until it has found them.
fn lock_marker(paths: &Paths) -> Result<Option<File>, SpoolError> {
    let path = paths.labels();
    let file = match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(&path),
        other => other,
    };
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SpoolError::io("open", &path)(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(is_named(&file, &path).then_some(file)),
        Err(TryLockError::WouldBlock) => {
            file.lock_shared().map_err(SpoolError::io("lock", &path))?;
            Ok(None)
        }
        Err(TryLockError::Error(error)) => Err(SpoolError::io("lock", &path)(error)),
    }
}

impl Restored {
    /// Looks for the entries of dead processes, if there may be any.
    pub fn find(paths: &Paths) -> Result<Option<Restored>, SpoolError> {
        let Some(marker) = lock_marker(paths)? else { return Ok(None) };
        let (entries, first_names) = (Vec::new(), Vec::new());
        let mut restored = Restored { marker, entries, first_names, is_partial: false };
        for path in candidates(paths)? {
            restored.look_at(paths, path)?;
        }
        Ok(Some(restored))
    }

    fn look_at(&mut self, paths: &Paths, path: PathBuf) -> Result<(), SpoolError> {
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(SpoolError::io("open", &path)(error)),
        };
        // Otherwise it is claimed, or another process looks whether it can use it.
        let is_ours = file.try_lock().is_ok();
        if !is_named(&file, &path) {
            return Ok(());
        }
        let labelled = match read_label(path.clone(), &file) {
            Err(_) if !is_ours => {
                self.is_partial = true;
                return Ok(());
            }
            other => other?,
        };
        let Some(labelled) = labelled else {
            // Nobody writes to a file that has an entry.
            if !is_ours {
                return Ok(());
            }
            // Mail may be left in it that was not accepted, or is finished.
            let is_blank = is_blank(&file).map_err(SpoolError::io("read", &path))?;
            return if is_blank { Ok(()) } else { durable::unlink(&path) };
        };
        let is_in_a_queue = labelled.is_in_a_queue(paths);
        if !is_in_a_queue && !is_ours {
            self.is_partial = true;
            return Ok(());
        }
        self.first_names.push(path);
        if !is_in_a_queue {
            labelled.show(paths)?;
            fault::point("label.restored");
            self.entries.push((labelled, file));
        }
        Ok(())
    }

    /// Removes entries that this decided hand-over has finished, in whichever queue it found them.
    pub fn forget_finished(&mut self, paths: &Paths, record: &Record) -> Result<(), SpoolError> {
        let is_finished = |(entry, _): &mut (Labelled, File)| record.finishes(&entry.name);
        for (Labelled { path, queue, name }, _lock) in self.entries.extract_if(.., is_finished) {
            durable::unlink(&path)?;
            durable::unlink(&paths.entry(queue, &name, State::Claimed))?;
            // The record is removed as soon as its own directories are durable.
            paths.sync_queues([queue])?;
        }
        Ok(())
    }

    /// Puts those that no hand-over has finished into their queues. Returns how many there are.
    pub fn give_back(self, paths: &Paths) -> Result<usize, SpoolError> {
        let mut given_back = 0;
        // Each is unlocked as soon as it is ready: a drain passes over what is locked.
        for (Labelled { queue, name, .. }, _lock) in self.entries {
            let claimed = paths.entry(queue, &name, State::Claimed);
            match durable::rename(&claimed, &paths.entry(queue, &name, State::Ready)) {
                Err(SpoolError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                other => {
                    other?;
                    given_back += 1;
                }
            }
        }
        settle(paths, &self.first_names)?;
        if !self.is_partial {
            remove_marker(paths)?;
        }
        drop(self.marker);
        Ok(given_back)
    }
}

fn is_blank(file: &File) -> io::Result<bool> {
    let size = file.metadata()?.size();
    Ok(size <= LARGEST && read(file, size)?.iter().all(|byte| *byte == 0))
}
