//! The syntax tree.

use crate::ParseError;

/// An expression, not evaluated yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// A unicode string.
    Text(String),
    /// A tuple.
    Tuple(Vec<Expr>),
    /// A list.
    List(Vec<Expr>),
    /// A dictionary.
    Dict(Vec<(Expr, Expr)>),
    /// A name, including `True`, `False` and `None`.
    Name(String),
    /// `of.name`
    Attribute(Box<Expr>, String),
    /// `of[index]`
    Index(Box<Expr>, Box<Expr>),
    /// `function(arguments, name=argument)`
    Call(Box<Expr>, Vec<Expr>, Vec<(String, Expr)>),
    /// `-of` and the like
    Unary(Sign, Box<Expr>),
    /// `value if condition else other`: condition, value, other
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `left operator right`
    Binary(Operator, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// `a.b.c` of names and attributes.
    pub fn dotted(&self) -> Option<String> {
        match self {
            Expr::Name(name) => Some(name.clone()),
            Expr::Attribute(of, name) => Some(format!("{}.{name}", of.dotted()?)),
            _ => None,
        }
    }
}

/// Unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `~`
    Invert,
    /// `not`
    Not,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `//`
    FloorDivide,
    /// `%`
    Modulo,
    /// `**`
    Power,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `==`
    Equal,
    /// `!=` or `<>`
    NotEqual,
    /// `and`
    And,
    /// `or`
    Or,
}

/// The kind of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// `a = b = value`
    Assign {
        /// The targets: names, attributes or items.
        targets: Vec<Expr>,
        /// The assigned value.
        value: Expr,
    },
    /// `a += value`
    Augment {
        /// The target.
        target: Expr,
        /// The operator.
        operator: Operator,
        /// The operand.
        value: Expr,
    },
    /// An expression by itself: a call, or a text as a comment.
    Expression(Expr),
    /// Any other statement, by its first word: `import`, `if`, `def`. The rest of its line is
    /// not parsed.
    Other {
        /// The first word.
        keyword: String,
    },
    /// An invalid statement; the file's problems contain it, too, with its exact line.
    Broken {
        /// The reason.
        problem: String,
    },
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The line it starts on, from 1.
    pub line: usize,
    /// The indentation; more than 0 is inside a block.
    pub indent: usize,
    /// What it does.
    pub what: What,
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The statements.
    pub statements: Vec<Statement>,
    /// The parse errors.
    pub problems: Vec<ParseError>,
}
