//! What can go wrong with waking.

use dormouse_spool::SpoolError;
use dormouse_store::StoreError;
use std::io;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A failure to make, install or look at units, or to watch a queue.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The system refused an operation on a file or directory.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A process that was started could not be dealt with.
    #[error("cannot {action} a process: {source}")]
    Child {
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The queues could not be looked at.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A unit file cannot say what the plan wants.
    #[error("cannot write a systemd unit for {what} {value:?}: {problem}")]
    Plan {
        /// Which part of the plan.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what would do.
        problem: &'static str,
    },
    /// A service file for another manager cannot say it.
    #[error("cannot write a service file for {what} {value:?}: {problem}")]
    ServiceFile {
        /// Which part.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what would do.
        problem: &'static str,
    },
    /// A command of systemd could not be started.
    #[error("cannot run {command}: {source}; is systemd installed?")]
    NoCommand {
        /// The command with its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// The site's files could not be given to the units' user.
    #[error(transparent)]
    Site(#[from] StoreError),
    /// No manager is there that could start units.
    #[error(
        "{reason}: nothing was changed. --no-start only writes the files; without systemd, `dormouse master start` processes mail"
    )]
    NoManager {
        /// Why not.
        reason: String,
    },
    /// The manager has the units of another site.
    #[error(
        "{} wakes the site {}: one manager wakes one site, and its units are left alone. \
         `dormouse --site {} units uninstall{}` removes them. Another site can have its own user with \
         `units install --user`, or `dormouse master start`, or a line in a crontab",
        file.display(), other.display(), other.display(), manager.flag()
    )]
    OtherSite {
        /// A file of its units.
        file: PathBuf,
        /// The other site.
        other: PathBuf,
        /// Which manager.
        manager: crate::Manager,
    },
    /// A command of systemd failed.
    #[error("`{command}` failed: {said}")]
    Command {
        /// The command with its arguments.
        command: String,
        /// What it said on standard error, or how it ended.
        said: String,
    },
    /// systemd is too old to be relied on.
    #[error(
        "systemd {found} loses wake-ups; {needed} is the first that checks again when a service ends (use `dormouse run` from cron instead)"
    )]
    TooOld {
        /// The version that is running.
        found: u32,
        /// The first version that will do.
        needed: u32,
    },
    /// The program that watches was not started as it should be.
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

    /// What went wrong in one line, without the command that said so.
    pub(crate) fn in_short(&self) -> String {
        let text = match self {
            ActivationError::Command { said, .. } => said.clone(),
            other => other.to_string(),
        };
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// The exit code after sysexits.h.
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
