//! What can go wrong when a site moves.

use dormouse_archive::ArchiveError;
use dormouse_pickle::LoadError;
use dormouse_spool::SpoolError;
use dormouse_store::{Account, StoreError, owner};
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The system refused a file.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source, path))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A pickle is damaged.
    #[error("{}: the pickle cannot be read: {source}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Opcode and offset of the fault.
        source: LoadError,
    },
    /// A file holds something else than it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// There is no Mailman site.
    #[error("{} is no Mailman site: it has no lists/ directory; give the directory that has it (Debian: /var/lib/mailman)", .0.display())]
    NoMailman(PathBuf),
    /// Mailman still runs.
    #[error("Mailman is still at work ({0})")]
    Running(String),
    /// Something is in the way of what was asked for.
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

/// Whoever runs this works as the owner of the site's directory, root too. That must be somebody who
/// may read Mailman's files.
fn barred(path: &Path) -> Option<String> {
    let owner = path.ancestors().find_map(|path| Account::of(path).ok())?;
    let me = rustix::process::geteuid().as_raw();
    let (name, Account { user, group, .. }) = (owner::user_name(me), &owner);
    if owner.uid == me {
        return Some(format!(" (it is {user}'s own; look at its mode)"));
    }
    Some(format!(
        " (it belongs to {user}, and this runs as {name}. The site's directory must be {user}'s, whom \
         root then becomes: as root, before the import, `install -d -o {user} -g {group} -m 2771 DIR`, \
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

    /// The exit code, after sysexits.h.
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
