//! SMTP, LMTP and Maildir delivery, with an outcome for each recipient.
//!
//! It knows nothing about lists, queues or databases. A caller opens a [`Session`] and passes it
//! one [`Transaction`] after the other; for each it gets the [`RecipientOutcome`] of every recipient before
//! the message of the next one is sent. A caller that records those outcomes is, after a crash, in
//! doubt about at most one transaction.
//!
//! # Layout
//! - [`Transport`]: where mail goes, read from a URL. [`SessionOptions`]: how it goes there.
//! - [`Content`]: a message prepared for the wire once. [`Addresses`]: many addresses.
//!   [`Transaction`]: a sender, recipients and a content. [`RecipientOutcome`], [`TransactionReport`]: its result.
//! - [`Reply`]: a server's reply, and its parser. [`Capabilities`]: what a server offers.
//! - [`Session`]: one kept connection of either kind.
//! - Inside, for SMTP: `connection` (bytes, timeouts, replies), `tls`, `handshake` (from greeting to
//!   AUTH), `envelope` (the commands of a transaction), `exchange` (the pipeline).
//! - [`News`]: a newsgroup server, for posting and reading.
//! - Inside, for Maildir: `maildir`. Which addresses may be sent: `address`.
//!
//! # Limits
//! A reply may have 64 KiB; a session has the time limits of [`SessionOptions`]. Nothing is retried here.
//!
//! # Example
//! ```
//! use dormouse_delivery::Transport;
//!
//! let transport: Transport = "smtp://user@mx.example.org:587".parse()?;
//! assert!(matches!(transport, Transport::Smtp(endpoint) if endpoint.user.as_deref() == Some("user")));
//! assert!("http://example.org".parse::<Transport>().is_err());
//! # Ok::<(), dormouse_delivery::TransportError>(())
//! ```

mod address;
mod addresses;
mod capabilities;
mod connection;
mod content;
mod envelope;
mod error;
mod exchange;
mod handshake;
mod maildir;
mod nntp;
mod options;
mod reply;
mod session;
mod tls;
mod token;
mod transaction;

pub use addresses::Addresses;
pub use capabilities::Capabilities;
pub use content::Content;
pub use dormouse_endpoint::{
    Credentials, Endpoint, Host, Pin, Protocol, TlsPolicy, Transport, TransportError,
};
pub use error::{Cause, ConnectError, SendError};
pub use nntp::{ArticleRange, News, NewsError};
pub use options::SessionOptions;
pub use reply::{Reply, Stage};
pub use session::{Ask, Session};
pub use token::TokenCommand;
pub use transaction::{RecipientOutcome, Transaction, TransactionReport};
