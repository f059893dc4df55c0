//! Reading a graph.

use crate::node::{Made, NodeId, Object, View};
use crate::{Graph, number, wtf8};
use std::borrow::Cow;
use std::fmt;

/// A node with its graph. Methods return `None` or nothing if the value is of another type, so that
/// a reader asks for what it wants without checking types first.
#[derive(Copy, Clone)]
pub struct Value<'g, 'a> {
    graph: &'g Graph<'a>,
    id: NodeId,
}

impl<'g, 'a> Value<'g, 'a> {
    pub(crate) fn new(graph: &'g Graph<'a>, id: NodeId) -> Self {
        Value { graph, id }
    }

    pub(crate) fn graph(self) -> &'g Graph<'a> {
        self.graph
    }

    fn at(self, id: NodeId) -> Self {
        Value { id, ..self }
    }

    /// The number of the node.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The node itself, to match on.
    pub fn node(self) -> View<'g, 'a> {
        self.graph.node(self.id)
    }

    /// Its type in words, for messages: `"a list"`.
    pub fn kind(self) -> &'static str {
        self.node().kind()
    }

    /// Whether it is `None`.
    pub fn is_none(self) -> bool {
        matches!(self.node(), View::None)
    }

    /// Whether it is a list or a tuple.
    pub fn is_sequence(self) -> bool {
        matches!(self.node(), View::List(_) | View::Tuple(_))
    }

    /// A `bool`, or an integer that is 0 or 1.
    pub fn as_bool(self) -> Option<bool> {
        match self.as_int()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// An integer of any type that fits.
    pub fn as_int(self) -> Option<i64> {
        match self.node() {
            View::Bool(value) => Some(i64::from(value)),
            View::Int(value) => Some(value),
            View::Long(bytes) => number::to_i64(bytes),
            _ => None,
        }
    }

    /// A `float`, or an integer that [`Value::as_int`] gives.
    pub fn as_float(self) -> Option<f64> {
        match self.node() {
            View::Float(value) => Some(value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    /// The bytes of a byte string or `bytearray`, or of a text as UTF-8.
    pub fn as_bytes(self) -> Option<&'g [u8]> {
        match self.node() {
            View::Bytes(bytes) | View::Text(bytes) | View::ByteArray(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of a byte string or `bytearray`, or those that a text of Python 3 was decoded
    /// from: in it, `U+DC80` to `U+DCFF` represent bytes that could not be decoded (PEP 383).
    pub fn raw_bytes(self) -> Option<Cow<'g, [u8]>> {
        let bytes = self.as_bytes()?;
        let is_text = matches!(self.node(), View::Text(_));
        Some(if is_text && std::str::from_utf8(bytes).is_err() {
            Cow::Owned(wtf8::undo_surrogate_escapes(bytes))
        } else {
            Cow::Borrowed(bytes)
        })
    }

    /// The value for display: a string with invalid UTF-8 replaced, a number in decimal, else the
    /// name of the type.
    pub fn to_text_lossy(self) -> Cow<'g, str> {
        match self.node() {
            View::Bytes(bytes) | View::Text(bytes) | View::ByteArray(bytes) => {
                String::from_utf8_lossy(bytes)
            }
            View::None => "None".into(),
            View::Bool(true) => "True".into(),
            View::Bool(false) => "False".into(),
            View::Int(value) => value.to_string().into(),
            View::Long(bytes) => number::long_to_decimal(bytes).into(),
            View::Float(value) => number::float_repr(value).into(),
            other => other.kind().into(),
        }
    }

    /// The value of a dictionary's entry whose key is this byte string or text.
    pub fn get(self, key: &str) -> Option<Self> {
        let matches = |id| self.at(id).as_bytes() == Some(key.as_bytes());
        let (_, value) = self.pairs().iter().rfind(|(id, _)| matches(*id))?;
        Some(self.at(*value))
    }

    /// The entries of a dictionary, or of an object whose class derives from `dict`.
    pub fn entries(self) -> impl ExactSizeIterator<Item = (Self, Self)> + use<'g, 'a> {
        self.pairs().iter().map(move |(key, value)| (self.at(*key), self.at(*value)))
    }

    /// The items of a list, tuple or set, or of an object whose class derives from `list`.
    pub fn items(self) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + use<'g, 'a> {
        self.ids().iter().map(move |id| self.at(*id))
    }

    fn pairs(self) -> &'g [(NodeId, NodeId)] {
        match self.node() {
            View::Dict(entries) => entries,
            View::Object(object) => &object.entries,
            _ => &[],
        }
    }

    fn ids(self) -> &'g [NodeId] {
        match self.node() {
            View::List(items) | View::Tuple(items) | View::Set(items) | View::FrozenSet(items) => {
                items
            }
            View::Object(object) => &object.items,
            _ => &[],
        }
    }

    /// The number of items or entries.
    pub fn len(self) -> usize {
        self.ids().len() + self.pairs().len()
    }

    /// Whether there are neither items nor entries.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The instance.
    pub fn object(self) -> Option<&'g Object<'a>> {
        match self.node() {
            View::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Module and name of an instance's class, or of a class itself. Protocols 0 and 1 create
    /// instances of new-style classes through `copy_reg._reconstructor`; for those this is the
    /// instance's own class.
    pub fn class(self) -> Option<(&'g str, &'g str)> {
        let class = match self.node() {
            View::Global(class) => class,
            View::Object(object) => match object.made {
                Made::Reduce { args }
                    if object.class.is("copy_reg", "_reconstructor")
                        || object.class.is("copyreg", "_reconstructor") =>
                {
                    return self.at(args).items().next()?.class();
                }
                _ => &object.class,
            },
            _ => return None,
        };
        Some((&class.module, &class.name))
    }

    /// The state of an instance: most often a dictionary of its attributes.
    pub fn state(self) -> Option<Self> {
        self.object()?.state.map(|state| self.at(state))
    }
}

impl fmt::Debug for Value<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {:?}", self.id.number(), self.node())
    }
}
