//! Archives: the mbox, threads, pages at Pipermail's addresses, search.
//!
//! The mbox is the source of truth. The index follows it, and the pages follow the index: both can
//! be made again from it at any time, and every address stays what it was.
//!
//! # Layout
//! - [`place`]: where everything lies, and who may read it. [`mbox`]: reading and appending.
//! - [`article`]: what an archive knows of a message. [`volume`]: names of volumes. [`keys`]: orders.
//! - [`archive`]: one list's archive, open for writing: append, follow, rebuild, import, remove.
//!   `import`, `removal`: the last two. `index`: where a message belongs. `threads`: what it
//!   answers, and what answers it. `numbers`: addresses that are there already.
//! - `pages`: the pages, from templates. `body`, `text`: a message's text as HTML. `write`,
//!   `listings`: pages onto the disk. `parallel`: work for all processors.
//! - [`search`]: finding messages. [`source`]: messages as they came. [`gzip`]: compressed texts. [`arch`]: Mailman's `bin/arch`.

pub mod arch;
pub mod archive;
pub mod article;
mod body;
mod error;
pub mod gzip;
mod import;
mod index;
pub mod keys;
mod listings;
pub mod mbox;
mod numbers;
mod pages;
mod parallel;
pub mod place;
mod removal;
pub mod search;
pub mod source;
mod text;
mod threads;
pub mod volume;
mod write;

pub use archive::{Archive, Post, Progress, Rebuilt};
pub use article::message_id_of;
pub use error::ArchiveError;
pub use import::Imported;
pub use place::Place;
pub use removal::Removed;
pub use text::{percent, plain};

use dormouse_mail::Message;
use dormouse_store::{Config, List};

/// The address at which a post will be archived (RFC 5064 `Archived-At`), made from its Message-ID
/// alone, as the archive reads it.
pub fn archived_at(list: &List, config: &Config, message: &Message) -> String {
    let id = message_id_of(message);
    format!("{}{}", list.archive_url(config), pages::permanent(&id))
}
