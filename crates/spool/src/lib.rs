//! The queue directories: durable entries, claims, hand-over, recovery.
//!
//! Knows nothing of lists or mail: an entry is a message's bytes and a dictionary.
//!
//! # Layout
//! - [`queue`]: the closed set of queues and their data-flow order.
//! - [`name`]: entry names, `<received time>+<sha1>`, and slices of them.
//! - [`entry`]: an entry's file: two pickles and its journal. [`metadata`] is the second pickle,
//!   [`envelope`] its known keys with their types, [`message_object`] turns Mailman's pickled message objects back into text.
//! - [`spool`]: the directories as a whole: list, enqueue one entry, claim.
//! - [`claim`]: an entry held by this process.
//! - [`batch`]: the hand-over of many entries at once, all or nothing.
//! - [`recover`]: what a dead process left: claims, half-applied hand-overs, orphans.
//! - [`durable`]: the only place that syncs. [`fault`]: where tests kill us. [`clock`]: the time.
//!   `limits`: how many files may be open.

pub mod batch;
pub mod claim;
pub mod clock;
mod durable;
pub mod entry;
pub mod envelope;
mod error;
pub mod fault;
mod limits;
pub mod message_object;
pub mod metadata;
pub mod name;
pub mod queue;
pub mod recover;
pub mod spool;

pub use batch::Batch;
pub use claim::{Claim, Look};
pub use entry::Entry;
pub use envelope::{Envelope, WrongValue};
pub use error::SpoolError;
pub use limits::allow_open_files;
pub use metadata::Metadata;
pub use name::{EntryName, Slice};
pub use queue::Queue;
pub use spool::{Found, FoundState, Spool};
