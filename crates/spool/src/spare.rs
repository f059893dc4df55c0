//! Files of finished entries, which are written again for new ones.
//!
//! To create a file and to remove it is most of what a small entry costs: ext4 passes over every inode
//! that was removed in the last minutes, one by one, whenever it looks for a free one. So the file of a
//! finished entry is *retired*: renamed to `.staged/spare-INODE`, still locked. When the directory of
//! its queue is durable it is overwritten with zeros, so that no mail stays behind, and becomes *spare*:
//! `.spare/INODE-TICKET`, not locked. Before that a power failure might bring the finished entry's name back, which
//! would name the new entry's content. A new entry begins by renaming a spare file to its own place in
//! `.staged/`. Recovery removes what a dead process had retired.
//!
//! A spare file is only used by the user who owns it, who alone may set its mode and its time, and only if
//! it has no other name: a backup links the files of queues.

use crate::listing::{for_each_file, for_each_file_while};
use crate::spool::Paths;
use crate::{Claim, SpoolError, durable, fault, label, name};
use rustix::fs::{OFlags, fcntl_setfl};
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The maximum number of spare files.
const MOST: usize = 1024;
/// Counting takes as long as several entries. So a process counts after it has added this many more than it
/// took, and only every sixteenth process counts at its first one.
const UNCOUNTED: usize = 32;
const EVERY: u32 = 16;
/// The maximum number of surplus files that are removed at a time.
const MOST_REMOVED: usize = 256;
/// The maximum size of a spare file in bytes.
const LARGEST: u64 = label::LARGEST;
/// The minimum number of names that are made durable together.
const LEAST_DURABLE: usize = 16;
/// How many spare files are tried for an entry before a new file is created: they may be locked,
/// another user's, unreadable or entries' first names.
const MOST_TRIED: usize = 32;
/// How many a process gets to know at a time: a process that accepts one mail needs one.
const SOME: usize = 128;
/// How often a process that could take no spare file, or found enough of them, looks again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What this process knows of the spare files of a spool.
#[derive(Debug, Default)]
struct Known {
    /// Names. Another process may have taken them.
    free: Vec<String>,
    /// Names that are used once, and were on the disk.
    durable: Vec<String>,
    /// Names of files into which this process wrote entries that may be durable only there.
    labelled: HashSet<String>,
    /// When too few of them were found for that.
    scarce: Option<Instant>,
    /// When free ones were listed, if none was taken since.
    listed: Option<Instant>,
    /// The number of spare files; until they are counted, only how many more this process added than it took.
    count: usize,
    counted: Option<Instant>,
}

static KNOWN: Mutex<BTreeMap<PathBuf, Known>> = Mutex::new(BTreeMap::new());

fn is_recent(then: Option<Instant>) -> bool {
    then.is_some_and(|then| then.elapsed() < LOOK_EVERY)
}

impl Known {
    fn of<T>(dir: &Path, work: impl FnOnce(&mut Known) -> T) -> T {
        // This is consistent at every instant, also after a panic.
        let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(dir) {
            Some(known) => work(known),
            None => work(all.entry(dir.to_owned()).or_default()),
        }
    }

    /// A spare file whose name is on the disk; another process may have taken it.
    fn next_durable(&mut self, dir: &Path) -> Option<String> {
        if self.durable.is_empty() && !is_recent(self.scarce) {
            match self.make_durable(dir) {
                Ok(true) => {}
                Ok(false) => self.scarce = Some(Instant::now()),
                Err(error) => {
                    self.scarce = Some(Instant::now());
                    tracing::debug!("{error}; no label is written");
                }
            }
        }
        self.pick(|known| &mut known.durable)
    }

    /// Waits until some names are on the disk. False if there are too few for that.
    fn make_durable(&mut self, dir: &Path) -> Result<bool, SpoolError> {
        let mut names = Vec::new();
        for_each_file(dir, |file| {
            let is_free = label::is_ticket(file) && !self.labelled.contains(file);
            names.extend(is_free.then(|| file.to_owned()));
        })?;
        // Others begin with the first ones that they see.
        let last = names.split_off(names.len().saturating_sub(SOME));
        if last.len() < LEAST_DURABLE {
            return Ok(false);
        }
        durable::sync_dir(dir)?;
        self.durable = last;
        Ok(true)
    }

    /// Processes that begin at the same time know the same files.
    fn pick(&mut self, from: impl Fn(&mut Known) -> &mut Vec<String>) -> Option<String> {
        let names = from(self);
        let count = names.len().max(1);
        let at = (std::process::id() as usize).wrapping_mul(31) % count;
        let next = (!names.is_empty()).then(|| names.swap_remove(at))?;
        self.forget_one();
        Some(next)
    }

