//! The file by which the master is known.

use crate::ActivationError;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file that says which process is the master: its number, and its lock as long as it lives. A
/// second one beside it says what it keeps running.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _file: File,
}

impl PidFile {
    /// Becomes the master; `None` when there is one.
    pub fn take(path: &Path) -> Result<Option<PidFile>, ActivationError> {
        let open = ActivationError::io("open", path);
        let options = OpenOptions::new().create(true).read(true).append(true).mode(0o660).clone();
        let mut file = options.open(path).map_err(open)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => {
                return Err(ActivationError::io("lock", path)(error));
            }
        }
        // A dead one's says nothing any more.
        remove(&PidFile::notes(path));
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(ActivationError::io("write", path))?;
        Ok(Some(PidFile { path: path.to_owned(), _file: file }))
    }

    fn notes(path: &Path) -> PathBuf {
        path.with_extension("keeps")
    }

    /// Notes what is kept running from now on.
    pub fn note(&self, what: &str) -> Result<(), ActivationError> {
        let notes = PidFile::notes(&self.path);
        fs::write(&notes, what).map_err(ActivationError::io("write", &notes))
    }

    /// What the master has noted; nothing when it has not come so far, or is none.
    pub fn noted(path: &Path) -> Result<String, ActivationError> {
        let notes = PidFile::notes(path);
        match fs::read_to_string(&notes) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            text => text.map_err(ActivationError::io("read", &notes)),
        }
    }

    /// The process that is the master, if there is one.
    pub fn owner(path: &Path) -> Result<Option<Pid>, ActivationError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ActivationError::io("open", path)(error)),
        };
        match file.try_lock_shared() {
            // Its lock is free, so it is dead; whose the number is now nobody knows.
            Ok(()) => return Ok(None),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(error)) => {
                return Err(ActivationError::io("lock", path)(error));
            }
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(ActivationError::io("read", path))?;
        Ok(text.trim().parse().ok().and_then(Pid::from_raw))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        remove(&PidFile::notes(&self.path));
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!("{}: {error}", path.display());
    }
}

/// Sends a signal to the master. False when there is none.
pub fn signal(path: &Path, signal: Signal) -> Result<bool, ActivationError> {
    let Some(pid) = PidFile::owner(path)? else { return Ok(false) };
    match kill_process(pid, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(ActivationError::io("signal the process in", path)(error.into())),
    }
}
