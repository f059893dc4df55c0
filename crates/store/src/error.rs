//! Errors of a site and its database.

use crate::{ListName, db};
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

    /// Whether the database server cannot be reached.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Database { source, .. } if source.is_lost())
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
            StoreError::Setting(_) => ExitCode::Usage,
            StoreError::SiteExists(_) | StoreError::ListExists(_) => ExitCode::CantCreat,
            StoreError::Io { .. } | StoreError::Database { .. } => ExitCode::TempFail,
            StoreError::Content { .. } => ExitCode::Software,
        }
    }
}
