//! One kept connection, of whatever kind.

use crate::exchange::Exchange;
use crate::maildir::Maildir;
use crate::{Capabilities, ConnectError, Options, Report, SendError, Transaction, Transport};

/// What the caller of [`Session::send`] is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Whether the next transaction may be made before it is known what the server says to the recipients
    /// of this one.
    Early,
    /// Whether to go on with the transaction that was made.
    GoOn,
}

/// A connection that takes transactions until it is told to [quit](Session::quit) or lost.
pub struct Session {
    kind: Kind,
}

enum Kind {
    Smtp(Box<Exchange>),
    Maildir(Maildir),
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    /// The server cannot be reached, or does not want to talk, or not under these options. Nothing
    /// has been sent then.
    pub fn connect(transport: &Transport, options: &Options) -> Result<Session, ConnectError> {
        let kind = match transport {
            Transport::Smtp(endpoint) => Kind::Smtp(Box::new(Exchange::open(endpoint, options)?)),
            Transport::Maildir(path) => Kind::Maildir(
                Maildir::open(path).map_err(|error| ConnectError::new(path.display(), error))?,
            ),
        };
        Ok(Session { kind })
    }

    /// What the other side offers.
    pub fn offers(&self) -> &Capabilities {
        match &self.kind {
            Kind::Smtp(exchange) => exchange.offers(),
            Kind::Maildir(maildir) => maildir.offers(),
        }
    }

    /// Sends transactions in order until `next` returns `None`, after which it is not called again, or
    /// it is not to go on.
    ///
    /// `next` is asked for a transaction while its predecessor is under way, so one more may have
    /// been asked for than reported. Just before anything is said of it [`Ask::GoOn`] is asked; what has
    /// been made and is not to be sent is dropped. `done` is told of each, in the same order, before the
    /// message of the following one is on the wire.
    ///
    /// # Errors
    /// The connection was lost, or `done` failed. Whatever `next` returned and `done` was not told
    /// of is to be sent again over a new session; this one takes nothing more.
    pub fn send<'a, E>(
        &mut self,
        next: impl FnMut() -> Option<Transaction<'a>>,
        ask: impl FnMut(Ask) -> bool,
        done: impl FnMut(&Transaction<'a>, Report) -> Result<(), E>,
    ) -> Result<(), SendError<E>> {
        match &mut self.kind {
            Kind::Smtp(exchange) => exchange.send(next, ask, done),
            Kind::Maildir(maildir) => maildir.send(next, ask, done),
        }
    }

    /// Ends the session politely. Dropping it ends it as well.
    pub fn quit(self) {
        match self.kind {
            Kind::Smtp(exchange) => exchange.quit(),
            Kind::Maildir(_) => {}
        }
    }
}
