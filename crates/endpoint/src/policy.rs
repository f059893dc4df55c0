//! Whether a line is encrypted, and who logs in.

use crate::TransportError;
use std::fmt;
use std::str::FromStr;

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
