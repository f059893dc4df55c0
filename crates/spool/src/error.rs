//! What can go wrong with a spool.

use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure of the spool, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refused an operation on a file or directory.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What has an entry's name cannot be opened as a file: it is a directory, say, or somebody
    /// else's.
    #[error("{}: cannot be opened as an entry: {problem}", path.display())]
    NotOpenable {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The first or second pickle of an entry cannot be read.
    #[error("{}: the {part} pickle cannot be read: {source}", path.display())]
    Pickle {
        /// The entry's file.
        path: PathBuf,
        /// `message` or `metadata`.
        part: &'static str,
        /// Opcode and offset of the fault.
        source: dormouse_pickle::LoadError,
    },
    /// The pickles can be read but are not an entry.
    #[error("{}: {problem}", path.display())]
    NotAnEntry {
        /// The entry's file.
        path: PathBuf,
        /// What is missing or of the wrong kind.
        problem: String,
    },
    /// A hand-over record is damaged.
    #[error("{}: not a hand-over record: {problem}; move it away after looking at the files it names", path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// The line that is not understood.
        problem: String,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (free some space; nothing that was accepted is lost)"
        }
        io::ErrorKind::PermissionDenied => " (run as the user that owns the spool)",
        io::ErrorKind::ReadOnlyFilesystem => " (the file system is mounted read-only)",
        _ => "",
    }
}

impl SpoolError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
        move |source| SpoolError::Io { action, path: path.to_owned(), source }
    }

    /// Whether an entry itself is at fault, so that trying again cannot help.
    pub fn is_bad_entry(&self) -> bool {
        matches!(
            self,
            SpoolError::Pickle { .. }
                | SpoolError::NotAnEntry { .. }
                | SpoolError::NotOpenable { .. }
        )
    }

    /// The exit code an MTA understands: trouble of ours is always 75, so that it keeps the mail.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            SpoolError::Io { .. } => ExitCode::TempFail,
            SpoolError::Pickle { .. }
            | SpoolError::NotAnEntry { .. }
            | SpoolError::NotOpenable { .. } => ExitCode::DataErr,
            SpoolError::Record { .. } => ExitCode::Software,
        }
    }
}
