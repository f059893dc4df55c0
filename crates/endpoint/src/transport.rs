//! Where mail goes, written as a URL.

use crate::{Credentials, TlsPolicy};
use fluent_uri::Uri;
use fluent_uri::pct_enc::{Decode, EStr};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A text that is not a transport.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a transport: {problem}; write smtp://host, smtps://host, lmtp://host:port, lmtp:/path/to/socket or maildir:/path"
)]
pub struct TransportError {
    /// The problem. Never contains the text itself, which may contain a password.
    pub problem: String,
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A server.
    Smtp(Endpoint),
    /// A directory with one Maildir per recipient.
    Maildir(PathBuf),
}

/// A server, and the protocol to use with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Where it listens.
    pub host: Host,
    /// Whether TLS begins with the first byte (`smtps:`, RFC 8314 §3.3).
    pub implicit_tls: bool,
    /// The user in the URL.
    pub user: Option<String>,
    /// The password in the URL.
    pub password: Option<String>,
    /// The URL's `?tls=`; goes before the policy of the options.
    pub tls: Option<TlsPolicy>,
}

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033: the server replies to the message once for each recipient.
    Lmtp,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address, without brackets, and a port.
    Tcp(String, u16),
    /// A socket's path.
    Unix(PathBuf),
}

impl Endpoint {
    /// User and password, if the URL has both.
    pub fn credentials(&self) -> Option<Credentials> {
        Some(Credentials { user: self.user.clone()?, password: self.password.clone()? })
    }
}

impl FromStr for Transport {
    type Err = TransportError;

    /// Reads `smtp://[user[:password]@]host[:port]`, the same with `smtps:` and `lmtp:`,
    /// `lmtp:/path/to/socket` and `maildir:path`. Servers may have `?tls=auto|required|never`. The
    /// default ports are 25, 465 and 24. Paths are not decoded.
    fn from_str(text: &str) -> Result<Transport, TransportError> {
        let wrong = |problem: &str| TransportError { problem: problem.to_owned() };
        if let Some(path) = text.strip_prefix("maildir:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(wrong("maildir: names no directory"));
            }
            return Ok(Transport::Maildir(path.into()));
        }
        if let Some(path) = text.strip_prefix("lmtp:") {
            let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
            if path.starts_with('/') && !path.starts_with("//") {
                return Ok(Transport::Smtp(Endpoint::plain(
                    Protocol::Lmtp,
                    Host::Unix(path.into()),
                )));
            }
        }
        server(text).map(Transport::Smtp)
    }
}

impl Endpoint {
    fn plain(protocol: Protocol, host: Host) -> Endpoint {
        Endpoint { protocol, host, implicit_tls: false, user: None, password: None, tls: None }
    }
}

fn server(text: &str) -> Result<Endpoint, TransportError> {
    let wrong = |problem: String| TransportError { problem };
    // The parser's message would quote the text, and with it a password.
    let uri = Uri::parse(text).map_err(|_| wrong("it is not a URL".to_owned()))?;
    let (protocol, implicit_tls, default_port) =
        match uri.scheme().as_str().to_ascii_lowercase().as_str() {
            "smtp" => (Protocol::Smtp, false, 25),
            "smtps" => (Protocol::Smtp, true, 465),
            "lmtp" => (Protocol::Lmtp, false, 24),
            other => return Err(wrong(format!("{other}: is unknown"))),
        };
    let authority = uri
        .authority()
        .filter(|authority| !authority.host().is_empty())
        .ok_or_else(|| wrong("the host is missing".to_owned()))?;
    if !matches!(uri.path().as_str(), "" | "/") || uri.fragment().is_some() {
        return Err(wrong("a server has no path".to_owned()));
    }
    let port = authority
        .port_to_u16()
        .map_err(|_| wrong("the port is not a number up to 65535".to_owned()))?;
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let mut endpoint = Endpoint::plain(protocol, Host::Tcp(name, port.unwrap_or(default_port)));
    endpoint.implicit_tls = implicit_tls;
    if let Some(userinfo) = authority.userinfo() {
        let (user, password) = match userinfo.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (userinfo, None),
        };
        endpoint.user = Some(decode(user.decode())?);
        endpoint.password = password.map(EStr::decode).map(decode).transpose()?;
    }
    if let Some(query) = uri.query() {
        for part in query.as_str().split('&') {
            match part.split_once('=') {
                Some(("tls", policy)) => endpoint.tls = Some(policy.parse()?),
                _ => {
                    return Err(wrong(format!(
                        "{part:?} is unknown; a server may only have ?tls="
                    )));
                }
            }
        }
    }
    Ok(endpoint)
}

