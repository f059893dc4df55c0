//! How mail goes to its transport.

use crate::{Pin, TokenCommand, TransportError};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Settings of a session. The defaults fit a mail server on this machine or next to it.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long to wait for a connection, for each of a host's addresses.
    pub connect_timeout: Duration,
    /// How long to wait for each reply, and for room to write. The answer to a whole message has
    /// twice as long, as in RFC 5321 §4.5.3.2, whose five and ten minutes are the default.
    pub timeout: Duration,
    /// The name given in EHLO; without one the connection's own address, as a literal
    /// (RFC 5321 §4.1.4).
    pub helo: Option<String>,
    /// When to use TLS.
    pub tls: TlsPolicy,
    /// A PEM file of certificates to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who to log in as; goes before what the transport's URL says.
    pub credentials: Option<Credentials>,
    /// Keys of servers to trust instead of certificates. With any, TLS is always used.
    pub pins: Vec<Pin>,
    /// What prints access tokens; with it the login is by AUTH XOAUTH2, and no password is used.
    pub token: Option<(String, TokenCommand)>,
    /// Whether XVERP may be asked for where it is offered.
    pub xverp: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connect_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(300),
            helo: None,
            tls: TlsPolicy::Auto,
            ca_file: None,
            credentials: None,
            pins: Vec::new(),
            token: None,
            xverp: true,
        }
    }
}

/// When STARTTLS is used. `smtps:` is TLS from the first byte, whatever the policy.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Never to this machine itself, elsewhere if it is offered. Without a password to protect the
    /// server's certificate is not checked: it guards against listeners, not against impostors,
    /// and the choice without it is clear text (RFC 7435).
    #[default]
    Auto,
    /// Always, with a certificate that is valid for the host; no session without it.
    Required,
    /// Never.
    Never,
}

impl FromStr for TlsPolicy {
    type Err = TransportError;

    fn from_str(text: &str) -> Result<TlsPolicy, TransportError> {
        match text {
            "auto" => Ok(TlsPolicy::Auto),
            "required" => Ok(TlsPolicy::Required),
            "never" => Ok(TlsPolicy::Never),
            _ => Err(TransportError {
                problem: format!("tls is auto, required or never, not {text:?}"),
            }),
        }
    }
}

impl fmt::Display for TlsPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            TlsPolicy::Auto => "auto",
            TlsPolicy::Required => "required",
            TlsPolicy::Never => "never",
        })
    }
}

/// A user and a password. They are shown to servers over TLS or on this machine, and to nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({:?}, ***)", self.user)
    }
}
