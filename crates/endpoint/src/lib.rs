//! The addresses of servers (URLs), and the configuration of TLS to them. Nothing here connects to
//! one.
//!
//! # Layout
//! - `transport`: the URLs of mail servers and Maildirs. `policy`: when a connection is encrypted,
//!   and credentials. `tls`: which certificates are trusted.
//!
//! # Limits
//! One server for each URL: neither MX records nor a list of alternatives. TLS is 1.2 or newer.
//!
//! # Example
//! ```
//! use dormouse_endpoint::Transport;
//!
//! assert!(matches!("smtp://mail.example.org:587".parse(), Ok(Transport::Smtp(_))));
//! assert!("gopher://mail.example.org".parse::<Transport>().is_err());
//! ```

mod policy;
mod tls;
mod transport;

pub use policy::{Credentials, TlsPolicy};
pub use tls::{Pin, TlsError, Trust, config as tls_config};
pub use transport::{Endpoint, Host, Protocol, Transport, TransportError};
