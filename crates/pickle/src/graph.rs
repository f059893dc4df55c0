//! The nodes of one pickle.

use crate::node::{Class, Node, NodeId, Object};
use crate::{Value, View, number};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher as _;

/// Python values that refer to each other, and the one from which the others are reached: the root.
///
/// A node's number is valid in the graph that returned it, for the graph's whole life: nodes are
/// added and never removed. Methods that take a [`NodeId`] panic if it comes from another, larger
/// graph.
///
/// Two graphs are equal when their roots are: the same values in the same order, and the same
/// sharing among everything but numbers, strings and class names. A float equals itself bit by bit.
///
/// The `config.pck` of a list with a million members has five to ten million nodes, nearly all of them
/// short strings of the input and small numbers. These take eight bytes each.
#[derive(Debug, Clone)]
pub struct Graph<'a> {
    /// The pickle that the graph was read from, or the different strings of one; empty for a graph
    /// that was not read.
    input: Cow<'a, [u8]>,
    slots: Vec<Slot>,
    /// The nodes that do not fit into a slot.
    large: Vec<Node<'a>>,
    root: NodeId,
}

/// A node, or where it is.
#[derive(Debug, Clone, Copy)]
enum Slot {
    None,
    Bool(bool),
    Int(i32),
    /// A byte string in the input: the length, and where it starts
    Bytes(Length, u32),
    /// A text in the input
    Text(Length, u32),
    /// The index of a large node
    Large(u32),
}

/// A length below 2^24.
type Length = [u8; 3];

fn short(length: usize) -> Option<Length> {
    match u32::try_from(length).ok()?.to_le_bytes() {
        [a, b, c, 0] => Some([a, b, c]),
        _ => None,
    }
}

/// The strings that a graph has copied, to find one that is there already.
#[derive(Default)]
pub(crate) struct Strings {
    nodes: HashTable<NodeId>,
    hasher: DefaultHashBuilder,
}

// Three bytes of the length are next to the tag.
const _: () = assert!(size_of::<Slot>() == 8);

impl Default for Graph<'_> {
    fn default() -> Self {
        Graph::new()
    }
}

impl<'a> Graph<'a> {
    /// A graph whose root is `None`.
    pub fn new() -> Self {
        Graph::within(&[])
    }

    /// A graph like [`Graph::new`] for the strings of this input.
    pub(crate) fn within(input: &'a [u8]) -> Self {
        Graph {
            input: Cow::Borrowed(input),
            slots: vec![Slot::None],
            large: Vec::new(),
            root: NodeId::of(0),
        }
    }

    /// Says that the graph refers only to the first `length` bytes of its input.
    pub(crate) fn shorten_input(&mut self, length: usize) {
        if let Cow::Borrowed(input) = self.input {
            self.input = Cow::Borrowed(&input[..length]);
        }
    }

    /// Adds a node.
    pub fn add(&mut self, node: Node<'a>) -> NodeId {
        let id = NodeId::of(self.slots.len());
        let slot = self.slot(node);
        self.slots.push(slot);
        id
    }

    fn slot(&mut self, node: Node<'a>) -> Slot {
        let small = match &node {
            Node::None => Some(Slot::None),
            Node::Bool(value) => Some(Slot::Bool(*value)),
            Node::Int(value) => i32::try_from(*value).ok().map(Slot::Int),
            Node::Bytes(Cow::Borrowed(bytes)) => {
                self.place(bytes).map(|(length, at)| Slot::Bytes(length, at))
            }
            Node::Text(Cow::Borrowed(text)) => {
                self.place(text).map(|(length, at)| Slot::Text(length, at))
            }
            _ => None,
        };
        small.unwrap_or_else(|| {
            // There are no more large nodes than nodes.
            let index = self.large.len() as u32;
            self.large.push(node);
            Slot::Large(index)
        })
    }

    /// Returns where bytes are in the input, unless they are elsewhere, long, or far from the start.
    fn place(&self, bytes: &[u8]) -> Option<(Length, u32)> {
        let Cow::Borrowed(input) = self.input else { return None };
        let at = bytes.as_ptr().addr().checked_sub(input.as_ptr().addr())?;
        // Two slices that share addresses are parts of the same bytes.
        input.get(at..at.checked_add(bytes.len())?)?;
        Some((short(bytes.len())?, u32::try_from(at).ok()?))
    }

