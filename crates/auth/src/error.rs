//! Errors of keys and signatures.

use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// An error, naming the file or value.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// An operation on a file or directory failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A key file is damaged or has another format.
    #[error(
        "{}: {problem}; a key must be a PKCS#8 file, as written by `dormouse dkim create`",
        path.display()
    )]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A selector that is invalid in DNS.
    #[error("{0:?} is not a selector: use letters, digits, hyphens, and dots between them")]
    BadSelector(String),
    /// A domain that is invalid in DNS.
    #[error("{0:?} is not a domain name; write names in other scripts as xn--…")]
    BadDomain(String),
    /// The key already exists.
    #[error(
        "{} already exists; choose another --selector, or remove it with `dormouse dkim rm`",
        .0.display()
    )]
    Exists(PathBuf),
    /// The cryptographic library failed.
    #[error("cannot {0}: the cryptographic library failed")]
    Crypto(&'static str),
}

impl AuthError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthError {
        move |source| AuthError::Io { action, path: path.to_owned(), source }
    }

    /// Returns the exit code for the MTA. Problems on our side are 75, so that it keeps the mail.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            AuthError::BadSelector(_) | AuthError::BadDomain(_) => ExitCode::Usage,
            AuthError::Exists(_) => ExitCode::CantCreat,
            AuthError::Io { .. } | AuthError::BadKey { .. } | AuthError::Crypto(_) => {
                ExitCode::TempFail
            }
        }
    }
}
