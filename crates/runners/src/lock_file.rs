//! Locks between processes: files that the kernel unlocks when the process that has locked them ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A lock that this process holds until the value is dropped.
#[derive(Debug)]
pub(crate) struct LockFile {
    #[expect(dead_code, reason = "held for its lock")]
    file: File,
}

impl LockFile {
    /// Takes the lock, unless another process has it. The file is created if it is missing, so that all
    /// accounts of its directory's group can lock it.
    pub fn take(path: &Path) -> io::Result<Option<LockFile>> {
        let file = OpenOptions::new().create(true).append(true).mode(0o660).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(LockFile { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_lock_is_held_once_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = LockFile::take(&path).unwrap();
        assert!(lock.is_some());
        assert!(LockFile::take(&path).unwrap().is_none());
        drop(lock);
        assert!(LockFile::take(&path).unwrap().is_some());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o007, 0);
    }

    #[test]
    fn a_lock_that_cannot_be_taken_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = LockFile::take(&dir.path().join("none/lock")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
