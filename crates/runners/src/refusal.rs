//! Why mail is not accepted.

use dormouse_spool::SpoolError;
use dormouse_store::StoreError;
use std::io;
use std::path::PathBuf;
use sysexits::ExitCode;

/// Why a message was not accepted. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum IntakeRefusal {
    /// No list has that name or address.
    #[error("no mailing list here is called {0}")]
    NoSuchList(String),
    /// The list's settings reject it because of its envelope and header.
    #[error("{0}")]
    Rejected(String),
    /// The site accepts no mail for that host.
    #[error("{0} is the host of no mailing list here")]
    NoSuchHost(String),
    /// The list was unknown when the database was last available; it may exist by now.
    #[error("no mailing list called {0} is known while the database is away; try again later")]
    NotKnownNow(String),
    /// The index does not say where the mail goes, and this program has nothing else to ask.
    #[error("the site's index does not say where this mail goes; try again later")]
    NotInIndex,
    /// Standard input was empty.
    #[error("there is no message on standard input")]
    NoMessage,
    /// Reading the message failed.
    #[error("the message could not be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is larger than the site accepts.
    #[error("the message is larger than {limit} bytes, the limit of this site (intake.max_size)")]
    TooLarge {
        /// The site's limit in bytes.
        limit: u64,
    },
    /// The disk is nearly full.
    #[error("only {free} bytes are free in {} (intake.min_free asks for {needed}); try again later", spool.display())]
    NoSpace {
        /// Free bytes.
        free: u64,
        /// The bytes that the site keeps free, plus those of the message.
        needed: u64,
        /// The spool's directory.
        spool: PathBuf,
    },
    /// The file for mail to the site itself failed.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IntakeRefusal {
    /// Returns the exit code for the MTA's pipe (sysexits.h). With 75, for all failures of our own,
    /// the MTA keeps the mail and tries again; with any other code it bounces.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            IntakeRefusal::NoSuchList(_) => ExitCode::NoUser,
            IntakeRefusal::NoSuchHost(_) => ExitCode::NoHost,
            IntakeRefusal::NoMessage => ExitCode::NoInput,
            IntakeRefusal::TooLarge { .. } => ExitCode::DataErr,
            IntakeRefusal::Rejected(_) => ExitCode::NoPerm,
            IntakeRefusal::Unreadable(_)
            | IntakeRefusal::NoSpace { .. }
            | IntakeRefusal::Kept { .. }
            | IntakeRefusal::NotKnownNow(_)
            | IntakeRefusal::NotInIndex
            | IntakeRefusal::Spool(_)
            | IntakeRefusal::Store(_) => ExitCode::TempFail,
        }
    }

    /// Returns the reply over LMTP: the code and the enhanced code (RFC 3463).
    pub fn smtp_reply(&self) -> (u16, &'static str) {
        match self {
            IntakeRefusal::NoSuchList(_) => (550, "5.1.1"),
            IntakeRefusal::NoSuchHost(_) => (550, "5.1.2"),
            IntakeRefusal::NoMessage => (554, "5.6.0"),
            IntakeRefusal::TooLarge { .. } => (552, "5.3.4"),
            IntakeRefusal::Rejected(_) => (550, "5.7.1"),
            IntakeRefusal::NoSpace { .. } => (452, "4.3.1"),
            IntakeRefusal::Unreadable(_)
            | IntakeRefusal::Kept { .. }
            | IntakeRefusal::NotKnownNow(_)
            | IntakeRefusal::NotInIndex
            | IntakeRefusal::Spool(_)
            | IntakeRefusal::Store(_) => (451, "4.3.0"),
        }
    }
}
