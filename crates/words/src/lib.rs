//! Texts for people, in their language.
//!
//! A text is written in English where it is used, as the argument of [`say`], [`say_as`] or
//! [`count`] (templates of pages use their frame). Its translations are in `po/*.po`, which are
//! compiled in. A text without a translation appears in English.
//!
//! ```ignore
//! say("Join {list}").with("list", name).to(language)
//! count("{count} post", "{count} posts", number)
//! ```
//!
//! - [`Language`]: the available languages, and the choice of one for a reader. [`Text`]: a text
//!   with fields, not yet in a language. [`date`]: dates and times for people.

mod catalogue;
pub mod date;
mod language;
mod text;

pub use language::Language;
pub use text::{Said, Text, count, msgid, say, say_as, verbatim};
