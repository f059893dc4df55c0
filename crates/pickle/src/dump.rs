//! Writing.

use crate::error::DumpError;
use crate::node::{Class, Made, NodeId, View};
use crate::survey::Marks;
use crate::{Graph, escape, number, opcode as op, wtf8};

/// The protocols of Python 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Lines of ASCII, as in Mailman's `pending.pck`
    Zero,
    /// Binary, as in everything else of Mailman's
    One,
    /// With short forms for new-style classes, long integers and tuples
    Two,
}

/// Appends a graph as one pickle, in the form that Python 2's `cPickle` writes, except that the
/// memo holds only nodes that are referred to more than once.
///
/// # Errors
/// [`DumpError`] for a graph that no Python program could have created; `out` is then unchanged.
/// Every graph that [`load`](crate::load()) returned can be written, in every protocol.
pub fn dump(graph: &Graph<'_>, protocol: Protocol, out: &mut Vec<u8>) -> Result<(), DumpError> {
    let start = out.len();
    if protocol == Protocol::Two {
        out.extend_from_slice(&[op::PROTO, 2]);
    }
    let memo = vec![0; graph.size()];
    write_value(graph, graph.root_id(), protocol, memo, &mut 0, out)
        .inspect_err(|_| out.truncate(start))?;
    out.push(op::STOP);
    Ok(())
}

