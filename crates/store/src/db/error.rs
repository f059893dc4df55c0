//! Errors of databases.

use super::postgres::complaint::{Complaint, Trouble};
use super::sqlite;
use std::fmt;
use std::path::Path;

/// The result of a statement.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An error of a database.
#[derive(Debug)]
pub struct Error(Cause);

#[derive(Debug)]
enum Cause {
    Sqlite(rusqlite::Error),
    Postgres(Complaint),
    /// A value that is not what this program writes there.
    Content(String),
}

impl Error {
    /// Creates an error for a lost connection.
    pub(crate) fn lost(problem: &str) -> Error {
        Error::from(Complaint::lost(problem.to_owned()))
    }

    /// Whether the server cannot be reached, so that another attempt may succeed soon.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(&self.0, Cause::Postgres(complaint) if complaint.trouble == Trouble::Lost)
    }

    /// Whether the server cannot be reached or does not let this program in.
    pub(crate) fn is_away(&self) -> bool {
        match &self.0 {
            Cause::Postgres(complaint) => {
                matches!(complaint.trouble, Trouble::Lost | Trouble::Barred)
            }
            _ => false,
        }
    }

    /// Whether the cause is a value in the statement, so that others may succeed.
    pub(crate) fn is_of_a_value(&self) -> bool {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::is_of_a_value(error),
            Cause::Postgres(complaint) => complaint.trouble == Trouble::Value,
            Cause::Content(_) => true,
        }
    }

    /// A value that is not what this program writes there.
    pub(crate) fn content(problem: String) -> Error {
        Error(Cause::Content(problem))
    }

    /// Whether trying again later may succeed.
    pub fn is_busy(&self) -> bool {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::is_busy(error),
            Cause::Postgres(complaint) => {
                !matches!(complaint.trouble, Trouble::Refused | Trouble::Value)
            }
            Cause::Content(_) => false,
        }
    }

    /// Returns a clause for the message that says what to do, or an empty one.
    pub(crate) fn advice(&self, path: &Path) -> &str {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::advice(error, path),
            Cause::Postgres(complaint) => &complaint.advice,
            Cause::Content(_) => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Sqlite(error) => error.fmt(f),
            Cause::Postgres(complaint) => f.write_str(&complaint.said),
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

impl From<Complaint> for Error {
    fn from(complaint: Complaint) -> Error {
        Error(Cause::Postgres(complaint))
    }
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Error {
        Error::from(Complaint::of(&error, None))
    }
}
