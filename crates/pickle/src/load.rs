//! Reading: Python's stack machine, without the part that calls Python.
//!
//! Why this is one file: it is a table of opcodes, each a few lines.

use crate::error::{LoadError, LoadProblem};
use crate::graph::Strings;
use crate::input::{Input, Slice, Stream};
use crate::limits::{Budget, Limits};
use crate::node::{Class, Made, Node, NodeId, Object, View};
use crate::number::{self, Integer};
use crate::opcode as op;
use crate::{Graph, escape, reduce, walk, wtf8};
use memchr::memchr;
use std::borrow::Cow;
use std::io::BufRead;

/// Reads one pickle of any protocol from the start of `input`.
///
/// Returns the graph and the pickle's length in bytes; `input` may continue after it. Strings
/// borrow from `input` if they occur in it without escapes. Nothing is called: a class remains a
/// name and an instance a description. `set`, `frozenset`, `bytearray`, Python 3's `bytes` and
/// `__newobj__` are recognized in older protocols, which write them as calls.
///
/// # Errors
/// If the pickle is damaged, refers to something outside (persistent ids, extension codes,
/// out-of-band buffers), calls anything but a plain class or function, or exceeds the limits.
pub fn load<'a>(input: &'a [u8], limits: &Limits) -> Result<(Graph<'a>, usize), LoadError> {
    let (mut graph, length) =
        Machine::new(Slice::new(input), Graph::within(input), limits).run()?;
    graph.shorten_input(length);
    Ok((graph, length))
}

/// Reads one pickle like [`load`], from a file with `length` more bytes, of which only a buffer is in
/// memory. Equal strings become one node, so that a list whose members are named in ten dictionaries
/// has each address once.
///
/// # Errors
/// Those of [`load`], and if the file cannot be read.
pub fn load_from(
    source: impl BufRead,
    length: usize,
    limits: &Limits,
) -> Result<(Graph<'static>, usize), LoadError> {
    let mut machine = Machine::new(Stream::new(source, length), Graph::new(), limits);
    machine.strings = Some(Strings::default());
    machine.run()
}

impl<'a, I: Input<'a>> Machine<'a, I> {
    fn new(input: I, graph: Graph<'a>, limits: &Limits) -> Self {
        Machine {
            input,
            graph,
            strings: None,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            memoized: 0,
            has_grown_sets: false,
            budget: Budget::new(limits),
            limits: *limits,
        }
    }

    fn run(mut self) -> Result<(Graph<'a>, usize), LoadError> {
        loop {
            let offset = self.input.offset();
            let next = self
                .input
                .next()
                .and_then(|opcode| opcode.ok_or(LoadProblem::Truncated { needed: 1, left: 0 }));
            let opcode =
                next.map_err(|problem| LoadError { offset, opcode: "end of input", problem })?;
            let fail = |problem| LoadError { offset, opcode: op::name(opcode), problem };
            if opcode == op::STOP {
                self.finish().map_err(fail)?;
                return Ok((self.graph, self.input.offset()));
            }
            self.step(opcode).map_err(fail)?;
        }
    }
}

struct Machine<'a, I> {
    input: I,
    graph: Graph<'a>,
    /// If the graph copies strings, those that it has.
    strings: Option<Strings>,
    stack: Vec<NodeId>,
    /// Heights of the stack at its marks. Values below the last one are out of reach.
    marks: Vec<usize>,
    memo: Vec<Option<NodeId>>,
    /// The number of places of the memo in use, which is where `MEMOIZE` puts the next value.
    memoized: usize,
    /// Only a set that grew after its creation can contain itself.
    has_grown_sets: bool,
    budget: Budget,
    limits: Limits,
}

