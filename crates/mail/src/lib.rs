//! One message: received bytes, surgical header edits, MIME, addresses, notices.
//!
//! Bytes in, bytes out: unedited parts stay the same byte for byte, however broken they are.
//!
//! # Layout
//! - [`message`]: the message as fields and a body. [`field`]: one header field.
//! - [`address`]: addresses in headers and on the command line.
//! - [`encoded_word`]: RFC 2047. [`mime`]: the structure below the header. [`charset`]: decoding any
//!   charset. [`transfer`]: quoted-printable and base64.
//! - [`tree`]: that structure as an editable tree. [`html`]: HTML as plain text, and plain
//!   text in HTML.
//! - [`conceal`]: finding and removing passwords.
//! - [`redact`]: masking words without moving a byte.
//! - [`scrub`]: a message as plain text and attachments.
//! - [`enclose`]: a message as a part of another.
//! - [`fit`]: making a message acceptable for a server.
//! - [`decorate`]: header and footer texts. [`subject`]: the subject prefix.
//! - [`compose`]: content of our own, as MIME.
//! - [`notice`]: our own messages. [`message_id`], [`date`]: their Message-IDs and dates.
//! - [`verp`]: envelope senders that contain their recipient.
//! - [`automatic`]: whether a program wrote a message.
//!
//! # Limits
//! A message may have 10,000 parts in 64 levels; deeper parts are kept as bytes and not opened. All work is linear in the size of the message.
//!
//! # Example
//! ```
//! use dormouse_mail::Message;
//!
//! let mut message = Message::parse(*b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nText\n");
//! assert_eq!(message.text("Subject").as_deref(), Some("Grüße"));
//! message.set("Subject", "Greetings");
//! assert_eq!(message.to_bytes(), b"Subject: Greetings\n\nText\n");
//! ```

pub mod address;
pub mod automatic;
pub mod charset;
pub mod compose;
pub mod conceal;
pub mod date;
pub mod decorate;
pub mod enclose;
pub mod encoded_word;
pub mod field;
pub mod fit;
pub mod html;
pub mod message;
pub mod message_id;
pub mod mime;
pub mod notice;
pub mod redact;
pub mod scrub;
pub mod subject;
pub mod transfer;
pub mod tree;
pub mod verp;

pub use address::{AddressKey, Mailbox};
pub use field::Field;
pub use message::Message;
