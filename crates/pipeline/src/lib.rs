//! The posting pipeline: what a list does with a message before it leaves.
//!
//! # Layout
//! - [`handlers`]: one file a handler, ordered by one table. [`Post`]: what they look at and change.
//! - [`recipients`]: for whom an entry is; [`progress`]: how far its delivery has come.
//! - [`decorate`]: the list's header and footer. [`personal`]: which mail has a copy for each
//!   recipient. [`scrubbing`]: texts of messages. [`policies`]: what the senders' domains ask.
//! - [`settle`]: what follows from a verdict: what is stored, and who is told.
//! - [`rehearsal`]: what would happen to a message, without it happening. [`example`]: how a post
//!   arrives.
//!
//! # Limits
//! A handler looks at one message at a time, has the whole message in memory, and waits for no
//! network: what must be looked up is looked up before the batch ([`policies`]).
//!
//! # Example
//! ```
//! let names: Vec<&str> = dormouse_pipeline::VIRGIN.iter().map(|handler| handler.name).collect();
//! assert_eq!(names, ["CookHeaders", "ToOutgoing"]);
//! ```

pub mod decorate;
pub mod example;
pub mod handlers;
pub mod personal;
pub mod policies;
mod post;
pub mod progress;
pub mod recipients;
pub mod rehearsal;
pub mod scrubbing;
pub mod settle;
#[cfg(test)]
mod testing;

pub use handlers::{Handler, OWNER, POSTING, VIRGIN, order};
pub use post::{Flow, HandlerError, Post, Reason, Verdict};
