//! Mail comes in over LMTP (RFC 2033) on a socket that systemd passes; the process is gone when
//! nobody is connected any more.
//!
//! Threads and no async: what a session does is looking into SQLite and waiting for the disk, which
//! blocks either way, and an MTA has a handful of connections. One thread polls and accepts, each
//! session has its own, and one works off the queues behind them.
//!
//! # Layout, from the outside in
//! - [`server`]: the socket, the sessions, the end when nobody comes, the work behind them.
//! - `session`: one connection: which command may follow which, and what is answered.
//! - [`command`]: a line becomes a command. [`reply`]: what is said back.
//! - [`input`]: lines and messages out of a stream.
//!
//! The last three are public because they read what strangers send: the fuzz targets call them.

pub mod command;
pub mod input;
pub mod reply;
pub mod server;
mod session;
mod stream;

pub use server::{Error, Listen, serve};
