//! Archives: the mbox, threads, pages at Pipermail's addresses, search.
//!
//! The mbox is the source of truth. The index is derived from it, and the pages from the index:
//! both can be rebuilt at any time, and every address stays the same.
//!
//! # Layout
//! - [`place`]: paths and permissions. [`mbox`]: reading and appending.
//! - [`article`]: the data about a message. [`volume`]: names of volumes. [`keys`]: sort keys.
//! - [`archive`]: one list's archive, open for writing: append, follow, rebuild, import, remove.
//!   `import`, `removal`: the last two. `redaction`: masking words. `index`: a message's place.
//!   `threads`: parents and replies. `numbers`: existing addresses. [`moving`]: moving the archive
//!   of a renamed list.
//! - `pages`: the pages, from templates. `body`, `text`: a message's text as HTML. `write`,
//!   `listings`: writing pages. `parallel`: work for all processors.
//! - [`search`]: finding messages. [`source`]: original messages. `follow`: threads as feeds. [`gzip`]: compressed texts.
//!   [`arch`]: Mailman's `bin/arch`.
//!
//! # Limits
//! An index page has at most 400 messages, and threads deeper than the indent limit continue at that depth,
//! so a post costs the same in an archive of any size. One process writes at a time.
//!
//! # Example
//! ```
//! use dormouse_archive::mbox;
//!
//! let entry = mbox::entry("anna@example.org", "Mon Nov 23 10:00:00 2026", b"Subject: hi\n\nFrom me\n");
//! assert!(entry.ends_with(b"\n>From me\n\n"));
//! assert_eq!(mbox::message(&entry), b"Subject: hi\n\nFrom me\n");
//! ```

pub mod arch;
pub mod archive;
pub mod article;
mod body;
mod error;
mod follow;
pub mod gzip;
mod import;
mod index;
pub mod keys;
mod listings;
pub mod mbox;
pub mod moving;
mod numbers;
mod pages;
mod parallel;
pub mod place;
mod redaction;
mod removal;
pub mod search;
pub mod source;
mod text;
mod threads;
pub mod volume;
mod write;

pub use archive::{Archive, ArchivePost, Progress, Rebuilt};
pub use article::message_id_of;
pub use error::ArchiveError;
pub use follow::thread_feed;
pub use import::ImportedMbox;
pub use place::ArchivePlace;
pub use redaction::Redaction;
pub use removal::RemovedMessages;
pub use text::{percent, plain};

use dormouse_mail::Message;
use dormouse_store::{Config, List};

/// Returns the URL at which a post will be archived (RFC 5064 `Archived-At`), derived only from its
/// Message-ID.
pub fn archived_at(list: &List, config: &Config, message: &Message) -> String {
    let id = message_id_of(message);
    format!("{}{}", list.archive_url(config), pages::permanent(&id))
}
