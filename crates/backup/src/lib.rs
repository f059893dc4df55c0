//! A whole site in one tar file, taken while it runs, and a site out of such files again.
//!
//! # What is consistent with what
//! Mail moves from queue to queue, to the database and to archives while a backup is taken. So that
//! none falls between two copies, the entries of all queues are linked into a directory of the
//! backup's own twice: once before the instant at which the database is copied, once after it. What
//! was accepted before the backup began, and not delivered when it ended, is in it: as an entry, in
//! the database, or both; hand-over and archives recognise what they have seen before. Databases
//! are copied by SQLite as they are at one instant. Files only ever appended to are copied as far as
//! they reached when their turn came.
//!
//! # The file
//! A tar file (pax) with paths relative to the site's directory. `dormouse.toml` comes last: a site
//! that was restored from a file that is cut short has none, and so is none.
//!
//! # Limits
//! Incremental backups (`since`) leave out files of archives and attachments that are older;
//! database, queues, keys and settings are always whole. What was removed between two backups is
//! back after a restore of both.

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
