//! A list's members, from a dozen dictionaries to one record each (docs/spec/pickles.md §4).

use super::Old;
use super::pickle;
use super::raw::{Raw, some};
use crate::text;
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_pickle::Value;
use dormouse_store::{BounceState, Delivery, Member, MemberOptions, WholeMember};
use std::collections::{HashMap, HashSet};

/// How their membership began.
pub const CONSENT: &str = "member in Mailman before the takeover";

/// A dictionary by lower-cased address.
type ByKey<'g, 'a> = HashMap<AddressKey, Value<'g, 'a>>;

/// Parses all members, by address.
pub fn read(old: &mut Old<'_, '_>) -> Vec<WholeMember> {
    let records = Records::of(old);
    let mut members = Vec::new();
    let mut seen = HashSet::new();
    let mut found = Oddities::default();
    let mut raw = Raw::default();
    for (dictionary, digest) in [("members", false), ("digest_members", true)] {
        for written in addresses(old, dictionary) {
            if !seen.insert(written.key.clone()) {
                found.twice += 1;
                continue;
            }
            records.note_oddities(&written, &mut found, &mut raw);
            members.push(records.member(written, digest));
        }
    }
    // In the order of the database, which is the fastest way to fill it.
    members.sort_unstable_by(|a, b| a.member.key.cmp(&b.member.key));
    let orphans = records.passwords.keys().chain(records.options.keys());
    found.orphans = orphans.filter(|key| !seen.contains(*key)).collect::<HashSet<_>>().len();
    found.silent = members.iter().filter(|member| member.password.is_empty()).count();
    drop(records);
    old.raw.names = raw.names;
    old.raw.addresses = raw.addresses;
    found.remark(old);
    members
}

/// The dictionaries with the members' data.
struct Records<'g, 'a> {
    charset: String,
    /// The list's language.
    language: String,
    passwords: ByKey<'g, 'a>,
    languages: ByKey<'g, 'a>,
    names: ByKey<'g, 'a>,
    deliveries: ByKey<'g, 'a>,
    bounces: ByKey<'g, 'a>,
    topics: ByKey<'g, 'a>,
    last_digests: ByKey<'g, 'a>,
    options: HashMap<AddressKey, i64>,
}

impl<'g, 'a> Records<'g, 'a> {
    fn of(old: &Old<'g, 'a>) -> Records<'g, 'a> {
        let by_key = |name: &str| {
            let entries = old.get(name).map(|value| value.entries());
            let pairs = entries.into_iter().flatten();
            pairs.filter_map(|(key, value)| Some((key_of(&old.charset, key)?, value))).collect()
        };
        // Keys that differ only in case are one member, with all its options.
        let mut options: HashMap<AddressKey, i64> = HashMap::new();
        if let Some(value) = old.get("user_options") {
            for (key, bits) in value.entries() {
                if let Some(key) = key_of(&old.charset, key) {
                    *options.entry(key).or_default() |= bits.as_int().unwrap_or(0);
                }
            }
        }
        Records {
            charset: old.charset.clone(),
            language: old.text("preferred_language").unwrap_or_default(),
            passwords: by_key("passwords"),
            languages: by_key("language"),
            names: by_key("usernames"),
            deliveries: by_key("delivery_status"),
            bounces: by_key("bounce_info"),
            topics: by_key("topics_userinterest"),
            last_digests: by_key("one_last_digest"),
            options,
        }
    }

    /// Keeps what would not come back from the member's record as it was.
    fn note_oddities(&self, written: &Written<'_, '_>, found: &mut Oddities, raw: &mut Raw) {
        let Written { key, address, original } = written;
        if !key.is_ascii() {
            found.wide.push(address.clone());
            raw.addresses.insert(key.to_string(), (key.to_string(), pickle(*original)));
        }
        if let Some(name) = self.names.get(key) {
            let survey = text::survey(&self.charset, *name);
            if !survey.is_sure {
                found.doubtful.push(address.clone());
            }
            if !survey.is_sure || !survey.comes_back {
                let read = text::decode(&self.charset, *name).unwrap_or_default();
                raw.names.insert(key.to_string(), (read, pickle(*name)));
            }
        }
    }

    fn member(&self, Written { key, address, .. }: Written<'_, '_>, digest: bool) -> WholeMember {
        let bits = self.options.get(&key).copied().unwrap_or(0);
        let (delivery, changed_at) = delivery(self.deliveries.get(&key).copied(), bits);
        let text_of = |map: &ByKey<'_, '_>| {
            map.get(&key).and_then(|value| text::decode(&self.charset, *value))
        };
        let language = text_of(&self.languages).unwrap_or_default();
        let topics = self.topics.get(&key).map(|names| names.items()).into_iter().flatten();
        let bounces = self.bounces.get(&key).and_then(|value| bounce_state(*value));
        WholeMember {
            delivery_changed_at: changed_at,
            password: text_of(&self.passwords).unwrap_or_default(),
            topics: topics.filter_map(|name| text::decode(&self.charset, name)).collect(),
            one_last_digest: self.last_digests.contains_key(&key),
            bounces: bounces.unwrap_or_default(),
            consent: CONSENT.to_owned(),
            member: Member {
                real_name: text_of(&self.names).unwrap_or_default(),
                digest,
                // The first bit is a delivery status now.
                options: MemberOptions::from_bits(bits & !1),
                delivery,
                // Mailman stores the language of every member; the list's language is no choice.
                language: if language == self.language { String::new() } else { language },
                joined_at: Timestamp::EPOCH,
                address,
                key,
            },
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

/// Keys are in lower case; very old lists have them as written by the members.
fn key_of(charset: &str, key: Value<'_, '_>) -> Option<AddressKey> {
    text::address(charset, key).map(|key| AddressKey::of(&key)).filter(|key| !key.is_empty())
}

/// An address among the members.
struct Written<'g, 'a> {
    key: AddressKey,
    /// In the member's own spelling.
    address: String,
    /// The original key.
    original: Value<'g, 'a>,
}

/// Returns the addresses of a dictionary of members, or of a list, as before 1.2.
fn addresses<'g, 'a>(old: &Old<'g, 'a>, dictionary: &str) -> Vec<Written<'g, 'a>> {
    let Some(value) = old.get(dictionary) else { return Vec::new() };
    let charset = &old.charset;
    let read = |original: Value<'g, 'a>, written: Option<Value<'g, 'a>>| {
        let text = text::address(charset, original).filter(|text| !text.is_empty())?;
        let key = AddressKey::of(&text);
        let written = written.and_then(|written| text::address(charset, written));
        // An address that differs from its key is a mistake.
        let address = written.filter(|written| AddressKey::of(written) == key);
        let address = address.unwrap_or_else(|| with_lower_domain(&text));
        Some(Written { key, address, original })
    };
    if value.is_sequence() {
        value.items().filter_map(|item| read(item, None)).collect()
    } else {
        value.entries().filter_map(|(key, written)| read(key, Some(written))).collect()
    }
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
