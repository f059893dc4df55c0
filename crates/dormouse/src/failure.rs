//! A command's failure: a sentence for a person and an exit code for an MTA (sysexits.h).

use std::fmt;
use sysexits::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: ExitCode,
    /// What, where and what to do.
    pub message: String,
}

impl Failure {
    /// Creates the failure for wrong usage.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { code: ExitCode::Usage, message: message.into() }
    }

    /// Creates a failure with an exit code.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }

    /// Creates the failure for a list that does not exist.
    pub fn no_such_list(name: &str) -> Failure {
        Failure::new(ExitCode::NoUser, format!("no mailing list here is called {name}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Every crate's error knows its own exit code.
macro_rules! from_room {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::new(error.sysexit(), error.to_string())
            }
        }
    )*};
}

from_room!(
    dormouse_auth::AuthError,
    dormouse_backup::BackupError,
    dormouse_spool::SpoolError,
    dormouse_store::StoreError,
    dormouse_membership::RunError,
    dormouse_membership::lists::ListError,
    dormouse_runners::queue::waiting::WaitingError,
    dormouse_runners::intake::IntakeRefusal,
    dormouse_runners::adoption::AdoptionError,
    dormouse_activation::ActivationError,
    dormouse_lmtp::LmtpError,
    dormouse_web::WebError,
    dormouse_takeover::TakeoverError,
    dormouse_archive::ArchiveError,
);

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::new(ExitCode::IoErr, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::new(ExitCode::Software, error.to_string())
    }
}
