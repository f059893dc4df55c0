//! A list's members, from a dozen dictionaries to one record each (docs/spec/pickles.md §4). There
//! may be a million, so a record is created when it is needed and its texts stay in the graph.

use super::migrate::Migration;
use super::raw::{Raw, some};
use super::{Old, pickle};
use crate::text;
use dormouse_clock::Timestamp;
use dormouse_mail::{AddressKey, charset};
use dormouse_pickle::{Graph, NodeId, Value};
use dormouse_store::{BounceState, Delivery, Member, MemberOptions, WholeMember};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher as _;

/// How their membership began.
pub const CONSENT: &str = "member in Mailman before the takeover";

/// The members of a list, with passwords in plain text.
pub struct Members {
    pub(super) graph: Graph<'static>,
    /// The charset of the list's texts.
    pub(super) charset: String,
    /// The list's language.
    pub(super) language: String,
    pub(super) rows: Rows,
    pub(super) migration: Migration,
}

impl Members {
    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.rows.written.len()
    }

    /// Whether there is a member with this key.
    pub fn contains(&self, key: &str) -> bool {
        self.rows.find(&self.graph, key).is_some()
    }

    /// Returns the password of the member with this key.
    pub fn password(&self, key: &AddressKey) -> Option<String> {
        let row = self.rows.find(&self.graph, key)?;
        Some(self.text(&self.rows.passwords, row).unwrap_or_default())
    }

    /// Creates the members' records, in the order of the database, which is the fastest way to fill
    /// it.
    pub fn iter(&self) -> impl Iterator<Item = WholeMember> {
        self.rows.order.iter().map(|row| {
            let mut member = self.member(*row as usize);
            self.migration.apply(&mut member);
            member
        })
    }

    fn value(&self, column: &Column, row: usize) -> Option<Value<'_, 'static>> {
        Some(self.graph.value(column.get(row)?))
    }

    fn text(&self, column: &Column, row: usize) -> Option<String> {
        text::decode(&self.charset, self.value(column, row)?)
    }

    fn member(&self, row: usize) -> WholeMember {
        let rows = &self.rows;
        let key = AddressKey::of(&rows.key(&self.graph, row));
        let bits = rows.options.get(row).copied().unwrap_or(0);
        let (delivery, changed_at) = delivery(self.value(&rows.deliveries, row), bits);
        let language = self.text(&rows.languages, row).unwrap_or_default();
        let topics = self.value(&rows.topics, row).into_iter().flat_map(Value::items);
        let bounces = self.value(&rows.bounces, row).and_then(bounce_state);
        WholeMember {
            delivery_changed_at: changed_at,
            password: self.text(&rows.passwords, row).unwrap_or_default(),
            topics: topics.filter_map(|name| text::decode(&self.charset, name)).collect(),
            one_last_digest: rows.last_digests.get(row).is_some(),
            bounces: bounces.unwrap_or_default(),
            consent: CONSENT.to_owned(),
            member: Member {
                real_name: self.text(&rows.names, row).unwrap_or_default(),
                digest: row >= rows.regular,
                // The first bit is a delivery status now.
                options: MemberOptions::from_bits(bits & !1),
                delivery,
                // Mailman stores the language of every member; the list's language is no choice.
                language: if language == self.language { String::new() } else { language },
                joined_at: Timestamp::EPOCH,
                address: rows.written[row].address(&self.graph, &self.charset, &key),
                key,
            },
        }
    }
}

/// A value of each member, or none.
#[derive(Default)]
struct Column(Vec<Option<NodeId>>);

impl Column {
    fn get(&self, row: usize) -> Option<NodeId> {
        self.0.get(row).copied().flatten()
    }

    /// Sets a value. A column whose dictionary is empty takes no memory.
    fn set(&mut self, row: usize, value: NodeId, rows: usize) {
        self.0.resize(rows.max(self.0.len()), None);
        self.0[row] = Some(value);
    }
}

