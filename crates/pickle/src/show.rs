//! Display of a value for people, much as Python prints it.

use crate::{Value, View};
use std::fmt;

/// Values nested deeper are shown as dots.
const DEEPEST: usize = 6;

impl fmt::Display for Value<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(*self, 0, f)
    }
}

fn show(value: Value<'_, '_>, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if depth > DEEPEST {
        return f.write_str("…");
    }
    if let Some((_, class)) = value.class() {
        return write!(f, "<{class}>");
    }
    if value.as_bytes().is_some() {
        let text = value.to_text_lossy();
        // A string that is the whole value needs no quotes.
        return if depth == 0 { f.write_str(&text) } else { write!(f, "{text:?}") };
    }
    match value.node() {
        View::None => f.write_str("None"),
        View::Bool(flag) => f.write_str(if flag { "True" } else { "False" }),
        View::Dict(_) => {
            f.write_str("{")?;
            for (index, (key, item)) in value.entries().enumerate() {
                f.write_str(if index > 0 { ", " } else { "" })?;
                show(key, depth + 1, f)?;
                f.write_str(": ")?;
                show(item, depth + 1, f)?;
            }
            f.write_str("}")
        }
        _ if value.is_sequence() => {
            f.write_str("[")?;
            for (index, item) in value.items().enumerate() {
                f.write_str(if index > 0 { ", " } else { "" })?;
                show(item, depth + 1, f)?;
            }
            f.write_str("]")
        }
        node => match (value.as_int(), value.as_float()) {
            (Some(number), _) => write!(f, "{number}"),
            (None, Some(number)) => write!(f, "{number:?}"),
            (None, None) => write!(f, "<{}>", node.kind()),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::Graph;

    #[test]
    fn a_value_is_shown_as_python_would() {
        let mut graph = Graph::new();
        let items = vec![
            graph.bytes(&b"a"[..]),
            graph.int(1),
            graph.float(1.5),
            graph.none(),
            graph.bool(true),
        ];
        let list = graph.list(items);
        let key = graph.text("k");
        let dict = graph.dict(vec![(key, list)]);
        graph.set_root(dict);
        assert_eq!(graph.root().to_string(), r#"{"k": ["a", 1, 1.5, None, True]}"#);
    }

    #[test]
    fn a_value_that_holds_itself_is_shown() {
        let mut graph = Graph::new();
        let list = graph.list(Vec::new());
        if let crate::Node::List(items) = graph.node_mut(list) {
            items.push(list);
        }
        graph.set_root(list);
        assert!(graph.root().to_string().contains('…'));
    }
}
