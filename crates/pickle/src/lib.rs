//! Python pickles, read and written without executing anything.
//!
//! A pickle is a small program for a stack machine. This crate runs the part of it that builds data
//! and keeps the part that would call Python as a description: an instance becomes its class name,
//! its arguments and its state. Nothing is imported and nothing is called, so a malicious pickle
//! can at worst be refused.
//!
//! ```
//! use dormouse_pickle::{Limits, Protocol, dump, load};
//!
//! let (graph, used) = load(b"}q\x01U\x04langU\x02ens.rest", &Limits::default())?;
//! assert_eq!(used, 15);
//! assert_eq!(graph.root().get("lang").and_then(|lang| lang.as_bytes()), Some(&b"en"[..]));
//!
//! let mut out = Vec::new();
//! dump(&graph, Protocol::One, &mut out)?;
//! assert_eq!(out, b"}U\x04langU\x02ens.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! - [`Node`]: one Python value; it refers to others by [`NodeId`]. [`View`] is the same for reading.
//! - [`Graph`]: the nodes of one pickle in one vector. Sharing and cycles are plain numbers, and
//!   neither reading, writing, comparing nor dropping a graph recurses.
//! - [`Value`]: a node with its graph, for reading.
//! - [`load()`]: reads protocols 0 to 5, within [`Limits`]. Byte strings are borrowed from the input.
//!   [`load_from()`] reads a large file and keeps each different string once.
//! - [`dump()`]: writes protocols 0 to 2. [`Pieces`] write values that are not in one graph.
//! - [`marshal`]: reads and writes the same graphs in the format of Python 2's `marshal`.
//! - Inside: `opcode` (the alphabet), `input` (arguments of opcodes), `number`, `escape` and `wtf8`
//!   (notations of values), `reduce` (the few calls that are data in disguise), `survey` (what is
//!   shared), `walk` (cycles and depth), `equal`.
//!
//! # Limits
//!
//! [`Limits`] bound the values, the memo, the depth and the size of integers, so that memory stays
//! proportional to the input. Protocols 3 to 5 are read, not written. Persistent ids, out-of-band
//! buffers and extension codes are refused.
//!
//! # Which Python type is which node
//!
//! | Python 2 | Python 3 | node |
//! |---|---|---|
//! | `str` | `bytes` | [`Node::Bytes`] |
//! | `unicode` | `str` | [`Node::Text`] |
//! | `int` | `int` of up to 32 bits | [`Node::Int`] |
//! | `long` | larger `int` | [`Node::Long`] |
//! | `bytearray` | `bytearray` | [`Node::ByteArray`] |
//!
//! The two columns are what each Python writes. Python 2 reads every node back as the type in its
//! column; Python 3 reads the byte strings of protocols 0 to 2 as `str`, unless called with
//! `encoding="bytes"`.

mod dump;
mod equal;
mod error;
mod escape;
mod graph;
mod input;
mod limits;
mod load;
pub mod marshal;
mod node;
mod number;
mod opcode;
mod pieces;
mod reduce;
mod show;
mod survey;
mod value;
mod walk;
mod wtf8;

pub use dump::{Protocol, dump};
pub use error::{DumpError, LoadError, LoadProblem};
pub use graph::Graph;
pub use limits::Limits;
pub use load::{load, load_from};
pub use node::{Class, Made, Node, NodeId, Object, View};
pub use pieces::{DictPieces, Pieces, Place};
pub use value::Value;
