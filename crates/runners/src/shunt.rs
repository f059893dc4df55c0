//! What cannot be processed waits in `shunt` for a person, with the reason.

use dormouse_spool::Metadata;
use std::path::Path;

/// Metadata key, Mailman's: the directory of the queue that the entry was in.
pub const FROM: &str = "whichq";

/// Metadata key: why the entry is here.
pub const REASON: &str = "shunt_reason";

/// Says where the entry came from (Mailman's `whichq`, docs/spec/queue.md §6) and why it is here.
pub fn describe(metadata: &mut Metadata, from: &Path, reason: &str) {
    metadata.set_text(FROM, &from.to_string_lossy());
    metadata.set_text(REASON, reason);
}
