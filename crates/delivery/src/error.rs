//! What can go wrong with a transport.

use crate::Reply;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a session cannot begin or cannot go on.
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
        /// How long it was waited for.
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
    /// The server does not take the user's name and password.
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
    /// Whether waiting may help, without a person changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            // Its server may be away for a while.
            Cause::Token { .. } => true,
            Cause::Io(_) | Cause::Timeout { .. } | Cause::Closed { .. } | Cause::Over => true,
            Cause::Reply(reply) => reply.code / 100 != 5,
            Cause::Login { reply, .. } => reply.code / 100 != 5,
            Cause::Protocol(_) | Cause::Tls(_) | Cause::Setup(_) => false,
        }
    }
}

/// No session came about. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("no session with {address}: {cause}")]
pub struct ConnectError {
    /// Whether waiting may help.
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

/// The sending ended early. Transactions that were asked for and not reported are the caller's
/// to send again, over a new session.
#[derive(Debug, thiserror::Error)]
pub enum SendError<E> {
    /// The caller could not take note of a report, so nothing more was sent.
    #[error("{0}")]
    Done(E),
    /// The connection was lost.
    #[error("lost the session with {address}: {cause}{}", doubt(in_doubt))]
    Lost {
        /// Host and port, or the path.
        address: String,
        /// Why.
        cause: Cause,
        /// [`crate::Transaction::unique`] of the transaction whose message had gone out without an
        /// answer: the server may or may not have taken it. It is the first one not reported; the
        /// others have certainly not been taken.
        in_doubt: Option<String>,
        /// The recipient, by its place in the first transaction not reported, to whom the server said
        /// goodbye (421): another one may be welcome.
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
