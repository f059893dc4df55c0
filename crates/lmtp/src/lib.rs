//! Accepts mail over LMTP (RFC 2033) on a socket that systemd passes; the process exits when
//! no client has been connected for a while.
//!
//! It uses threads instead of async: a session reads from SQLite and waits for the disk, which
//! block in either case, and an MTA has only a few connections. One thread polls and accepts, each
//! session has its own, and one processes the queues after them.
//!
//! # Layout, from the outside in
//! - [`server`]: the socket, the sessions, the exit when idle, processing the queues.
//! - `session`: one connection: the order of commands, and the replies.
//! - [`command`]: parsing commands. [`reply`]: replies.
//! - [`input`]: reading lines and messages from a stream.
//!
//! The last three are public because they parse untrusted input: the fuzz targets call them.
//!
//! # Limits
//! `lmtp.connections` sessions at a time; 30 seconds (`lmtp.timeout`) for each command, and for each 4 KiB of
//! a message.
//!
//! # Example
//! ```
//! use dormouse_lmtp::command::{Command, parse};
//!
//! let command = parse(b"RCPT TO:<dev@lists.example.org>").ok();
//! assert!(matches!(command, Some(Command::Rcpt(_))));
//! assert!(parse(b"EHLO client").is_err());
//! ```

pub mod command;
pub mod input;
pub mod reply;
pub mod server;
mod session;
mod stream;

pub use dormouse_activation::socket::Listen;
pub use server::{LmtpError, serve};
