//! Which mail is sent as a separate copy for each recipient.

use dormouse_spool::Metadata;
use dormouse_store::List;

/// Whether each recipient of an entry gets a separate copy: on personalised lists, unless the
/// metadata says `personalize` false (docs/spec/pipeline.md §6).
pub fn is_personal(list: &List, metadata: &Metadata) -> bool {
    list.settings.personalize.is_on() && may_be_personal(metadata)
}

/// Whether an entry's metadata allows a copy for each recipient.
pub fn may_be_personal(metadata: &Metadata) -> bool {
    metadata.envelope().personalize() != Some(false)
}
