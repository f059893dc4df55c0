//! What can go wrong with a backup.

use dormouse_store::StoreError;
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The site or its database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused an operation on a file or directory.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The backup could not be written.
    #[error("the backup cannot be written: {0}")]
    Output(io::Error),
    /// The backup could not be read.
    #[error("the backup cannot be read: {0}; nothing was put in service")]
    Input(io::Error),
    /// The backup is cut short, or is no backup of a site.
    #[error("{0} is missing from the backup, so it is cut short or not a backup of a site")]
    CutShort(&'static str),
    /// The database in the backup is damaged.
    #[error("the database in the backup is damaged: {0}")]
    Damaged(String),
    /// The backup names a file outside of the site.
    #[error("the backup names {0:?}, which is outside of a site; it was not made by dormouse")]
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
