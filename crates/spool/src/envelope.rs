//! An entry's metadata as typed values, with an accessor for each known key.
//!
//! Custom handlers and other programs write into queues, too, and Python has no static types. A value
//! that is invalid for its key must not be ignored: the envelope is read whenever an entry is
//! claimed, and an entry with an invalid envelope waits for a person, with the key and the type
//! reported. Unknown keys stay in the [`Metadata`].

mod keys;

pub use keys::{KEY, Keys};

use crate::{Metadata, Queue};
use dormouse_clock::Timestamp;
use dormouse_pickle::{Value, View};
use std::borrow::Cow;

/// An invalid value of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata key {key:?} is {found}; it must be {wanted}")]
pub struct WrongValue {
    /// The key.
    pub key: &'static str,
    /// The actual type, and the value if it is short.
    pub found: String,
    /// The expected types.
    pub wanted: &'static str,
}

/// Metadata with valid values for all known keys.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'m> {
    metadata: &'m Metadata,
}

/// A value read, or what is wrong with it.
type Read<T> = Result<T, Wrong>;

struct Wrong {
    found: String,
    wanted: &'static str,
}

/// Writes known keys of an entry's metadata, each as the type that it has.
#[derive(Debug)]
pub struct Edit<'m> {
    metadata: &'m mut Metadata,
}

impl Metadata {
    /// The known keys, for an entry whose envelope has been [read](Envelope::read). A value that its
    /// key cannot have counts as absent.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope { metadata: self }
    }

    /// Writes known keys.
    pub fn edit(&mut self) -> Edit<'_> {
        Edit { metadata: self }
    }
}

fn write_text(metadata: &mut Metadata, key: &str, value: &str) {
    metadata.set_text(key, value);
}

/// As Mailman writes flags: a number.
fn write_flag(metadata: &mut Metadata, key: &str, value: bool) {
    metadata.set_int(key, i64::from(value));
}

fn write_int(metadata: &mut Metadata, key: &str, value: i64) {
    metadata.set_int(key, value);
}

fn write_time(metadata: &mut Metadata, key: &str, value: Timestamp) {
    metadata.set_time(key, value);
}

fn write_texts(
    metadata: &mut Metadata,
    key: &str,
    values: impl IntoIterator<Item = impl AsRef<str>>,
) {
    metadata.set_texts(key, values);
}

fn write_queue(metadata: &mut Metadata, key: &str, queue: Queue) {
    metadata.set_text(key, queue.name());
}

fn write_headers(metadata: &mut Metadata, key: &str, headers: &[(String, String)]) {
    metadata.set_table(key, headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
}

/// A dictionary of which only the keys count, as Mailman writes it.
fn write_keys(metadata: &mut Metadata, key: &str, keys: &[String]) {
    metadata.set_table(key, keys.iter().map(|key| (key.as_str(), "yes")));
}

impl<'m> Envelope<'m> {
    /// The value of a key, or its default. Known keys have valid values.
    fn value<T: Default>(&self, key: &str, read: impl FnOnce(Value<'m, 'static>) -> Read<T>) -> T {
        self.metadata.get(key).and_then(|value| read(value).ok()).unwrap_or_default()
    }

    /// Whether a key exists, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.metadata.has(key)
    }
}

/// The type, and the value if it is helpful.
fn describe(value: Value<'_, '_>) -> String {
    const LONGEST: usize = 60;
    let kind = value.kind();
    match value.node() {
        View::None => "None".to_owned(),
        View::Bool(_) | View::Int(_) | View::Long(_) | View::Float(_) => {
            format!("{kind} ({})", value.to_text_lossy())
        }
        View::Bytes(_) | View::Text(_) | View::ByteArray(_) => {
            let text: String = value.to_text_lossy().chars().take(LONGEST).collect();
            format!("{kind} ({text:?})")
        }
        View::Object(_) | View::Global(_) => match value.class() {
            Some((module, name)) => format!("{kind} of the class {module}.{name}"),
            None => kind.to_owned(),
        },
        _ => kind.to_owned(),
    }
}

