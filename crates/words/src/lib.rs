//! Texts for people, in their language.
//!
//! A text is written in English where it is used, as the argument of [`say`], [`say_as`] or
//! [`count`] (templates of pages use their frame). Its translations are in `po/*.po`, which are
//! compiled in. A text without a translation appears in English.
//!
//! ```
//! use dormouse_words::{Language, count};
//!
//! let posts = count("{count} post", "{count} posts", 2);
//! assert_eq!(posts.to(Language::or_english("en")).to_string(), "2 posts");
//! ```
//!
//! - [`Language`]: the available languages, and the choice of one for a reader. [`Text`]: a text
//!   with fields, not yet in a language. [`date`]: dates and times for people.
//!
//! # Limits
//! A text is a literal in the source, so that it can be collected for translators; numbers and dates
//! are not formatted by the reader's region. New translations need a new build.

mod catalogue;
pub mod date;
mod language;
mod text;

pub use language::Language;
pub use text::{Said, Text, count, msgid, say, say_as, verbatim};
