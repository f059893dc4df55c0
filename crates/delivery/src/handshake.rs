//! From the greeting to a session that takes transactions: EHLO, STARTTLS, AUTH.

use crate::connection::{Connection, RawReply};
use crate::tls::{self, Trust};
use crate::{
    Capabilities, Cause, Credentials, Endpoint, Host, Options, Protocol, Stage, TlsPolicy,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// Opens a connection that is ready for MAIL, and says what its server offers.
pub fn open(endpoint: &Endpoint, options: &Options) -> Result<(Connection, Capabilities), Cause> {
    let connection = Connection::open(&endpoint.host, options.connect_timeout, options.timeout)?;
    let credentials = credentials(endpoint, options)?;
    let policy = endpoint.tls.unwrap_or(options.tls);
    let mut handshake = Handshake { connection, endpoint, options, timeout: options.timeout };
    if endpoint.implicit_tls {
        handshake = handshake.secure(&checked(options))?;
    }
    handshake.greeting()?;
    let mut offered = handshake.hello()?;
    if !endpoint.implicit_tls {
        let wanted = match policy {
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
            let trust = match (policy, &credentials, &options.ca_file) {
                (TlsPolicy::Auto, None, None) => Trust::Anyone,
                _ => checked(options),
            };
            accepted(handshake.command("STARTTLS")?)?;
            handshake = handshake.secure(&trust)?;
            // What was offered in clear text may have been written by anybody (RFC 3207 §4.2).
            offered = handshake.hello()?;
        }
    }
    if let Some(credentials) = credentials {
        handshake.log_in(&credentials, &offered).map_err(|cause| match cause {
            Cause::Reply(reply) => {
                Cause::Login { user: credentials.user.clone(), reply: Box::new(reply) }
            }
            other => other,
        })?;
    }
    Ok((handshake.connection, offered))
}

/// The options' credentials, else the URL's.
fn credentials(endpoint: &Endpoint, options: &Options) -> Result<Option<Credentials>, Cause> {
    match (&options.credentials, endpoint.credentials(), &endpoint.user) {
        (Some(credentials), _, _) => Ok(Some(credentials.clone())),
        (None, Some(credentials), _) => Ok(Some(credentials)),
        (None, None, Some(user)) => {
            Err(Cause::Setup(format!("there is no password for the user {user:?}")))
        }
        (None, None, None) => Ok(None),
    }
}

fn checked(options: &Options) -> Trust<'_> {
    options.ca_file.as_deref().map_or(Trust::System, Trust::File)
}

fn accepted(reply: RawReply<'_>) -> Result<(), Cause> {
    if reply.is_ok() { Ok(()) } else { Err(Cause::Reply(reply.to_reply(Stage::Connect))) }
}

struct Handshake<'o> {
    connection: Connection,
    endpoint: &'o Endpoint,
    options: &'o Options,
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
        self.connection = self.connection.secure(tls::config(trust)?, name)?;
        Ok(self)
    }

    fn greeting(&mut self) -> Result<(), Cause> {
        accepted(self.connection.reply("the connection", self.timeout)?)
    }

    /// Sends one line and reads its answer. What is said of it in errors is the verb alone: the
    /// rest may be a password.
    fn command(&mut self, line: &str) -> Result<RawReply<'_>, Cause> {
        self.connection.write(&[line.as_bytes(), b"\r\n"])?;
        self.connection.reply(line.split(' ').next().unwrap_or_default(), self.timeout)
    }

    fn hello(&mut self) -> Result<Capabilities, Cause> {
        let name = match &self.options.helo {
            Some(name) if crate::address::problem(name).is_none() => name.clone(),
            Some(name) => return Err(Cause::Setup(format!("{name:?} is no name for EHLO"))),
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
            return Err(Cause::Setup(
                "a password is not sent in clear text to another machine; use smtps: or tls=required".to_owned(),
            ));
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

    /// A step of AUTH LOGIN, which must not be quoted.
    fn secret(&mut self, line: &str) -> Result<RawReply<'_>, Cause> {
        self.connection.write(&[line.as_bytes(), b"\r\n"])?;
        self.connection.reply("AUTH LOGIN", self.timeout)
    }
}