fn wrong<T>(value: Value<'_, '_>, wanted: &'static str) -> Read<T> {
    Err(Wrong { found: describe(value), wanted })
}

fn text<'m>(value: Value<'m, 'static>) -> Read<Option<Cow<'m, str>>> {
    match value.as_bytes() {
        Some(bytes) => Ok(Some(String::from_utf8_lossy(bytes))),
        None if value.is_none() => Ok(None),
        None => wrong(value, "a text"),
    }
}

/// A text for an SMTP envelope, which must not be guessed.
fn address<'m>(value: Value<'m, 'static>) -> Read<Option<Cow<'m, str>>> {
    match value.as_bytes().map(std::str::from_utf8) {
        Some(Ok(text)) => Ok(Some(Cow::Borrowed(text))),
        None if value.is_none() => Ok(None),
        _ => wrong(value, "an address"),
    }
}

fn flag(value: Value<'_, 'static>) -> Read<bool> {
    Metadata::truth(value).map_or_else(|| wrong(value, "true or false"), Ok)
}

/// A flag that may be absent.
fn maybe(value: Value<'_, 'static>) -> Read<Option<bool>> {
    flag(value).map(Some)
}

fn int(value: Value<'_, 'static>) -> Read<Option<i64>> {
    match value.as_int() {
        None if value.is_none() => Ok(None),
        None => wrong(value, "a whole number"),
        number => Ok(number),
    }
}

fn time(value: Value<'_, 'static>) -> Read<Option<Timestamp>> {
    match value.as_float() {
        None if value.is_none() => Ok(None),
        Some(number) if number.is_finite() => Ok(Some(Timestamp::from_seconds(number))),
        _ => wrong(value, "a number"),
    }
}

/// A list or tuple of texts.
fn texts(value: Value<'_, 'static>) -> Read<Option<Vec<String>>> {
    const WANTED: &str = "a list of texts";
    if value.is_none() {
        return Ok(None);
    }
    if !value.is_sequence() {
        return wrong(value, WANTED);
    }
    let text = |item: Value<'_, 'static>| match item.as_bytes() {
        Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        None => Err(of_item(value, item, WANTED)),
    };
    value.items().map(text).collect::<Read<Vec<String>>>().map(Some)
}

fn text_or_texts(value: Value<'_, 'static>) -> Read<Option<Vec<String>>> {
    match value.as_bytes() {
        Some(bytes) => Ok(Some(vec![String::from_utf8_lossy(bytes).into_owned()])),
        None => texts(value),
    }
}

/// Addresses in any form in which Mailman delivers to them: a list, tuple or set of them, or a
/// dictionary with them as its keys. Not a text, which Mailman treats as a list of letters.
fn addresses(value: Value<'_, 'static>) -> Read<Option<Vec<String>>> {
    const WANTED: &str = "a list, tuple, set or dictionary of addresses";
    let address = |item: Value<'_, 'static>| match item.as_bytes().map(std::str::from_utf8) {
        Some(Ok(text)) => Ok(text.to_owned()),
        _ => Err(of_item(value, item, WANTED)),
    };
    let addresses: Read<Vec<String>> = match value.node() {
        View::List(_) | View::Tuple(_) | View::Set(_) | View::FrozenSet(_) => {
            value.items().map(address).collect()
        }
        View::Dict(_) => value.entries().map(|(key, _)| address(key)).collect(),
        _ => return wrong(value, WANTED),
    };
    addresses.map(Some)
}

fn of_item(holder: Value<'_, '_>, item: Value<'_, '_>, wanted: &'static str) -> Wrong {
    Wrong { found: format!("{} with {} in it", holder.kind(), describe(item)), wanted }
}

/// A header's value: a text, or an `email.header.Header`.
fn header<'m>(value: Value<'m, 'static>) -> Read<Option<Cow<'m, str>>> {
    match Metadata::header_text(value) {
        None if value.is_none() => Ok(None),
        None => wrong(value, "a text or a Header"),
        text => Ok(text),
    }
}

