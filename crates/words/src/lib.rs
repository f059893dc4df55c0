//! What is said to people, in their language.
//!
//! A text stands in the program in English, as the argument of [`say`], [`say_as`] or [`count`] (pages'
//! templates through their frame), and its translations in `po/*.po`, which are compiled in. What has no
//! translation is said in English, text by text.
//!
//! ```ignore
//! say("Join {list}").with("list", name).to(language)
//! count("{count} post", "{count} posts", number)
//! ```
//!
//! - [`Language`]: the languages there are, and which one suits somebody. [`Text`]: something to say,
//!   in no language yet. [`date`]: points in time as people read them.

mod catalogue;
pub mod date;
mod language;
mod text;

pub use language::Language;
pub use text::{Said, Text, count, msgid, say, say_as, verbatim};
