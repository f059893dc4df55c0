//! A mail server for tests: accepts everything, or fails on request.
//!
//! It replies as RFC 5321 requires, and it is strict: pipelining that was not offered, anything
//! after DATA before its reply and bare line feeds are [violations](Sink::violations). It runs in
//! threads of the test's process and stops when dropped.
//!
//! # Layout
//! - [`Builder`]: how it behaves. [`Event`]: what its script decides on. [`Cut`]: when it hangs up.
//! - `conversation`: one connection. `stream`: TCP, TLS and Unix sockets. [`Certificate`].

mod builder;
mod certificate;
mod conversation;
mod stream;

pub use builder::Builder;
pub use certificate::Certificate;

use builder::Settings;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stream::{Listener, Stream};

/// The server. Dropping it closes all connections and frees the port.
pub struct Sink {
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    thread: Option<JoinHandle<()>>,
}

type Hand = Box<dyn Fn(&Received) + Send + Sync>;
type Script = Box<dyn Fn(&Event<'_>) -> Option<String> + Send + Sync>;

/// What a script decides on. The script returns a reply of its own, such as `450 4.2.1 later`, or
/// `None` for the usual one. A reply of `421` closes the connection after it has been sent, an
/// empty one at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'e> {
    /// STARTTLS.
    StartTls,
    /// MAIL: a sender, and what follows it on the line.
    Mail {
        /// The address without its brackets.
        sender: &'e str,
        /// Such as `SIZE=100 XVERP`.
        parameters: &'e str,
    },
    /// RCPT: a recipient.
    Rcpt {
        /// The address without its brackets.
        recipient: &'e str,
    },
    /// The command DATA.
    Data,
    /// The end of the message.
    Dot {
        /// The recipient that is replied for; `None` without LMTP.
        recipient: Option<&'e str>,
    },
}

impl<'e> Event<'e> {
    /// Returns the recipient that RCPT names; `None` for any other event.
    pub fn recipient(&self) -> Option<&'e str> {
        match self {
            Event::Rcpt { recipient } => Some(recipient),
            _ => None,
        }
    }
}

/// When the sink closes the connection without a word, once in its life. Transactions are counted
/// from 1 over all connections, in the order in which their messages begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After the reply to this transaction.
    After(u64),
    /// In the middle of this transaction's message, which is not accepted.
    InBody(u64),
    /// Instead of the reply to this transaction, which has been accepted.
    InsteadOfAnswer(u64),
}

/// An accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The envelope sender; empty for `<>`.
    pub sender: String,
    /// What followed the sender on the line of MAIL, such as `SIZE=100 XVERP`.
    pub parameters: String,
    /// The recipients it was accepted for.
    pub recipients: Vec<String>,
    /// The message with CRLF line ends, without dot stuffing.
    pub data: Vec<u8>,
    /// Whether it arrived over TLS.
    pub tls: bool,
    /// The number of its connection, counted from 1.
    pub connection: u64,
}

/// What a sink has seen so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Connections.
    pub connections: u64,
    /// Messages accepted.
    pub transactions: u64,
    /// Recipients they were accepted for.
    pub recipients: u64,
    /// Bytes of those messages on the wire, with dot stuffing.
    pub bytes: u64,
    /// How often replies were written: the number of round trips, if the client waits for each.
    pub writes: u64,
}

/// What the connections of a sink share.
struct Shared {
    settings: Settings,
    certificate: Option<Certificate>,
    connections: AtomicU64,
    begun: AtomicU64,
    transactions: AtomicU64,
    recipients: AtomicU64,
    bytes: AtomicU64,
    writes: AtomicU64,
    record: Mutex<Record>,
    changed: Condvar,
    /// Sockets of the open connections, for shutting them down from outside; `None` once stopped.
    open: Mutex<Option<HashMap<u64, Stream>>>,
}

#[derive(Default)]
struct Record {
    messages: Vec<Received>,
    commands: Vec<String>,
    violations: Vec<String>,
    parted: BTreeSet<u64>,
}