fn headers(value: Value<'_, 'static>) -> Read<Vec<(String, String)>> {
    const WANTED: &str = "a dictionary of headers";
    if value.is_none() {
        return Ok(Vec::new());
    }
    if !matches!(value.node(), View::Dict(_)) {
        return wrong(value, WANTED);
    }
    let pair = |(name, item): (Value<'_, 'static>, Value<'_, 'static>)| {
        let name_text = name.as_bytes().map(|name| String::from_utf8_lossy(name).into_owned());
        match (name_text, Metadata::header_text(item)) {
            (Some(name), Some(text)) => Ok((name, text.into_owned())),
            (None, _) => Err(of_item(value, name, WANTED)),
            (_, None) => Err(of_item(value, item, WANTED)),
        }
    };
    value.entries().map(pair).collect()
}

/// The keys of a dictionary of anything.
fn keys_of(value: Value<'_, 'static>) -> Read<Vec<String>> {
    const WANTED: &str = "a dictionary with addresses as its keys";
    if value.is_none() {
        return Ok(Vec::new());
    }
    if !matches!(value.node(), View::Dict(_)) {
        return wrong(value, WANTED);
    }
    let text = |(key, _): (Value<'_, 'static>, _)| match key.as_bytes() {
        Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        None => Err(of_item(value, key, WANTED)),
    };
    value.entries().map(text).collect()
}

fn queue(value: Value<'_, 'static>) -> Read<Option<Queue>> {
    match text(value)? {
        None => Ok(None),
        Some(name) => name
            .parse()
            .map_or_else(|_| wrong(value, "the name of a queue"), |queue| Ok(Some(queue))),
    }
}

#[cfg(test)]
mod tests {
    use super::keys::KNOWN;
    use super::*;
    use dormouse_pickle::Limits;

    /// Metadata as Python pickles it with protocol 0, from its opcodes.
    fn metadata(key: &str, value: &str) -> Metadata {
        let pickle = format!("(dS'{key}'\n{value}s.");
        let (graph, _) = dormouse_pickle::load(pickle.as_bytes(), &Limits::default())
            .unwrap_or_else(|error| panic!("{pickle}: {error}"));
        Metadata::from_graph(graph.into_owned()).unwrap()
    }

    const SET: &str = "c__builtin__\nset\n((lS'a@x.example'\naVb@x.example\natR";
    const FROZENSET: &str = "c__builtin__\nfrozenset\n((lS'a@x.example'\naVb@x.example\natR";
    const DICT: &str = "(dS'a@x.example'\nI0\nsVb@x.example\nNs";
    const TUPLE: &str = "(S'a@x.example'\nVb@x.example\nt";
    const LIST: &str = "(lS'a@x.example'\naVb@x.example\na";

    #[test]
    fn recipients_are_read_out_of_everything_that_mailman_delivers_to() {
        for value in [SET, FROZENSET, DICT, TUPLE, LIST] {
            let metadata = metadata("recips", value);
            let mut recips = Envelope::read(&metadata).unwrap().recips().unwrap();
            recips.sort();
            assert_eq!(recips, ["a@x.example", "b@x.example"], "{value}");
            assert_eq!(metadata.texts("recips").unwrap().len(), 2, "{value}");
        }
        let empty = metadata("recips", "(l");
        assert_eq!(Envelope::read(&empty).unwrap().recips().unwrap(), Vec::<String>::new());
        let quoted = metadata("recips", "(lS'\"q q\"@c.example'\na");
        assert_eq!(Envelope::read(&quoted).unwrap().recips().unwrap(), ["\"q q\"@c.example"]);
    }

