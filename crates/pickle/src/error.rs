//! Errors of reading and writing.

use thiserror::Error;

/// Why a pickle was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{opcode} at byte {offset}: {problem}")]
pub struct LoadError {
    /// Where the opcode starts, in bytes from the start of the input.
    pub offset: usize,
    /// The opcode's name in Python's `pickletools`.
    pub opcode: &'static str,
    /// What is wrong with it.
    pub problem: LoadProblem,
}

/// What is wrong with an opcode.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadProblem {
    /// The input ends before the pickle does.
    #[error("the pickle is truncated: {needed} bytes are needed and {left} are left")]
    Truncated {
        /// The number of bytes that the opcode needs.
        needed: u64,
        /// The number that the input still has.
        left: usize,
    },
    /// The system cannot read the file.
    #[error("reading failed: {0}")]
    Unreadable(String),
    /// The line that an opcode reads does not end.
    #[error("the pickle is truncated: the line does not end")]
    UnendedLine,
    /// No protocol has this opcode.
    #[error("{0:#04x} is not an opcode, so this is not a pickle or a damaged one")]
    UnknownOpcode(u8),
    /// A protocol above 5.
    #[error("protocol {0} is unknown; protocols 0 to 5 are supported")]
    UnknownProtocol(u8),
    /// An opcode that refers to something outside the pickle.
    #[error("it refers to {0}, which exists only in the program that wrote the pickle")]
    Outside(&'static str),
    /// A length below zero.
    #[error("the length {0} is negative")]
    NegativeLength(i32),
    /// An opcode takes more values than the stack has.
    #[error("the stack has too few values")]
    StackUnderflow,
    /// An opcode needs a mark and the stack has none.
    #[error("there is no mark on the stack")]
    NoMark,
    /// Keys and values do not pair up.
    #[error("a key has no value")]
    OddItems,
    /// An opcode found a value of the wrong type.
    #[error("{found} was found where {wanted} is needed")]
    WrongKind {
        /// The type that the opcode needs.
        wanted: &'static str,
        /// The type that was found.
        found: &'static str,
    },
    /// An object is given a second state.
    #[error("the object already has a state")]
    SecondState,
    /// The memo has no value at this index.
    #[error("the memo has nothing at {0}")]
    NotInMemo(u32),
    /// The text of a number cannot be read.
    #[error("{0:?} is not {1}")]
    BadNumber(String, &'static str),
    /// The text of a byte string cannot be read.
    #[error("the quoted string is malformed: {0}")]
    BadString(&'static str),
    /// A text is not UTF-8 with lone surrogates allowed, or it contains a broken escape.
    #[error("the text is malformed {0} bytes into it")]
    BadText(usize),
    /// The name of a module or class is not UTF-8 or has a line end in it.
    #[error("the name of a module or class is malformed")]
    BadName,
    /// A set is, directly or through tuples, an item of itself.
    #[error("a set contains itself")]
    SetInItself,
    /// The pickle asks for more values than [`Limits::nodes`](crate::Limits::nodes).
    #[error("the pickle creates more than {0} values")]
    TooManyNodes(usize),
    /// The pickle nests deeper than [`Limits::depth`](crate::Limits::depth).
    #[error("the pickle nests more than {0} levels deep")]
    TooDeep(usize),
    /// The memo would hold more than [`Limits::memo`](crate::Limits::memo).
    #[error("memo index {index} is out of bounds: {limit} places are allowed")]
    MemoTooLarge {
        /// The index that was asked for.
        index: usize,
        /// The number of places allowed.
        limit: usize,
    },
    /// A long integer is larger than [`Limits::long_bytes`](crate::Limits::long_bytes).
    #[error("the integer is longer than {0} bytes")]
    LongTooLong(usize),
}

/// Why a graph cannot be written. A loaded graph can always be written: these are mistakes in
/// graphs built by hand, and strings over 2 GiB.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DumpError {
    /// A tuple, a set or the arguments of an object contain themselves, without a list, dictionary
    /// or state in between that could be filled later.
    #[error("node {node} ({kind}) contains itself and cannot be created")]
    PartOfItself {
        /// The number of the node.
        node: u32,
        /// What it is.
        kind: &'static str,
    },
    /// The arguments of an object are not a tuple, or its keyword arguments are not a dictionary.
    #[error("node {node} ({found}) is used as arguments, where {wanted} is needed")]
    BadArguments {
        /// The number of the node.
        node: u32,
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A text is not UTF-8, even with lone surrogates allowed.
    #[error("the text of node {node} is malformed {at} bytes into it")]
    BadText {
        /// The number of the node.
        node: u32,
        /// Offset of the fault in the text.
        at: usize,
    },
    /// The name of a module or class has a line end in it.
    #[error("{module:?}.{name:?} cannot be the name of a class")]
    BadName {
        /// The module.
        module: String,
        /// The class.
        name: String,
    },
    /// Protocols 0 to 2 hold strings of at most 2 GiB.
    #[error("node {node} ({kind}) of {length} bytes is too long for a pickle")]
    TooLong {
        /// The number of the node.
        node: u32,
        /// What it is.
        kind: &'static str,
        /// Its length in bytes.
        length: usize,
    },
}
