//! Transactions over a kept connection, one round trip each.
//!
//! With PIPELINING (RFC 2920) the message of one transaction and the commands of the next are one
//! write; then come the reply to the message, which is reported, and the replies to the commands.
//! So a message is never on the wire before its predecessor has been reported.
//!
//! While the server processes a message and the commands after it, the transaction after those is
//! prepared, if that does not depend on the server's replies.

use crate::connection::{Connection, RawReply};
use crate::envelope::{Command, SmtpEnvelope};
use crate::{
    Ask, Capabilities, Cause, ConnectError, Endpoint, Protocol, RecipientOutcome, Reply, SendError,
    SessionOptions, Stage, Transaction, TransactionReport, handshake,
};
use std::time::Duration;

/// How long to wait for the reply to QUIT: everything that matters has been answered.
const PARTING: Duration = Duration::from_secs(5);

/// A session with a server.
pub struct Exchange {
    connection: Connection,
    offered: Capabilities,
    protocol: Protocol,
    address: String,
    timeout: Duration,
    xverp: bool,
    /// The server still holds the beginning of a transaction that was abandoned.
    half_open: bool,
    /// Why nothing more can be sent.
    ended: Option<Cause>,
    /// The recipient at whose command the server ended the session.
    blamed: Option<(usize, Box<Reply>)>,
}

/// What follows the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The message.
    Message,
    /// No recipient was accepted but the server waits for a message: only the dot (RFC 2920 §3.1).
    LoneDot,
    /// Nothing.
    Nothing,
}

impl Exchange {
    pub fn open(endpoint: &Endpoint, options: &SessionOptions) -> Result<Exchange, ConnectError> {
        let (connection, mut offered) = handshake::open(endpoint, options)
            .map_err(|cause| ConnectError::new(&endpoint.host, cause))?;
        if options.any_size {
            // No limit (RFC 1870 §4).
            offered.size = offered.size.map(|_| 0);
        }
        Ok(Exchange {
            connection,
            offered,
            protocol: endpoint.protocol,
            address: endpoint.host.to_string(),
            timeout: options.timeout,
            xverp: options.xverp,
            half_open: false,
            ended: None,
            blamed: None,
        })
    }

    pub fn offers(&self) -> &Capabilities {
        &self.offered
    }

    /// See [`crate::Session::send`].
    pub fn send<'a, E>(
        &mut self,
        mut next: impl FnMut() -> Option<Transaction<'a>>,
        mut ask: impl FnMut(Ask) -> bool,
        mut done: impl FnMut(&Transaction<'a>, TransactionReport) -> Result<(), E>,
    ) -> Result<(), SendError<E>> {
        let made = self.make(&mut next);
        let mut current = self.take(made, &mut ask);
        // The transaction after the current one, or the end.
        let mut early = None;
        if let Some(envelope) = &mut current {
            self.write(Body::Nothing, None, Some(envelope))
                .map_err(|cause| self.lost(cause, None))?;
        }
        while let Some(mut envelope) = current.take() {
            self.prepare(&mut early, &mut next, &mut ask);
            let body = self.commands(&mut envelope).map_err(|cause| self.lost(cause, None))?;
            if body == Body::Nothing {
                self.report(envelope, &mut done)?;
                current = self.following(&mut early, &mut next, &mut ask);
                if let Some(following) = &mut current {
                    self.write(Body::Nothing, None, Some(following))
                        .map_err(|cause| self.lost(cause, None))?;
                }
                continue;
            }
            current = self.following(&mut early, &mut next, &mut ask);
            let mut answered = self.write(body, Some(&envelope), current.as_mut());
            if answered.is_ok() {
                if current.is_some() {
                    self.prepare(&mut early, &mut next, &mut ask);
                }
                answered = self.end_of_message(body, &mut envelope);
            }
            if let Err(cause) = answered {
                let in_doubt = (body == Body::Message).then(|| envelope.transaction.unique.clone());
                return Err(self.lost(cause, in_doubt));
            }
            self.report(envelope, &mut done)?;
        }
        Ok(())
    }

    /// Says goodbye.
    pub fn quit(mut self) {
        if self.ended.is_some() {
            return;
        }
        let timeout = self.timeout.min(PARTING);
        let parted = self
            .connection
            .write(&[b"QUIT\r\n"])
            .and_then(|()| self.connection.reply("QUIT", timeout).map(drop));
        if let Err(cause) = parted {
            tracing::debug!("{}: {cause}", self.address);
        }
    }

