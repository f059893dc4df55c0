//! Errors of backups.

use dormouse_store::StoreError;
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure, with the file.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The site or its database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An operation on a file or directory failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted operation, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The backup could not be written.
    #[error("cannot write the backup: {0}")]
    Output(io::Error),
    /// The backup could not be read.
    #[error("cannot read the backup: {0}; no site was created")]
    Input(io::Error),
    /// The backup is truncated, or not a backup of a site.
    #[error("{0} is missing from the backup, so it is truncated, or not a backup of a site")]
    CutShort(&'static str),
    /// The database in the backup is damaged.
    #[error("the database in the backup is damaged: {0}")]
    Damaged(String),
    /// The backup names a file outside the site.
    #[error("the backup names {0:?}, which is outside the site; it was not written by dormouse")]
    Outside(String),
}

impl BackupError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
        move |source| BackupError::Io { action, path: path.to_owned(), source }
    }

    /// The exit code after sysexits.h.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            BackupError::Store(error) => error.sysexit(),
            BackupError::Io { .. } | BackupError::Output(_) | BackupError::Input(_) => {
                ExitCode::IoErr
            }
            BackupError::CutShort(_) | BackupError::Damaged(_) | BackupError::Outside(_) => {
                ExitCode::DataErr
            }
        }
    }
}
