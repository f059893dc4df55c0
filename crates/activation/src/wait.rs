//! The linger: a short wait for one more entry before a drain ends.
//!
//! It only saves starts (1 process instead of 329 under a steady stream): systemd notices an entry
//! that it misses when the service has ended.

use crate::ActivationError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The suffix of a ready entry's name (docs/spec/queue.md §2).
const READY_SUFFIX: &[u8] = b".pck";

/// Events of watched files, which never occur for queue directories.
const OF_A_FILE: ReadFlags = ReadFlags::CLOSE_WRITE
    .union(ReadFlags::ATTRIB)
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF);

/// A watch on queue directories, which is active as soon as it is created.
///
/// Create it *before* the last check of the queues: then [`Watch::wait`] reports entries that
/// arrive between that check and the wait.
#[derive(Debug)]
pub struct Watch {
    inotify: OwnedFd,
}

impl Watch {
    /// Watches these directories. A missing one has no entries and is not watched.
    ///
    /// # Errors
    /// If the limit of inotify instances or watches is reached, or a directory cannot be read.
    pub fn new(dirs: &[PathBuf]) -> Result<Watch, ActivationError> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| ActivationError::io("watch", Path::new("inotify"))(error.into()))?;
        let flags = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::ONLYDIR;
        for dir in dirs {
            match inotify::add_watch(&inotify, dir, flags) {
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(ActivationError::io("watch", dir)(error.into())),
            }
        }
        Ok(Watch { inotify })
    }

    /// Makes a change of this file count as an entry, too. A missing file is not watched.
    pub(crate) fn also_of(&self, file: &Path) -> Result<(), ActivationError> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        match inotify::add_watch(&self.inotify, file, flags) {
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(ActivationError::io("watch", file)(error.into())),
        }
    }

    /// Whether an entry has appeared since the watch was created or last returned true. Waits up to
    /// `timeout` for one. A signal ends the wait early, and false is returned.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, ActivationError> {
        let deadline = Instant::now() + timeout;
        loop {
            if self.entry_appeared()? {
                return Ok(true);
            }
            let left = timespec(deadline.saturating_duration_since(Instant::now()));
            let mut ready = [PollFd::new(&self.inotify, PollFlags::IN)];
            match poll(&mut ready, Some(&left)) {
                Ok(0) | Err(Errno::INTR) => return Ok(false),
                Ok(_) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Forgets the entries that have appeared so far. Check the queues afterwards.
    pub fn forget(&mut self) -> Result<(), ActivationError> {
        while self.entry_appeared()? {}
        Ok(())
    }

    /// Returns the file descriptor to poll.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.inotify
    }

    /// Reads events up to the first ready entry. Returns whether there was one.
    pub(crate) fn entry_appeared(&self) -> Result<bool, ActivationError> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        loop {
            match events.next() {
                // After an overflow, events are lost, so the queues must be checked.
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => return Ok(true),
                // An event of a watched file. A replacement is noticed, too, because it changes the
                // old file's link count.
                Ok(event) if event.events().intersects(OF_A_FILE) => return Ok(true),
                Ok(event) => {
                    let name = event.file_name().map_or(&b""[..], |name| name.to_bytes());
                    if name.ends_with(READY_SUFFIX) && !name.starts_with(b".") {
                        return Ok(true);
                    }
                }
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// Converts a duration for the kernel.
pub(crate) fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: span.subsec_nanos().into(),
    }
}

fn failed(error: Errno) -> ActivationError {
    ActivationError::io("wait for", Path::new("inotify"))(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(30);

    fn queues() -> (TempDir, Vec<PathBuf>) {
        let home = TempDir::new().unwrap();
        let dirs: Vec<_> = ["in", "out"].iter().map(|queue| home.path().join(queue)).collect();
        dirs.iter().for_each(|dir| fs::create_dir(dir).unwrap());
        (home, dirs)
    }

    fn enqueue(dir: &Path, name: &str) {
        let draft = dir.join(format!(".tmp-{name}"));
        fs::write(&draft, b"entry").unwrap();
        fs::rename(draft, dir.join(name)).unwrap();
    }

    #[test]
    fn nothing_comes_and_the_time_passes() {
        let (_home, dirs) = queues();
        let mut watch = Watch::new(&dirs).unwrap();
        let began = Instant::now();
        assert!(!watch.wait(SHORT).unwrap());
        assert!(began.elapsed() >= SHORT);
    }

    #[test]
    fn an_entry_that_lands_between_new_and_wait_is_reported() {
        let (_home, dirs) = queues();
        let mut watch = Watch::new(&dirs).unwrap();
        enqueue(&dirs[1], "1+a.pck");
        assert!(watch.wait(Duration::ZERO).unwrap());
        assert!(!watch.wait(SHORT).unwrap(), "it is reported once");
    }

    #[test]
    fn an_entry_that_lands_during_the_wait_ends_it() {
        let (_home, dirs) = queues();
        let mut watch = Watch::new(&dirs).unwrap();
        let dir = dirs[0].clone();
        let producer = std::thread::spawn(move || {
            std::thread::sleep(SHORT);
            enqueue(&dir, "1+a.pck");
        });
        let began = Instant::now();
        assert!(watch.wait(LONG).unwrap());
        assert!(began.elapsed() < LONG);
        producer.join().unwrap();
    }

    #[test]
    fn an_entry_behind_a_thousand_other_changes_is_reported() {
        let (_home, dirs) = queues();
        let mut watch = Watch::new(&dirs).unwrap();
        for number in 0..1000 {
            fs::write(dirs[0].join(format!(".tmp-{number}")), b"").unwrap();
        }
        enqueue(&dirs[0], "1+a.pck");
        assert!(watch.wait(LONG).unwrap());
    }

    #[test]
    fn claims_drafts_and_removals_are_not_reported() {
        let (_home, dirs) = queues();
        enqueue(&dirs[0], "1+a.pck");
        let mut watch = Watch::new(&dirs).unwrap();
        fs::rename(dirs[0].join("1+a.pck"), dirs[0].join("1+a.bak")).unwrap();
        fs::write(dirs[0].join(".tmp-x.pck"), b"").unwrap();
        fs::write(dirs[0].join("2+b.pck.tmp"), b"").unwrap();
        fs::remove_file(dirs[0].join("1+a.bak")).unwrap();
        assert!(!watch.wait(SHORT).unwrap());
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_watched() {
        let (home, mut dirs) = queues();
        dirs.push(home.path().join("virgin"));
        assert!(!Watch::new(&dirs).unwrap().wait(SHORT).unwrap());
    }

    #[test]
    fn a_file_is_not_a_queue() {
        let (home, _dirs) = queues();
        let file = home.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = Watch::new(std::slice::from_ref(&file)).unwrap_err();
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    }
}
