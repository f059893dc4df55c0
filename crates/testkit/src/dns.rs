//! A name server for tests: it answers queries for the TXT records given to it (RFC 1035 §4).

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A name server on a loopback port of its own, stopped when dropped.
pub struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    zone: Mutex<HashMap<String, Entry>>,
    asked: Mutex<Vec<String>>,
    /// How long a negative answer may be cached, in seconds, if set.
    nothing: Mutex<Option<u32>>,
    stop: AtomicBool,
    is_silent: bool,
}

#[derive(Clone)]
enum Entry {
    Txt(Vec<String>, u32),
    Alias(String),
    Failing,
}

const TXT: u16 = 16;
const CNAME: u16 = 5;
const SOA: u16 = 6;
/// A pointer to the question's name, which follows the twelve bytes of the header.
const QUESTION_NAME: [u8; 2] = [0xc0, 12];

impl NameServer {
    /// Starts a server that knows no names.
    pub fn start() -> NameServer {
        NameServer::serve(Shared::default())
    }

    /// Starts a server that never answers.
    pub fn silent() -> NameServer {
        NameServer::serve(Shared { is_silent: true, ..Shared::default() })
    }

    fn serve(shared: Shared) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("the time limit can be set");
        let address = socket.local_addr().expect("an address");
        let shared = Arc::new(shared);
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !own.stop.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(answer) = own.answer(&buffer[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        NameServer { address, shared, thread: Some(thread) }
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a TXT record with a TTL in seconds.
    pub fn txt(&self, name: &str, text: &str, ttl: u32) {
        let mut zone = self.shared.zone();
        let entry = zone.entry(name.to_owned()).or_insert_with(|| Entry::Txt(Vec::new(), ttl));
        if let Entry::Txt(texts, _) = entry {
            texts.push(text.to_owned());
        }
    }

    /// Makes a name an alias (CNAME) of another.
    pub fn alias(&self, name: &str, target: &str) {
        self.shared.zone().insert(name.to_owned(), Entry::Alias(target.to_owned()));
    }

    /// Makes a name fail with SERVFAIL.
    pub fn failing(&self, name: &str) {
        self.shared.zone().insert(name.to_owned(), Entry::Failing);
    }

    /// Makes it add to negative answers how long they may be cached (RFC 2308 §5).
    pub fn remember_nothing(&self, seconds: u32) {
        *self.shared.nothing.lock().unwrap_or_else(PoisonError::into_inner) = Some(seconds);
    }

    /// Returns every name queried so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn zone(&self) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = read_name(question)?;
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        if self.is_silent {
            return None;
        }
        let zone = self.zone();
        let mut records = Vec::new();
        let mut count = 0u16;
        let is_for_text = question.get(end..end + 2)? == TXT.to_be_bytes();
        let code = match zone.get(&name) {
            Some(Entry::Txt(..)) if !is_for_text => 0,
            Some(Entry::Txt(texts, ttl)) => {
                count = texts.len() as u16;
                texts.iter().for_each(|text| {
                    record(&mut records, &QUESTION_NAME, TXT, *ttl, &txt_data(text));
                });
                0
            }
            Some(Entry::Alias(target)) => {
                record(&mut records, &QUESTION_NAME, CNAME, 60, &name_data(target));
                count = 1;
                if let Some(Entry::Txt(texts, ttl)) = zone.get(target) {
                    count += texts.len() as u16;
                    texts.iter().for_each(|text| {
                        record(&mut records, &name_data(target), TXT, *ttl, &txt_data(text));
                    });
                }
                0
            }
            Some(Entry::Failing) => 2,
            None => 3,
        };
        let nothing = *self.nothing.lock().unwrap_or_else(PoisonError::into_inner);
        let authority = nothing.filter(|_| code == 3);
        if let Some(seconds) = authority {
            record(&mut records, &name_data("example"), SOA, seconds, &soa_data(seconds));
        }
        let mut answer = question[..2].to_vec();
        // The flags: a response, recursion desired and available.
        answer.extend([0x81, 0x80 | code, 0, 1]);
        answer.extend(count.to_be_bytes());
        answer.extend([0, u8::from(authority.is_some()), 0, 0]);
        answer.extend_from_slice(question.get(12..end + 4)?);
        answer.extend(records);
        Some(answer)
    }
}

/// Returns the question's name in lower case and the offset of its end.
fn read_name(question: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = question.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
}

fn record(out: &mut Vec<u8>, name: &[u8], kind: u16, ttl: u32, data: &[u8]) {
    out.extend_from_slice(name);
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out.extend(ttl.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
}

fn txt_data(text: &str) -> Vec<u8> {
    let strings = text.as_bytes().chunks(255);
    strings.flat_map(|string| [&[string.len() as u8], string].concat()).collect()
}

/// Names, then serial, refresh, retry, expire and minimum (RFC 1035 §3.3.13).
fn soa_data(minimum: u32) -> Vec<u8> {
    let mut data = [name_data("ns.example"), name_data("root.example")].concat();
    for number in [1, 3600, 600, 86_400, minimum] {
        data.extend(number.to_be_bytes());
    }
    data
}

fn name_data(name: &str) -> Vec<u8> {
    let mut data: Vec<u8> = name
        .split('.')
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect();
    data.push(0);
    data
}
