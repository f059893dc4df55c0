//! Waiting things: `request.pck`, `pending.pck`, held posts and digests in progress
//! (docs/spec/pickles.md §5).

use super::list::{instance, new_password};
use super::{Export, pickle, write};
use crate::{TakeoverError, mbox, text};
use dormouse_clock::Timestamp;
use dormouse_mail::{Message, encoded_word};
use dormouse_pickle::{Graph, NodeId, Protocol};
use dormouse_spool::Entry;
use dormouse_store::{List, Request};
use std::collections::HashMap;
use std::path::Path;

/// Kinds of records in `request.pck`.
const HELD_MESSAGE: i64 = 1;
const SUBSCRIPTION: i64 = 2;
const UNSUBSCRIPTION: i64 = 3;

impl Export<'_> {
    /// Writes the waiting things of a list.
    pub(super) fn waiting(
        &mut self,
        list: &List,
        name: &str,
        charset: &str,
        dir: &Path,
    ) -> Result<(), TakeoverError> {
        let mut numbers = self.numbers(list)?;
        let mut requests = Records::new(charset);
        let mut pendings = Records::new(charset);
        self.held_posts(list, name, &mut numbers, &mut requests, &mut pendings)?;
        self.held_requests(list, &mut numbers, &mut requests)?;
        self.confirmations(list, name, &mut pendings)?;
        if !requests.entries.is_empty() {
            let numbers = [0, 1].map(|number| requests.graph.int(number)).to_vec();
            let version = requests.graph.tuple(numbers);
            pickle(&dir.join("request.pck"), &requests.finish(version), Protocol::One)?;
        }
        if !pendings.entries.is_empty() {
            let version = pendings.graph.int(2);
            let evictions = std::mem::take(&mut pendings.evictions);
            let evictions = pendings.graph.dict(evictions);
            pendings.put("evictions", evictions);
            pickle(&dir.join("pending.pck"), &pendings.finish(version), Protocol::Zero)?;
        }
        self.digest(list, dir)
    }

    /// Returns Mailman's numbers of waiting requests, and the next free one.
    fn numbers(&self, list: &List) -> Result<Numbers, TakeoverError> {
        let source = format!("lists/{}/request.pck", list.name);
        let mut known = HashMap::new();
        for (source, target) in self.target.store.read().imported_parts(&source)? {
            if let Some((_, number)) = source.rsplit_once('#')
                && let Ok(number) = number.parse::<i64>()
            {
                known.insert(target, number);
            }
        }
        let state = self.target.store.read().list_state(list.id)?.unwrap_or_default();
        let highest = known.values().max().map_or(1, |highest| highest + 1);
        Ok(Numbers { known, next: state.next_request_id.max(highest) })
    }

    fn held_posts(
        &mut self,
        list: &List,
        name: &str,
        numbers: &mut Numbers,
        requests: &mut Records<'_>,
        pendings: &mut Records<'_>,
    ) -> Result<(), TakeoverError> {
        for held in self.target.store.read().held_posts(list.id)? {
            let number = numbers.of(&held.post.entry);
            let content = self.target.store.read().held_content(held.id)?.unwrap_or_default();
            let entry = Entry::from_bytes(&content, Path::new(&format!("held post {}", held.id)))?;
            // A text and not a pickle: the message's bytes stay as they are.
            let file = format!("heldmsg-{name}-{number}.txt");
            write(&self.to.join("data").join(&file), &entry.message)?;
            let subject = if held.post.subject.is_ascii() {
                held.post.subject.clone()
            } else {
                encoded_word::encode(&held.post.subject, LINE)
            };
            let sender = if held.post.sender.is_empty() { "<missing>" } else { &held.post.sender };
            let at = requests.graph.float(held.post.held_at.seconds());
            let metadata = requests.metadata(&entry);
            let mut record = vec![at];
            for text in [sender, &subject, &held.post.reason, &file] {
                record.push(requests.text(text));
            }
            record.push(metadata);
            requests.add_request(number, HELD_MESSAGE, record);
            let kind = pendings.text("H");
            let number = pendings.graph.int(number);
            let expires = held.post.held_at + PENDING_LIFE;
            pendings.add(&held.post.cookie, vec![kind, number], expires);
            self.report.brought("held posts", 1);
        }
        Ok(())
    }

    fn held_requests(
        &mut self,
        list: &List,
        numbers: &mut Numbers,
        requests: &mut Records<'_>,
    ) -> Result<(), TakeoverError> {
        for held in self.target.store.read().held_requests(list.id)? {
            let number = numbers.of(&held.cookie);
            match &held.request {
                Request::Subscribe { address, real_name, digest, language, .. } => {
                    let language = if language.is_empty() {
                        &list.settings.preferred_language
                    } else {
                        language
                    };
                    let at = requests.graph.float(held.held_at.seconds());
                    let record = vec![
                        at,
                        requests.text(address),
                        requests.name(real_name),
                        requests.text(&new_password()?),
                        requests.graph.int(i64::from(*digest)),
                        requests.text(language),
                    ];
                    requests.add_request(number, SUBSCRIPTION, record);
                }
                Request::Unsubscribe { address } => {
                    let kind = requests.graph.int(UNSUBSCRIPTION);
                    let address = requests.text(address);
                    let record = requests.graph.tuple(vec![kind, address]);
                    let key = requests.graph.int(number);
                    requests.entries.push((key, record));
                }
                other => {
                    let text =
                        format!("Mailman has no request to {}; it is left out", other.kind());
                    self.report.remark(list.name.as_str(), text);
                    continue;
                }
            }
            self.report.brought("requests to join or leave", 1);
        }
        Ok(())
    }

    fn confirmations(
        &mut self,
        list: &List,
        name: &str,
        pendings: &mut Records<'_>,
    ) -> Result<(), TakeoverError> {
        for pending in self.target.store.read().pending_of(list.id)? {
            let parts = match &pending.request {
                Request::Subscribe { address, real_name, digest, language, invitation, .. } => {
                    let language = if language.is_empty() {
                        &list.settings.preferred_language
                    } else {
                        language
                    };
                    // Mailman asks for each of them when the reply arrives.
                    let mut state = vec![
                        ("address", pendings.text(address)),
                        ("fullname", pendings.name(real_name)),
                        ("password", pendings.text(&new_password()?)),
                        ("digest", pendings.graph.int(i64::from(*digest))),
                        ("language", pendings.text(language)),
                    ];
                    if *invitation {
                        state.push(("invitation", pendings.text(name)));
                    }
                    let description =
                        instance(&mut pendings.graph, "Mailman.UserDesc", "UserDesc", &state);
                    vec![pendings.text("S"), description]
                }
                Request::Unsubscribe { address } => {
                    vec![pendings.text("U"), pendings.text(address)]
                }
                Request::ChangeAddress { address, new, globally } => vec![
                    pendings.text("C"),
                    pendings.text(address),
                    pendings.text(new),
                    pendings.graph.int(i64::from(*globally)),
                ],
                Request::ReEnable { address } => {
                    vec![pendings.text("E"), pendings.text(name), pendings.text(address)]
                }
                Request::SetOptions { .. } | Request::LogIn { .. } => {
                    let text = format!(
                        "Mailman has no confirmation to {}; it is left out",
                        pending.request.kind()
                    );
                    self.report.remark(list.name.as_str(), text);
                    continue;
                }
                Request::Probe { address } => {
                    let message = message(&mut pendings.graph, &pending.content);
                    vec![pendings.text("P"), pendings.text(address), message]
                }
            };
            pendings.add(&pending.cookie, parts, pending.expires_at);
            self.report.brought("confirmations", 1);
        }
        Ok(())
    }

    fn digest(&mut self, list: &List, dir: &Path) -> Result<(), TakeoverError> {
        let mut mailbox = Vec::new();
        let mut number = 0;
        self.target.store.read().digest_posts(list.id, |post| -> Result<(), TakeoverError> {
            mbox::append(&mut mailbox, &post.content, &from_line(post.posted_at));
            number += 1;
            Ok(())
        })?;
        if number == 0 {
            return Ok(());
        }
        self.report.brought("posts for the next digest", number);
        write(&dir.join("digest.mbox"), &mailbox)
    }
}

