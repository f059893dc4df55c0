//! What a database says when it cannot do something.

use super::sqlite;
use std::fmt;
use std::path::Path;

/// The outcome of a statement.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure of a database.
#[derive(Debug)]
pub struct Error(Cause);

#[derive(Debug)]
enum Cause {
    Sqlite(rusqlite::Error),
    /// A value that is not what this program writes there.
    Content(String),
}

impl Error {
    /// A value that is not what this program writes there.
    pub(crate) fn content(problem: String) -> Error {
        Error(Cause::Content(problem))
    }

    /// Whether trying again later may help by itself.
    pub fn is_busy(&self) -> bool {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::is_busy(error),
            Cause::Content(_) => false,
        }
    }

    /// What to do about it: a clause to add to the message, or nothing.
    pub(crate) fn advice(&self, path: &Path) -> &'static str {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::advice(error, path),
            Cause::Content(_) => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Sqlite(error) => error.fmt(f),
            Cause::Content(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error(Cause::Sqlite(error))
    }
}
