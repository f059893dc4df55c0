//! Waiting for entries in resident processes: with inotify or, where the kernel does not report
//! changes, by polling.

use crate::wait::timespec;
use crate::{ActivationError, Watch};
use dormouse_store::files::remove_if_there;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Waits for entries, for a time, or for a signal.
#[derive(Debug)]
pub struct Waiter {
    eyes: Eyes,
    signals: UnixStream,
}

#[derive(Debug)]
enum Eyes {
    /// inotify reports changes.
    Watch(Watch),
    /// The queues must be polled at this interval.
    Look(Duration),
}

impl Waiter {
    /// Waits for entries in these directories. Where the kernel does not see every change, they
    /// must be polled every `interval`. Data in `signals` ends a wait, too.
    ///
    /// It is active as soon as it is created: create it before the first check of the queues.
    ///
    /// # Errors
    /// If a directory cannot be watched although its file system supports it.
    pub fn new(
        dirs: &[PathBuf],
        interval: Duration,
        signals: UnixStream,
    ) -> Result<Waiter, ActivationError> {
        signals
            .set_nonblocking(true)
            .map_err(ActivationError::io("wait for", Path::new("signals")))?;
        let eyes = match dirs.iter().find_map(|dir| blindness(dir)) {
            Some(reason) => {
                tracing::info!("polling every {} s: {reason}", interval.as_secs_f64());
                Eyes::Look(interval)
            }
            None => Eyes::Watch(Watch::new(dirs)?),
        };
        Ok(Waiter { eyes, signals })
    }

    /// Makes a change of this file end a wait, too.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn also_watch(&self, file: &Path) -> Result<(), ActivationError> {
        match &self.eyes {
            Eyes::Watch(watch) => watch.also_of(file),
            Eyes::Look(_) => Ok(()),
        }
    }

    /// Changes the interval, if it polls.
    pub fn look_every(&mut self, interval: Duration) {
        if let Eyes::Look(every) = &mut self.eyes {
            *every = interval;
        }
    }

    /// Whether it polls.
    pub fn is_looking(&self) -> bool {
        matches!(self.eyes, Eyes::Look(_))
    }

    /// Waits until the queues should be checked, or a signal has arrived, or `most` has passed.
    pub fn wait(&mut self, most: Option<Duration>) -> Result<(), ActivationError> {
        let failed =
            |error: Errno| ActivationError::io("wait for", Path::new("entries"))(error.into());
        let most = match &self.eyes {
            Eyes::Watch(_) => most,
            Eyes::Look(interval) => Some(most.map_or(*interval, |most| most.min(*interval))),
        };
        let deadline = most.map(|most| Instant::now() + most);
        loop {
            if let Eyes::Watch(watch) = &self.eyes
                && watch.entry_appeared()?
            {
                return Ok(());
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
            if let Eyes::Watch(watch) = &self.eyes {
                fds.push(PollFd::new(watch.fd(), PollFlags::IN));
            }
            match poll(&mut fds, left.map(timespec).as_ref()) {
                Ok(0) => return Ok(()),
                Ok(_) if fds[0].revents().is_empty() => {}
                Ok(_) => {
                    // The handlers have set a flag for the signal.
                    let _woken = (&self.signals).read(&mut [0; 64]);
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

impl Waiter {
    /// Waits until a signal has arrived, or `most` has passed, regardless of entries.
    pub fn wait_for_signal(&mut self, most: Duration) -> Result<(), ActivationError> {
        let mut fds = [PollFd::new(&self.signals, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(most))) {
            Ok(0) | Err(Errno::INTR) => Ok(()),
            Ok(_) => {
                let _woken = (&self.signals).read(&mut [0; 64]);
                Ok(())
            }
            Err(error) => Err(ActivationError::child("wait for", error.into())),
        }
    }
}

/// File systems that other machines, or processes outside of the kernel, can change without inotify
/// reporting it (statfs(2)).
const BLIND: [(u64, &str); 14] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x794c_7630, "overlayfs"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x1983_0326, "FhGFS"),
];

/// Returns why inotify is not reliable in a directory: because of its file system, or because a
/// trial shows it. `None` if it is, or the directory is missing.
pub fn blindness(dir: &Path) -> Option<String> {
    let kind = match rustix::fs::statfs(dir) {
        Ok(about) => about.f_type as u64 & 0xffff_ffff,
        Err(_) => return None,
    };
    if let Some((_, name)) = BLIND.iter().find(|(magic, _)| *magic == kind) {
        return Some(format!(
            "{} is on {name}, where the kernel does not see changes by other hosts",
            dir.display()
        ));
    }
    match is_told_of_a_file(dir) {
        Ok(true) => None,
        Ok(false) => {
            Some(format!("{}: a test shows that the kernel reports no changes", dir.display()))
        }
        Err(error) => Some(format!("{}: cannot watch it: {error}", dir.display())),
    }
}

/// Creates a hidden file, and returns whether inotify reports it. The name is always the same, so
/// that the next trial removes the file of a killed process.
fn is_told_of_a_file(dir: &Path) -> std::io::Result<bool> {
    let trial = dir.join(".watch-trial");
    remove_if_there(&trial)?;
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&inotify, dir, WatchFlags::CREATE)?;
    // Another process may try at the same time; an event for its file counts as well.
    File::create(&trial)?;
    let mut fds = [PollFd::new(&inotify, PollFlags::IN)];
    let told = poll(&mut fds, Some(&timespec(Duration::from_secs(1))))?;
    remove_if_there(&trial)?;
    Ok(told > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tempfile::TempDir;

    const LONG: Duration = Duration::from_secs(20);

    fn waiter(dirs: &[PathBuf], interval: Duration) -> (Waiter, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Waiter::new(dirs, interval, ours).unwrap(), theirs)
    }

    #[test]
    fn a_trial_removes_what_a_killed_one_left() {
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join(".watch-trial"), "").unwrap();
        assert_eq!(blindness(home.path()), None);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_ordinary_directory_is_watched() {
        let home = TempDir::new().unwrap();
        assert_eq!(blindness(home.path()), None);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "the trial leaves nothing");
        let (mut waiter, _signals) = waiter(&[home.path().to_owned()], LONG);
        assert!(!waiter.is_looking());
        std::fs::write(home.path().join("1+a.pck"), b"").unwrap();
        let began = Instant::now();
        waiter.wait(None).unwrap();
        assert!(began.elapsed() < LONG);
    }

    #[test]
    fn a_signal_ends_the_wait() {
        let home = TempDir::new().unwrap();
        let (mut waiter, mut signals) = waiter(&[home.path().to_owned()], LONG);
        signals.write_all(&[0]).unwrap();
        waiter.wait(None).unwrap();
    }

    #[test]
    fn a_polling_waiter_never_waits_longer_than_its_interval() {
        let (signals, _theirs) = UnixStream::pair().unwrap();
        let mut waiter = Waiter { eyes: Eyes::Look(Duration::from_millis(10)), signals };
        waiter.wait(None).unwrap();
        waiter.wait(Some(LONG)).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_no_reason_to_look() {
        assert_eq!(blindness(Path::new("/nowhere/at/all")), None);
    }
}
