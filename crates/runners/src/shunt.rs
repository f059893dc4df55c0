//! Entries that cannot be processed wait in `shunt` for a person, with the reason.

use dormouse_spool::Metadata;
use std::path::Path;

/// Records where the entry came from (Mailman's `whichq`, docs/spec/queue.md §6) and why it is in
/// `shunt`.
pub fn describe(metadata: &mut Metadata, from: &Path, reason: &str) {
    metadata.edit().which_queue(&from.to_string_lossy()).shunt_reason(reason);
}
