//! The addresses of servers (URLs), and the configuration of TLS to them. Nothing here connects to
//! one.
//!
//! # Layout
//! - `transport`: the URLs of mail servers and Maildirs. `policy`: when a connection is encrypted,
//!   and credentials. `tls`: which certificates are trusted.

mod policy;
mod tls;
mod transport;

pub use policy::{Credentials, TlsPolicy};
pub use tls::{Pin, TlsError, Trust, config as tls_config};
pub use transport::{Endpoint, Host, Protocol, Transport, TransportError};
