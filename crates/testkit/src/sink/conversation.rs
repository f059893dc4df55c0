//! One connection to a sink.

mod message;

use super::stream::Stream;
use super::{Event, Shared};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many bytes are read at once.
const READ_SIZE: usize = 256 * 1024;
/// How many bytes of replies are held back at most until the next read sends them.
const KEPT_BACK: usize = 32 * 1024;

/// Why there is always a stream.
const OPEN: &str = "it is back after a handshake, or the conversation has ended";

/// Whether a conversation continues. A client that has disappeared is not an error: tests kill
/// theirs.
type Flow = io::Result<()>;

/// Talks until either side ends the conversation.
pub fn hold(stream: Stream, shared: &Arc<Shared>, number: u64) {
    let mut conversation = Conversation {
        stream: Some(stream),
        shared,
        number,
        input: vec![0; READ_SIZE],
        start: 0,
        end: 0,
        output: Vec::new(),
        sender: None,
        parameters: String::new(),
        recipients: Vec::new(),
        accepted: 0,
        logged_in: false,
    };
    if let Err(error) = conversation.run() {
        // A cut or a 421 ends it in this way as well.
        drop(error);
    }
}

struct Conversation<'s> {
    /// `None` only while it changes to TLS.
    stream: Option<Stream>,
    shared: &'s Shared,
    number: u64,
    /// Always of full length; `start..end` has been read but not yet used.
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    sender: Option<String>,
    parameters: String,
    /// Empty if they are only counted.
    recipients: Vec<String>,
    accepted: u64,
    logged_in: bool,
}

