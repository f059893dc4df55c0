//! Where a server is, as a URL says it, and what TLS to it needs. Nothing here speaks to one.
//!
//! # Layout
//! - `transport`: the URLs of mail servers and Maildirs. `policy`: whether a line is encrypted, and who
//!   logs in. `tls`: which certificates are trusted.

mod policy;
mod tls;
mod transport;

pub use policy::{Credentials, TlsPolicy};
pub use tls::{Pin, TlsError, Trust, config as tls_config};
pub use transport::{Endpoint, Host, Protocol, Transport, TransportError};
