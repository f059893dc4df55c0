//! What can go wrong with a site and its database.

use crate::db;
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure of the site or its store, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory holds no site.
    #[error("there is no site in {}; make one with `dormouse --site {} init`", .0.display(), .0.display())]
    NoSite(PathBuf),
    /// The directory holds a site already.
    #[error("there is a site in {} already", .0.display())]
    SiteExists(PathBuf),
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
    /// The settings file is not right.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A setting was given a name or value that cannot be.
    #[error("{0}")]
    Setting(String),
    /// The database failed.
    #[error("{}: {source}{}", path.display(), source.advice(path))]
    Database {
        /// The database's file.
        path: PathBuf,
        /// What the database said.
        source: db::Error,
    },
    /// The database was written by a newer version of the program.
    #[error("{}: its schema is number {found}, this program knows up to {known}; use the newer program", path.display())]
    Newer {
        /// The database's file.
        path: PathBuf,
        /// The schema's number there.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// What the database holds is not what this program wrote there.
    #[error("the database holds {what} that cannot be read: {problem}")]
    Content {
        /// Which value.
        what: &'static str,
        /// Why not.
        problem: String,
    },
    /// A list of that name is there already.
    #[error("there is a list {0} already")]
    ListExists(String),
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn database(path: &Path, source: db::Error) -> StoreError {
        StoreError::Database { path: path.to_owned(), source }
    }

    /// Whether the server that has the database cannot be reached.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Database { source, .. } if source.is_lost())
    }

    /// Whether trying again later may help by itself.
    pub fn is_busy(&self) -> bool {
        matches!(self, StoreError::Database { source, .. } if source.is_busy())
    }

    /// The exit code an MTA understands: trouble of ours is 75, so that it keeps the mail.
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