    /// A spare file; another process may have taken it.
    fn next(&mut self, dir: &Path) -> Option<String> {
        if self.free.is_empty() && !is_recent(self.listed) {
            self.listed = Some(Instant::now());
            let listed = for_each_file_while(dir, |file| {
                let is_free = inode_in(file).is_some() && !self.labelled.contains(file);
                self.free.extend(is_free.then(|| file.to_owned()));
                self.free.len() < SOME
            });
            if let Err(error) = listed {
                tracing::debug!("{error}; no file is used again");
            }
        }
        self.pick(|known| &mut known.free)
    }

    fn forget_one(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// Whether there may be one more, which is then counted.
    fn has_room(&mut self, dir: &Path) -> bool {
        let must_count = match self.counted {
            None => self.count >= UNCOUNTED || std::process::id().is_multiple_of(EVERY),
            Some(_) => self.count >= MOST && !is_recent(self.counted),
        };
        if must_count {
            self.counted = Some(Instant::now());
            match count_and_trim(dir) {
                Ok(count) => self.count = count,
                Err(error) => {
                    tracing::debug!("{error}; no file is used again");
                    return false;
                }
            }
        }
        let has_room = self.count < MOST;
        self.count += usize::from(has_room);
        has_room
    }
}

/// Counts the spare files, and removes some if there are too many: processes that do not count have added
/// them.
fn count_and_trim(dir: &Path) -> Result<usize, SpoolError> {
    let (mut count, mut surplus) = (0, Vec::new());
    for_each_file(dir, |file| {
        count += 1;
        if count > MOST && surplus.len() < MOST_REMOVED {
            surplus.push(file.to_owned());
        }
    })?;
    for name in surplus {
        let path = dir.join(&name);
        // Others may be using it, or it is the first name of an entry.
        if let Some(_locked) = open(&path).and_then(|file| lock(file, &path, &name)) {
            durable::unlink(&path)?;
            count -= 1;
        }
    }
    Ok(count)
}

/// The inode in a spare file's name, which is `INODE-TICKET`, or only `INODE` if an older version wrote it.
fn inode_in(file: &str) -> Option<u64> {
    file.split_once('-').map_or(file, |(inode, _)| inode).parse().ok()
}

/// The name of a spare file, which it never had before.
fn new_name(inode: u64) -> String {
    static FIRST: LazyLock<u64> = LazyLock::new(name::random);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let ticket = FIRST.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    format!("{inode}-{ticket:016x}")
}

/// A spare file for a new entry, locked. Its content does not matter.
#[derive(Debug)]
pub(crate) struct Taken {
    pub file: File,
    /// Its old size.
    pub size: u64,
    pub path: PathBuf,
    /// The name under which it is found again after a power failure, if it is certain.
    pub durable: Option<String>,
}

/// Renames a spare file to `target`; none if there is none.
pub(crate) fn take(paths: &Paths, target: &Path) -> Option<Taken> {
    let dir = paths.spare();
    for _ in 0..MOST_TRIED {
        let name = Known::of(&dir, |known| known.next(&dir))?;
        let path = dir.join(&name);
        // Those that are listed may all be locked.
        if let Some((file, size)) = open(&path).and_then(|file| lock(file, &path, &name))
            // Another process may have used it meanwhile; then it is no longer here.
            && durable::rename(&path, target).is_ok()
        {
            fault::point("spare.taken");
            Known::of(&dir, |known| known.listed = None);
            return Some(Taken { file, size, path: target.to_owned(), durable: None });
        }
    }
    None
}

/// Takes a spare file whose name is on the disk, and leaves it where it is; none if there is none.
pub(crate) fn take_durable(paths: &Paths) -> Option<Taken> {
    let dir = paths.spare();
    for _ in 0..MOST_TRIED {
        let name = Known::of(&dir, |known| known.next_durable(&dir))?;
        let path = dir.join(&name);
        if let Some((file, size)) = open(&path).and_then(|file| lock(file, &path, &name))
            && label::is_named(&file, &path)
        {
            fault::point("spare.taken");
            return Some(Taken { file, size, path, durable: Some(name) });
        }
    }
    // All may be entries of another server, and would be found again at once.
    Known::of(&dir, |known| known.scarce = Some(Instant::now()));
    None
}

/// Keeps this process from trying to use that file again.
pub(crate) fn labelled(paths: &Paths, first_name: &Path) {
    let name = first_name.file_name().and_then(OsStr::to_str).map(str::to_owned);
    Known::of(&paths.spare(), |known| known.labelled.extend(name));
}

/// The files that [`labelled`] recorded are spare ones again, or gone.
pub(crate) fn none_labelled(paths: &Paths) {
    Known::of(&paths.spare(), |known| known.labelled.clear());
}

/// Opens a spare file, unless it is the first name of an entry, which others want to lock, or something
/// foreign.
fn open(path: &Path) -> Option<File> {
    // Any failure means only that another file is used.
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).custom_flags(no_link).open(path).ok()?;
    let is_free = file.metadata().ok()?.nlink() == 1;
    fault::point("spare.opened");
    is_free.then_some(file)
}

