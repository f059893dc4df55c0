//! Backs up a whole running site to one tar file, and restores a site from such files.
//!
//! # Layout
//! - [`take()`]: the backup of a running site. `stage`: its private directory. [`restore()`]: a site from
//!   backups.
//!
//! # Consistency
//! Mail moves between queues, the database and archives while a backup is taken. To miss none, the
//! entries of all queues are hard-linked into a private directory twice: once before the instant at
//! which the database is copied, and once after it. Mail that was accepted before the backup began,
//! and not delivered when it ended, is in it: as an entry, in the database, or both; hand-over and
//! archives recognize duplicates. SQLite copies databases as they are at one instant. Append-only
//! files are copied up to their length at the time they are copied.
//!
//! # The file
//! A tar file (pax) with paths relative to the site's directory. `dormouse.toml` comes last: a site
//! restored from a truncated file has no settings, and is therefore not a site.
//!
//! # Limits
//! Incremental backups (`since`) leave out files of archives and attachments that are older;
//! database, queues, keys and settings are always included. Files removed between two backups are
//! restored again from the first.
//!
//! # Example
//! ```
//! // A file that is not a backup is recognized before anything is written.
//! assert!(dormouse_backup::begun(&b"no tar file"[..]).is_err());
//! ```

mod error;
mod restore;
mod stage;
mod take;

pub use error::BackupError;
pub use restore::{Restored, restore};
pub use take::{begun, take};

/// The last file of a backup.
const SETTINGS: &str = "dormouse.toml";
/// The database, the first file of a backup.
const DATABASE: &str = "dormouse.db";
/// The queues' directory.
const QUEUES: &str = "qfiles";
