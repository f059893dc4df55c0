//! An entry's metadata: the dictionary in its second pickle (spec/queue.md §5).

use dormouse_pickle::{Graph, NodeId, Value};
use std::borrow::Cow;

/// A dictionary of Python values. What this program does not know is kept as it was read, so that
/// an entry written by Mailman leaves with everything that came with it.
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
        matches!(graph.node(dict), dormouse_pickle::Node::Dict(_))
            .then_some(Metadata { graph, dict })
    }

    pub(crate) fn graph(&self) -> &Graph<'static> {
        &self.graph
    }

    /// The value of a key, of any kind.
    pub fn get(&self, key: &str) -> Option<Value<'_, 'static>> {
        self.graph.root().get(key)
    }

    /// Whether the key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A text value. Bytes that are no UTF-8 are replaced.
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key)?.as_bytes().map(String::from_utf8_lossy)
    }

    /// A whole number.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_int()
    }

    /// A number.
    pub fn float(&self, key: &str) -> Option<f64> {
        self.get(key)?.as_float()
    }

    /// Truth as Python sees it, for the kinds that flags have: absent, `None`, `False` and 0 are
    /// false.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.as_float().is_some_and(|number| number != 0.0))
    }

    /// A list (or tuple) of texts; items of other kinds are left out.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let value = self.get(key)?;
        value.is_sequence().then(|| {
            value
                .items()
                .filter_map(|item| {
                    item.as_bytes().map(|text| String::from_utf8_lossy(text).into_owned())
                })
                .collect()
        })
    }

    /// Sets a text, as a Python byte string.
    pub fn set_text(&mut self, key: &str, value: &str) {
        let node = self.graph.bytes(value.as_bytes().to_vec());
        self.graph.insert(self.dict, key, node);
    }

    /// Sets a whole number.
    pub fn set_int(&mut self, key: &str, value: i64) {
        let node = self.graph.int(value);
        self.graph.insert(self.dict, key, node);
    }

    /// Sets a number.
    pub fn set_float(&mut self, key: &str, value: f64) {
        let node = self.graph.float(value);
        self.graph.insert(self.dict, key, node);
    }

    /// Sets a flag.
    pub fn set_flag(&mut self, key: &str, value: bool) {
        let node = self.graph.bool(value);
        self.graph.insert(self.dict, key, node);
    }

    /// A table of texts; nothing if there is none.
    pub fn table(&self, key: &str) -> Vec<(String, String)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        value
            .entries()
            .filter_map(|(name, value)| {
                let text = String::from_utf8_lossy(value.as_bytes()?).into_owned();
                Some((name.to_text_lossy().into_owned(), text))
            })
            .collect()
    }

    /// The keys of a table of anything; nothing if there is none.
    pub fn keys_of(&self, key: &str) -> Vec<String> {
        let entries = self.get(key).into_iter().flat_map(|value| value.entries());
        entries.map(|(name, _)| name.to_text_lossy().into_owned()).collect()
    }

    /// Sets a list of texts.
    pub fn set_texts<'t>(&mut self, key: &str, values: impl IntoIterator<Item = &'t str>) {
        let items =
            values.into_iter().map(|value| self.graph.bytes(value.as_bytes().to_vec())).collect();
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
            let node = self.graph.bytes(value.as_bytes().to_vec());
            self.graph.insert(table, name, node);
        }
        self.graph.insert(self.dict, key, table);
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        self.graph.remove(self.dict, key);
    }

    /// What is written to the disk: Mailman drops every key that starts with `_`, then says how
    /// the first pickle is to be read, and the schema (spec/queue.md §3).
    pub(crate) fn sealed(&self) -> Metadata {
        let mut sealed = self.clone();
        sealed.graph.retain(sealed.dict, |key| key.first() != Some(&b'_'));
        sealed.set_flag("_parsemsg", true);
        sealed.set_int("version", 3);
        sealed
    }

    /// Every key with its value, in the order they stand in the file.
    pub fn entries(&self) -> impl Iterator<Item = (String, Value<'_, 'static>)> {
        self.graph.root().entries().map(|(key, value)| (key.to_text_lossy().into_owned(), value))
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