/// Locks a spare file, and returns its size.
fn lock(file: File, path: &Path, name: &str) -> Option<(File, u64)> {
    file.try_lock().ok()?;
    // Until now it may have become an entry, with another size.
    let found = file.metadata().ok()?;
    if found.nlink() > 1 {
        return None;
    }
    if label::is_entry(&file, name, found.size()).ok()? {
        return None;
    }
    if !is_usable(&found) || Some(found.ino()) != inode_in(name) {
        // Another user's process can use another user's file.
        if is_ours(&found) {
            drop(durable::unlink(path));
        }
        return None;
    }
    Some((file, found.size()))
}

fn is_usable(found: &Metadata) -> bool {
    let has_mode = found.mode() & 0o7777 == durable::FILE_MODE;
    found.is_file() && is_ours(found) && has_mode && found.nlink() == 1 && found.size() <= LARGEST
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// What the names of retired files begin with.
const RETIRED: &str = "spare-";

/// Whether that is the name of a retired file in `.staged/`.
pub(crate) fn is_retired(file: &str) -> bool {
    file.starts_with(RETIRED)
}

/// The file of a finished entry, which is no longer in its queue. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Retired {
    claim: Claim,
    /// The name that it gets.
    name: String,
    path: PathBuf,
    spares: PathBuf,
    is_spare: bool,
}

/// Removes a finished entry from its queue. Its file is kept if it is of use; a missing one is not an
/// error.
pub(crate) fn retire(paths: &Paths, mut claim: Claim) -> Result<Option<Retired>, SpoolError> {
    label::forget(paths, claim.file())?;
    let spares = paths.spare();
    let usable = claim.file().metadata().ok().filter(is_usable);
    let usable = usable.filter(|_| Known::of(&spares, |known| known.has_room(&spares)));
    if let Some(inode) = usable.map(|found| found.ino()) {
        let path = paths.staged().join(format!("{RETIRED}{inode}"));
        // Any failure means only that the file is removed.
        if durable::rename(&claim.path(), &path).is_ok() {
            claim.leave();
            let name = new_name(inode);
            return Ok(Some(Retired { claim, name, path, spares, is_spare: false }));
        }
        Known::of(&spares, Known::forget_one);
    }
    durable::unlink(&claim.path())?;
    claim.leave();
    Ok(None)
}

impl Retired {
    /// Lets it be used again. The directory that it came from is durable.
    pub(crate) fn free(mut self) {
        match self.blank().and_then(|()| self.become_spare()) {
            Ok(()) => self.is_spare = true,
            Err(error) => tracing::debug!("{error}; it is not used again"),
        }
        fault::point("spare.freed");
    }

    fn become_spare(&self) -> Result<(), SpoolError> {
        let place = self.spares.join(&self.name);
        match durable::rename(&self.path, &place) {
            Err(SpoolError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                durable::make_dir(&self.spares)?;
                durable::rename(&self.path, &place)
            }
            other => other,
        }
    }

    fn blank(&self) -> Result<(), SpoolError> {
        static ZEROS: [u8; LARGEST as usize] = [0; LARGEST as usize];
        let file = self.claim.file();
        let blank = || -> io::Result<()> {
            let found = file.metadata()?;
            // A backup may have linked it before it was retired.
            if !is_usable(&found) {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            // Claimed files are opened for appending.
            fcntl_setfl(file, OFlags::empty())?;
            file.write_all_at(&ZEROS[..found.len() as usize], 0)
        };
        blank().map_err(SpoolError::io("overwrite", &self.path))
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        if self.is_spare {
            let name = std::mem::take(&mut self.name);
            return Known::of(&self.spares, |known| known.free.push(name));
        }
        if let Err(error) = durable::unlink(&self.path) {
            tracing::warn!("{error}; recovery will remove it");
        }
        Known::of(&self.spares, Known::forget_one);
    }
}

#[cfg(test)]
mod tests;
