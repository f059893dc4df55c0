//! Texts that would not be exported as the same bytes, because they were in another charset
//! than their list's, or in none. They are kept for the way back, unless somebody has changed them
//! since.

use super::pickle;
use crate::text;
use dormouse_pickle::{Graph, NodeId, Value};
use std::collections::BTreeMap;

/// The name among the kept attributes; no Python attribute can have it.
pub const EXTRA: &str = "as it came";

/// How many are named in a remark.
const NAMED: usize = 5;

/// A text, and the pickle of its original.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    /// Settings by name.
    pub settings: BTreeMap<String, (String, Vec<u8>)>,
    /// Names of people by their addresses' keys.
    pub names: BTreeMap<String, (String, Vec<u8>)>,
    /// Addresses by their keys: the pickle is that of the key.
    pub addresses: BTreeMap<String, (String, Vec<u8>)>,
}

impl Raw {
    /// Returns it as a pickle; `None` if it is empty.
    pub fn to_pickle(&self) -> Option<Vec<u8>> {
        let parts = [&self.settings, &self.names, &self.addresses];
        if parts.iter().all(|part| part.is_empty()) {
            return None;
        }
        let mut graph = Graph::new();
        let dicts = parts.map(|part| {
            let entries = part.iter().map(|(key, (text, original))| {
                let pair = [graph.text(text.clone()), graph.bytes(original.clone())];
                (graph.text(key.clone()), graph.tuple(pair.to_vec()))
            });
            let entries = entries.collect();
            graph.dict(entries)
        });
        let root = graph.tuple(dicts.to_vec());
        graph.set_root(root);
        Some(pickle(graph.root()))
    }

    /// Reads what was kept.
    pub fn of(root: Value<'_, '_>) -> Raw {
        let read = |part: Option<Value<'_, '_>>| {
            let entries = part.into_iter().flat_map(Value::entries).filter_map(|(key, pair)| {
                let parts: Vec<Value<'_, '_>> = pair.items().collect();
                let [text, original] = *parts.as_slice() else { return None };
                let text = text::plain(text).into_owned();
                Some((text::plain(key).into_owned(), (text, original.as_bytes()?.to_vec())))
            });
            entries.collect()
        };
        let mut parts = root.items();
        Raw {
            settings: read(parts.next()),
            names: read(parts.next()),
            addresses: read(parts.next()),
        }
    }

    /// Returns the original of a text, if it is still the same text.
    pub fn original(
        kept: &BTreeMap<String, (String, Vec<u8>)>,
        key: &str,
        text: &str,
        graph: &mut Graph<'static>,
    ) -> Option<NodeId> {
        let (_, original) = kept.get(key).filter(|(read, _)| read == text)?;
        let (loaded, _) =
            dormouse_pickle::load(original, &dormouse_pickle::Limits::default()).ok()?;
        Some(graph.import(loaded.root()))
    }
}

/// Returns some of many names, for a remark.
pub fn some(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
