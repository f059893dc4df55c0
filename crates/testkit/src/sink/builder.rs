//! How a sink behaves.

use super::stream::Listener;
use super::{Certificate, Cut, Event, Hand, Received, Script, Shared, Sink, serve};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How a sink behaves. By default it offers PIPELINING, 8BITMIME and SMTPUTF8, keeps every message
/// and acknowledges late, as the kernel does by itself.
pub struct Builder {
    settings: Settings,
    unix: Option<PathBuf>,
}

pub(super) struct Settings {
    pub lmtp: bool,
    pub extensions: bool,
    pub pipelining: bool,
    pub size: Option<u64>,
    pub eight_bit_mime: bool,
    pub smtputf8: bool,
    pub xverp: bool,
    pub starttls: bool,
    pub implicit_tls: bool,
    /// Mechanisms, user, password.
    pub auth: Option<(String, String, String)>,
    pub counting: bool,
    pub quick_ack: bool,
    pub one_write_a_reply: bool,
    pub tight: bool,
    pub data_for_nobody: bool,
    pub silent: bool,
    pub greeting: Option<String>,
    pub latency: Duration,
    pub cut: Option<Cut>,
    pub script: Option<Script>,
    pub hand: Option<Hand>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            settings: Settings {
                lmtp: false,
                extensions: true,
                pipelining: true,
                size: None,
                eight_bit_mime: true,
                smtputf8: true,
                xverp: false,
                starttls: false,
                implicit_tls: false,
                auth: None,
                counting: false,
                quick_ack: false,
                one_write_a_reply: false,
                tight: false,
                data_for_nobody: false,
                silent: false,
                greeting: None,
                latency: Duration::ZERO,
                cut: None,
                script: None,
                hand: None,
            },
            unix: None,
        }
    }

    /// Starts it on a free port of 127.0.0.1, or on its Unix socket.
    pub fn start(self) -> Sink {
        let listener = match &self.unix {
            Some(path) => Listener::unix(path),
            None => Listener::tcp(self.settings.tight),
        };
        let listener = Arc::new(listener.expect("a socket to listen on"));
        let tls = self.settings.starttls || self.settings.implicit_tls;
        let shared = Arc::new(Shared {
            settings: self.settings,
            certificate: tls.then(Certificate::for_localhost),
            connections: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            recipients: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            record: Mutex::default(),
            changed: Condvar::new(),
            open: Mutex::new(Some(HashMap::new())),
        });
        let thread = std::thread::spawn({
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
            move || serve(&listener, &shared)
        });
        Sink { shared, listener, thread: Some(thread) }
    }

    /// Speaks LMTP: one reply for each recipient (RFC 2033).
    pub fn lmtp(mut self) -> Builder {
        self.settings.lmtp = true;
        self
    }

    /// Listens on a Unix socket at this path.
    pub fn unix_socket(mut self, path: &Path) -> Builder {
        self.unix = Some(path.to_owned());
        self
    }

    /// Supports HELO only.
    pub fn without_extensions(mut self) -> Builder {
        self.settings.extensions = false;
        self.settings.pipelining = false;
        self
    }

    /// Offers PIPELINING, or does not.
    pub fn pipelining(mut self, offered: bool) -> Builder {
        self.settings.pipelining = offered;
        self
    }

    /// Offers SIZE with this limit in octets, and refuses what is larger.
    pub fn size(mut self, limit: u64) -> Builder {
        self.settings.size = Some(limit);
        self
    }

    /// Offers 8BITMIME, or does not.
    pub fn eight_bit_mime(mut self, offered: bool) -> Builder {
        self.settings.eight_bit_mime = offered;
        self
    }

    /// Offers SMTPUTF8, or does not.
    pub fn smtputf8(mut self, offered: bool) -> Builder {
        self.settings.smtputf8 = offered;
        self
    }

    /// Offers XVERP, or does not. It only records the parameter.
    pub fn xverp(mut self, offered: bool) -> Builder {
        self.settings.xverp = offered;
        self
    }

    /// Offers STARTTLS, with a newly generated certificate.
    pub fn starttls(mut self) -> Builder {
        self.settings.starttls = true;
        self
    }

    /// Starts connections with TLS, with a newly generated certificate.
    pub fn implicit_tls(mut self) -> Builder {
        self.settings.implicit_tls = true;
        self
    }

    /// Requires a login before MAIL, by one of these mechanisms (`PLAIN LOGIN`).
    pub fn auth(mut self, mechanisms: &str, user: &str, password: &str) -> Builder {
        self.settings.auth = Some((mechanisms.to_owned(), user.to_owned(), password.to_owned()));
        self
    }

    /// Only counts and keeps nothing, for measurements.
    pub fn counting(mut self) -> Builder {
        self.settings.counting = true;
        self
    }

    /// Passes each message to a function and keeps nothing, not even commands: for very many
    /// messages.
    pub fn handing_to(mut self, hand: impl Fn(&Received) + Send + Sync + 'static) -> Builder {
        self.settings.hand = Some(Box::new(hand));
        self
    }

    /// Acknowledges every segment at once, or late, which interacts with Nagle's algorithm on the
    /// other side.
    pub fn quick_ack(mut self, at_once: bool) -> Builder {
        self.settings.quick_ack = at_once;
        self
    }

    /// Writes every reply separately, with Nagle's algorithm on.
    pub fn one_write_a_reply(mut self) -> Builder {
        self.settings.one_write_a_reply = true;
        self
    }

    /// Uses small socket buffers, so that it blocks on writing replies that are not read and
    /// meanwhile stops reading.
    pub fn tight_buffers(mut self) -> Builder {
        self.settings.tight = true;
        self
    }

    /// Answers DATA with 354 even when no recipient was accepted.
    pub fn data_for_nobody(mut self) -> Builder {
        self.settings.data_for_nobody = true;
        self
    }

    /// Accepts connections and never replies.
    pub fn silent(mut self) -> Builder {
        self.settings.silent = true;
        self
    }

    /// Greets with this line; closes the connection if it is not a 2xx reply.
    pub fn greeting(mut self, line: &str) -> Builder {
        self.settings.greeting = Some(line.to_owned());
        self
    }

    /// Waits this long before each write of replies. Replies that are sent together wait together,
    /// as over a slow link.
    pub fn latency(mut self, latency: Duration) -> Builder {
        self.settings.latency = latency;
        self
    }

    /// Hangs up at this point.
    pub fn cut(mut self, cut: Cut) -> Builder {
        self.settings.cut = Some(cut);
        self
    }

    /// Replies by a script.
    pub fn reply(
        mut self,
        script: impl Fn(&Event<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Builder {
        self.settings.script = Some(Box::new(script));
        self
    }
}