/// Appends the opcodes that put a value on the stack. `memo` has the places of nodes that are in the
/// memo already, and `memoized` is the last place.
pub(crate) fn write_value(
    graph: &Graph<'_>,
    id: NodeId,
    protocol: Protocol,
    memo: Vec<u32>,
    memoized: &mut u32,
    out: &mut Vec<u8>,
) -> Result<(), DumpError> {
    let start = out.len();
    let marks = Marks::survey(graph, id);
    let (steps, later) = (Vec::new(), Vec::new());
    let mut writer = Writer { graph, protocol, out, marks, memo, memoized, steps, later };
    let result = writer.write(id);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends the opcode that puts the value on the stack into the memo.
pub(crate) fn put(protocol: Protocol, index: u32, out: &mut Vec<u8>) {
    memo(protocol, [op::PUT, op::BINPUT, op::LONG_BINPUT], index, out);
}

/// Appends the opcode that gets a value from the memo.
pub(crate) fn get(protocol: Protocol, index: u32, out: &mut Vec<u8>) {
    memo(protocol, [op::GET, op::BINGET, op::LONG_BINGET], index, out);
}

fn memo(protocol: Protocol, [line, short, long]: [u8; 3], index: u32, out: &mut Vec<u8>) {
    match u8::try_from(index) {
        _ if protocol == Protocol::Zero => {
            out.push(line);
            out.extend_from_slice(format!("{index}\n").as_bytes());
        }
        Ok(index) => out.extend_from_slice(&[short, index]),
        Err(_) => {
            out.push(long);
            out.extend_from_slice(&index.to_le_bytes());
        }
    }
}

/// What remains to be written; the last step is the next.
enum Step<'g> {
    Node(NodeId),
    /// Nodes one after the other
    Each(&'g [NodeId]),
    /// Keys and values one after the other
    EachPair(&'g [(NodeId, NodeId)]),
    /// Items to append to the container on the stack
    Items(&'g [NodeId]),
    /// Entries to set in the container on the stack
    Entries(&'g [(NodeId, NodeId)]),
    Opcodes(&'static [u8]),
    /// `INST`, whose class follows its arguments
    Inst(&'g Class<'g>),
    /// The node is on the stack: put it into the memo and fill it
    Made(NodeId),
    /// The node is on the stack again: fill it
    Fill(NodeId),
}

struct Writer<'g, 'o> {
    graph: &'g Graph<'g>,
    protocol: Protocol,
    out: &'o mut Vec<u8>,
    marks: Marks,
    /// A node's place in the memo, counted from 1 as cPickle does; 0 if it has none.
    memo: Vec<u32>,
    memoized: &'o mut u32,
    steps: Vec<Step<'g>>,
    later: Vec<NodeId>,
}

/// cPickle appends and sets this many items at a time.
pub(crate) const BATCH: usize = 1000;

impl<'g> Writer<'g, '_> {
    fn write(&mut self, id: NodeId) -> Result<(), DumpError> {
        self.steps.push(Step::Node(id));
        loop {
            while let Some(step) = self.steps.pop() {
                self.step(step)?;
            }
            let Some(id) = self.later.pop() else { return Ok(()) };
            get(self.protocol, self.memo[id.index()], self.out);
            self.steps.push(Step::Opcodes(&[op::POP]));
            self.steps.push(Step::Fill(id));
        }
    }

    fn step(&mut self, step: Step<'g>) -> Result<(), DumpError> {
        match step {
            Step::Node(id) => self.node(id)?,
            Step::Each([]) | Step::EachPair([]) | Step::Items([]) | Step::Entries([]) => {}
            Step::Each([first, rest @ ..]) => {
                self.steps.push(Step::Each(rest));
                self.node(*first)?;
            }
            Step::EachPair([(key, value), rest @ ..]) => {
                self.steps.extend([Step::EachPair(rest), Step::Node(*value)]);
                self.node(*key)?;
            }
            Step::Items(items) => {
                let (batch, rest) = items.split_at(self.batch(items.len()));
                self.steps.push(Step::Items(rest));
                if let [item] = batch {
                    self.steps.extend([Step::Opcodes(&[op::APPEND]), Step::Node(*item)]);
                } else {
                    self.out.push(op::MARK);
                    self.steps.extend([Step::Opcodes(&[op::APPENDS]), Step::Each(batch)]);
                }
            }
            Step::Entries(entries) => {
                let (batch, rest) = entries.split_at(self.batch(entries.len()));
                self.steps.push(Step::Entries(rest));
                if batch.len() == 1 {
                    self.steps.extend([Step::Opcodes(&[op::SETITEM]), Step::EachPair(batch)]);
                } else {
                    self.out.push(op::MARK);
                    self.steps.extend([Step::Opcodes(&[op::SETITEMS]), Step::EachPair(batch)]);
                }
            }
            Step::Opcodes(opcodes) => self.out.extend_from_slice(opcodes),
            Step::Inst(class) => self.class(op::INST, class)?,
            Step::Made(id) => {
                self.marks.clear(id, Marks::IN_PARTS);
                self.put(id);
                if self.marks.has(id, Marks::LATER) {
                    self.later.push(id);
                } else {
                    self.fill(id);
                }
            }
            Step::Fill(id) => self.fill(id),
        }
        Ok(())
    }

    fn batch(&self, items: usize) -> usize {
        items.min(if self.protocol == Protocol::Zero { 1 } else { BATCH })
    }

    fn node(&mut self, id: NodeId) -> Result<(), DumpError> {
        let graph = self.graph;
        let node = graph.node(id);
        if self.memo[id.index()] != 0 {
            get(self.protocol, self.memo[id.index()], self.out);
            return Ok(());
        }
        match node {
            View::None => self.out.push(op::NONE),
            View::Bool(value) => self.bool(value),
            View::Int(value) => self.int(value),
            View::Long(bytes) => self.long(id, number::trim(bytes))?,
            View::Float(value) => self.float(value),
            View::Bytes(bytes) => {
                self.bytes(id, bytes)?;
                self.put(id);
            }
            View::Text(text) => {
                self.text(id, text)?;
                self.put(id);
            }
            View::ByteArray(bytes) => {
                self.bytearray(id, bytes)?;
                self.put(id);
            }
            View::Global(class) => {
                self.class(op::GLOBAL, class)?;
                self.put(id);
            }
            View::List(_) => {
                self.opcodes(&[op::MARK, op::LIST], &[op::EMPTY_LIST]);
                self.steps.push(Step::Made(id));
            }
            View::Dict(_) => {
                self.opcodes(&[op::MARK, op::DICT], &[op::EMPTY_DICT]);
                self.steps.push(Step::Made(id));
            }
            View::Tuple([]) => {
                self.opcodes(&[op::MARK, op::TUPLE], &[op::EMPTY_TUPLE]);
            }
            View::Tuple(items) => {
                self.begin(id)?;
                self.steps.push(Step::Made(id));
                self.tuple(items);
            }
            View::Set(items) => self.set(id, "set", items)?,
            View::FrozenSet(items) => self.set(id, "frozenset", items)?,
            View::Object(_) => self.object(id)?,
        }
        Ok(())
    }

    /// Begins a node: the parts that must be complete before it can be created.
    fn begin(&mut self, id: NodeId) -> Result<(), DumpError> {
        if self.marks.has(id, Marks::IN_PARTS) {
            return Err(DumpError::PartOfItself {
                node: id.number(),
                kind: self.graph.node(id).kind(),
            });
        }
        self.marks.set(id, Marks::IN_PARTS);
        Ok(())
    }

    fn tuple(&mut self, items: &'g [NodeId]) {
        let short: &'static [u8] = match items.len() {
            1 => &[op::TUPLE1],
            2 => &[op::TUPLE2],
            3 => &[op::TUPLE3],
            _ => &[],
        };
        if self.protocol == Protocol::Two && !short.is_empty() {
            self.steps.push(Step::Opcodes(short));
        } else {
            self.out.push(op::MARK);
            self.steps.push(Step::Opcodes(&[op::TUPLE]));
        }
        self.steps.push(Step::Each(items));
    }

    /// Sets have no opcode before protocol 4 and are written as a call with a list.
    fn set(&mut self, id: NodeId, name: &str, items: &'g [NodeId]) -> Result<(), DumpError> {
        self.begin(id)?;
        self.class(op::GLOBAL, &Class::new("__builtin__", name))?;
        self.out.extend_from_slice(match self.protocol {
            Protocol::Zero => &[op::MARK, op::MARK, op::LIST],
            Protocol::One => &[op::MARK, op::EMPTY_LIST],
            Protocol::Two => &[op::EMPTY_LIST],
        });
        let call: &[u8] = match self.protocol {
            Protocol::Zero | Protocol::One => &[op::TUPLE, op::REDUCE],
            Protocol::Two => &[op::TUPLE1, op::REDUCE],
        };
        self.steps.extend([Step::Made(id), Step::Opcodes(call), Step::Items(items)]);
        Ok(())
    }

    fn object(&mut self, id: NodeId) -> Result<(), DumpError> {
        let View::Object(object) = self.graph.node(id) else { return Ok(()) };
        self.begin(id)?;
        self.steps.push(Step::Made(id));
        let (args, kwargs) = object.made.arguments();
        let arguments = match self.graph.node(args) {
            View::Tuple(items) => items,
            other => return Err(bad_arguments(args, "a tuple", other)),
        };
        match object.made {
            Made::OldStyle { .. } if self.protocol == Protocol::Zero => {
                self.out.push(op::MARK);
                self.steps.extend([Step::Inst(&object.class), Step::Each(arguments)]);
            }
            Made::OldStyle { .. } => {
                self.out.push(op::MARK);
                self.class(op::GLOBAL, &object.class)?;
                self.steps.extend([Step::Opcodes(&[op::OBJ]), Step::Each(arguments)]);
            }
            Made::NewObj { .. } if self.protocol == Protocol::Two => {
                self.class(op::GLOBAL, &object.class)?;
                self.steps.extend([Step::Opcodes(&[op::NEWOBJ]), Step::Node(args)]);
            }
            Made::NewObj { .. } => {
                self.class(op::GLOBAL, &Class::new("copy_reg", "__newobj__"))?;
                self.out.push(op::MARK);
                self.class(op::GLOBAL, &object.class)?;
                self.steps.extend([Step::Opcodes(&[op::TUPLE, op::REDUCE]), Step::Each(arguments)]);
            }
            Made::NewObjEx { .. } => {
                if let Some(kwargs) = kwargs {
                    match self.graph.node(kwargs) {
                        View::Dict(_) => {}
                        other => return Err(bad_arguments(kwargs, "a dictionary", other)),
                    }
                    self.class(op::GLOBAL, &Class::new("copy_reg", "__newobj_ex__"))?;
                    self.out.push(op::MARK);
                    self.class(op::GLOBAL, &object.class)?;
                    self.steps.extend([
                        Step::Opcodes(&[op::TUPLE, op::REDUCE]),
                        Step::Node(kwargs),
                        Step::Node(args),
                    ]);
                }
            }
            Made::Reduce { .. } => {
                self.class(op::GLOBAL, &object.class)?;
                self.steps.extend([Step::Opcodes(&[op::REDUCE]), Step::Node(args)]);
            }
        }
        Ok(())
    }

    fn fill(&mut self, id: NodeId) {
        match self.graph.node(id) {
            View::List(items) => self.steps.push(Step::Items(items)),
            View::Dict(entries) => self.steps.push(Step::Entries(entries)),
            View::Object(object) => {
                if let Some(state) = object.state {
                    self.steps.extend([Step::Opcodes(&[op::BUILD]), Step::Node(state)]);
                }
                self.steps.extend([Step::Entries(&object.entries), Step::Items(&object.items)]);
            }
            _ => {}
        }
    }

    // The memo

    fn put(&mut self, id: NodeId) {
        if !self.marks.has(id, Marks::SHARED | Marks::LATER) {
            return;
        }
        *self.memoized += 1;
        self.memo[id.index()] = *self.memoized;
        put(self.protocol, *self.memoized, self.out);
    }

    // Plain values

    fn opcodes(&mut self, zero: &[u8], binary: &[u8]) {
        let is_zero = self.protocol == Protocol::Zero;
        self.out.extend_from_slice(if is_zero { zero } else { binary });
    }

    fn line(&mut self, opcode: u8, text: &str) {
        self.out.push(opcode);
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\n');
    }

    fn class(&mut self, opcode: u8, class: &Class<'_>) -> Result<(), DumpError> {
        let (module, name) = (&*class.module, &*class.name);
        if module.contains('\n') || name.contains('\n') {
            return Err(DumpError::BadName { module: module.into(), name: name.into() });
        }
        self.line(opcode, module);
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'\n');
        Ok(())
    }

    fn bool(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Two, true) => self.out.push(op::NEWTRUE),
            (Protocol::Two, false) => self.out.push(op::NEWFALSE),
            (_, true) => self.line(op::INT, "01"),
            (_, false) => self.line(op::INT, "00"),
        }
    }

    fn int(&mut self, value: i64) {
        match (u8::try_from(value), u16::try_from(value), i32::try_from(value)) {
            (Ok(value), _, _) if self.protocol != Protocol::Zero => {
                self.out.extend_from_slice(&[op::BININT1, value]);
            }
            (_, Ok(value), _) if self.protocol != Protocol::Zero => {
                self.out.push(op::BININT2);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            (_, _, Ok(value)) if self.protocol != Protocol::Zero => {
                self.out.push(op::BININT);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            _ => self.line(op::INT, &value.to_string()),
        }
    }

    fn long(&mut self, id: NodeId, bytes: &[u8]) -> Result<(), DumpError> {
        if self.protocol != Protocol::Two {
            self.line(op::LONG, &format!("{}L", number::long_to_decimal(bytes)));
            return Ok(());
        }
        self.counted(id, op::LONG1, op::LONG4, bytes)
    }

    fn float(&mut self, value: f64) {
        if self.protocol == Protocol::Zero {
            self.line(op::FLOAT, &number::float_repr(value));
        } else {
            self.out.push(op::BINFLOAT);
            self.out.extend_from_slice(&value.to_be_bytes());
        }
    }

    fn bytes(&mut self, id: NodeId, bytes: &[u8]) -> Result<(), DumpError> {
        if self.protocol != Protocol::Zero {
            return self.counted(id, op::SHORT_BINSTRING, op::BINSTRING, bytes);
        }
        self.out.push(op::STRING);
        escape::quote(bytes, self.out);
        self.out.push(b'\n');
        Ok(())
    }

    fn text(&mut self, id: NodeId, text: &[u8]) -> Result<(), DumpError> {
        let bad = |at| DumpError::BadText { node: id.number(), at };
        if self.protocol != Protocol::Zero {
            let text = wtf8::normalize(text).map_err(bad)?;
            return self.counted(id, op::BINUNICODE, op::BINUNICODE, &text);
        }
        self.out.push(op::UNICODE);
        escape::encode_raw_unicode(text, self.out).map_err(bad)?;
        self.out.push(b'\n');
        Ok(())
    }

    /// Before protocol 5 this is a call with the bytes as a text in Latin-1.
    fn bytearray(&mut self, id: NodeId, bytes: &[u8]) -> Result<(), DumpError> {
        self.class(op::GLOBAL, &Class::new("__builtin__", "bytearray"))?;
        self.out.push(op::MARK);
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        self.text(id, text.as_bytes())?;
        self.text(id, b"latin-1")?;
        self.out.extend_from_slice(&[op::TUPLE, op::REDUCE]);
        Ok(())
    }

    /// Bytes after their length, which takes one byte if it fits (`short`), else four.
    fn counted(&mut self, id: NodeId, short: u8, long: u8, bytes: &[u8]) -> Result<(), DumpError> {
        match (u8::try_from(bytes.len()), i32::try_from(bytes.len())) {
            (Ok(length), _) if short != long => self.out.extend_from_slice(&[short, length]),
            (_, Ok(length)) => {
                self.out.push(long);
                self.out.extend_from_slice(&length.to_le_bytes());
            }
            _ => {
                let kind = self.graph.node(id).kind();
                return Err(DumpError::TooLong { node: id.number(), kind, length: bytes.len() });
            }
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

fn bad_arguments(node: NodeId, wanted: &'static str, found: View<'_, '_>) -> DumpError {
    DumpError::BadArguments { node: node.number(), wanted, found: found.kind() }
}