/// The members in the order of Mailman's dictionaries: in which nodes of the graph their data is.
#[derive(Default)]
pub(super) struct Rows {
    written: Vec<Written>,
    /// The keys of the members whose addresses are not written in that way.
    keys: BTreeMap<u32, AddressKey>,
    /// The members before this one get single posts, the others digests.
    regular: usize,
    /// The members by key.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The members in the order of their keys.
    order: Vec<u32>,
    passwords: Column,
    languages: Column,
    names: Column,
    deliveries: Column,
    bounces: Column,
    topics: Column,
    last_digests: Column,
    options: Vec<i64>,
}

/// The dictionaries with the members' data. An export writes them in this order: the first two have
/// the keys to which the others refer.
pub const DICTIONARIES: [&str; 10] = [
    "members",
    "digest_members",
    "passwords",
    "language",
    "usernames",
    "user_options",
    "delivery_status",
    "bounce_info",
    "topics_userinterest",
    "one_last_digest",
];

/// Parses all members.
pub(super) fn read(old: &mut Old<'_, '_>) -> Rows {
    let keys = Keys { is_plain: charset::is_ascii_superset(&old.charset), charset: &old.charset };
    let mut rows = Rows::default();
    let mut found = Oddities::default();
    for dictionary in ["members", "digest_members"] {
        rows.regular = rows.written.len();
        for (original, spelling) in addresses(old, dictionary) {
            if let Some(key) = keys.of(original)
                && !rows.add(old.graph, key, Written { original: original.id(), spelling })
            {
                found.twice += 1;
            }
        }
    }
    rows.sort(old.graph);
    found.orphans = rows.fill(old, &keys);
    let mut raw = Raw::default();
    rows.note_oddities(old, &mut found, &mut raw);
    old.raw.names = raw.names;
    old.raw.addresses = raw.addresses;
    found.remark(old);
    rows
}

impl Rows {
    fn sort(&mut self, graph: &Graph<'_>) {
        let mut order: Vec<u32> = (0..self.written.len() as u32).collect();
        let key = |row: &u32| self.key(graph, *row as usize);
        order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        self.order = order;
    }

    /// Finds the members' data, and returns how many other addresses have some.
    fn fill(&mut self, old: &Old<'_, '_>, keys: &Keys<'_>) -> usize {
        let mut orphans = HashSet::new();
        for (name, column, has_orphans) in [
            ("passwords", (|rows| &mut rows.passwords) as fn(&mut Rows) -> &mut Column, true),
            ("language", |rows| &mut rows.languages, false),
            ("usernames", |rows| &mut rows.names, false),
            ("delivery_status", |rows| &mut rows.deliveries, false),
            ("bounce_info", |rows| &mut rows.bounces, false),
            ("topics_userinterest", |rows| &mut rows.topics, false),
            ("one_last_digest", |rows| &mut rows.last_digests, false),
        ] {
            for (key, value) in old.get(name).into_iter().flat_map(Value::entries) {
                let Some(key) = keys.of(key) else { continue };
                match self.find(old.graph, &key) {
                    Some(row) => {
                        let count = self.written.len();
                        column(self).set(row, value.id(), count);
                    }
                    None if has_orphans => drop(orphans.insert(key.into_owned())),
                    None => {}
                }
            }
        }
        // Keys that differ only in case are one member, with all its options.
        for (key, bits) in old.get("user_options").into_iter().flat_map(Value::entries) {
            let Some(key) = keys.of(key) else { continue };
            match self.find(old.graph, &key) {
                Some(row) => {
                    self.options.resize(self.written.len(), 0);
                    self.options[row] |= bits.as_int().unwrap_or(0);
                }
                None => drop(orphans.insert(key.into_owned())),
            }
        }
        orphans.len()
    }

