//! Errors of databases.

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
    /// What the error means, and the server's message.
    Postgres(Trouble, String),
    /// A value that is not what this program writes there.
    Content(String),
}

/// What an error of the server means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The server cannot be reached, or the connection was lost.
    Lost,
    /// Another process holds a lock.
    Busy,
    /// The server rejects the statement.
    Refused,
}

impl Error {
    /// Creates an error for a lost connection.
    pub(crate) fn lost(problem: &str) -> Error {
        Error(Cause::Postgres(Trouble::Lost, problem.to_owned()))
    }

    /// Creates an error for a server that cannot be reached.
    pub(crate) fn unreachable(problem: String) -> Error {
        Error(Cause::Postgres(Trouble::Lost, problem))
    }

    /// Whether the server cannot be reached.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.0, Cause::Postgres(Trouble::Lost, _))
    }

    /// A value that is not what this program writes there.
    pub(crate) fn content(problem: String) -> Error {
        Error(Cause::Content(problem))
    }

    /// Whether trying again later may succeed.
    pub fn is_busy(&self) -> bool {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::is_busy(error),
            Cause::Postgres(trouble, _) => *trouble != Trouble::Refused,
            Cause::Content(_) => false,
        }
    }

    /// Returns a clause for the message that says what to do, or an empty one.
    pub(crate) fn advice(&self, path: &Path) -> &'static str {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::advice(error, path),
            Cause::Postgres(Trouble::Lost, _) => {
                "; nothing is lost: check that the server runs and `store.url` is right"
            }
            Cause::Postgres(Trouble::Busy, _) => {
                "; another process has been writing for too long, try again"
            }
            Cause::Postgres(Trouble::Refused, _) => "",
            Cause::Content(_) => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Sqlite(error) => error.fmt(f),
            Cause::Postgres(_, problem) | Cause::Content(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error(Cause::Sqlite(error))
    }
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Error {
        let trouble = match error.code() {
            // Class 08: connections. Class 57P0: the server stops or starts. 25006: it has become
            // read-only, because another server accepts changes now. 53300: too many connections.
            Some(code) => match code.code() {
                code if code.starts_with("08") || code.starts_with("57P0") => Trouble::Lost,
                "25006" | "53300" => Trouble::Lost,
                // A lock timeout, a deadlock, a serialization failure.
                "55P03" | "40P01" | "40001" => Trouble::Busy,
                _ => Trouble::Refused,
            },
            None if error.is_closed() => Trouble::Lost,
            None => match std::error::Error::source(&error) {
                Some(source) if source.is::<std::io::Error>() => Trouble::Lost,
                _ => Trouble::Refused,
            },
        };
        Error(Cause::Postgres(trouble, told(&error)))
    }
}

/// Returns the server's message, or the cause of a failed connection.
pub(crate) fn told(error: &postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail} [{}]", said.message(), said.code().code());
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
