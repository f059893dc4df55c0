//! What cannot be processed waits in `shunt` for a person, with the reason.

use dormouse_spool::{Claim, Entry, Metadata, Queue, Spool, SpoolError};
use std::path::Path;

/// Metadata key: why the entry is here.
pub const REASON: &str = "shunt_reason";

/// Says where the entry came from (Mailman's `whichq`, spec/queue.md §6) and why it is here.
pub fn describe(metadata: &mut Metadata, from: &Path, reason: &str) {
    metadata.set_text("whichq", &from.to_string_lossy());
    metadata.set_text(REASON, reason);
}

/// Hands a claimed entry to `shunt`.
pub fn set_aside(
    spool: &Spool,
    claim: Claim,
    mut entry: Entry,
    reason: &str,
) -> Result<(), SpoolError> {
    let queue = claim.queue();
    tracing::error!("{queue}/{}: set aside in shunt: {reason}", claim.name());
    describe(&mut entry.metadata, &spool.dir(queue), reason);
    let mut batch = spool.batch();
    batch.enqueue(Queue::Shunt, &claim.name().derive("shunt"), &entry)?;
    batch.finish(claim);
    batch.commit()
}