    fn make<'a>(
        &self,
        next: &mut impl FnMut() -> Option<Transaction<'a>>,
    ) -> Option<SmtpEnvelope<'a>> {
        next().map(|transaction| SmtpEnvelope::new(transaction, &self.offered, self.xverp))
    }

    /// Prepares the transaction after the current one, unless that is done already or must wait.
    fn prepare<'a>(
        &self,
        early: &mut Option<Option<SmtpEnvelope<'a>>>,
        next: &mut impl FnMut() -> Option<Transaction<'a>>,
        ask: &mut impl FnMut(Ask) -> bool,
    ) {
        if early.is_none() && ask(Ask::Early) {
            *early = Some(self.make(next));
        }
    }

    /// Returns the transaction after the current one, if it is to be sent.
    fn following<'a>(
        &mut self,
        early: &mut Option<Option<SmtpEnvelope<'a>>>,
        next: &mut impl FnMut() -> Option<Transaction<'a>>,
        ask: &mut impl FnMut(Ask) -> bool,
    ) -> Option<SmtpEnvelope<'a>> {
        let made = match early.take() {
            Some(Some(envelope)) if ask(Ask::Still) => Some(envelope),
            Some(None) => None,
            Some(Some(_)) | None => self.make(next),
        };
        self.take(made, ask)
    }

    /// The prepared transaction, if it is to be sent.
    fn take<'a>(
        &mut self,
        made: Option<SmtpEnvelope<'a>>,
        ask: &mut impl FnMut(Ask) -> bool,
    ) -> Option<SmtpEnvelope<'a>> {
        let mut envelope = made.filter(|_| ask(Ask::GoOn))?;
        if self.half_open && envelope.reset_first() {
            self.half_open = false;
        }
        Some(envelope)
    }

    fn report<'a, E>(
        &mut self,
        envelope: SmtpEnvelope<'a>,
        done: &mut impl FnMut(&Transaction<'a>, TransactionReport) -> Result<(), E>,
    ) -> Result<(), SendError<E>> {
        done(&envelope.transaction, TransactionReport { outcomes: envelope.outcomes }).map_err(
            |error| {
                // Replies to commands sent since would be taken for replies to others.
                self.ended = Some(Cause::Over);
                SendError::Done(error)
            },
        )
    }

    fn lost<E>(&mut self, cause: Cause, in_doubt: Option<String>) -> SendError<E> {
        self.ended = Some(Cause::Over);
        let blamed = self.blamed.take();
        SendError::Lost { address: self.address.clone(), cause, in_doubt, blamed }
    }

    /// Writes a body and the first commands of the transaction that follows it.
    fn write(
        &mut self,
        body: Body,
        of: Option<&SmtpEnvelope<'_>>,
        following: Option<&mut SmtpEnvelope<'_>>,
    ) -> Result<(), Cause> {
        if let Some(cause) = self.ended.take() {
            return Err(cause);
        }
        let (head, message): (&[u8], &[u8]) = match of {
            Some(envelope) if body == Body::Message => {
                (&envelope.head.bytes, envelope.transaction.message.wire())
            }
            _ => (b"", b""),
        };
        let dot: &[u8] = if body == Body::Nothing { b"" } else { b".\r\n" };
        let commands = match following {
            Some(following) if self.offered.pipelining => {
                following.next_commands(0, true, self.connection.window())
            }
            _ => b"",
        };
        self.connection.write(&[head, message, dot, commands])
    }

    /// Sends the remaining commands and reads the replies to all.
    fn commands(&mut self, envelope: &mut SmtpEnvelope<'_>) -> Result<Body, Cause> {
        if let Some(cause) = self.ended.take() {
            return Err(cause);
        }
        if envelope.command(0).is_none() {
            return Ok(Body::Nothing);
        }
        let (pipelining, window) = (self.offered.pipelining, self.connection.window());
        let mut replies = Replies::default();
        let mut answered = 0;
        while let Some(command) = envelope.command(answered) {
            // Without pipelining, commands that have become pointless are not sent.
            if replies.is_pointless(command) && !pipelining {
                break;
            }
            let commands = envelope.next_commands(answered, pipelining, window);
            if !commands.is_empty() {
                self.connection.write(&[commands])?;
            }
            if let (Command::Rcpt(_), None) = (command, &replies.of_mail) {
                // Most replies accept a recipient, and most have come.
                let accepted = self.connection.skip_accepted(envelope.recipients_from(answered));
                replies.accepted += accepted;
                answered += accepted;
                if accepted > 0 {
                    continue;
                }
            }
            let stage = command.stage();
            let reply = self.connection.reply(stage, self.timeout)?;
            if reply.code == 421 {
                let reply = reply.to_reply(stage);
                if let Command::Rcpt(index) = command {
                    self.blamed = Some((index, Box::new(reply.clone())));
                }
                return Err(Cause::Reply(reply));
            }
            replies.take(command, &reply, envelope)?;
            answered += 1;
        }
        let body = replies.body(envelope);
        self.half_open = body == Body::Nothing;
        Ok(body)
    }

    /// Reads the reply to a message.
    fn end_of_message(&mut self, body: Body, envelope: &mut SmtpEnvelope<'_>) -> Result<(), Cause> {
        let patience = self.timeout.saturating_mul(2);
        match (self.protocol, body) {
            // The server waits for a message to nobody, and by RFC 2033 §4.2 replies to it as often
            // as it has recipients. So its next reply may belong to anything.
            (Protocol::Lmtp, Body::LoneDot) => {
                self.ended =
                    Some(Cause::Protocol("DATA was accepted without any recipient".to_owned()));
            }
            (Protocol::Lmtp, _) => return self.answers_of_each(envelope, patience),
            (Protocol::Smtp, _) => {
                let reply = self.connection.reply(Stage::Dot, patience)?;
                if !reply.is_ok() {
                    let reply = reply.to_reply(Stage::Dot);
                    envelope.settle(&reply);
                    // It ends the session, but it is also the reply to this message.
                    self.ended = (reply.code == 421).then_some(Cause::Reply(reply));
                }
            }
        }
        Ok(())
    }

    /// One reply for each accepted recipient (RFC 2033 §4.2). If the connection breaks in between,
    /// those without a reply are deferred: repeating the transaction would deliver twice to the
    /// others.
    fn answers_of_each(
        &mut self,
        envelope: &mut SmtpEnvelope<'_>,
        patience: Duration,
    ) -> Result<(), Cause> {
        let mut any = false;
        for outcome in
            envelope.outcomes.iter_mut().filter(|outcome| **outcome == RecipientOutcome::Accepted)
        {
            if self.ended.is_some() {
                *outcome = RecipientOutcome::Deferred(no_answer());
                continue;
            }
            match self.connection.reply(Stage::Dot, patience) {
                Ok(reply) if reply.is_ok() => any = true,
                Ok(reply) => {
                    any = true;
                    let reply = reply.to_reply(Stage::Dot);
                    *outcome = RecipientOutcome::of(reply.clone());
                    if reply.code == 421 {
                        self.ended = Some(Cause::Reply(reply));
                    }
                }
                Err(cause) if any => {
                    *outcome = RecipientOutcome::Deferred(no_answer());
                    self.ended = Some(cause);
                }
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }
}

/// What the replies to a transaction's commands amount to so far.
#[derive(Default)]
struct Replies {
    /// The number of accepted recipients.
    accepted: usize,
    /// The reply that rejected the sender.
    of_mail: Option<Reply>,
    /// The server waits for the message.
    go_ahead: bool,
}

impl Replies {
    /// Whether the command cannot have an effect any more.
    fn is_pointless(&self, command: Command) -> bool {
        match command {
            Command::Rcpt(_) => self.of_mail.is_some(),
            Command::Data => self.accepted == 0,
            Command::Rset | Command::Mail => false,
        }
    }

    fn take(
        &mut self,
        command: Command,
        reply: &RawReply<'_>,
        envelope: &mut SmtpEnvelope<'_>,
    ) -> Result<(), Cause> {
        let stage = command.stage();
        match command {
            Command::Rset => {}
            Command::Mail if reply.is_ok() => {}
            Command::Mail => self.of_mail = Some(reply.to_reply(stage)),
            Command::Rcpt(_) if reply.is_ok() => self.accepted += 1,
            Command::Rcpt(_) if self.of_mail.is_some() => {}
            Command::Rcpt(index) => {
                envelope.outcomes[index] = RecipientOutcome::of(reply.to_reply(stage));
            }
            Command::Data if reply.code / 100 == 3 => self.go_ahead = true,
            Command::Data if reply.is_ok() => {
                return Err(Cause::Protocol(format!(
                    "the reply to DATA was {}",
                    reply.to_reply(stage)
                )));
            }
            Command::Data if self.of_mail.is_none() && self.accepted > 0 => {
                envelope.settle(&reply.to_reply(stage));
            }
            Command::Data => {}
        }
        Ok(())
    }

    /// What must follow after the last reply.
    fn body(self, envelope: &mut SmtpEnvelope<'_>) -> Body {
        let is_for_nobody = self.accepted == 0 || self.of_mail.is_some();
        if let Some(reply) = &self.of_mail {
            // Without a sender, even recipients that the server accepted get no mail.
            envelope.settle(reply);
        }
        match (self.go_ahead, is_for_nobody) {
            (true, true) => Body::LoneDot,
            (true, false) => Body::Message,
            (false, _) => Body::Nothing,
        }
    }
}

fn no_answer() -> Reply {
    Reply::local(
        Stage::Dot,
        "4.4.2",
        "the connection was lost before the server's reply for this recipient",
    )
}
