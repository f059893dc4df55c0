//! Server-rendered pages on a socket that systemd passes, gone when idle.
//!
//! # Layout
//! - [`server`]: the sockets, and the end when nobody comes.
//! - [`held`]: the pages behind the signed links of held posts.
//! - `page`: what every page has in common: layout, headers, errors.

mod held;
mod page;
pub mod server;

pub use server::{Error, Listen, serve};