/// The room for a subject on its first line.
const LINE: usize = 65;

/// How long a reply to a notice of a held post is valid.
const PENDING_LIFE: f64 = 3.0 * 86_400.0;

/// Numbers of waiting things: those that Mailman gave them, and new ones.
struct Numbers {
    known: HashMap<String, i64>,
    next: i64,
}

impl Numbers {
    fn of(&mut self, target: &str) -> i64 {
        if let Some(number) = self.known.get(target) {
            return *number;
        }
        self.next += 1;
        self.next - 1
    }
}

/// A dictionary of records being built.
struct Records<'r> {
    graph: Graph<'static>,
    entries: Vec<(NodeId, NodeId)>,
    /// When which cookie expires.
    evictions: Vec<(NodeId, NodeId)>,
    charset: &'r str,
}

impl<'r> Records<'r> {
    fn new(charset: &'r str) -> Records<'r> {
        Records { graph: Graph::new(), entries: Vec::new(), evictions: Vec::new(), charset }
    }

    fn text(&mut self, text: &str) -> NodeId {
        let bytes = text::encode(self.charset, text);
        self.graph.bytes(bytes)
    }

    /// Adds a person's name: Unicode beyond ASCII, as in Mailman.
    fn name(&mut self, name: &str) -> NodeId {
        if name.is_ascii() { self.text(name) } else { self.graph.text(name.to_owned()) }
    }

    fn add_request(&mut self, number: i64, kind: i64, record: Vec<NodeId>) {
        let kind = self.graph.int(kind);
        let record = self.graph.tuple(record);
        let pair = self.graph.tuple(vec![kind, record]);
        let key = self.graph.int(number);
        self.entries.push((key, pair));
    }

    /// Adds a record under a cookie, with when it expires.
    fn add(&mut self, cookie: &str, parts: Vec<NodeId>, expires: Timestamp) {
        let key = self.text(cookie);
        let record = self.graph.tuple(parts);
        self.entries.push((key, record));
        let expires = self.graph.float(expires.seconds());
        self.evictions.push((key, expires));
    }

    fn put(&mut self, name: &'static str, value: NodeId) {
        let key = self.graph.bytes(name.as_bytes());
        self.entries.push((key, value));
    }

    fn metadata(&mut self, entry: &Entry) -> NodeId {
        let entries = entry.metadata.entries().collect::<Vec<_>>();
        let entries = entries
            .into_iter()
            .map(|(key, value)| (self.graph.bytes(key.into_bytes()), self.graph.import(value)))
            .collect();
        self.graph.dict(entries)
    }

    fn finish(mut self, version: NodeId) -> Graph<'static> {
        self.put("version", version);
        let root = self.graph.dict(self.entries);
        self.graph.set_root(root);
        self.graph
    }
}

