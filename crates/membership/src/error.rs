//! Errors of the machine or the site while mail is processed, as opposed to faults of a message.

use dormouse_archive::ArchiveError;
use dormouse_auth::AuthError;
use dormouse_spool::{SpoolError, WrongValue};
use dormouse_store::{StoreError, is_of_the_machine};
use std::io;
use std::path::PathBuf;
use sysexits::ExitCode;

/// A failure of the machine or the site under a runner. The entries that it processed stay in their
/// queue.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The queues failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Mail of a domain with DKIM keys could not be signed, and was not sent.
    #[error("{0}; mail of this domain waits until its keys can be used or are removed")]
    Auth(#[from] AuthError),
    /// An archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An entry's recipients are the members of a list that no longer exists.
    #[error("it asks for the members of the list {0:?}, which does not exist")]
    NoSuchList(String),
    /// An entry of `out` does not say who its recipients are.
    #[error("it has no recipients: there is no metadata key \"recips\"")]
    NoRecipients,
    /// An envelope sender contains a line end: what follows it would be a header field of its own.
    #[error("the envelope sender {0:?} has a line end in it; see the list's host_name")]
    BadSender(String),
    /// A metadata key has a value that it cannot have.
    #[error(transparent)]
    WrongValue(#[from] WrongValue),
    /// A pipeline names an unknown handler.
    #[error("a pipeline names {0:?}, which is not a handler")]
    NoSuchHandler(String),
    /// A file next to the queues could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The operation.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Newsgroups could not be read. The next run starts where this one stopped.
    #[error("{0}")]
    News(String),
    /// A thread of this runner panicked.
    #[error("the runner of {0} died; its entries are recovered by the next run")]
    Panicked(&'static str),
}

impl RunError {
    /// Whether other entries would fail in the same way: a full disk, a locked database.
    pub fn is_everywhere(&self) -> bool {
        match self {
            RunError::Spool(_) | RunError::Panicked(_) => true,
            RunError::Store(error) => error.is_everywhere(),
            RunError::Archive(ArchiveError::Io { source, .. })
            | RunError::Archive(ArchiveError::Store(StoreError::Io { source, .. }))
            | RunError::Io { source, .. } => is_of_the_machine(source),
            // Other databases in files are indexes of single archives.
            RunError::Archive(ArchiveError::Store(error)) => error.is_away(),
            RunError::Archive(_)
            | RunError::NoSuchList(_)
            | RunError::BadSender(_)
            | RunError::Auth(_)
            | RunError::NoRecipients
            | RunError::WrongValue(_)
            | RunError::NoSuchHandler(_)
            | RunError::News(_) => false,
        }
    }

    /// The exit code for an MTA or systemd (sysexits.h).
    pub fn sysexit(&self) -> ExitCode {
        match self {
            RunError::Spool(error) => error.sysexit(),
            RunError::Store(error) => error.sysexit(),
            RunError::Archive(error) => error.sysexit(),
            RunError::Auth(error) => error.sysexit(),
            RunError::NoSuchList(_)
            | RunError::BadSender(_)
            | RunError::NoRecipients
            | RunError::WrongValue(_)
            | RunError::NoSuchHandler(_)
            | RunError::News(_) => ExitCode::TempFail,
            RunError::Io { .. } => ExitCode::TempFail,
            RunError::Panicked(_) => ExitCode::Software,
        }
    }
}
