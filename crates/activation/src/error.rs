//! Errors of activation.

use dormouse_spool::SpoolError;
use dormouse_store::StoreError;
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// An error in creating, installing or checking units, or in watching a queue.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// An operation on a file or directory failed.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An operation on a child process failed.
    #[error("cannot {action} a process: {source}")]
    Child {
        /// The operation, as a verb.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The queues could not be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A value of the plan cannot be written in a unit file.
    #[error("cannot write a systemd unit for {what} {value:?}: {problem}")]
    Plan {
        /// The part of the plan.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what is allowed.
        problem: &'static str,
    },
    /// A value cannot be written in a service file for another manager.
    #[error("cannot write a service file for {what} {value:?}: {problem}")]
    ServiceFile {
        /// The part.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what is allowed.
        problem: &'static str,
    },
    /// A command could not be started.
    #[error("cannot run {command}: {source}; is systemd installed?")]
    NoCommand {
        /// The command with its arguments.
        command: String,
        /// The system's error.
        source: io::Error,
    },
    /// The site's files could not be given to the user of the units.
    #[error(transparent)]
    Site(#[from] StoreError),
    /// There is no manager to start units.
    #[error(
        "{reason}: nothing was changed. --no-start only writes the files; without systemd, `dormouse master start` processes mail"
    )]
    NoManager {
        /// The reason.
        reason: String,
    },
    /// The manager has the units of another site.
    #[error(
        "{} belongs to the site {}: one manager can serve only one site, and its units were not changed. \
         `dormouse --site {} units uninstall{}` removes them. Another site can have its own user with \
         `units install --user`, or `dormouse master start`, or a line in a crontab",
        file.display(), other.display(), other.display(), manager.flag()
    )]
    OtherSite {
        /// A file of its units.
        file: PathBuf,
        /// The other site.
        other: PathBuf,
        /// The manager.
        manager: crate::Manager,
    },
    /// A command of systemd failed.
    #[error("`{command}` failed: {said}")]
    Command {
        /// The command with its arguments.
        command: String,
        /// Its standard error, or how it exited.
        said: String,
    },
    /// This version of systemd is too old to be reliable.
    #[error(
        "systemd {found} can miss new entries; {needed} is the first version that checks again when a service ends (use `dormouse run` from cron instead)"
    )]
    TooOld {
        /// The installed version.
        found: u32,
        /// The first suitable version.
        needed: u32,
    },
    /// The watch program was started with wrong arguments.
    #[error("{problem}; start it by `dormouse watch`")]
    Arguments {
        /// What is wrong.
        problem: String,
    },
    /// There is no directory for a user's units.
    #[error("neither XDG_CONFIG_HOME nor HOME is set, so there is no directory for a user's units")]
    NoHome,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            " (only root can install system units; --user needs no root)"
        }
        _ => "",
    }
}

impl ActivationError {
    pub(crate) fn io(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> ActivationError {
        move |source| ActivationError::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn child(action: &'static str, source: io::Error) -> ActivationError {
        ActivationError::Child { action, source }
    }

    /// Returns the error in one line, without the command.
    pub(crate) fn in_short(&self) -> String {
        let text = match self {
            ActivationError::Command { said, .. } => said.clone(),
            other => other.to_string(),
        };
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// Returns the exit code, after sysexits.h.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            ActivationError::Io { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                ExitCode::NoPerm
            }
            ActivationError::Io { .. } => ExitCode::IoErr,
            ActivationError::Child { .. } => ExitCode::OsErr,
            ActivationError::Spool(error) => error.sysexit(),
            ActivationError::Site(error) => error.sysexit(),
            ActivationError::Plan { .. }
            | ActivationError::ServiceFile { .. }
            | ActivationError::OtherSite { .. }
            | ActivationError::NoHome => ExitCode::Config,
            ActivationError::Arguments { .. } => ExitCode::Usage,
            ActivationError::NoCommand { .. }
            | ActivationError::NoManager { .. }
            | ActivationError::Command { .. }
            | ActivationError::TooOld { .. } => ExitCode::Unavailable,
        }
    }
}
