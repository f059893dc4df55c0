//! What can go wrong with keys and signatures.

use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure, naming the file or value.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The system refused an operation on a file or directory.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file is damaged or of another kind.
    #[error(
        "{}: {problem}; a key is a PKCS#8 file as `dormouse dkim create` writes it",
        path.display()
    )]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A selector that DNS cannot hold.
    #[error("{0:?} is not a selector: use letters, digits, hyphens, and dots between them")]
    BadSelector(String),
    /// A domain that DNS cannot hold.
    #[error("{0:?} is not a domain name; write names in other scripts as xn--…")]
    BadDomain(String),
    /// The key is there already and would be replaced.
    #[error(
        "{} is there already; choose another --selector, or remove it with `dormouse dkim rm`",
        .0.display()
    )]
    Exists(PathBuf),
    /// The cryptographic library failed.
    #[error("cannot {0}: the cryptographic library refused")]
    Crypto(&'static str),
}

impl AuthError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthError {
        move |source| AuthError::Io { action, path: path.to_owned(), source }
    }

    /// The exit code an MTA understands: trouble of ours is 75, so that it keeps the mail.
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
