//! From the greeting to a session that takes transactions: EHLO, STARTTLS, AUTH.

use crate::connection::{Connection, RawReply};
use crate::{
    Capabilities, Cause, Credentials, Endpoint, Host, Protocol, SessionOptions, Stage, TlsPolicy,
    TokenCommand,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dormouse_endpoint::{Trust, tls_config};
use std::time::Duration;

/// Opens a connection that is ready for MAIL, and returns what its server offers.
pub fn open(
    endpoint: &Endpoint,
    options: &SessionOptions,
) -> Result<(Connection, Capabilities), Cause> {
    let connection = Connection::open(&endpoint.host, options.connect_timeout, options.timeout)?;
    let credentials = match options.token {
        None => credentials(endpoint, options)?,
        Some(_) => None,
    };
    let policy = endpoint.tls.unwrap_or(options.tls);
    let mut handshake = Handshake { connection, endpoint, options, timeout: options.timeout };
    if endpoint.implicit_tls {
        handshake = handshake.secure(&checked(options))?;
    }
    handshake.greeting()?;
    let mut offered = handshake.hello()?;
    if !endpoint.implicit_tls {
        let wanted = match policy {
            _ if !options.pins.is_empty() => true,
            TlsPolicy::Never => false,
            TlsPolicy::Required => true,
            TlsPolicy::Auto => offered.starttls && !handshake.connection.is_local(),
        };
        if wanted {
            if !offered.starttls {
                return Err(Cause::Setup(
                    "TLS is required and the server does not offer STARTTLS".to_owned(),
                ));
            }
            let has_secret = credentials.is_some() || options.token.is_some();
            let has_own_trust = options.ca_file.is_some() || !options.pins.is_empty();
            let trust = if policy == TlsPolicy::Auto && !has_secret && !has_own_trust {
                Trust::Anyone
            } else {
                checked(options)
            };
            accepted(handshake.command("STARTTLS")?)?;
            handshake = handshake.secure(&trust)?;
            // What was offered in clear text may have been written by anybody (RFC 3207 §4.2).
            offered = handshake.hello()?;
        }
    }
    let of_user = |user: &str, cause| match cause {
        Cause::Reply(reply) => Cause::Login { user: user.to_owned(), reply: Box::new(reply) },
        other => other,
    };
    if let Some((user, token)) = &options.token {
        handshake.log_in_with_token(user, token, &offered).map_err(|cause| of_user(user, cause))?;
    } else if let Some(credentials) = credentials {
        let logged_in = handshake.log_in(&credentials, &offered);
        logged_in.map_err(|cause| of_user(&credentials.user, cause))?;
    }
    Ok((handshake.connection, offered))
}

/// The options' credentials, else the URL's.
fn credentials(
    endpoint: &Endpoint,
    options: &SessionOptions,
) -> Result<Option<Credentials>, Cause> {
    match (&options.credentials, endpoint.credentials(), &endpoint.user) {
        (Some(credentials), _, _) => Ok(Some(credentials.clone())),
        (None, Some(credentials), _) => Ok(Some(credentials)),
        (None, None, Some(user)) => {
            Err(Cause::Setup(format!("there is no password for the user {user:?}")))
        }
        (None, None, None) => Ok(None),
    }
}

fn checked(options: &SessionOptions) -> Trust<'_> {
    if !options.pins.is_empty() {
        return Trust::Pinned(&options.pins);
    }
    options.ca_file.as_deref().map_or(Trust::System, Trust::File)
}

fn accepted(reply: RawReply<'_>) -> Result<(), Cause> {
    if reply.is_ok() { Ok(()) } else { Err(Cause::Reply(reply.to_reply(Stage::Connect))) }
}

const NOT_IN_CLEAR: &str =
    "a password is not sent in clear text to another machine; use smtps: or tls=required";

struct Handshake<'o> {
    connection: Connection,
    endpoint: &'o Endpoint,
    options: &'o SessionOptions,
    timeout: Duration,
}

