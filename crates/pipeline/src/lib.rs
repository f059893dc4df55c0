//! The posting pipeline: everything that a list does with a message before it is sent.
//!
//! # Layout
//! - [`handlers`]: one file for each handler, ordered by one table. [`Post`]: what they read and
//!   change.
//! - [`recipients`]: the recipients of an entry. [`progress`]: which of them are done.
//! - [`decorate`]: the list's header and footer. [`personal`]: which mail has a copy for each
//!   recipient. [`scrubbing`]: texts of messages. [`policies`]: DMARC policies and DKIM keys from
//!   DNS.
//! - [`settle`]: the consequences of a verdict: what is stored, and who is notified.
//! - [`rehearsal`]: what would happen to a message. [`example`]: a post as it arrives.
//!
//! # Limits
//! A handler processes one message at a time, has the whole message in memory, and never waits for
//! the network: all lookups are done before the batch ([`policies`]).
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
