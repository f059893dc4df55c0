//! An entry's metadata: the dictionary in its second pickle (docs/spec/queue.md §5).

use dormouse_clock::Timestamp;
use dormouse_pickle::{Graph, NodeId, Value, View};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A dictionary of Python values. Unknown keys are kept as they were read, so that
/// an entry written by Mailman is sent with everything in it.
#[derive(Debug, Clone)]
pub struct Metadata {
    graph: Graph<'static>,
    dict: NodeId,
}

impl Default for Metadata {
    fn default() -> Self {
        Metadata::new()
    }
}

impl Metadata {
    /// An empty dictionary.
    pub fn new() -> Metadata {
        let mut graph = Graph::new();
        let dict = graph.dict(Vec::new());
        graph.set_root(dict);
        Metadata { graph, dict }
    }

    /// Takes a pickle's root; `None` unless it is a dictionary.
    pub(crate) fn from_graph(graph: Graph<'static>) -> Option<Metadata> {
        let dict = graph.root_id();
        matches!(graph.node(dict), dormouse_pickle::View::Dict(_))
            .then_some(Metadata { graph, dict })
    }

    /// A copy of a dictionary; `None` if the value is not one.
    pub fn copy_of(value: Value<'_, '_>) -> Option<Metadata> {
        let mut graph = Graph::new();
        let dict = graph.import(value);
        graph.set_root(dict);
        Metadata::from_graph(graph)
    }

    pub(crate) fn graph(&self) -> &Graph<'static> {
        &self.graph
    }

    /// The value of a key, of any type.
    pub fn get(&self, key: &str) -> Option<Value<'_, 'static>> {
        self.graph.root().get(key)
    }

    /// Whether the key exists, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A text value, or that of a header object. Invalid UTF-8 is replaced.
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        Metadata::header_text(self.get(key)?)
    }

    /// The text of a text value, or of an `email.header.Header`; parts in charsets that need a
    /// table are encoded words in it (RFC 2047).
    pub(crate) fn header_text<'v>(value: Value<'v, '_>) -> Option<Cow<'v, str>> {
        if let Some(bytes) = value.as_bytes() {
            return Some(String::from_utf8_lossy(bytes));
        }
        let (module, name) = value.class()?;
        if !(name == "Header" && module.to_lowercase().starts_with("email.header")) {
            return None;
        }
        let mut pieces = Vec::new();
        for chunk in value.state()?.get("_chunks")?.items() {
            let mut parts = chunk.items();
            let bytes = parts.next()?.as_bytes()?;
            let charset = parts.next().and_then(|charset| {
                Some(charset.state()?.get("input_charset")?.to_text_lossy().to_lowercase())
            });
            pieces.push(piece(bytes, charset.as_deref().unwrap_or("us-ascii")));
        }
        Some(Cow::Owned(pieces.join(" ")))
    }

    /// A whole number.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_int()
    }

    /// A point in time.
    pub fn time(&self, key: &str) -> Option<Timestamp> {
        self.get(key)?.as_float().map(Timestamp::from_seconds)
    }

    /// Truth in Python's sense: absent, `None`, `False`, 0 and empty values are false.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Metadata::truth).unwrap_or(false)
    }

    /// Truth in Python's sense; `None` for objects, which decide for themselves.
    pub(crate) fn truth(value: Value<'_, '_>) -> Option<bool> {
        match value.node() {
            View::Object(_) | View::Global(_) => None,
            View::None => Some(false),
            View::Bytes(text) | View::Text(text) | View::ByteArray(text) => Some(!text.is_empty()),
            View::Long(_) => Some(value.as_int() != Some(0)),
            View::Bool(_) | View::Int(_) | View::Float(_) => {
                Some(value.as_float().is_some_and(|number| number != 0.0))
            }
            View::Tuple(_) | View::List(_) | View::Dict(_) | View::Set(_) | View::FrozenSet(_) => {
                Some(!value.is_empty())
            }
        }
    }

    /// The texts in a list, tuple or set, or the keys of a dictionary; items of other types are
    /// left out. [`crate::Envelope`] reports those.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let value = self.get(key)?;
        let text = |item: Value<'_, '_>| {
            item.as_bytes().map(|text| String::from_utf8_lossy(text).into_owned())
        };
        match value.node() {
            View::List(_) | View::Tuple(_) | View::Set(_) | View::FrozenSet(_) => {
                Some(value.items().filter_map(text).collect())
            }
            View::Dict(_) => Some(value.entries().filter_map(|(key, _)| text(key)).collect()),
            _ => None,
        }
    }

    /// Sets a text, as a Python byte string.
    pub fn set_text(&mut self, key: &str, value: &str) {
        let node = self.graph.copy_of_bytes(value.as_bytes());
        self.graph.insert(self.dict, key, node);
    }

    /// Sets a whole number.
    pub fn set_int(&mut self, key: &str, value: i64) {
        let node = self.graph.int(value);
        self.graph.insert(self.dict, key, node);
    }

    /// Sets a point in time.
    pub fn set_time(&mut self, key: &str, value: Timestamp) {
        let node = self.graph.float(value.seconds());
        self.graph.insert(self.dict, key, node);
    }

    /// Sets a flag.
    pub fn set_flag(&mut self, key: &str, value: bool) {
        let node = self.graph.bool(value);
        self.graph.insert(self.dict, key, node);
    }

    /// A table of texts; empty if there is none.
    pub fn table(&self, key: &str) -> Vec<(String, String)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        value
            .entries()
            .filter_map(|(name, value)| {
                let text = Metadata::header_text(value)?.into_owned();
                Some((name.to_text_lossy().into_owned(), text))
            })
            .collect()
    }

    /// The keys of a table of anything; empty if there is none.
    pub fn keys_of(&self, key: &str) -> Vec<String> {
        let entries = self.get(key).into_iter().flat_map(|value| value.entries());
        entries.map(|(name, _)| name.to_text_lossy().into_owned()).collect()
    }

    /// Sets a list of texts.
    pub fn set_texts(&mut self, key: &str, values: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut copy = |value: &str| self.graph.copy_of_bytes(value.as_bytes());
        let items = values.into_iter().map(|value| copy(value.as_ref())).collect();
        let node = self.graph.list(items);
        self.graph.insert(self.dict, key, node);
    }

    /// Sets a dictionary of texts.
    pub fn set_table<'t>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) {
        let table = self.graph.dict(Vec::new());
        for (name, value) in values {
            let node = self.graph.copy_of_bytes(value.as_bytes());
            self.graph.insert(table, name, node);
        }
        self.graph.insert(self.dict, key, table);
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        self.graph.remove(self.dict, key);
    }

    /// The metadata as written to the disk: like Mailman, without the keys that start with `_`, but
    /// with a flag that says how to read the first pickle, and the schema (docs/spec/queue.md §3).
    pub(crate) fn sealed(&self) -> Metadata {
        let mut sealed = self.clone();
        sealed.graph.retain(sealed.dict, |key| key.first() != Some(&b'_'));
        sealed.set_flag("_parsemsg", true);
        sealed.set_int("version", 3);
        sealed
    }

    /// Every key with its value, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = (String, Value<'_, 'static>)> {
        self.graph.root().entries().map(|(key, value)| (key.to_text_lossy().into_owned(), value))
    }

    /// The same, with keys as they are.
    pub(crate) fn values(&self) -> impl Iterator<Item = (Value<'_, 'static>, Value<'_, 'static>)> {
        self.graph.root().entries()
    }
}

