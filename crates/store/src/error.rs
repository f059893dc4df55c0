//! Errors of a site and its database.

use crate::{ListName, db};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// An error of the site or its database, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no site in the directory.
    #[error("there is no site in {}; create one with `dormouse --site {} init`", .0.display(), .0.display())]
    NoSite(PathBuf),
    /// There is already a site in the directory.
    #[error("there is already a site in {}", .0.display())]
    SiteExists(PathBuf),
    /// An operation on a file failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The settings file is invalid.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to correct it.
        problem: String,
    },
    /// A setting's name or value is invalid.
    #[error("{0}")]
    Setting(String),
    /// The database failed.
    #[error("{}: {source}{}", path.display(), source.advice(path))]
    Database {
        /// The database's file.
        path: PathBuf,
        /// The database's error.
        source: db::Error,
    },
    /// The database was written by a newer version of the program.
    #[error("{}: its schema is number {found}, but this program knows only {known}; use the newer program", path.display())]
    Newer {
        /// The database's file.
        path: PathBuf,
        /// The number of the database's schema.
        found: i64,
        /// The number of the newest schema that this program knows.
        known: i64,
    },
    /// There are no tables in the database.
    #[error("{}: it is empty, it contains no site; restore it from a backup, or check `store.url`", .0.display())]
    Empty(PathBuf),
    /// The database was last used by an older version of the program, and this process may not change
    /// it.
    #[error("{}: its schema is number {found}, which is older than this program's; `dormouse list ls` brings it up to date", path.display())]
    Older {
        /// The database's file, or the URL of its server.
        path: PathBuf,
        /// The number of the database's schema.
        found: i64,
    },
    /// The database contains a value that this program did not write.
    #[error("the database contains {what} that cannot be read: {problem}")]
    Content {
        /// What kind of value.
        what: &'static str,
        /// Why it cannot be read.
        problem: String,
    },
    /// There is already a list with this name.
    #[error("there is already a list {0}")]
    ListExists(ListName),
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn database(path: &Path, source: db::Error) -> StoreError {
        StoreError::Database { path: path.to_owned(), source }
    }

    /// Whether the database server cannot be reached, or does not let this program in.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Database { source, .. } if source.is_away())
    }

    /// Whether every other use of the site's database would fail in the same way.
    pub fn is_everywhere(&self) -> bool {
        match self {
            StoreError::NoSite(_)
            | StoreError::Config { .. }
            | StoreError::Newer { .. }
            | StoreError::Empty(_)
            | StoreError::Older { .. } => true,
            StoreError::Database { source, .. } => !source.is_of_a_value(),
            StoreError::Io { source, .. } => is_of_the_machine(source),
            StoreError::SiteExists(_)
            | StoreError::Setting(_)
            | StoreError::Content { .. }
            | StoreError::ListExists(_) => false,
        }
    }

    /// Whether trying again later may succeed.
    pub fn is_busy(&self) -> bool {
        matches!(self, StoreError::Database { source, .. } if source.is_busy())
    }

    /// Returns the exit code for the MTA. Problems on our side are 75, so that it keeps the mail.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            StoreError::NoSite(_) | StoreError::Config { .. } | StoreError::Newer { .. } => {
                ExitCode::Config
            }
            StoreError::Older { .. } => ExitCode::Software,
            StoreError::Setting(_) => ExitCode::Usage,
            StoreError::SiteExists(_) | StoreError::ListExists(_) => ExitCode::CantCreat,
            StoreError::Io { .. } | StoreError::Database { .. } | StoreError::Empty(_) => {
                ExitCode::TempFail
            }
            StoreError::Content { .. } => ExitCode::Software,
        }
    }
}

/// Whether an error is about the machine or its disk, not about one file.
pub fn is_of_the_machine(error: &io::Error) -> bool {
    use io::ErrorKind::{OutOfMemory, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), OutOfMemory | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
        || matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::IO))
}