    /// Adds a node. A string is copied; the node of one that is there already is returned.
    pub(crate) fn add_once(&mut self, strings: &mut Strings, node: Node<'a>) -> NodeId {
        let (bytes, is_text) = match &node {
            Node::Bytes(bytes) => (bytes, false),
            Node::Text(bytes) => (bytes, true),
            _ => return self.add(node),
        };
        let key = |view: View<'_, '_>| match view {
            View::Bytes(bytes) => strings.hasher.hash_one((bytes, false)),
            View::Text(bytes) => strings.hasher.hash_one((bytes, true)),
            _ => 0,
        };
        let hash = strings.hasher.hash_one((&**bytes, is_text));
        let is_equal = |id: &NodeId| match self.node(*id) {
            View::Bytes(known) => !is_text && known == &**bytes,
            View::Text(known) => is_text && known == &**bytes,
            _ => false,
        };
        if let Some(known) = strings.nodes.find(hash, is_equal) {
            return *known;
        }
        let slot = if is_text { Slot::Text } else { Slot::Bytes };
        let Some(id) = self.copy_into_input(bytes, slot) else { return self.add(node) };
        strings.nodes.insert_unique(hash, id, |id| key(self.node(*id)));
        id
    }

    /// Adds a string whose copy is in the input; `None` if it is long, or would be far from the start.
    fn copy_into_input(&mut self, bytes: &[u8], slot: fn(Length, u32) -> Slot) -> Option<NodeId> {
        let (length, at) = (short(bytes.len())?, u32::try_from(self.input.len()).ok()?);
        let id = NodeId::of(self.slots.len());
        self.input.to_mut().extend_from_slice(bytes);
        self.slots.push(slot(length, at));
        Some(id)
    }

    fn placed(&self, [a, b, c]: Length, at: u32) -> &[u8] {
        let length = u32::from_le_bytes([a, b, c, 0]);
        &self.input[at as usize..][..length as usize]
    }

    /// A node by its number.
    pub fn node(&self, id: NodeId) -> View<'_, 'a> {
        match self.slots[id.index()] {
            Slot::None => View::None,
            Slot::Bool(value) => View::Bool(value),
            Slot::Int(value) => View::Int(i64::from(value)),
            Slot::Bytes(length, at) => View::Bytes(self.placed(length, at)),
            Slot::Text(length, at) => View::Text(self.placed(length, at)),
            Slot::Large(index) => self.large[index as usize].view(),
        }
    }

    /// A node by its number, to change it for every node that refers to it.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node<'a> {
        let index = match self.slots[id.index()] {
            Slot::Large(index) => index,
            _ => {
                let node = self.node(id).to_node();
                let index = self.large.len() as u32;
                self.large.push(node);
                self.slots[id.index()] = Slot::Large(index);
                index
            }
        };
        &mut self.large[index as usize]
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
        self.slots.len()
    }

    /// The number of nodes that do not fit into eight bytes.
    pub(crate) fn number_of_large(&self) -> usize {
        self.large.len()
    }

    /// The number of a node among those that do not fit into eight bytes. The others have no links.
    pub(crate) fn number_among_large(&self, id: NodeId) -> Option<usize> {
        match self.slots[id.index()] {
            Slot::Large(index) => Some(index as usize),
            _ => None,
        }
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

    /// Adds a Python 2 `str` that is copied. In a graph that borrows no input it takes no memory of its own.
    pub fn copy_of_bytes(&mut self, bytes: &[u8]) -> NodeId {
        let is_borrowing = matches!(self.input, Cow::Borrowed(input) if !input.is_empty());
        let copied = if is_borrowing { None } else { self.copy_into_input(bytes, Slot::Bytes) };
        copied.unwrap_or_else(|| self.bytes(bytes.to_vec()))
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
                let key = self.copy_of_bytes(key.as_bytes());
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
        let View::Dict(entries) = self.node(dict) else { return None };
        entries.iter().rposition(|(id, _)| self.value(*id).as_bytes() == Some(key.as_bytes()))
    }

    fn entries_mut(&mut self, dict: NodeId) -> &mut Vec<(NodeId, NodeId)> {
        match self.node_mut(dict) {
            Node::Dict(entries) => entries,
            other => panic!("entries were set in {}, which has none", other.view().kind()),
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
            let mut node = source.node(id).to_node();
            node.relink(|link| {
                *copies.entry(link).or_insert_with(|| {
                    waiting.push(link);
                    self.none()
                })
            });
            let slot = self.slot(node);
            self.slots[copies[&id].index()] = slot;
        }
        root
    }

    /// Copies the strings that are still borrowed from the input.
    pub fn into_owned(self) -> Graph<'static> {
        Graph {
            input: Cow::Owned(self.input.into_owned()),
            slots: self.slots,
            large: self.large.into_iter().map(Node::into_owned).collect(),
            root: self.root,
        }
    }
}