    fn key<'r>(&'r self, graph: &'r Graph<'_>, row: usize) -> Cow<'r, str> {
        match self.keys.get(&(row as u32)) {
            Some(key) => Cow::Borrowed(key),
            None => graph.value(self.written[row].original).to_text_lossy(),
        }
    }

    fn find(&self, graph: &Graph<'_>, key: &str) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        let found = self.places.find(hash, |row| self.key(graph, *row as usize) == key);
        found.map(|row| *row as usize)
    }

    /// Whether there is a member with this key.
    pub fn contains(&self, graph: &Graph<'_>, key: &AddressKey) -> bool {
        self.find(graph, key).is_some()
    }

    /// Adds a member; returns false if it is there.
    fn add(&mut self, graph: &Graph<'_>, key: Cow<'_, str>, written: Written) -> bool {
        if self.find(graph, &key).is_some() {
            return false;
        }
        // There are no more members than nodes.
        let row = self.written.len() as u32;
        let hash = self.hasher.hash_one(&*key);
        if let Cow::Owned(key) = key {
            self.keys.insert(row, AddressKey::of(&key));
        }
        self.written.push(written);
        let mut places = std::mem::take(&mut self.places);
        places
            .insert_unique(hash, row, |row| self.hasher.hash_one(&*self.key(graph, *row as usize)));
        self.places = places;
        true
    }

    /// Keeps what would not come back from the members' records as it was.
    fn note_oddities(&self, old: &Old<'_, '_>, found: &mut Oddities, raw: &mut Raw) {
        for (row, key) in self.keys.iter().filter(|(_, key)| !key.is_ascii()) {
            let written = &self.written[*row as usize];
            found.wide.push(written.address(old.graph, &old.charset, key));
            let original = old.graph.value(written.original);
            raw.addresses.insert(key.to_string(), (key.to_string(), pickle(original)));
        }
        for row in 0..self.written.len() {
            let password = self.passwords.get(row).map(|id| old.graph.value(id));
            let is_silent = |value: Value<'_, '_>| value.as_bytes().is_none_or(<[u8]>::is_empty);
            found.silent += usize::from(password.is_none_or(is_silent));
            let Some(name) = self.names.get(row).map(|id| old.graph.value(id)) else { continue };
            let survey = text::survey(&old.charset, name);
            if !survey.is_sure || !survey.comes_back {
                let key = AddressKey::of(&self.key(old.graph, row));
                if !survey.is_sure {
                    let written = &self.written[row];
                    found.doubtful.push(written.address(old.graph, &old.charset, &key));
                }
                let read = text::decode(&old.charset, name).unwrap_or_default();
                raw.names.insert(key.to_string(), (read, pickle(name)));
            }
        }
    }
}

/// What administrators should know about the members.
#[derive(Default)]
struct Oddities {
    /// Addresses that are regular and digest members.
    twice: usize,
    /// Members whose names are not in the list's charset.
    doubtful: Vec<String>,
    /// Addresses beyond ASCII.
    wide: Vec<String>,
    /// Data without a member.
    orphans: usize,
    /// Members without a password.
    silent: usize,
}

impl Oddities {
    fn remark(self, old: &mut Old<'_, '_>) {
        let Oddities { twice, doubtful, wide, orphans, silent } = self;
        if !doubtful.is_empty() {
            old.remark(format!(
                "names of members that are not in the list's charset ({}): {}; read as what they seem \
                 to be, and kept as they came for the way back",
                old.charset,
                some(&doubtful)
            ));
        }
        if !wide.is_empty() {
            old.remark(format!(
                "addresses with letters beyond ASCII: {}; only mail servers with SMTPUTF8 take mail for \
                 them",
                some(&wide)
            ));
        }
        if twice > 0 {
            old.remark(format!(
                "{twice} addresses are members twice; only their regular membership is imported"
            ));
        }
        if orphans > 0 {
            old.remark(format!(
                "options and passwords of {orphans} addresses that are not members are not imported"
            ));
        }
        if silent > 0 {
            old.remark(format!("{silent} members have no password, as in Mailman"));
        }
    }
}