impl Handshake<'_> {
    fn secure(mut self, trust: &Trust<'_>) -> Result<Self, Cause> {
        let name = match &self.endpoint.host {
            Host::Tcp(name, _) => name,
            Host::Unix(_) => {
                return Err(Cause::Setup(
                    "TLS is not for Unix sockets; set tls to never".to_owned(),
                ));
            }
        };
        self.connection = self.connection.secure(tls_config(trust)?, name)?;
        Ok(self)
    }

    fn greeting(&mut self) -> Result<(), Cause> {
        accepted(self.connection.reply("the connection", self.timeout)?)
    }

    /// Sends one line and reads the reply. Errors name only the verb: the rest may be a password.
    fn command(&mut self, line: &str) -> Result<RawReply<'_>, Cause> {
        self.connection.write(&[line.as_bytes(), b"\r\n"])?;
        self.connection.reply(line.split(' ').next().unwrap_or_default(), self.timeout)
    }

    fn hello(&mut self) -> Result<Capabilities, Cause> {
        let name = match &self.options.helo {
            Some(name) if crate::address::problem(name).is_none() => name.clone(),
            Some(name) => {
                return Err(Cause::Setup(format!("{name:?} is not a valid name for EHLO")));
            }
            None => self.connection.literal(),
        };
        let protocol = self.endpoint.protocol;
        let verb = match protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        let reply = self.command(&format!("{verb} {name}"))?;
        if reply.is_ok() {
            return Ok(Capabilities::parse(reply.bytes));
        }
        // RFC 5321 §3.2: a server without extensions.
        if protocol == Protocol::Smtp && matches!(reply.code, 500 | 502 | 504 | 550) {
            accepted(self.command(&format!("HELO {name}"))?)?;
            return Ok(Capabilities::default());
        }
        Err(Cause::Reply(reply.to_reply(Stage::Connect)))
    }

    fn log_in(&mut self, credentials: &Credentials, offered: &Capabilities) -> Result<(), Cause> {
        let Credentials { user, password } = credentials;
        if !self.connection.is_private() {
            return Err(Cause::Setup(NOT_IN_CLEAR.to_owned()));
        }
        if offered.auth_plain {
            if user.contains('\0') || password.contains('\0') {
                return Err(Cause::Setup(
                    "user and password may not contain a NUL (RFC 4616)".to_owned(),
                ));
            }
            let secret = STANDARD.encode(format!("\0{user}\0{password}"));
            accepted(self.command(&format!("AUTH PLAIN {secret}"))?)
        } else if offered.auth_login {
            for line in ["AUTH LOGIN".to_owned(), STANDARD.encode(user)] {
                let reply = self.secret(&line)?;
                if reply.code != 334 {
                    return Err(Cause::Reply(reply.to_reply(Stage::Connect)));
                }
            }
            accepted(self.secret(&STANDARD.encode(password))?)
        } else {
            Err(Cause::Setup(format!(
                "the server offers neither AUTH PLAIN nor AUTH LOGIN, so {user:?} cannot log in"
            )))
        }
    }

    /// AUTH XOAUTH2, as Google and Microsoft describe it. If the token is refused, the command is
    /// run again, once.
    fn log_in_with_token(
        &mut self,
        user: &str,
        command: &TokenCommand,
        offered: &Capabilities,
    ) -> Result<(), Cause> {
        if !self.connection.is_private() {
            return Err(Cause::Setup(NOT_IN_CLEAR.to_owned()));
        }
        if !offered.auth_xoauth2 {
            return Err(Cause::Setup(format!(
                "the server does not offer AUTH XOAUTH2, so {user:?} cannot log in with a token"
            )));
        }
        let token = command.token()?;
        match self.present(user, &token) {
            Err(Cause::Reply(_)) => {
                command.forget(&token);
                self.present(user, &command.token()?)
            }
            other => other,
        }
    }

    fn present(&mut self, user: &str, token: &str) -> Result<(), Cause> {
        let secret = STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        let reply = self.command(&format!("AUTH XOAUTH2 {secret}"))?;
        if reply.code != 334 {
            return accepted(reply);
        }
        // Why the token is refused, in JSON; an empty line asks for the verdict.
        accepted(self.secret("")?)
    }

    /// A step of AUTH LOGIN, which must not be quoted.
    fn secret(&mut self, line: &str) -> Result<RawReply<'_>, Cause> {
        self.connection.write(&[line.as_bytes(), b"\r\n"])?;
        self.connection.reply("AUTH LOGIN", self.timeout)
    }
}
