//! What can go wrong with an archive.

use dormouse_store::StoreError;
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure of an archive, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The index failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The mbox is not the one that the index knows.
    #[error("{} is shorter than what was indexed of it; if that is right, `dormouse archive rebuild {list}` makes the archive from it again", path.display())]
    Shorter {
        /// The mbox.
        path: PathBuf,
        /// The list.
        list: String,
    },
    /// Another process is at it.
    #[error("another process is rebuilding the archive of {0}; wait until it is done")]
    Busy(String),
    /// No message has this Message-ID.
    #[error("the archive of {list} has no message {id}")]
    NoSuchMessage {
        /// The list.
        list: String,
        /// The Message-ID.
        id: String,
    },
    /// What is searched for cannot be understood.
    #[error("{0}")]
    Query(String),
    /// A page cannot be written from its template.
    #[error("the page {} cannot be made: {source}", path.display())]
    Page {
        /// The page.
        path: PathBuf,
        /// Why not.
        source: askama::Error,
    },
    /// A file ends within a message's place.
    #[error("{}: there is no message at {start}; `dormouse archive rebuild` reads it again", path.display())]
    NoMessage {
        /// The mbox.
        path: PathBuf,
        /// Where.
        start: u64,
    },
}

impl ArchiveError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
        move |source| ArchiveError::Io { action, path: path.to_owned(), source }
    }

    /// Whether a person has to look: trying again will not help.
    pub fn wants_a_person(&self) -> bool {
        matches!(self, ArchiveError::Shorter { .. } | ArchiveError::NoMessage { .. })
    }

    /// The exit code, after sysexits.h.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            ArchiveError::Store(error) => error.sysexit(),
            ArchiveError::Io { .. } | ArchiveError::Busy(_) => ExitCode::TempFail,
            ArchiveError::Shorter { .. } | ArchiveError::NoMessage { .. } => ExitCode::DataErr,
            ArchiveError::NoSuchMessage { .. } => ExitCode::NoInput,
            ArchiveError::Query(_) => ExitCode::Usage,
            ArchiveError::Page { .. } => ExitCode::Software,
        }
    }
}
