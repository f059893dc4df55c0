//! When a connection is encrypted, and credentials.

use crate::TransportError;
use std::fmt;
use std::str::FromStr;

/// When STARTTLS is used. `smtps:` is TLS from the first byte, whatever the policy.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Never to this machine itself; elsewhere if the server offers it. If there is no password to
    /// protect, the server's certificate is not checked: TLS then protects against eavesdroppers
    /// but not against impostors, and the alternative would be clear text (RFC 7435).
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

/// A user and a password. They are sent only over TLS, or to a server on this machine.
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
