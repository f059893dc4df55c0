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
    /// What the server said, and what that means.
    Postgres(Trouble, String),
    /// A value that is not what this program writes there.
    Content(String),
}

/// What a server's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The server cannot be reached, or not any more.
    Lost,
    /// Another process is in the way.
    Busy,
    /// The statement is refused.
    Refused,
}

impl Error {
    /// The server cannot be reached any more.
    pub(crate) fn lost(problem: &str) -> Error {
        Error(Cause::Postgres(Trouble::Lost, problem.to_owned()))
    }

    /// The server cannot be reached.
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

    /// Whether trying again later may help by itself.
    pub fn is_busy(&self) -> bool {
        match &self.0 {
            Cause::Sqlite(error) => sqlite::is_busy(error),
            Cause::Postgres(trouble, _) => *trouble != Trouble::Refused,
            Cause::Content(_) => false,
        }
    }

    /// What to do about it: a clause to add to the message, or nothing.
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
            // Class 08: connections. Class 57: the server ends, or is not there yet. 25006: it takes no
            // changes any more, as another server does now.
            Some(code) => match code.code() {
                code if code.starts_with("08") || code.starts_with("57P0") => Trouble::Lost,
                "25006" | "53300" => Trouble::Lost,
                // A lock, a deadlock, a snapshot that is too old.
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

/// What a server said, or what happened on the way to it.
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
