//! One kept connection, of any kind.

use crate::exchange::Exchange;
use crate::maildir::Maildir;
use crate::{
    Capabilities, ConnectError, SendError, SessionOptions, Transaction, TransactionReport,
    Transport,
};

/// A question to the caller of [`Session::send`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// May a transaction be prepared before the results of those before it are known?
    Early,
    /// Is the transaction that was prepared early still right, now that more is known? If not, it is
    /// dropped, and the next one is what to send instead.
    Still,
    /// Is the transaction that was prepared to be sent?
    GoOn,
}

/// A connection that sends transactions until it is ended with [quit](Session::quit) or lost.
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
    /// If the server cannot be reached, refuses the session, or does not meet the options. Nothing
    /// has been sent then.
    pub fn connect(
        transport: &Transport,
        options: &SessionOptions,
    ) -> Result<Session, ConnectError> {
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

    /// Sends transactions in order until `next` returns `None` (it is not called again then), or
    /// refuses to go on.
    ///
    /// `next` is called for a transaction while those before it are being sent, so it may have
    /// returned two more than were reported. Just before the first command of a prepared transaction
    /// `next` is asked [`Ask::GoOn`]; if it refuses, the transaction is dropped. `done` is called
    /// for each, in the same order, before the message of the following one is on the wire.
    ///
    /// # Errors
    /// The connection was lost, or `done` failed. The caller must send the transactions that `next`
    /// returned and `done` did not get again, over a new session; this one accepts no more.
    pub fn send<'a, E>(
        &mut self,
        next: impl FnMut() -> Option<Transaction<'a>>,
        ask: impl FnMut(Ask) -> bool,
        done: impl FnMut(&Transaction<'a>, TransactionReport) -> Result<(), E>,
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
