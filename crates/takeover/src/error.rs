//! Errors of import and export.

use dormouse_archive::ArchiveError;
use dormouse_pickle::LoadError;
use dormouse_spool::SpoolError;
use dormouse_store::{StoreError, UnixAccount, owner};
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure, with the file.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source, path))]
    Io {
        /// The attempted operation, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A pickle is damaged.
    #[error("{}: the pickle cannot be read: {source}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// The opcode and offset of the error.
        source: LoadError,
    },
    /// A file has unexpected content.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// There is no Mailman site.
    #[error("{} is not a Mailman site: it has no lists/ directory; name the directory that has one (Debian: /var/lib/mailman)", .0.display())]
    NoMailman(PathBuf),
    /// Mailman is still running.
    #[error("Mailman is still running ({0})")]
    Running(String),
    /// The request cannot be carried out.
    #[error("{0}")]
    Refused(String),
    /// Our database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our queues failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Our archives failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

fn advice(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => barred(path).unwrap_or_default(),
        io::ErrorKind::StorageFull => {
            " (free some space and run it again; nothing is done twice)".to_owned()
        }
        _ => String::new(),
    }
}

/// Root, too, works as the owner of the site's directory. That must be a user who
/// may read Mailman's files.
fn barred(path: &Path) -> Option<String> {
    let owner = path.ancestors().find_map(|path| UnixAccount::of(path).ok())?;
    let me = rustix::process::geteuid().as_raw();
    let (name, UnixAccount { user, group, .. }) = (owner::user_name(me), &owner);
    if owner.uid == me {
        return Some(format!(" (it belongs to {user}; check its mode)"));
    }
    Some(format!(
        " (it belongs to {user}, and this runs as {name}. The site's directory must be {user}'s, whom \
         root then switches: as root, before the import, `install -d -o {user} -g {group} -m 2771 DIR`, \
         or `chown -R {user}:{group} DIR` if it is there)"
    ))
}

impl TakeoverError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TakeoverError {
        move |source| TakeoverError::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn content(path: &Path, problem: impl Into<String>) -> TakeoverError {
        TakeoverError::Content { path: path.to_owned(), problem: problem.into() }
    }

    /// Returns the exit code, after sysexits.h.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            TakeoverError::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => ExitCode::NoPerm,
                io::ErrorKind::NotFound => ExitCode::NoInput,
                _ => ExitCode::IoErr,
            },
            TakeoverError::Pickle { .. } | TakeoverError::Content { .. } => ExitCode::DataErr,
            TakeoverError::NoMailman(_) => ExitCode::NoInput,
            TakeoverError::Running(_) => ExitCode::TempFail,
            TakeoverError::Refused(_) => ExitCode::CantCreat,
            TakeoverError::Store(error) => error.sysexit(),
            TakeoverError::Spool(error) => error.sysexit(),
            TakeoverError::Archive(error) => error.sysexit(),
        }
    }
}