    #[test]
    fn every_other_value_of_recips_is_named_with_its_type() {
        for (value, named) in [
            ("S'a@x.example'\n", "a byte string (\"a@x.example\")"),
            ("Va@x.example\n", "a text (\"a@x.example\")"),
            ("N", "None"),
            ("I42\n", "an int (42)"),
            ("I01\n", "a bool (True)"),
            ("F1.5\n", "a float (1.5)"),
            ("(lI7\na", "a list with an int (7) in it"),
            ("(lNa", "a list with None in it"),
            ("(l(lS'a@x.example'\naa", "a list with a list in it"),
            ("(dI1\nS'a@x.example'\ns", "a dictionary with an int (1) in it"),
            ("(lS'\\xfc@x.example'\na", "a list with a byte string"),
            ("ccollections\ndeque\n((lS'a@x.example'\natR", "collections.deque"),
        ] {
            let metadata = metadata("recips", value);
            let error = Envelope::read(&metadata).unwrap_err();
            assert_eq!(error.key, "recips", "{value}");
            assert!(error.found.contains(named), "{value}: {error}");
            assert!(error.to_string().contains("\"recips\""), "{error}");
        }
    }

    #[test]
    fn no_known_key_takes_an_object_in_silence() {
        let object = "ccollections\ndeque\n((lS'a'\natR";
        for key in KNOWN {
            let metadata = metadata(key, object);
            let error = Envelope::read(&metadata).unwrap_err();
            assert_eq!(error.key, *key);
            assert!(error.found.contains("collections.deque"), "{key}: {error}");
        }
    }

    #[test]
    fn each_kind_refuses_what_it_cannot_mean() {
        for (key, value) in [
            ("listname", "I7\n"),
            ("envsender", "(lS'a@x.example'\na"),
            ("envsender", "S'\\xfc@x.example'\n"),
            ("deliver_after", "S'1795731560.7'\n"),
            ("deliver_after", "Fnan\n"),
            ("received_time", "(l"),
            ("last_recip_count", "F1.5\n"),
            ("pipeline", SET),
            ("pipeline", "S'Hold'\n"),
            ("topichits", "(lI1\na"),
            ("add-dup-header", "(lS'a@x.example'\na"),
            ("add_header", "(lS'a'\na"),
            ("add_header", "(dS'Subject'\nI1\ns"),
            ("retry_for", "S'nowhere'\n"),
            ("probe_token", "(t"),
            ("origsubj", "I1\n"),
        ] {
            let metadata = metadata(key, value);
            assert_eq!(Envelope::read(&metadata).unwrap_err().key, key, "{value}");
        }
    }

    #[test]
    fn what_python_takes_for_true_is_true_and_none_is_nothing() {
        for (value, expected) in [
            ("I01\n", true),
            ("I1\n", true),
            ("F0.5\n", true),
            ("S'yes'\n", true),
            ("(lNa", true),
            ("I00\n", false),
            ("I0\n", false),
            ("S''\n", false),
            ("N", false),
            ("(t", false),
        ] {
            let metadata = metadata("isdigest", value);
            assert_eq!(Envelope::read(&metadata).unwrap().is_digest(), expected, "{value}");
            assert_eq!(metadata.flag("isdigest"), expected, "{value}");
        }
        for key in ["listname", "envsender", "deliver_after", "pipeline", "add_header", "retry_for"]
        {
            assert!(Envelope::read(&metadata(key, "N")).is_ok(), "{key}");
        }
        let one = metadata("deliver_after", "I01\n");
        assert_eq!(
            Envelope::read(&one).unwrap().deliver_after(),
            Some(Timestamp::from_seconds(1.0))
        );
    }

    #[test]
    fn a_header_object_is_its_text() {
        let charset =
            |name: &str| format!("(iemail.charset\nCharset\n(dS'input_charset'\nS'{name}'\nsb");
        let header = format!(
            "(iemail.header\nHeader\n(dS'_chunks'\n(l(S'hello'\n{}ta(S'\\xfcber'\n{}tasb",
            charset("us-ascii"),
            charset("iso-8859-1")
        );
        let metadata = metadata("origsubj", &header);
        let subject = Envelope::read(&metadata).unwrap().original_subject().unwrap();
        assert_eq!(subject, "hello über");
        let other = header.replace("iso-8859-1", "koi8-r");
        let metadata = self::metadata("stripped_subject", &other);
        let subject = Envelope::read(&metadata).unwrap().stripped_subject().unwrap();
        assert_eq!(subject, "hello =?koi8-r?q?=FC=62=65=72?=");
    }
}
