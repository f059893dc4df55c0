//! Errors of archives.

use dormouse_store::{ListName, StoreError};
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// An error of an archive, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The index failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted operation, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The mbox is not the one that was indexed.
    #[error("{} is shorter than when it was indexed; if that is correct, `dormouse archive rebuild {list}` rebuilds the archive from it", path.display())]
    Shorter {
        /// The mbox.
        path: PathBuf,
        /// The list.
        list: String,
    },
    /// Another process is working on it.
    #[error("another process is rebuilding the archive of {0}; wait until it is done")]
    Busy(ListName),
    /// The list was renamed, or is being renamed.
    #[error("the list {0} is being renamed, or was; try again")]
    Elsewhere(ListName),
    /// There are files of another archive in the target's place.
    #[error("{} already exists, from an earlier list called {list}; move it away first", path.display())]
    Taken {
        /// One of the files.
        path: PathBuf,
        /// The list's name.
        list: ListName,
    },
    /// No message has this Message-ID.
    #[error("the archive of {list} has no message {id}")]
    NoSuchMessage {
        /// The list.
        list: ListName,
        /// The Message-ID.
        id: String,
    },
    /// The query is invalid.
    #[error("{0}")]
    Query(String),
    /// A page cannot be written from its template.
    #[error("cannot create the page {}: {source}", path.display())]
    Page {
        /// The page.
        path: PathBuf,
        /// The reason.
        source: askama::Error,
    },
    /// A file ends within a message.
    #[error("{}: there is no message at {start}; `dormouse archive rebuild` reads the whole mbox again", path.display())]
    NoMessage {
        /// The mbox.
        path: PathBuf,
        /// The position.
        start: u64,
    },
}

impl ArchiveError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
        move |source| ArchiveError::Io { action, path: path.to_owned(), source }
    }

    /// Whether a person must act, because trying again will not help.
    pub fn wants_a_person(&self) -> bool {
        matches!(self, ArchiveError::Shorter { .. } | ArchiveError::NoMessage { .. })
    }

    /// Returns the exit code, after sysexits.h.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            ArchiveError::Store(error) => error.sysexit(),
            ArchiveError::Io { .. } | ArchiveError::Busy(_) | ArchiveError::Elsewhere(_) => {
                ExitCode::TempFail
            }
            ArchiveError::Taken { .. } => ExitCode::CantCreat,
            ArchiveError::Shorter { .. } | ArchiveError::NoMessage { .. } => ExitCode::DataErr,
            ArchiveError::NoSuchMessage { .. } => ExitCode::NoInput,
            ArchiveError::Query(_) => ExitCode::Usage,
            ArchiveError::Page { .. } => ExitCode::Software,
        }
    }
}