/// Adds a message as an instance of Mailman's class, with its body in one piece: Mailman generates
/// the same text from it.
fn message(graph: &mut Graph<'static>, raw: &[u8]) -> NodeId {
    let message = Message::parse(raw.to_vec());
    let mut headers = Vec::new();
    for field in message.fields() {
        let name = graph.bytes(field.name().to_vec());
        let value = field.value().trim_ascii().to_vec();
        let value = graph.bytes(value);
        headers.push(graph.tuple(vec![name, value]));
    }
    let headers = graph.list(headers);
    let unix_from = match message.unix_from() {
        Some(line) => graph.bytes(line.trim_ascii_end().to_vec()),
        None => graph.none(),
    };
    let payload = graph.bytes(message.body().to_vec());
    let version = [4, 0, 3].map(|number| graph.int(number)).to_vec();
    let version = graph.tuple(version);
    let default_type = graph.bytes(&b"text/plain"[..]);
    let state = [
        ("__version__", version),
        ("_headers", headers),
        ("_unixfrom", unix_from),
        ("_payload", payload),
        ("_charset", graph.none()),
        ("preamble", graph.none()),
        ("epilogue", graph.none()),
        ("defects", graph.list(Vec::new())),
        ("_default_type", default_type),
    ];
    instance(graph, "Mailman.Message", "Message", &state)
}

/// Returns the line that starts a message in a mailbox.
fn from_line(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_second(at.whole_seconds()).unwrap_or_default();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    format!("From nobody {}", time.strftime("%a %b %e %H:%M:%S %Y"))
}
