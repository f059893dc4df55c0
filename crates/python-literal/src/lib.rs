//! Python's assignments of plain values, read and written without executing anything.
//!
//! Mailman keeps settings in Python files: what `config_list` writes and reads, and `mm_cfg.py`.
//! This crate parses such a file as a list of assignments. Calls, imports and branches are kept as a
//! description for the caller to understand or refuse, with their line.
//!
//! ```
//! use dormouse_python_literal::{Scope, Literal, What, parse};
//!
//! let file = parse(b"owner = ['anna@example.org']\nimport os\n");
//! assert!(file.problems.is_empty());
//! let What::Assign { value, .. } = &file.statements[0].what else { panic!() };
//! let owner = Scope::default().evaluate(value)?;
//! assert_eq!(owner, Literal::List(vec![Literal::Bytes(b"anna@example.org".to_vec())]));
//! assert!(matches!(&file.statements[1].what, What::Other { keyword } if keyword == "import"));
//! # Ok::<(), String>(())
//! ```
//!
//! # Layout
//! - `token`: tokens. `parse`: statements and expressions.
//! - [`Scope`]: evaluating expressions. `operate`: operators. `format`: `%` with a string.
//!   [`Literal`]: a plain value, and its representation in Python.
//!
//! # Limits
//! Expressions may be 60 levels deep with 1000 operators in a statement, and a result may have 2^20
//! values and bytes: `'x' * 10 ** 9` is an error. Names have only the values that the caller gives them.

mod evaluate;
mod format;
mod operate;
mod parse;
mod token;
mod value;

pub use evaluate::{Scope, set};
pub use parse::{Expr, File, Operator, Sign, Statement, What, parse};
pub use value::Literal;

/// A parse error with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The problem.
    pub what: String,
}
