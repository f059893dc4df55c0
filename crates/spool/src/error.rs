//! Errors of a spool.

use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure of the spool, with the file.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// An operation on a file or directory failed.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// The attempted operation, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something with an entry's name cannot be opened as a file: for example a directory, or
    /// another user's file.
    #[error("{}: cannot be opened as an entry: {problem}", path.display())]
    NotOpenable {
        /// The path.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
    /// The first or second pickle of an entry is invalid.
    #[error("{}: the {part} pickle cannot be read: {source}", path.display())]
    Pickle {
        /// The entry's file.
        path: PathBuf,
        /// `message` or `metadata`.
        part: &'static str,
        /// The opcode and offset of the error.
        source: dormouse_pickle::LoadError,
    },
    /// The pickles are valid but not an entry.
    #[error("{}: {problem}", path.display())]
    NotAnEntry {
        /// The entry's file.
        path: PathBuf,
        /// What is missing or of the wrong type.
        problem: String,
    },
    /// A hand-over record is damaged.
    #[error("{}: not a hand-over record: {problem}; look at the files it names, then move it away", path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// The invalid line.
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

    /// Whether the entry itself is invalid, so that trying again cannot help.
    pub fn is_bad_entry(&self) -> bool {
        matches!(
            self,
            SpoolError::Pickle { .. }
                | SpoolError::NotAnEntry { .. }
                | SpoolError::NotOpenable { .. }
        )
    }

    /// The exit code for the MTA: failures of our own are always 75, so that it keeps the mail.
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
