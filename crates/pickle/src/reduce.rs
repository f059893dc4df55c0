//! Calls that are data in disguise: how older protocols write types for which they have no opcode.

use crate::limits::Budget;
use crate::node::{Class, Made, Node, NodeId, Object, View};
use crate::{Graph, LoadProblem, wtf8};
use std::borrow::Cow;

/// The value that a call describes, if its arguments are as Python writes them. `None`: an ordinary
/// call.
pub(crate) fn disguised<'a>(
    graph: &mut Graph<'a>,
    callable: &Class<'a>,
    args: NodeId,
    budget: &mut Budget,
) -> Result<Option<Node<'a>>, LoadProblem> {
    let View::Tuple(args) = graph.node(args) else { return Ok(None) };
    let node = match (&*callable.module, &*callable.name) {
        ("__builtin__" | "builtins", "set") => items(graph, args, budget)?.map(Node::Set),
        ("__builtin__" | "builtins", "frozenset") => {
            items(graph, args, budget)?.map(Node::FrozenSet)
        }
        ("__builtin__" | "builtins", "bytearray") => {
            bytes(graph, args, budget)?.map(Node::ByteArray)
        }
        ("__builtin__" | "builtins", "bytes") if args.is_empty() => {
            Some(Node::Bytes(Cow::Borrowed(b"")))
        }
        ("_codecs", "encode") if args.len() == 2 => bytes(graph, args, budget)?.map(Node::Bytes),
        ("copy_reg" | "copyreg", "__newobj__") => {
            let args = args.to_vec();
            return new_object(graph, args, budget);
        }
        ("copy_reg" | "copyreg", "__newobj_ex__") => match args[..] {
            [class, args, kwargs] => new_object_ex(graph, class, args, kwargs, budget)?,
            _ => None,
        },
        _ => None,
    };
    Ok(node)
}

/// `set([…])`
fn items(
    graph: &Graph<'_>,
    args: &[NodeId],
    budget: &mut Budget,
) -> Result<Option<Vec<NodeId>>, LoadProblem> {
    let items = match args {
        [] => return Ok(Some(Vec::new())),
        [only] => match graph.node(*only) {
            View::List(items) | View::Tuple(items) => items,
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    budget.take(items.len())?;
    Ok(Some(items.to_vec()))
}

/// `bytearray(u'…', 'latin-1')` and `_codecs.encode(u'…', 'latin1')`
fn bytes<'a>(
    graph: &Graph<'a>,
    args: &[NodeId],
    budget: &mut Budget,
) -> Result<Option<Cow<'a, [u8]>>, LoadProblem> {
    let (text, charset) = match args {
        [] => return Ok(Some(Cow::Borrowed(b""))),
        [text] => (graph.node(*text), None),
        [text, charset] => (graph.node(*text), graph.value(*charset).as_bytes()),
        _ => return Ok(None),
    };
    match (text, charset) {
        (View::Bytes(bytes), None) if args.len() == 1 => {
            budget.take_bytes(bytes)?;
            Ok(Some(Cow::Owned(bytes.to_vec())))
        }
        (View::Text(text), Some(b"latin-1" | b"latin1" | b"iso-8859-1")) => {
            budget.take_bytes(text)?;
            Ok(to_latin_1(text).map(Cow::Owned))
        }
        _ => Ok(None),
    }
}

fn to_latin_1(text: &[u8]) -> Option<Vec<u8>> {
    let mut points = Some(Vec::with_capacity(text.len()));
    wtf8::code_points(text, |point| match (u8::try_from(point), &mut points) {
        (Ok(byte), Some(bytes)) => bytes.push(byte),
        _ => points = None,
    })
    .ok()?;
    points
}

/// `copy_reg.__newobj__(class, …)`
fn new_object<'a>(
    graph: &mut Graph<'a>,
    args: Vec<NodeId>,
    budget: &mut Budget,
) -> Result<Option<Node<'a>>, LoadProblem> {
    budget.take(args.len())?;
    let [class, args @ ..] = &args[..] else { return Ok(None) };
    let View::Global(class) = graph.node(*class) else { return Ok(None) };
    budget.take_class(class)?;
    let class = class.clone();
    let args = graph.tuple(args.to_vec());
    Ok(Some(Node::Object(Box::new(Object::new(class, Made::NewObj { args })))))
}

/// `copy_reg.__newobj_ex__(class, (…), {…})`
fn new_object_ex<'a>(
    graph: &Graph<'a>,
    class: NodeId,
    args: NodeId,
    kwargs: NodeId,
    budget: &mut Budget,
) -> Result<Option<Node<'a>>, LoadProblem> {
    match (graph.node(class), graph.node(args), graph.node(kwargs)) {
        (View::Global(class), View::Tuple(_), View::Dict(_)) => {
            budget.take_class(class)?;
            let object = Object::new(class.clone(), Made::NewObjEx { args, kwargs });
            Ok(Some(Node::Object(Box::new(object))))
        }
        _ => Ok(None),
    }
}
