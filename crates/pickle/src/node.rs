//! One Python value.

use std::borrow::Cow;
use std::num::NonZeroU32;

/// The number of a node in its [`Graph`](crate::Graph). It is never 0, so that an
/// `Option<NodeId>` takes no more memory: there may be ten million of them.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The first node's index is 0.
    pub(crate) fn of(index: usize) -> NodeId {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        NodeId(number.expect("2^32 nodes would take 32 GiB of memory"))
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The index as it is named in messages.
    pub(crate) fn number(self) -> u32 {
        self.0.get() - 1
    }
}

/// One Python value, to be added to a graph. Containers name their items by number.
#[derive(Debug, Clone)]
pub enum Node<'a> {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An `int`
    Int(i64),
    /// A Python 2 `long`, kept apart from `int`: little-endian two's complement, empty for 0.
    /// Python 3 writes every integer beyond 32 bits in this way.
    Long(Cow<'a, [u8]>),
    /// A `float`
    Float(f64),
    /// A Python 2 `str` or a Python 3 `bytes`
    Bytes(Cow<'a, [u8]>),
    /// A Python 2 `unicode` or a Python 3 `str`, as UTF-8. Lone surrogates are three bytes each
    /// (WTF-8); a pair of them is one character.
    Text(Cow<'a, [u8]>),
    /// A `bytearray`
    ByteArray(Cow<'a, [u8]>),
    /// A `tuple`
    Tuple(Vec<NodeId>),
    /// A `list`
    List(Vec<NodeId>),
    /// A `dict`, in the order of the pickle. If a key occurs twice, the last value counts, as in
    /// Python.
    Dict(Vec<(NodeId, NodeId)>),
    /// A `set`
    Set(Vec<NodeId>),
    /// A `frozenset`
    FrozenSet(Vec<NodeId>),
    /// A class or function, by name
    Global(Box<Class<'a>>),
    /// An instance of a class
    Object(Box<Object<'a>>),
}

/// One Python value as it is read from a graph. See [`Node`] for the types.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the same names as in Node")]
pub enum View<'g, 'a> {
    None,
    Bool(bool),
    Int(i64),
    Long(&'g [u8]),
    Float(f64),
    Bytes(&'g [u8]),
    Text(&'g [u8]),
    ByteArray(&'g [u8]),
    Tuple(&'g [NodeId]),
    List(&'g [NodeId]),
    Dict(&'g [(NodeId, NodeId)]),
    Set(&'g [NodeId]),
    FrozenSet(&'g [NodeId]),
    Global(&'g Class<'a>),
    Object(&'g Object<'a>),
}

/// The name of a class or function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Class<'a> {
    /// The module with its packages, such as `Mailman.Bouncer`
    pub module: Cow<'a, str>,
    /// The name within the module, such as `_BounceInfo`
    pub name: Cow<'a, str>,
}

impl<'a> Class<'a> {
    /// A class by module and name.
    pub fn new(module: impl Into<Cow<'a, str>>, name: impl Into<Cow<'a, str>>) -> Class<'a> {
        Class { module: module.into(), name: name.into() }
    }

    /// Whether this is the class of that module and name.
    pub fn is(&self, module: &str, name: &str) -> bool {
        self.module == module && self.name == name
    }
}

/// An instance, as described by its pickle.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// The class, or for [`Made::Reduce`] what Python would call to create the object
    pub class: Class<'a>,
    /// How Python would create it
    pub made: Made,
    /// Items appended to it, if its class derives from `list`
    pub items: Vec<NodeId>,
    /// Entries set in it, if its class derives from `dict`
    pub entries: Vec<(NodeId, NodeId)>,
    /// Its state: most often a dictionary of its attributes
    pub state: Option<NodeId>,
}

impl<'a> Object<'a> {
    /// An object without state, items and entries.
    pub fn new(class: Class<'a>, made: Made) -> Object<'a> {
        Object { class, made, items: Vec::new(), entries: Vec::new(), state: None }
    }
}

/// How Python would create an object. The arguments are the node of a tuple. A tuple that is also
/// used elsewhere is written as a copy, except for `Reduce` and, in protocol 2, `NewObj`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// An instance of an old-style class of Python 2
    OldStyle {
        /// A tuple, most often empty
        args: NodeId,
    },
    /// By the class's `__new__`
    NewObj {
        /// A tuple, most often empty
        args: NodeId,
    },
    /// By the class's `__new__` with keyword arguments
    NewObjEx {
        /// A tuple
        args: NodeId,
        /// A dictionary
        kwargs: NodeId,
    },
    /// By calling the class, or a function
    Reduce {
        /// A tuple
        args: NodeId,
    },
}

/// A reference from one node to another.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) to: NodeId,
    /// Parts must exist before the node can be created; other items can be filled in later.
    pub(crate) part: bool,
}

impl<'g, 'a> View<'g, 'a> {
    /// The name of the Python type, for messages.
    pub fn kind(self) -> &'static str {
        match self {
            View::None => "None",
            View::Bool(_) => "a bool",
            View::Int(_) => "an int",
            View::Long(_) => "a long",
            View::Float(_) => "a float",
            View::Bytes(_) => "a byte string",
            View::Text(_) => "a text",
            View::ByteArray(_) => "a bytearray",
            View::Tuple(_) => "a tuple",
            View::List(_) => "a list",
            View::Dict(_) => "a dictionary",
            View::Set(_) => "a set",
            View::FrozenSet(_) => "a frozenset",
            View::Global(_) => "a class",
            View::Object(_) => "an object",
        }
    }

    /// Whether it is of a type without identity in Python: sharing it makes no difference.
    pub(crate) fn is_atom(self) -> bool {
        match self {
            View::None | View::Bool(_) | View::Int(_) | View::Long(_) | View::Float(_) => true,
            View::Tuple(items) => items.is_empty(),
            _ => false,
        }
    }

    /// The links in the order in which they are written: parts first.
    pub(crate) fn link(self, index: usize) -> Option<Link> {
        let (to, part) = match self {
            View::Tuple(items) | View::Set(items) | View::FrozenSet(items) => {
                (*items.get(index)?, true)
            }
            View::List(items) => (*items.get(index)?, false),
            View::Dict(entries) => (half(entries, index)?, false),
            View::Object(object) => object.link(index)?,
            _ => return None,
        };
        Some(Link { to, part })
    }

    /// All links.
    pub(crate) fn links(self) -> impl Iterator<Item = Link> + use<'g, 'a> {
        (0..).map_while(move |index| self.link(index))
    }

    /// A copy that does not depend on the graph's input.
    pub(crate) fn to_node(self) -> Node<'static> {
        match self {
            View::None => Node::None,
            View::Bool(value) => Node::Bool(value),
            View::Int(value) => Node::Int(value),
            View::Long(bytes) => Node::Long(Cow::Owned(bytes.to_vec())),
            View::Float(value) => Node::Float(value),
            View::Bytes(bytes) => Node::Bytes(Cow::Owned(bytes.to_vec())),
            View::Text(bytes) => Node::Text(Cow::Owned(bytes.to_vec())),
            View::ByteArray(bytes) => Node::ByteArray(Cow::Owned(bytes.to_vec())),
            View::Tuple(items) => Node::Tuple(items.to_vec()),
            View::List(items) => Node::List(items.to_vec()),
            View::Dict(entries) => Node::Dict(entries.to_vec()),
            View::Set(items) => Node::Set(items.to_vec()),
            View::FrozenSet(items) => Node::FrozenSet(items.to_vec()),
            View::Global(class) => Node::Global(Box::new(class.clone().into_owned())),
            View::Object(object) => Node::Object(Box::new(object.clone().into_owned())),
        }
    }
}

impl<'a> Node<'a> {
    /// The node for reading.
    pub(crate) fn view(&self) -> View<'_, 'a> {
        match self {
            Node::None => View::None,
            Node::Bool(value) => View::Bool(*value),
            Node::Int(value) => View::Int(*value),
            Node::Long(bytes) => View::Long(bytes),
            Node::Float(value) => View::Float(*value),
            Node::Bytes(bytes) => View::Bytes(bytes),
            Node::Text(bytes) => View::Text(bytes),
            Node::ByteArray(bytes) => View::ByteArray(bytes),
            Node::Tuple(items) => View::Tuple(items),
            Node::List(items) => View::List(items),
            Node::Dict(entries) => View::Dict(entries),
            Node::Set(items) => View::Set(items),
            Node::FrozenSet(items) => View::FrozenSet(items),
            Node::Global(class) => View::Global(class),
            Node::Object(object) => View::Object(object),
        }
    }

    pub(crate) fn into_owned(self) -> Node<'static> {
        match self {
            Node::None => Node::None,
            Node::Bool(value) => Node::Bool(value),
            Node::Int(value) => Node::Int(value),
            Node::Float(value) => Node::Float(value),
            Node::Long(bytes) => Node::Long(Cow::Owned(bytes.into_owned())),
            Node::Bytes(bytes) => Node::Bytes(Cow::Owned(bytes.into_owned())),
            Node::Text(bytes) => Node::Text(Cow::Owned(bytes.into_owned())),
            Node::ByteArray(bytes) => Node::ByteArray(Cow::Owned(bytes.into_owned())),
            Node::Tuple(items) => Node::Tuple(items),
            Node::List(items) => Node::List(items),
            Node::Dict(entries) => Node::Dict(entries),
            Node::Set(items) => Node::Set(items),
            Node::FrozenSet(items) => Node::FrozenSet(items),
            Node::Global(class) => Node::Global(Box::new(class.into_owned())),
            Node::Object(object) => Node::Object(Box::new(object.into_owned())),
        }
    }

    /// Replaces every link.
    pub(crate) fn relink(&mut self, mut to: impl FnMut(NodeId) -> NodeId) {
        match self {
            Node::Tuple(items) | Node::List(items) | Node::Set(items) | Node::FrozenSet(items) => {
                items.iter_mut().for_each(|id| *id = to(*id));
            }
            Node::Dict(entries) => {
                for (key, value) in entries {
                    *key = to(*key);
                    *value = to(*value);
                }
            }
            Node::Object(object) => {
                match &mut object.made {
                    Made::OldStyle { args } | Made::NewObj { args } | Made::Reduce { args } => {
                        *args = to(*args);
                    }
                    Made::NewObjEx { args, kwargs } => {
                        *args = to(*args);
                        *kwargs = to(*kwargs);
                    }
                }
                object.items.iter_mut().for_each(|id| *id = to(*id));
                for (key, value) in &mut object.entries {
                    *key = to(*key);
                    *value = to(*value);
                }
                if let Some(state) = &mut object.state {
                    *state = to(*state);
                }
            }
            _ => {}
        }
    }
}

impl Class<'_> {
    fn into_owned(self) -> Class<'static> {
        Class::new(self.module.into_owned(), self.name.into_owned())
    }
}

impl Object<'_> {
    fn into_owned(self) -> Object<'static> {
        let Object { class, made, items, entries, state } = self;
        Object { class: class.into_owned(), made, items, entries, state }
    }

    fn link(&self, index: usize) -> Option<(NodeId, bool)> {
        let (args, kwargs) = self.made.arguments();
        let mut index = match (index, kwargs) {
            (0, _) => return Some((args, true)),
            (1, Some(kwargs)) => return Some((kwargs, true)),
            (_, Some(_)) => index - 2,
            (_, None) => index - 1,
        };
        if let Some(item) = self.items.get(index) {
            return Some((*item, false));
        }
        index -= self.items.len();
        if let Some(id) = half(&self.entries, index) {
            return Some((id, false));
        }
        let state = index == self.entries.len() * 2;
        self.state.filter(|_| state).map(|state| (state, false))
    }
}

impl Made {
    /// The node of the arguments and, if there is one, of the keyword arguments.
    pub fn arguments(self) -> (NodeId, Option<NodeId>) {
        match self {
            Made::OldStyle { args } | Made::NewObj { args } | Made::Reduce { args } => (args, None),
            Made::NewObjEx { args, kwargs } => (args, Some(kwargs)),
        }
    }
}

/// Entries as a sequence of alternating keys and values.
fn half(entries: &[(NodeId, NodeId)], index: usize) -> Option<NodeId> {
    let (key, value) = *entries.get(index / 2)?;
    Some(if index.is_multiple_of(2) { key } else { value })
}