fn over() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Conversation<'_> {
    fn run(&mut self) -> Flow {
        let settings = &self.shared.settings;
        self.stream().set_quick_ack(settings.quick_ack)?;
        if settings.silent {
            loop {
                self.fill()?;
                self.start = self.end;
            }
        }
        if settings.implicit_tls {
            self.secure()?;
        }
        match &settings.greeting {
            Some(line) => self.say(line)?,
            None => self.say("220 sink.example ESMTP")?,
        }
        if settings.greeting.as_ref().is_some_and(|line| !line.starts_with('2')) {
            self.flush()?;
            return Err(over());
        }
        let mut line = Vec::new();
        loop {
            self.line(&mut line)?;
            if !settings.counting && settings.hand.is_none() {
                self.shared.record().commands.push(String::from_utf8_lossy(&line).into_owned());
            }
            self.command(&line)?;
        }
    }

    fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().expect(OPEN)
    }

    /// Sends what has been held back and reads more.
    fn fill(&mut self) -> Flow {
        self.flush()?;
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.input.len() - self.end < READ_SIZE / 2 {
            self.input.resize(self.input.len() * 2, 0);
        }
        let stream = self.stream.as_mut().expect(OPEN);
        let read = stream.read(&mut self.input[self.end..])?;
        self.end += read;
        if read == 0 {
            return Err(over());
        }
        if self.shared.settings.quick_ack {
            self.stream().set_quick_ack(true)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Flow {
        if self.output.is_empty() {
            return Ok(());
        }
        if !self.shared.settings.latency.is_zero() {
            std::thread::sleep(self.shared.settings.latency);
        }
        self.shared.writes.fetch_add(1, Ordering::SeqCst);
        let output = std::mem::take(&mut self.output);
        self.stream().write(&output)?;
        self.output = output;
        self.output.clear();
        Ok(())
    }

    /// Replies. An empty reply ends the conversation; a 421 does so after it has been sent.
    fn say(&mut self, reply: &str) -> Flow {
        if reply.is_empty() {
            self.flush()?;
            return Err(over());
        }
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        if self.shared.settings.one_write_a_reply || self.output.len() > KEPT_BACK {
            self.flush()?;
        }
        if reply.starts_with("421") {
            self.flush()?;
            return Err(over());
        }
        Ok(())
    }

    /// Reads a line, without its line end.
    fn line(&mut self, line: &mut Vec<u8>) -> Flow {
        loop {
            if let Some(length) = memchr(b'\n', &self.input[self.start..self.end]) {
                let found = &self.input[self.start..self.start + length];
                line.clear();
                line.extend_from_slice(found.strip_suffix(b"\r").unwrap_or(found));
                self.start += length + 1;
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn violation(&mut self, what: impl Into<String>) {
        self.shared.record().violations.push(what.into());
    }

    fn command(&mut self, line: &[u8]) -> Flow {
        let settings = &self.shared.settings;
        if !settings.pipelining && self.start < self.end {
            self.violation(format!(
                "something after {:?} without pipelining",
                String::from_utf8_lossy(line)
            ));
        }
        let line = String::from_utf8_lossy(line);
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        let is = |wanted: &str| verb.eq_ignore_ascii_case(wanted);
        if is("RCPT") {
            return self.rcpt(&line);
        }
        if is("MAIL") {
            self.mail(&line)
        } else if is("DATA") {
            self.data()
        } else if is("EHLO") && settings.extensions && !settings.lmtp || is("LHLO") && settings.lmtp
        {
            self.reset();
            self.hello()
        } else if is("HELO") && !settings.lmtp {
            self.reset();
            self.say("250 sink.example")
        } else if is("RSET") {
            self.reset();
            self.say("250 2.0.0 forgotten")
        } else if is("NOOP") {
            self.say("250 2.0.0 nothing done")
        } else if is("QUIT") {
            self.shared.record().parted.insert(self.number);
            self.say("221 2.0.0 bye")?;
            self.flush()?;
            Err(over())
        } else if is("STARTTLS") && settings.starttls && !self.stream().is_tls() {
            self.start_tls()
        } else if is("AUTH") && settings.auth.is_some() {
            self.auth(&line)
        } else {
            self.say("500 5.5.2 no such command")
        }
    }

    fn hello(&mut self) -> Flow {
        let settings = &self.shared.settings;
        let mut lines = vec!["sink.example".to_owned(), "ENHANCEDSTATUSCODES".to_owned()];
        let tls = self.stream().is_tls();
        let offers = [
            (settings.pipelining, "PIPELINING"),
            (settings.eight_bit_mime, "8BITMIME"),
            (settings.smtputf8, "SMTPUTF8"),
            (settings.xverp, "XVERP"),
            (settings.starttls && !tls, "STARTTLS"),
        ];
        lines.extend(
            offers.iter().filter(|(offered, _)| *offered).map(|&(_, name)| name.to_owned()),
        );
        lines.extend(settings.size.map(|limit| format!("SIZE {limit}")));
        lines.extend(settings.auth.as_ref().map(|(mechanisms, ..)| format!("AUTH {mechanisms}")));
        let last = lines.len() - 1;
        let reply: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' }))
            .collect();
        self.say(&reply.join("\r\n"))
    }

    fn secure(&mut self) -> Flow {
        let certificate = self.shared.certificate.as_ref().expect("a sink with TLS has one");
        let stream = self
            .stream
            .take()
            .expect("it is back after a handshake, or the conversation has ended");
        self.stream = Some(stream.secure(certificate)?);
        Ok(())
    }

    fn start_tls(&mut self) -> Flow {
        if self.start < self.end {
            self.violation("something after STARTTLS before its answer");
        }
        let reply =
            self.scripted(&Event::StartTls).unwrap_or_else(|| "220 2.0.0 go ahead".to_owned());
        self.say(&reply)?;
        self.flush()?;
        if reply.starts_with("220") {
            self.secure()?;
            self.start = self.end;
            self.reset();
        }
        Ok(())
    }

    fn auth(&mut self, line: &str) -> Flow {
        let (mechanisms, user, password) =
            self.shared.settings.auth.as_ref().expect("asked before");
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        if !mechanisms.split(' ').any(|offered| offered == mechanism) {
            return self.say("504 5.5.4 no such mechanism");
        }
        let mut answer = Vec::new();
        let given = if mechanism == "PLAIN" {
            STANDARD.decode(words.next().unwrap_or_default()).unwrap_or_default()
        } else if mechanism == "XOAUTH2" {
            let given = STANDARD.decode(words.next().unwrap_or_default()).unwrap_or_default();
            self.logged_in =
                given == format!("user={user}\x01auth=Bearer {password}\x01\x01").into_bytes();
            if !self.logged_in {
                self.say(&format!("334 {}", STANDARD.encode(r#"{"status":"400"}"#)))?;
                self.line(&mut answer)?;
                return self.say("535 5.7.8 token expired");
            }
            return self.say("235 2.7.0 welcome");
        } else {
            let mut given = Vec::new();
            for prompt in ["Username:", "Password:"] {
                self.say(&format!("334 {}", STANDARD.encode(prompt)))?;
                self.line(&mut answer)?;
                given.push(0);
                given.extend(STANDARD.decode(&answer).unwrap_or_default());
            }
            given
        };
        self.logged_in = given == format!("\0{user}\0{password}").into_bytes();
        self.say(if self.logged_in {
            "235 2.7.0 welcome"
        } else {
            "535 5.7.8 wrong user or password"
        })
    }

    fn scripted(&self, event: &Event<'_>) -> Option<String> {
        self.shared.settings.script.as_ref().and_then(|script| script(event))
    }

    fn reset(&mut self) {
        self.sender = None;
        self.recipients.clear();
        self.accepted = 0;
    }

    fn mail(&mut self, line: &str) -> Flow {
        let settings = &self.shared.settings;
        let Some((sender, parameters)) = path(line, "MAIL FROM:") else {
            return self.say("501 5.5.4 MAIL FROM:<address>");
        };
        if settings.auth.is_some() && !self.logged_in {
            return self.say("530 5.7.0 log in first");
        }
        if self.sender.is_some() {
            self.violation("MAIL within a transaction");
            return self.say("503 5.5.1 one sender at a time");
        }
        if let Some(reply) = self.scripted(&Event::Mail { sender, parameters }) {
            let ok = reply.starts_with('2');
            self.say(&reply)?;
            if !ok {
                return Ok(());
            }
        } else {
            let unknown =
                parameters.split(' ').filter(|word| !word.is_empty()).find(|word| match *word {
                    "BODY=8BITMIME" | "BODY=7BIT" => !settings.eight_bit_mime,
                    "SMTPUTF8" => !settings.smtputf8,
                    "XVERP" => !settings.xverp,
                    word => !(word.starts_with("SIZE=") && settings.size.is_some()),
                });
            if let Some(word) = unknown {
                self.violation(format!("the parameter {word} was not offered"));
                return self.say("555 5.5.4 no such parameter");
            }
            self.say("250 2.1.0 sender ok")?;
        }
        self.sender = Some(sender.to_owned());
        self.parameters = parameters.to_owned();
        Ok(())
    }

    fn rcpt(&mut self, line: &str) -> Flow {
        if self.sender.is_none() {
            return self.say("503 5.5.1 MAIL first");
        }
        let Some((recipient, _)) = path(line, "RCPT TO:") else {
            return self.say("501 5.5.4 RCPT TO:<address>");
        };
        let reply = self.scripted(&Event::Rcpt { recipient });
        if reply.as_ref().is_none_or(|reply| reply.starts_with('2')) {
            self.accepted += 1;
            if !self.shared.settings.counting {
                self.recipients.push(recipient.to_owned());
            }
        }
        self.say(reply.as_deref().unwrap_or("250 2.1.5 recipient ok"))
    }
}

/// Returns the address in brackets after a command, and what follows it.
fn path<'l>(line: &'l str, command: &str) -> Option<(&'l str, &'l str)> {
    let (before, after) = line.split_at_checked(command.len())?;
    let (address, rest) = after
        .strip_prefix('<')
        .filter(|_| before.eq_ignore_ascii_case(command))?
        .split_once('>')?;
    Some((address, rest.trim_start()))
}
