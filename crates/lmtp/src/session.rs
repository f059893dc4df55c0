//! One connection: the order of commands, and the replies.

use crate::command::{self, Command};
use crate::input::{CommandLine, Input, ReceivedMessage};
use crate::reply::Reply;
use dormouse_runners::door::Door;
use dormouse_runners::elsewhere;
use dormouse_runners::intake::{self, IntakeEnvelope, IntakeRecipient, IntakeRefusal};
use dormouse_spool::Spool;
use dormouse_store::{IntakeIndex, LiveIndex, LiveSite, Site, Store};
use std::cell::OnceCell;
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The maximum number of recipients of a transaction (RFC 5321 §4.5.3.1.8 requires 100).
const MOST_RECIPIENTS: usize = 1000;
/// The number of consecutive errors after which the client is disconnected.
const MOST_MISTAKES: u32 = 20;

/// What a session needs in addition to its connection.
pub struct Surroundings<'s> {
    /// The site.
    pub live: &'s LiveSite,
    /// What intake needs to know of its lists.
    pub index: &'s LiveIndex,
    /// Its queues.
    pub spool: &'s Spool,
    /// Whether the process is about to exit: then the session ends, too, between two transactions.
    pub stop: &'s AtomicBool,
    /// The part of the session that other threads see.
    pub state: &'s State,
    /// Called when entries are durable, before the client gets its reply.
    pub accepted: &'s dyn Fn(),
}

/// The part of a session that other threads see.
#[derive(Debug)]
pub struct State {
    began: Instant,
    /// When the last command arrived, in milliseconds since the start.
    heard: AtomicU64,
    busy: AtomicBool,
    to_go: AtomicBool,
}

impl State {
    /// Creates the state of a session that begins now.
    pub fn new() -> State {
        let (busy, to_go) = (AtomicBool::new(false), AtomicBool::new(false));
        State { began: Instant::now(), heard: AtomicU64::new(0), busy, to_go }
    }

    fn hear(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::SeqCst);
    }

    /// Returns how long no command has arrived.
    pub fn quiet_for(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Ordering::SeqCst));
        self.began.elapsed().saturating_sub(heard)
    }

    /// Whether a message is being received or stored.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    /// Records that the session must end because another client is waiting.
    pub fn is_to_make_room(&self) {
        self.to_go.store(true, Ordering::SeqCst);
    }

    /// Whether the session must end for another client.
    pub fn is_to_go(&self) -> bool {
        self.to_go.load(Ordering::SeqCst)
    }
}

/// Serves a client until either side ends.
///
/// # Errors
/// If the connection breaks. No accepted mail is lost.
pub fn talk(
    surroundings: &Surroundings<'_>,
    input: impl Read,
    output: impl Write,
) -> io::Result<()> {
    let mut session = Session {
        surroundings,
        site: surroundings.live.now(),
        input: Input::new(input),
        output: BufWriter::new(output),
        store: OnceCell::new(),
        greeted: false,
        transaction: None,
    };
    let ended = session.run();
    // If we end it, tell the client.
    match &ended {
        Err(error) if is_timeout(error) => {
            session.farewell("4.4.2", "timeout: no command received");
        }
        Ok(End::Stopped) => session.farewell("4.3.2", "shutting down, reconnect immediately"),
        Ok(End::MadeRoom) => session.farewell("4.3.2", "idle, and other clients are waiting"),
        Ok(End::Mistakes) => session.farewell("4.7.0", "too many errors"),
        _ => {}
    }
    ended.map(drop)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Why a session ended.
enum End {
    /// The client ended the session or disconnected.
    Gone,
    /// The process is exiting.
    Stopped,
    /// Other clients are waiting.
    MadeRoom,
    /// The client does not speak LMTP.
    Mistakes,
}

struct Session<'s, R, W: Write> {
    surroundings: &'s Surroundings<'s>,
    /// The settings at the start of the transaction.
    site: Arc<Site>,
    input: Input<R>,
    output: BufWriter<W>,
    /// Opened by the first question that the index cannot answer.
    store: OnceCell<Store>,
    greeted: bool,
    transaction: Option<Transaction>,
}

#[derive(Default)]
struct Transaction {
    sender: String,
    utf8: bool,
    /// The indexes in `entries` of the accepted recipients, as often as the client gave them.
    recipients: Vec<usize>,
    /// The recipients, each once.
    entries: Vec<IntakeRecipient>,
}

