//! One Python value.

use std::borrow::Cow;

/// The number of a node in its [`Graph`](crate::Graph).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One Python value. Containers name their items by number.
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

impl Node<'_> {
    /// The name of the Python type, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::None => "None",
            Node::Bool(_) => "a bool",
            Node::Int(_) => "an int",
            Node::Long(_) => "a long",
            Node::Float(_) => "a float",
            Node::Bytes(_) => "a byte string",
            Node::Text(_) => "a text",
            Node::ByteArray(_) => "a bytearray",
            Node::Tuple(_) => "a tuple",
            Node::List(_) => "a list",
            Node::Dict(_) => "a dictionary",
            Node::Set(_) => "a set",
            Node::FrozenSet(_) => "a frozenset",
            Node::Global(_) => "a class",
            Node::Object(_) => "an object",
        }
    }

    /// Whether it is of a type without identity in Python: sharing it makes no difference.
    pub(crate) fn is_atom(&self) -> bool {
        match self {
            Node::None | Node::Bool(_) | Node::Int(_) | Node::Long(_) | Node::Float(_) => true,
            Node::Tuple(items) => items.is_empty(),
            _ => false,
        }
    }

    /// The links in the order in which they are written: parts first.
    pub(crate) fn link(&self, index: usize) -> Option<Link> {
        let (to, part) = match self {
            Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                (*items.get(index)?, true)
            }
            Node::List(items) => (*items.get(index)?, false),
            Node::Dict(entries) => (half(entries, index)?, false),
            Node::Object(object) => object.link(index)?,
            _ => return None,
        };
        Some(Link { to, part })
    }

    /// All links.
    pub(crate) fn links(&self) -> impl Iterator<Item = Link> {
        (0..).map_while(|index| self.link(index))
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
            Node::Object(object) => {
                let Object { class, made, items, entries, state } = *object;
                let class = class.into_owned();
                Node::Object(Box::new(Object { class, made, items, entries, state }))
            }
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