fn decode(text: Decode<'_>) -> Result<String, TransportError> {
    match text.to_string() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(TransportError { problem: "user or password is not UTF-8".to_owned() }),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Tcp(name, port) if name.contains(':') => write!(formatter, "[{name}]:{port}"),
            Host::Tcp(name, port) => write!(formatter, "{name}:{port}"),
            Host::Unix(path) => path.display().fmt(formatter),
        }
    }
}

/// As a URL, without user and password.
impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.protocol, self.implicit_tls) {
            (Protocol::Smtp, false) => "smtp",
            (Protocol::Smtp, true) => "smtps",
            (Protocol::Lmtp, _) => "lmtp",
        };
        match &self.host {
            Host::Tcp(..) => write!(formatter, "{scheme}://{}", self.host)?,
            Host::Unix(_) => write!(formatter, "{scheme}:{}", self.host)?,
        }
        match self.tls {
            Some(policy) => write!(formatter, "?tls={policy}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Endpoint({self}, user {:?})", self.user)
    }
}

/// As a URL, without user and password.
impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Smtp(endpoint) => endpoint.fmt(formatter),
            Transport::Maildir(path) => write!(formatter, "maildir:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(text: &str) -> Endpoint {
        match text.parse() {
            Ok(Transport::Smtp(endpoint)) => endpoint,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn tcp(name: &str, port: u16) -> Host {
        Host::Tcp(name.to_owned(), port)
    }

    #[test]
    fn each_scheme_has_its_protocol_and_port() {
        for (text, protocol, implicit_tls, port) in [
            ("smtp://mx.example.org", Protocol::Smtp, false, 25),
            ("SMTPS://mx.example.org/", Protocol::Smtp, true, 465),
            ("lmtp://mx.example.org", Protocol::Lmtp, false, 24),
            ("smtp://mx.example.org:2525", Protocol::Smtp, false, 2525),
        ] {
            let endpoint = endpoint(text);
            assert_eq!(
                (endpoint.protocol, endpoint.implicit_tls),
                (protocol, implicit_tls),
                "{text}"
            );
            assert_eq!(endpoint.host, tcp("mx.example.org", port), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets_and_gets_them_back() {
        let endpoint = endpoint("smtp://[::1]:2525");
        assert_eq!(endpoint.host, tcp("::1", 2525));
        assert_eq!(endpoint.to_string(), "smtp://[::1]:2525");
    }

    #[test]
    fn user_and_password_are_decoded_and_never_shown() {
        let endpoint = endpoint("smtp://anna%40example.org:se%3Acret@mx:587?tls=required");
        assert_eq!(endpoint.user.as_deref(), Some("anna@example.org"));
        assert_eq!(endpoint.credentials().unwrap().password, "se:cret");
        assert_eq!(endpoint.tls, Some(TlsPolicy::Required));
        let credentials = endpoint.credentials();
        let shown = format!(
            "{endpoint} {endpoint:?} {:?} {credentials:?}",
            Transport::Smtp(endpoint.clone())
        );
        assert!(!shown.contains("cret"), "{shown}");
        assert_eq!(endpoint.to_string(), "smtp://mx:587?tls=required");
    }

    #[test]
    fn a_user_may_come_without_a_password() {
        let endpoint = endpoint("smtp://anna@mx");
        assert_eq!(endpoint.user.as_deref(), Some("anna"));
        assert_eq!(endpoint.credentials(), None);
    }

    #[test]
    fn paths_are_taken_as_they_stand() {
        for (text, path) in [
            ("maildir:mail", "mail"),
            ("maildir:/srv/a b%20", "/srv/a b%20"),
            ("maildir:///srv/m", "/srv/m"),
        ] {
            assert_eq!(text.parse(), Ok(Transport::Maildir(path.into())), "{text}");
        }
        for text in ["lmtp:/run/lmtp", "lmtp:///run/lmtp"] {
            assert_eq!(endpoint(text).host, Host::Unix("/run/lmtp".into()), "{text}");
        }
    }

    #[test]
    fn what_names_no_transport_is_refused_without_quoting_a_password() {
        for text in [
            "",
            "mx.example.org",
            "http://mx",
            "smtp:",
            "smtp://",
            "smtp://mx:99999",
            "smtp://mx/inbox",
            "maildir:",
            "smtp://mx?tls=perhaps",
            "smtp://mx?debug=1",
            "smtp://u:secret@mx:x",
            "smtp://u:secret %@mx",
            "smtp://u:%ff@mx",
            "lmtp:socket",
            "smtp://mx#x",
        ] {
            let error = text.parse::<Transport>().expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(smtps?|lmtp|maildir|x)?:?/?/?[ -~é]{0,30}") {
            if let Ok(transport) = text.parse::<Transport>() {
                let again = transport.to_string().parse::<Transport>();
                prop_assert!(again.is_ok(), "{} became {}", text, transport);
            }
        }
    }
}
