//! How mail goes to its transport.

use crate::TokenCommand;
use dormouse_endpoint::{Credentials, Pin, TlsPolicy};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a session. The defaults fit a mail server on this machine or next to it.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How long to wait for a connection, for each of a host's addresses.
    pub connect_timeout: Duration,
    /// How long to wait for each reply, and for room to write. The reply to a whole message may
    /// take twice as long, as in RFC 5321 §4.5.3.2, whose five and ten minutes are the default.
    pub timeout: Duration,
    /// The name given in EHLO; without one the connection's own address, as a literal
    /// (RFC 5321 §4.1.4).
    pub helo: Option<String>,
    /// When to use TLS.
    pub tls: TlsPolicy,
    /// A PEM file of certificates to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The login; overrides the transport's URL.
    pub credentials: Option<Credentials>,
    /// Keys of servers to trust instead of certificates. With any, TLS is always used.
    pub pins: Vec<Pin>,
    /// The user, and the command that prints access tokens. If set, the login uses AUTH XOAUTH2 and
    /// no password.
    pub token: Option<(String, TokenCommand)>,
    /// Whether XVERP may be used if it is offered.
    pub xverp: bool,
    /// Whether messages are sent regardless of the size limit that the server announces.
    pub any_size: bool,
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            connect_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(300),
            helo: None,
            tls: TlsPolicy::Auto,
            ca_file: None,
            credentials: None,
            pins: Vec::new(),
            token: None,
            xverp: true,
            any_size: false,
        }
    }
}