impl<'a, I: Input<'a>> Machine<'a, I> {
    // Why this is one function: it is a table of opcodes.
    fn step(&mut self, opcode: u8) -> Result<(), LoadProblem> {
        match opcode {
            op::MARK => {
                if self.marks.len() >= self.limits.depth {
                    return Err(LoadProblem::TooDeep(self.limits.depth));
                }
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                    Ok(())
                } else {
                    self.pop().map(drop)
                }
            }
            op::POP_MARK => {
                let mark = self.mark()?;
                self.stack.truncate(mark);
                Ok(())
            }
            op::DUP => {
                let top = self.top()?;
                self.push(top)
            }

            op::NONE => self.push_node(Node::None),
            op::NEWTRUE => self.push_node(Node::Bool(true)),
            op::NEWFALSE => self.push_node(Node::Bool(false)),
            op::BININT1 => {
                let value = self.input.u8()?;
                self.push_node(Node::Int(i64::from(value)))
            }
            op::BININT2 => {
                let value = u16::from_le_bytes(self.input.array()?);
                self.push_node(Node::Int(i64::from(value)))
            }
            op::BININT => {
                let value = i32::from_le_bytes(self.input.array()?);
                self.push_node(Node::Int(i64::from(value)))
            }
            op::INT => {
                let node = match number::parse_int(&self.input.line()?, self.limits.long_bytes)? {
                    Integer::Bool(value) => Node::Bool(value),
                    Integer::Int(value) => Node::Int(value),
                    Integer::Long(bytes) => Node::Long(bytes.into()),
                };
                self.push_node(node)
            }
            op::LONG => {
                let bytes = number::parse_long(&self.input.line()?, self.limits.long_bytes)?;
                self.push_node(Node::Long(bytes.into()))
            }
            op::LONG1 => {
                let bytes = self.input.counted_u8()?;
                self.long(bytes)
            }
            op::LONG4 => {
                let bytes = self.input.counted_i32()?;
                self.long(bytes)
            }
            op::FLOAT => {
                let value = number::parse_float(&self.input.line()?)?;
                self.push_node(Node::Float(value))
            }
            op::BINFLOAT => {
                let value = f64::from_be_bytes(self.input.array()?);
                self.push_node(Node::Float(value))
            }

            op::STRING => {
                let bytes = map(self.input.line()?, escape::unquote)?;
                self.push_node(Node::Bytes(bytes))
            }
            op::SHORT_BINSTRING | op::SHORT_BINBYTES => {
                let bytes = self.input.counted_u8()?;
                self.push_node(Node::Bytes(bytes))
            }
            op::BINSTRING => {
                let bytes = self.input.counted_i32()?;
                self.push_node(Node::Bytes(bytes))
            }
            op::BINBYTES => {
                let bytes = self.input.counted_u32()?;
                self.push_node(Node::Bytes(bytes))
            }
            op::BINBYTES8 => {
                let bytes = self.input.counted_u64()?;
                self.push_node(Node::Bytes(bytes))
            }
            op::BYTEARRAY8 => {
                let bytes = self.input.counted_u64()?;
                self.push_node(Node::ByteArray(bytes))
            }
            op::UNICODE => {
                let text = map(self.input.line()?, escape::decode_raw_unicode)?;
                self.push_node(Node::Text(text))
            }
            op::SHORT_BINUNICODE => {
                let bytes = self.input.counted_u8()?;
                self.text(bytes)
            }
            op::BINUNICODE => {
                let bytes = self.input.counted_u32()?;
                self.text(bytes)
            }
            op::BINUNICODE8 => {
                let bytes = self.input.counted_u64()?;
                self.text(bytes)
            }

            op::EMPTY_TUPLE => self.push_node(Node::Tuple(Vec::new())),
            op::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push_node(Node::Tuple(items))
            }
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::EMPTY_LIST => self.push_node(Node::List(Vec::new())),
            op::LIST => {
                let items = self.pop_to_mark()?;
                self.push_node(Node::List(items))
            }
            op::APPEND => {
                let start = self.reach(1)?;
                self.append(start)
            }
            op::APPENDS => {
                let start = self.mark()?;
                self.append(start)
            }
            op::EMPTY_DICT => self.push_node(Node::Dict(Vec::new())),
            op::DICT => {
                let start = self.mark()?;
                let entries = pairs(&self.stack[start..])?.collect();
                self.stack.truncate(start);
                self.push_node(Node::Dict(entries))
            }
            op::SETITEM => {
                let start = self.reach(2)?;
                self.set_items(start)
            }
            op::SETITEMS => {
                let start = self.mark()?;
                self.set_items(start)
            }
            op::EMPTY_SET => self.push_node(Node::Set(Vec::new())),
            op::ADDITEMS => self.add_items(),
            op::FROZENSET => {
                let items = self.pop_to_mark()?;
                self.push_node(Node::FrozenSet(items))
            }

            op::GLOBAL => {
                let class = self.class_lines()?;
                self.push_node(Node::Global(Box::new(class)))
            }
            op::STACK_GLOBAL => {
                let name = self.pop()?;
                let module = self.pop()?;
                let class = Class { module: self.name(module)?, name: self.name(name)? };
                self.push_node(Node::Global(Box::new(class)))
            }
            op::INST => {
                let class = self.class_lines()?;
                let args = self.pop_to_mark()?;
                self.old_style(class, args)
            }
            op::OBJ => {
                let items = self.pop_to_mark()?;
                let [class, args @ ..] = &items[..] else {
                    return Err(LoadProblem::StackUnderflow);
                };
                let class = self.class(*class)?;
                self.old_style(class, args.to_vec())
            }
            op::NEWOBJ => {
                let args = self.pop_tuple()?;
                let class = self.pop_class()?;
                self.push_object(class, Made::NewObj { args })
            }
            op::NEWOBJ_EX => {
                let kwargs = self.pop()?;
                match self.graph.node(kwargs) {
                    View::Dict(_) => {}
                    other => return Err(wrong_kind("a dictionary", other)),
                }
                let args = self.pop_tuple()?;
                let class = self.pop_class()?;
                self.push_object(class, Made::NewObjEx { args, kwargs })
            }
            op::REDUCE => {
                let args = self.pop_tuple()?;
                let callable = self.pop_class()?;
                match reduce::disguised(&mut self.graph, &callable, args, &mut self.budget)? {
                    Some(node) => self.push_node(node),
                    None => self.push_object(callable, Made::Reduce { args }),
                }
            }
            op::BUILD => self.build(),

            op::PUT => {
                let index = number::parse_index(&self.input.line()?)?;
                self.put(index as usize)
            }
            op::BINPUT => {
                let index = self.input.u8()?;
                self.put(usize::from(index))
            }
            op::LONG_BINPUT => {
                let index = self.input.u32()?;
                self.put(index as usize)
            }
            op::MEMOIZE => self.put(self.memoized),
            op::GET => {
                let index = number::parse_index(&self.input.line()?)?;
                self.get(index)
            }
            op::BINGET => {
                let index = self.input.u8()?;
                self.get(u32::from(index))
            }
            op::LONG_BINGET => {
                let index = self.input.u32()?;
                self.get(index)
            }

            op::PROTO => match self.input.u8()? {
                0..=5 => Ok(()),
                other => Err(LoadProblem::UnknownProtocol(other)),
            },
            op::FRAME => {
                let length = u64::from_le_bytes(self.input.array()?);
                self.input.require(length).map(drop)
            }
            op::PERSID | op::BINPERSID => Err(LoadProblem::Outside("a persistent id")),
            op::EXT1 | op::EXT2 | op::EXT4 => Err(LoadProblem::Outside("an extension code")),
            op::NEXT_BUFFER | op::READONLY_BUFFER => Err(LoadProblem::Outside("a buffer")),
            other => Err(LoadProblem::UnknownOpcode(other)),
        }
    }

    fn finish(&mut self) -> Result<(), LoadProblem> {
        let root = self.pop()?;
        self.graph.set_root(root);
        if self.has_grown_sets && walk::part_of_itself(&self.graph).is_some() {
            return Err(LoadProblem::SetInItself);
        }
        if walk::is_deeper_than(&self.graph, self.limits.depth) {
            return Err(LoadProblem::TooDeep(self.limits.depth));
        }
        Ok(())
    }

    // The stack

    fn push(&mut self, id: NodeId) -> Result<(), LoadProblem> {
        self.budget.take(1)?;
        self.stack.push(id);
        Ok(())
    }

    fn push_node(&mut self, node: Node<'a>) -> Result<(), LoadProblem> {
        self.budget.take(1)?;
        let id = match &mut self.strings {
            Some(strings) => self.graph.add_once(strings, node),
            None => self.graph.add(node),
        };
        self.stack.push(id);
        Ok(())
    }

    fn push_object(&mut self, class: Class<'a>, made: Made) -> Result<(), LoadProblem> {
        self.push_node(Node::Object(Box::new(Object::new(class, made))))
    }

    /// Where the last `count` values start.
    fn reach(&self, count: usize) -> Result<usize, LoadProblem> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= floor);
        start.ok_or(LoadProblem::StackUnderflow)
    }

    fn top(&self) -> Result<NodeId, LoadProblem> {
        Ok(self.stack[self.reach(1)?])
    }

    fn pop(&mut self) -> Result<NodeId, LoadProblem> {
        let start = self.reach(1)?;
        let id = self.stack[start];
        self.stack.truncate(start);
        Ok(id)
    }

    /// Removes the last mark and returns its position.
    fn mark(&mut self) -> Result<usize, LoadProblem> {
        self.marks.pop().ok_or(LoadProblem::NoMark)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, LoadProblem> {
        let mark = self.mark()?;
        let items = self.stack[mark..].to_vec();
        self.stack.truncate(mark);
        Ok(items)
    }

    fn pop_tuple(&mut self) -> Result<NodeId, LoadProblem> {
        let id = self.pop()?;
        match self.graph.node(id) {
            View::Tuple(_) => Ok(id),
            other => Err(wrong_kind("a tuple", other)),
        }
    }

    fn pop_class(&mut self) -> Result<Class<'a>, LoadProblem> {
        let id = self.pop()?;
        self.class(id)
    }

    // Containers and objects

    fn tuple(&mut self, count: usize) -> Result<(), LoadProblem> {
        let start = self.reach(count)?;
        let items = self.stack[start..].to_vec();
        self.stack.truncate(start);
        self.push_node(Node::Tuple(items))
    }

    /// The container on the stack just below the items from `start` on.
    fn holder(&self, start: usize) -> Result<NodeId, LoadProblem> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let below = start.checked_sub(1).filter(|below| *below >= floor);
        Ok(self.stack[below.ok_or(LoadProblem::StackUnderflow)?])
    }

    fn append(&mut self, start: usize) -> Result<(), LoadProblem> {
        let holder = self.holder(start)?;
        match self.graph.node_mut(holder) {
            Node::List(items) => items.extend_from_slice(&self.stack[start..]),
            Node::Object(object) => object.items.extend_from_slice(&self.stack[start..]),
            other => return Err(wrong_kind("a list", other.view())),
        }
        self.stack.truncate(start);
        Ok(())
    }

    fn set_items(&mut self, start: usize) -> Result<(), LoadProblem> {
        let holder = self.holder(start)?;
        let new = pairs(&self.stack[start..])?;
        match self.graph.node_mut(holder) {
            Node::Dict(entries) => entries.extend(new),
            Node::Object(object) => object.entries.extend(new),
            other => return Err(wrong_kind("a dictionary", other.view())),
        }
        self.stack.truncate(start);
        Ok(())
    }

    fn add_items(&mut self) -> Result<(), LoadProblem> {
        let start = self.mark()?;
        let holder = self.holder(start)?;
        match self.graph.node_mut(holder) {
            Node::Set(items) => items.extend_from_slice(&self.stack[start..]),
            other => return Err(wrong_kind("a set", other.view())),
        }
        self.stack.truncate(start);
        self.has_grown_sets = true;
        Ok(())
    }

    fn old_style(&mut self, class: Class<'a>, args: Vec<NodeId>) -> Result<(), LoadProblem> {
        self.budget.take(1)?;
        let args = self.graph.tuple(args);
        self.push_object(class, Made::OldStyle { args })
    }

    fn build(&mut self) -> Result<(), LoadProblem> {
        let state = self.pop()?;
        let top = self.top()?;
        match self.graph.node_mut(top) {
            Node::Object(object) if object.state.is_none() => object.state = Some(state),
            Node::Object(_) => return Err(LoadProblem::SecondState),
            other => return Err(wrong_kind("an object", other.view())),
        }
        Ok(())
    }

    // Names of classes

    fn class_lines(&mut self) -> Result<Class<'a>, LoadProblem> {
        let module = self.input.line().and_then(as_name)?;
        let name = self.input.line().and_then(as_name)?;
        Ok(Class { module, name })
    }

    fn class(&mut self, id: NodeId) -> Result<Class<'a>, LoadProblem> {
        match self.graph.node(id) {
            View::Global(class) => {
                self.budget.take_class(class)?;
                Ok(class.clone())
            }
            other => Err(wrong_kind("a class", other)),
        }
    }

    fn name(&mut self, id: NodeId) -> Result<Cow<'a, str>, LoadProblem> {
        let bytes = match self.graph.node(id) {
            View::Text(bytes) | View::Bytes(bytes) => bytes,
            other => return Err(wrong_kind("a name", other)),
        };
        self.budget.take_bytes(bytes)?;
        if memchr(b'\n', bytes).is_some() {
            return Err(LoadProblem::BadName);
        }
        let name = str::from_utf8(bytes).map_err(|_| LoadProblem::BadName)?;
        Ok(Cow::Owned(name.to_owned()))
    }

    // The memo

    fn put(&mut self, index: usize) -> Result<(), LoadProblem> {
        let top = self.top()?;
        if index >= self.limits.memo {
            return Err(LoadProblem::MemoTooLarge { index, limit: self.limits.memo });
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        if self.memo[index].replace(top).is_none() {
            self.memoized += 1;
        }
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<(), LoadProblem> {
        let id = self.memo.get(index as usize).copied().flatten();
        self.push(id.ok_or(LoadProblem::NotInMemo(index))?)
    }

    // Counted values

    fn long(&mut self, bytes: Cow<'a, [u8]>) -> Result<(), LoadProblem> {
        if bytes.len() > self.limits.long_bytes {
            return Err(LoadProblem::LongTooLong(self.limits.long_bytes));
        }
        let bytes = map(bytes, |bytes| Ok(Cow::Borrowed(number::trim(bytes))))?;
        self.push_node(Node::Long(bytes))
    }

    fn text(&mut self, bytes: Cow<'a, [u8]>) -> Result<(), LoadProblem> {
        let text = map(bytes, |bytes| wtf8::normalize(bytes).map_err(LoadProblem::BadText))?;
        self.push_node(Node::Text(text))
    }
}

/// Changes bytes, and borrows from what they borrow from if that is possible.
fn map<'a>(
    bytes: Cow<'a, [u8]>,
    change: impl for<'b> FnOnce(&'b [u8]) -> Result<Cow<'b, [u8]>, LoadProblem>,
) -> Result<Cow<'a, [u8]>, LoadProblem> {
    match bytes {
        Cow::Borrowed(bytes) => change(bytes),
        Cow::Owned(bytes) => Ok(Cow::Owned(change(&bytes)?.into_owned())),
    }
}

fn as_name(line: Cow<'_, [u8]>) -> Result<Cow<'_, str>, LoadProblem> {
    match line {
        Cow::Borrowed(line) => str::from_utf8(line).ok().map(Cow::Borrowed),
        Cow::Owned(line) => String::from_utf8(line).ok().map(Cow::Owned),
    }
    .ok_or(LoadProblem::BadName)
}

fn pairs(ids: &[NodeId]) -> Result<impl Iterator<Item = (NodeId, NodeId)> + '_, LoadProblem> {
    match ids.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value))),
        _ => Err(LoadProblem::OddItems),
    }
}

fn wrong_kind(wanted: &'static str, found: View<'_, '_>) -> LoadProblem {
    LoadProblem::WrongKind { wanted, found: found.kind() }
}
