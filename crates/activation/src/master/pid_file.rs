//! The master's PID file.

use crate::ActivationError;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The PID file, which the master keeps locked as long as it lives. A second file next to it
/// records what it keeps running.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _file: File,
}

impl PidFile {
    /// Becomes the master; `None` if there already is one.
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
        // The notes of a dead master are invalid.
        remove(&PidFile::notes(path));
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(ActivationError::io("write", path))?;
        Ok(Some(PidFile { path: path.to_owned(), _file: file }))
    }

    fn notes(path: &Path) -> PathBuf {
        path.with_extension("keeps")
    }

    /// Records what is kept running.
    pub fn note(&self, what: &str) -> Result<(), ActivationError> {
        let notes = PidFile::notes(&self.path);
        fs::write(&notes, what).map_err(ActivationError::io("write", &notes))
    }

    /// Returns what the master has recorded; empty if it has not recorded anything yet, or there is
    /// no master.
    pub fn noted(path: &Path) -> Result<String, ActivationError> {
        let notes = PidFile::notes(path);
        match fs::read_to_string(&notes) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            text => text.map_err(ActivationError::io("read", &notes)),
        }
    }

    /// Returns the master's process ID, if there is a master.
    pub fn owner(path: &Path) -> Result<Option<Pid>, ActivationError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ActivationError::io("open", path)(error)),
        };
        match file.try_lock_shared() {
            // The lock is free, so the master is dead, and its ID may have been reused.
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

/// Sends a signal to the master. Returns false if there is none.
pub fn signal(path: &Path, signal: Signal) -> Result<bool, ActivationError> {
    let Some(pid) = PidFile::owner(path)? else { return Ok(false) };
    match kill_process(pid, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(ActivationError::io("signal the process in", path)(error.into())),
    }
}
