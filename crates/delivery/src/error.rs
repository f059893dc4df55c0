//! Errors of a transport.

use crate::Reply;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a session cannot begin or continue.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server was silent for too long.
    #[error("no reply within {} seconds to {to}", (after.as_secs_f64() * 10.0).round() / 10.0)]
    Timeout {
        /// What it should have answered.
        to: String,
        /// How long we waited.
        after: Duration,
    },
    /// The connection ended.
    #[error("the server closed the connection instead of replying to {to}")]
    Closed {
        /// What it should have answered.
        to: String,
    },
    /// The server refused the session, or ended it (421).
    #[error("the server said: {0}")]
    Reply(Reply),
    /// The server does not accept the user's name and password.
    #[error("the server does not accept the login of the user {user:?}: {reply}")]
    Login {
        /// The user.
        user: String,
        /// What it said.
        reply: Box<Reply>,
    },
    /// The command for access tokens prints none.
    #[error("no access token from {command:?} (delivery.token_command): {problem}")]
    Token {
        /// The command.
        command: String,
        /// What happened.
        problem: String,
    },
    /// The server does not speak SMTP as it should.
    #[error("the server violates SMTP: {0}")]
    Protocol(String),
    /// TLS failed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Something required is not offered by the server, or not possible.
    #[error("{0}")]
    Setup(String),
    /// The session was used again after it had ended.
    #[error("this session has already ended")]
    Over,
}

impl Cause {
    /// Whether trying again later may help, without a person changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            // The server that issues tokens may be down for a while.
            Cause::Token { .. } => true,
            Cause::Io(_) | Cause::Timeout { .. } | Cause::Closed { .. } | Cause::Over => true,
            Cause::Reply(reply) => reply.code / 100 != 5,
            Cause::Login { reply, .. } => reply.code / 100 != 5,
            Cause::Protocol(_) | Cause::Tls(_) | Cause::Setup(_) => false,
        }
    }
}

/// No session could be opened. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("no session with {address}: {cause}")]
pub struct ConnectError {
    /// Whether trying again later may help.
    pub temporary: bool,
    /// Host and port, or the path.
    pub address: String,
    /// Why.
    #[source]
    pub cause: Cause,
}

impl ConnectError {
    pub(crate) fn new(address: impl fmt::Display, cause: impl Into<Cause>) -> ConnectError {
        let cause = cause.into();
        ConnectError { temporary: cause.is_temporary(), address: address.to_string(), cause }
    }
}

/// Sending ended early. The caller must send transactions that were fetched and not reported again,
/// over a new session.
#[derive(Debug, thiserror::Error)]
pub enum SendError<E> {
    /// The caller could not record a report, so nothing more was sent.
    #[error("{0}")]
    Done(E),
    /// The connection was lost.
    #[error("lost the session with {address}: {cause}{}", doubt(in_doubt))]
    Lost {
        /// Host and port, or the path.
        address: String,
        /// Why.
        cause: Cause,
        /// [`crate::Transaction::unique`] of the transaction whose message was sent without a
        /// reply: the server may or may not have accepted it. It is the first one not reported; the
        /// others have certainly not been accepted.
        in_doubt: Option<String>,
        /// The recipient, by its index in the first transaction not reported, to whose command the
        /// server replied 421: others may be accepted.
        blamed: Option<(usize, Box<Reply>)>,
    },
}

fn doubt(in_doubt: &Option<String>) -> String {
    match in_doubt {
        Some(unique) => format!(" (it may have accepted {unique})"),
        None => String::new(),
    }
}

impl From<dormouse_endpoint::TlsError> for Cause {
    fn from(error: dormouse_endpoint::TlsError) -> Cause {
        Cause::Tls(error.0)
    }
}
