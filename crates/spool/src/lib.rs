//! The queue directories: durable entries, claims, hand-over, recovery.
//!
//! It knows nothing about lists or mail: an entry is a message's bytes and a dictionary.
//!
//! # Layout
//! - [`queue`]: the closed set of queues and their data-flow order.
//! - [`name`]: entry names, `<received time>+<sha1>`, and slices of them.
//! - [`entry`]: an entry's file: two pickles and its journal. [`metadata`]: the second pickle,
//!   [`envelope`]: its known keys with their types, [`message_object`]: converting Mailman's pickled
//!   message objects to text.
//! - [`spool`]: the directories as a whole: list, enqueue one entry, claim.
//! - [`claim`]: an entry claimed by this process.
//! - [`batch`]: the hand-over of many entries in one go, all or nothing. `staged`: one of them. `unsettled`: what is left until
//!   directories are durable.
//! - [`adopt`]: taking over the spool of a dead host. [`identity`]: telling spools apart.
//! - `spare`: files of finished entries, which are written again. `label`: entries in such files that are
//!   durable before the directory of their queue is.
//! - [`recover`]: completing or undoing the work of dead processes: claims, unfinished hand-overs,
//!   orphans.
//! - [`durable`]: the only place that syncs. [`fault`]: where tests kill us.
//!   `limits`: the number of open files. `listing`: the names in a directory.
//!
//! # Limits
//! Locks distinguish live processes from dead ones only on one machine: a spool belongs to one
//! host. The file system must support `flock` and atomic renames.
//!
//! # Example
//! ```
//! use dormouse_spool::{Metadata, Queue, Spool};
//!
//! let dir = tempfile::tempdir()?;
//! let spool = Spool::new(dir.path());
//! spool.create()?;
//! let name = spool.enqueue(Queue::In, b"Subject: hi\n\n", &Metadata::new())?;
//! let mut claim = spool.claim(Queue::In, &name)?.expect("nobody else has it");
//! assert_eq!(claim.read()?.message, b"Subject: hi\n\n");
//! claim.finish()?;
//! assert!(spool.is_empty(Queue::In)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod adopt;
pub mod batch;
pub mod claim;
mod durable;
pub mod entry;
pub mod envelope;
mod error;
pub mod fault;
pub mod identity;
mod label;
mod limits;
mod listing;
pub mod message_object;
pub mod metadata;
pub mod name;
pub mod queue;
mod record;
pub mod recover;
mod spare;
pub mod spool;
mod staged;
mod unsettled;

pub use adopt::Estate;
pub use batch::Batch;
pub use claim::{Claim, Look};
pub use entry::{Entry, Suspicion};
pub use envelope::{Edit, Envelope, KEY, Keys, WrongValue};
pub use error::SpoolError;
pub use identity::Identity;
pub use limits::allow_open_files;
pub use metadata::Metadata;
pub use name::{EntryName, Slice};
pub use queue::Queue;
pub use spool::{QueueFile, QueueFileState, Seen, Spool};
pub use unsettled::Unsettled;
