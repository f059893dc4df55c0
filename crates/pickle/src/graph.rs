//! The nodes of one pickle.

use crate::node::{Class, Node, NodeId, Object};
use crate::{Value, number};
use std::borrow::Cow;
use std::collections::HashMap;

/// Python values that refer to each other, and the one from which the others are reached: the root.
///
/// A node's number is valid in the graph that returned it, for the graph's whole life: nodes are
/// added and never removed. Methods that take a [`NodeId`] panic if it comes from another, larger
/// graph.
///
/// Two graphs are equal when their roots are: the same values in the same order, and the same
/// sharing among everything but numbers, strings and class names. A float equals itself bit by bit.
#[derive(Debug, Clone)]
pub struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    root: NodeId,
}

impl Default for Graph<'_> {
    fn default() -> Self {
        Graph::new()
    }
}

impl<'a> Graph<'a> {
    /// A graph whose root is `None`.
    pub fn new() -> Self {
        Graph { nodes: vec![Node::None], root: NodeId(0) }
    }

    /// Adds a node.
    pub fn add(&mut self, node: Node<'a>) -> NodeId {
        let id = u32::try_from(self.nodes.len()).expect("2^32 nodes would take 128 GiB of memory");
        self.nodes.push(node);
        NodeId(id)
    }

    /// A node by its number.
    pub fn node(&self, id: NodeId) -> &Node<'a> {
        &self.nodes[id.index()]
    }

    /// A node by its number, to change it for every node that refers to it.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node<'a> {
        &mut self.nodes[id.index()]
    }

    /// A node with its graph, for reading.
    pub fn value(&self, id: NodeId) -> Value<'_, 'a> {
        Value::new(self, id)
    }

    /// The root, for reading.
    pub fn root(&self) -> Value<'_, 'a> {
        self.value(self.root)
    }

    /// The number of the root.
    pub fn root_id(&self) -> NodeId {
        self.root
    }

    /// Makes a node the root.
    pub fn set_root(&mut self, root: NodeId) {
        self.root = root;
    }

    /// The number of nodes, including those that cannot be reached from the root.
    pub(crate) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Adds `None`.
    pub fn none(&mut self) -> NodeId {
        self.add(Node::None)
    }

    /// Adds a `bool`.
    pub fn bool(&mut self, value: bool) -> NodeId {
        self.add(Node::Bool(value))
    }

    /// Adds an `int`.
    pub fn int(&mut self, value: i64) -> NodeId {
        self.add(Node::Int(value))
    }

    /// Adds a Python 2 `long`.
    pub fn long(&mut self, value: i64) -> NodeId {
        let bytes = value.to_le_bytes();
        self.add(Node::Long(Cow::Owned(number::trim(&bytes).to_vec())))
    }

    /// Adds a `float`.
    pub fn float(&mut self, value: f64) -> NodeId {
        self.add(Node::Float(value))
    }

    /// Adds a Python 2 `str`.
    pub fn bytes(&mut self, value: impl Into<Cow<'a, [u8]>>) -> NodeId {
        self.add(Node::Bytes(value.into()))
    }

    /// Adds a Python 2 `unicode`.
    pub fn text(&mut self, value: impl Into<Cow<'a, str>>) -> NodeId {
        self.add(Node::Text(match value.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }))
    }

    /// Adds a `list`.
    pub fn list(&mut self, items: Vec<NodeId>) -> NodeId {
        self.add(Node::List(items))
    }

    /// Adds a `tuple`.
    pub fn tuple(&mut self, items: Vec<NodeId>) -> NodeId {
        self.add(Node::Tuple(items))
    }

    /// Adds a `dict`.
    pub fn dict(&mut self, entries: Vec<(NodeId, NodeId)>) -> NodeId {
        self.add(Node::Dict(entries))
    }

    /// Adds a class or function.
    pub fn global(&mut self, class: Class<'a>) -> NodeId {
        self.add(Node::Global(Box::new(class)))
    }

    /// Adds an instance.
    pub fn object(&mut self, object: Object<'a>) -> NodeId {
        self.add(Node::Object(Box::new(object)))
    }

    /// Sets an entry of a dictionary: in place if the key exists as a byte string or a text, else
    /// at the end with a byte string as its key.
    ///
    /// # Panics
    /// When the node is no dictionary.
    pub fn insert(&mut self, dict: NodeId, key: &str, value: NodeId) {
        match self.position(dict, key) {
            Some(at) => self.entries_mut(dict)[at].1 = value,
            None => {
                let key = self.bytes(key.as_bytes().to_vec());
                self.entries_mut(dict).push((key, value));
            }
        }
    }

    /// Removes an entry of a dictionary and returns the value it had.
    ///
    /// # Panics
    /// When the node is no dictionary.
    pub fn remove(&mut self, dict: NodeId, key: &str) -> Option<NodeId> {
        let mut last = None;
        while let Some(at) = self.position(dict, key) {
            let (_, value) = self.entries_mut(dict).remove(at);
            last = last.or(Some(value));
        }
        last
    }

    /// Removes the entries of a dictionary whose key is a byte string or a text that `keep`
    /// refuses.
    ///
    /// # Panics
    /// When the node is no dictionary.
    pub fn retain(&mut self, dict: NodeId, mut keep: impl FnMut(&[u8]) -> bool) {
        let mut entries = std::mem::take(self.entries_mut(dict));
        entries.retain(|(key, _)| self.value(*key).as_bytes().is_none_or(&mut keep));
        *self.entries_mut(dict) = entries;
    }

    fn position(&self, dict: NodeId, key: &str) -> Option<usize> {
        let Node::Dict(entries) = self.node(dict) else { return None };
        entries.iter().rposition(|(id, _)| self.value(*id).as_bytes() == Some(key.as_bytes()))
    }

    fn entries_mut(&mut self, dict: NodeId) -> &mut Vec<(NodeId, NodeId)> {
        match self.node_mut(dict) {
            Node::Dict(entries) => entries,
            other => panic!("entries were set in {}, which has none", other.kind()),
        }
    }

    /// Copies a value and everything it refers to from another graph. Sharing and cycles are kept.
    pub fn import(&mut self, value: Value<'_, '_>) -> NodeId {
        let source = value.graph();
        let first = value.id();
        let root = self.none();
        let mut copies = HashMap::from([(first, root)]);
        let mut waiting = vec![first];
        while let Some(id) = waiting.pop() {
            let mut node = source.node(id).clone().into_owned();
            node.relink(|link| {
                *copies.entry(link).or_insert_with(|| {
                    waiting.push(link);
                    self.none()
                })
            });
            *self.node_mut(copies[&id]) = node;
        }
        root
    }

    /// Copies the strings that are still borrowed from the input.
    pub fn into_owned(self) -> Graph<'static> {
        Graph { nodes: self.nodes.into_iter().map(Node::into_owned).collect(), root: self.root }
    }
}
