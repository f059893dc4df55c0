//! One message: received bytes, surgical header edits, MIME, addresses, notices.
//!
//! Bytes in, bytes out: what is not edited leaves byte for byte, however broken it is.
//!
//! # Layout
//! - [`message`]: the message as fields and a body. [`field`]: one header field.
//! - [`address`]: addresses in headers and on the command line.
//! - [`encoded_word`]: RFC 2047. [`mime`]: the structure below the header. [`charset`]: text in any
//!   charset. [`transfer`]: quoted-printable and base64.
//! - [`tree`]: that structure as a tree that can be changed. [`html`]: HTML as plain text, and plain
//!   text in HTML.
//! - [`conceal`]: passwords, and how they are taken out.
//! - [`scrub`]: a message as plain text, and what does not fit in it.
//! - [`enclose`]: a message as a part of another.
//! - [`fit`]: a message fit for the server that is to take it.
//! - [`decorate`]: header and footer texts. [`subject`]: the subject prefix.
//! - [`notice`]: messages of our own. [`message_id`], [`date`]: what they need.
//! - [`verp`]: envelope senders that name their recipient.
//! - [`automatic`]: whether a program wrote it.

pub mod address;
pub mod automatic;
pub mod charset;
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
pub mod scrub;
pub mod subject;
pub mod transfer;
pub mod tree;
pub mod verp;

pub use address::Mailbox;
pub use field::Field;
pub use message::Message;