/// Reads keys of dictionaries. They are in lower case; very old lists have them as written by the
/// members.
struct Keys<'o> {
    charset: &'o str,
    /// Whether bytes of ASCII are the same text in that charset.
    is_plain: bool,
}

impl Keys<'_> {
    /// Returns a key; it is borrowed if it is written in the same way. `None` if it is no text, or
    /// empty.
    fn of<'g>(&self, value: Value<'g, '_>) -> Option<Cow<'g, str>> {
        let bytes = value.as_bytes()?;
        let is_key =
            |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let key = if self.is_plain && is_key(bytes) {
            Cow::Borrowed(std::str::from_utf8(bytes).ok()?)
        } else {
            Cow::Owned(AddressKey::of(&text::address(self.charset, value)?).into())
        };
        Some(key).filter(|key| !key.is_empty())
    }
}

/// Where an address is among the members.
struct Written {
    /// The key of the dictionary, or the item of the list.
    original: NodeId,
    /// The member's own spelling.
    spelling: Option<NodeId>,
}

impl Written {
    /// Returns the address in the member's own spelling.
    fn address(&self, graph: &Graph<'_>, charset: &str, key: &AddressKey) -> String {
        let spelling = self.spelling.and_then(|id| text::address(charset, graph.value(id)));
        // An address that differs from its key is a mistake.
        spelling.filter(|spelling| AddressKey::of(spelling) == *key).unwrap_or_else(|| {
            let text = text::address(charset, graph.value(self.original));
            with_lower_domain(&text.unwrap_or_default())
        })
    }
}

/// Returns the addresses of a dictionary of members, or of a list, as before 1.2, and their
/// spellings.
fn addresses<'g, 'a>(
    old: &Old<'g, 'a>,
    dictionary: &str,
) -> impl Iterator<Item = (Value<'g, 'a>, Option<NodeId>)> + use<'g, 'a> {
    let value = old.get(dictionary);
    let items = value.filter(|value| value.is_sequence()).into_iter().flat_map(Value::items);
    let entries = value.into_iter().flat_map(Value::entries);
    let entries = entries.map(|(key, written)| {
        (key, written.as_bytes().is_some_and(|text| !text.is_empty()).then(|| written.id()))
    });
    items.map(|item| (item, None)).chain(entries)
}

fn with_lower_domain(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
        None => address.to_owned(),
    }
}

fn delivery(status: Option<Value<'_, '_>>, bits: i64) -> (Delivery, Timestamp) {
    let mut parts = status.into_iter().flat_map(Value::items);
    match (parts.next().and_then(Value::as_int), parts.next()) {
        (Some(0), _) => (Delivery::Enabled, Timestamp::EPOCH),
        (Some(number), time) => {
            let time = time.and_then(Value::as_float).unwrap_or(0.0);
            (Delivery::from_number(number), Timestamp::from_seconds(time))
        }
        // The option from before there were statuses.
        (None, _) if bits & 1 != 0 => (Delivery::Unknown, Timestamp::EPOCH),
        (None, _) => (Delivery::Enabled, Timestamp::EPOCH),
    }
}

/// Reads a bounce state. Other classes are from before Mailman 2.1, which drops them, too.
fn bounce_state(value: Value<'_, '_>) -> Option<BounceState> {
    value.class().filter(|(_, name)| *name == "_BounceInfo")?;
    let state = value.state()?;
    let cookie = state.get("cookie").filter(|cookie| !cookie.is_none());
    Some(BounceState {
        score: state.get("score").and_then(Value::as_float).unwrap_or(0.0),
        date: state.get("date").and_then(text::day)?,
        notices_left: state.get("noticesleft").and_then(Value::as_int).unwrap_or(0),
        last_notice: state.get("lastnotice").and_then(text::day).unwrap_or_default(),
        cookie: cookie.map(|cookie| text::plain(cookie).into_owned()).unwrap_or_default(),
    })
}