impl Sink {
    /// Returns a builder with the default behaviour.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns its URL: `smtp://127.0.0.1:PORT`, with the scheme of its protocol.
    pub fn url(&self) -> String {
        let scheme = match (self.shared.settings.lmtp, self.shared.settings.implicit_tls) {
            (true, _) => "lmtp",
            (false, true) => "smtps",
            (false, false) => "smtp",
        };
        match &*self.listener {
            Listener::Tcp(tcp) => {
                format!("{scheme}://{}", tcp.local_addr().expect("a bound socket"))
            }
            Listener::Unix(_, path) => format!("{scheme}:{}", path.display()),
        }
    }

    /// Returns the port it listens on; 0 for a Unix socket.
    pub fn port(&self) -> u16 {
        match &*self.listener {
            Listener::Tcp(tcp) => tcp.local_addr().expect("a bound socket").port(),
            Listener::Unix(..) => 0,
        }
    }

    /// Returns the certificate it presents, if it speaks TLS.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.shared.certificate.as_ref()
    }

    /// Returns the messages accepted so far; empty for a sink that only counts.
    pub fn messages(&self) -> Vec<Received> {
        self.shared.record().messages.clone()
    }

    /// Returns all command lines so far, without the messages; empty for a sink that only counts.
    pub fn commands(&self) -> Vec<String> {
        self.shared.record().commands.clone()
    }

    /// Returns what clients did that SMTP forbids.
    pub fn violations(&self) -> Vec<String> {
        self.shared.record().violations.clone()
    }

    /// Returns the messages that were sent again although the client must have known that they had
    /// been accepted: it did something else on the same connection after the reply. A client that
    /// is killed at the very moment of a reply may not know and has to send the message again.
    pub fn needless_repeats(&self, same: impl Fn(&Received) -> String) -> Vec<String> {
        let record = self.shared.record();
        let mut last: HashMap<u64, usize> = HashMap::new();
        for (index, message) in record.messages.iter().enumerate() {
            last.insert(message.connection, index);
        }
        let mut known = BTreeSet::new();
        let mut repeated = Vec::new();
        for (index, message) in record.messages.iter().enumerate() {
            let what = same(message);
            if known.contains(&what) {
                repeated.push(what.clone());
            }
            let in_doubt = last.get(&message.connection) == Some(&index)
                && !record.parted.contains(&message.connection);
            if !in_doubt {
                known.insert(what);
            }
        }
        repeated
    }

    /// Waits until that many messages have been accepted. Returns whether they arrived in time.
    pub fn wait_for(&self, messages: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut record = self.shared.record();
        while self.shared.transactions.load(Ordering::SeqCst) < messages {
            let Some(left) =
                deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return false;
            };
            record =
                self.shared.changed.wait_timeout(record, left).expect("no conversation panics").0;
        }
        true
    }

    /// Returns what it has seen so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: read(&self.shared.connections),
            transactions: read(&self.shared.transactions),
            recipients: read(&self.shared.recipients),
            bytes: read(&self.shared.bytes),
            writes: read(&self.shared.writes),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let open = self.shared.open.lock().expect("no conversation panics").take();
        self.listener.shut();
        for stream in open.into_iter().flat_map(HashMap::into_values) {
            stream.shut();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("a conversation of the sink panicked");
        }
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no conversation panics")
    }
}

/// Accepts connections until the listener is shut down, then waits for all of them to end.
fn serve(listener: &Listener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while let Ok(stream) = listener.accept(shared.settings.tight) {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let Ok(twin) = stream.try_clone() else { continue };
        match shared.open.lock().expect("no conversation panics").as_mut() {
            Some(open) => open.insert(number, twin),
            None => break,
        };
        let shared = Arc::clone(shared);
        threads.retain(|thread| !thread.is_finished());
        threads.push(std::thread::spawn(move || {
            conversation::hold(stream, &shared, number);
            if let Some(open) = shared.open.lock().expect("no conversation panics").as_mut() {
                open.remove(&number);
            }
        }));
    }
    let panicked = threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
    assert_eq!(panicked, 0, "conversations of the sink panicked");
}