impl<R: Read, W: Write> Session<'_, R, W> {
    fn run(&mut self) -> io::Result<End> {
        let host = self.site.config().host.clone();
        self.say(&Reply::new(220, "", format!("{host} LMTP dormouse")))?;
        let mut mistakes = 0;
        loop {
            if !self.input.has_more() {
                self.output.flush()?;
            }
            if self.surroundings.stop.load(Ordering::SeqCst) {
                return Ok(End::Stopped);
            }
            let command = match self.input.line()? {
                None if self.surroundings.stop.load(Ordering::SeqCst) => return Ok(End::Stopped),
                None if self.surroundings.state.is_to_go() => return Ok(End::MadeRoom),
                None => return Ok(End::Gone),
                Some(CommandLine::TooLong) => {
                    Err(Reply::new(500, "5.5.2", "this line is too long"))
                }
                Some(CommandLine::Whole(line)) => command::parse(&line),
            };
            self.surroundings.state.hear();
            let good = match command {
                Ok(Command::Quit) => {
                    self.say(&Reply::new(221, "2.0.0", "goodbye"))?;
                    self.output.flush()?;
                    return Ok(End::Gone);
                }
                Ok(Command::Lhlo(_)) => {
                    self.greet()?;
                    true
                }
                Ok(Command::Data) => match self.data()? {
                    Some(good) => good,
                    None => return Ok(End::Gone),
                },
                other => {
                    let reply = other.and_then(|command| self.answer(command));
                    let reply = reply.unwrap_or_else(|refusal| refusal);
                    self.say(&reply)?;
                    reply.is_good() || matches!(reply.enhanced, "5.1.1" | "5.1.2")
                }
            };
            mistakes = if good { 0 } else { mistakes + 1 };
            if mistakes >= MOST_MISTAKES {
                return Ok(End::Mistakes);
            }
        }
    }

    fn say(&mut self, reply: &Reply) -> io::Result<()> {
        reply.write(&mut self.output)
    }

    /// Tells the client why the session ends. It may already have disconnected.
    fn farewell(&mut self, enhanced: &'static str, text: &'static str) {
        let said = self.say(&Reply::new(421, enhanced, text)).and_then(|()| self.output.flush());
        if let Err(error) = said {
            tracing::debug!("the client has already disconnected: {error}");
        }
    }

    fn greet(&mut self) -> io::Result<()> {
        self.greeted = true;
        self.transaction = None;
        self.site = self.surroundings.live.now();
        let config = self.site.config();
        let limit = config.intake_max_size.bytes();
        write!(
            self.output,
            "250-{}\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n\
             250-SMTPUTF8\r\n250 SIZE {limit}\r\n",
            config.host
        )
    }

    /// Replies to a command that needs one line.
    fn answer(&mut self, command: Command) -> Result<Reply, Reply> {
        match command {
            Command::Mail { sender, size, utf8 } => {
                if !self.greeted {
                    return Err(Reply::new(503, "5.5.1", "send LHLO first"));
                }
                if self.transaction.is_some() {
                    return Err(Reply::new(503, "5.5.1", "there already is a sender"));
                }
                self.site = self.surroundings.live.now();
                let limit = limit(&self.site, &sender);
                if limit != 0 && size.is_some_and(|size| size > limit) {
                    return Err(Reply::refused(&IntakeRefusal::TooLarge { limit }));
                }
                let transaction = Transaction { sender, utf8, ..Transaction::default() };
                self.transaction = Some(transaction);
                Ok(Reply::new(250, "2.1.0", "sender accepted"))
            }
            Command::Rcpt(address) => self.recipient(address),
            Command::Rset => {
                self.transaction = None;
                Ok(Reply::new(250, "2.0.0", "transaction aborted"))
            }
            Command::Vrfy => Ok(Reply::new(
                252,
                "2.5.0",
                "addresses are not verified, but send mail to find out",
            )),
            Command::Noop => Ok(Reply::new(250, "2.0.0", "ok")),
            Command::Lhlo(_) | Command::Data | Command::Quit => {
                unreachable!("they are answered where they are read")
            }
        }
    }

    fn recipient(&mut self, address: String) -> Result<Reply, Reply> {
        let Some(transaction) = &mut self.transaction else {
            return Err(Reply::new(503, "5.5.1", "send MAIL first"));
        };
        command::check_utf8(&address, transaction.utf8)?;
        if transaction.recipients.len() >= MOST_RECIPIENTS {
            return Err(Reply::new(
                452,
                "4.5.3",
                "too many recipients, send the others in another transaction",
            ));
        }
        if elsewhere::is_mailbox(&address) != elsewhere::is_mailbox(&transaction.sender) {
            return Err(Reply::new(
                550,
                "5.7.1",
                "entries for archives must not be mixed with other mail",
            ));
        }
        let Surroundings { index, spool, .. } = self.surroundings;
        let found = at_door(spool, index.now(), &self.store, &self.site, |door| {
            intake::recipient_here(door, &address)
        })
        .map_err(|refusal| {
            tracing::info!("<{address}> refused: {refusal}");
            Reply::refused(&refusal)
        })?;
        // A recipient gets a reply each time it is given, but only one entry.
        let known = transaction.entries.iter().position(|entry| entry.is_as_good_as(&found));
        if known.is_none() {
            transaction.entries.push(found);
        }
        transaction.recipients.push(known.unwrap_or(transaction.entries.len() - 1));
        Ok(Reply::new(250, "2.1.5", "recipient accepted"))
    }

    /// Receives the message, and replies for each recipient (RFC 2033 §4.2). Returns whether it was
    /// accepted; `None` if the client has disconnected.
    fn data(&mut self) -> io::Result<Option<bool>> {
        let usable = self.transaction.as_ref().is_some_and(|open| !open.entries.is_empty());
        if !usable {
            self.say(&Reply::new(503, "5.5.1", "there is no recipient"))?;
            return Ok(Some(false));
        }
        let transaction = self.transaction.take().unwrap_or_default();
        self.surroundings.state.busy.store(true, Ordering::SeqCst);
        self.say(&Reply::new(354, "", "send the message, end with a dot on a line by itself"))?;
        self.output.flush()?;
        let site = Arc::clone(&self.site);
        let limit = limit(&site, &transaction.sender);
        let kept = match self.input.message(limit)? {
            None => return Ok(None),
            Some(ReceivedMessage::TooLarge) => Err(IntakeRefusal::TooLarge { limit }),
            Some(ReceivedMessage::Whole(message)) => {
                let envelope = IntakeEnvelope { sender: Some(transaction.sender) };
                // The lists were looked up for the recipients.
                at_door(self.surroundings.spool, None, &self.store, &site, |door| {
                    intake::accept(door, &transaction.entries, &envelope, &message)
                })
            }
        };
        let replies: Vec<Reply> = match &kept {
            Ok(accepted) => {
                if accepted.iter().any(Result::is_ok) {
                    (self.surroundings.accepted)();
                }
                let each = transaction.entries.iter().zip(accepted);
                each.map(|(recipient, accepted)| match accepted {
                    Ok(accepted) => {
                        tracing::debug!("<{}> accepted as {accepted}", recipient.address);
                        Reply::new(250, "2.0.0", "stored on disk")
                    }
                    Err(refusal) => {
                        tracing::info!("<{}> refused: {refusal}", recipient.address);
                        Reply::refused(refusal)
                    }
                })
                .collect()
            }
            Err(refusal) => {
                tracing::warn!("a message was refused: {refusal}");
                transaction.entries.iter().map(|_| Reply::refused(refusal)).collect()
            }
        };
        for place in &transaction.recipients {
            self.say(&replies[*place])?;
        }
        self.output.flush()?;
        self.surroundings.state.busy.store(false, Ordering::SeqCst);
        Ok(Some(kept.is_ok()))
    }
}

/// Returns the maximum size of a message from a sender.
fn limit(site: &Site, sender: &str) -> u64 {
    let posts = site.config().intake_max_size.bytes();
    if elsewhere::is_mailbox(sender) { elsewhere::limit(posts) } else { posts }
}

/// Queries intake. While the database server of a site on several hosts cannot be reached, this
/// uses the last known state.
fn at_door<T>(
    spool: &Spool,
    index: Option<Arc<IntakeIndex>>,
    store: &OnceCell<Store>,
    site: &Site,
    ask: impl Fn(&Door<'_>) -> Result<T, IntakeRefusal>,
) -> Result<T, IntakeRefusal> {
    match ask(&Door::live(site, spool, index, store)) {
        Err(IntakeRefusal::Store(error)) if error.is_away() => match Door::spare(site.dir()) {
            Some(door) => ask(&door),
            None => Err(IntakeRefusal::Store(error)),
        },
        asked => asked,
    }
}

#[cfg(test)]
mod tests;