/// A piece of a header object in its charset.
fn piece(bytes: &[u8], charset: &str) -> String {
    match (charset, std::str::from_utf8(bytes)) {
        ("us-ascii" | "ascii" | "utf-8" | "utf8", Ok(text)) => text.to_owned(),
        ("iso-8859-1" | "latin-1", _) => bytes.iter().map(|&byte| char::from(byte)).collect(),
        _ => {
            let mut word = format!("=?{charset}?q?");
            for byte in bytes {
                write!(word, "={byte:02X}").expect("writing to a string cannot fail");
            }
            word.push_str("?=");
            word
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_do_not_reach_the_disk() {
        let mut metadata = Metadata::new();
        metadata.set_text("listname", "dev");
        metadata.set_int("_bak_count", 2);
        let sealed = metadata.sealed();
        assert_eq!(sealed.text("listname").as_deref(), Some("dev"));
        assert!(!sealed.has("_bak_count"));
        assert!(sealed.flag("_parsemsg"));
        assert_eq!(sealed.int("version"), Some(3));
    }

    #[test]
    fn texts_come_back_in_order() {
        let mut metadata = Metadata::new();
        metadata.set_texts("recips", ["b@example.org", "a@example.org"]);
        assert_eq!(metadata.texts("recips").unwrap(), ["b@example.org", "a@example.org"]);
        metadata.remove("recips");
        assert!(metadata.texts("recips").is_none());
    }
}
