//! Which mail is sent as a separate copy for each recipient.

use dormouse_mail::Message;
use dormouse_spool::Metadata;
use dormouse_store::{Config, List, OneClick};

/// Whether each recipient of an entry gets a separate copy: on personalized lists, unless the
/// metadata says `personalize` false (docs/spec/pipeline.md §6).
pub fn is_personal(list: &List, metadata: &Metadata) -> bool {
    list.settings.personalize.is_on() && may_be_personal(metadata)
}

/// Whether an entry's metadata allows a copy for each recipient.
fn may_be_personal(metadata: &Metadata) -> bool {
    metadata.envelope().personalize() != Some(false)
}

/// Whether an entry has an envelope sender of its own for each recipient (VERP).
pub fn has_own_sender(metadata: &Metadata) -> bool {
    metadata.envelope().verp().unwrap_or_default() && may_be_personal(metadata)
}

/// Whether a list has the page that one click on a link leads to (RFC 8058 §3.1).
pub fn has_one_click_page(list: &List, config: &Config) -> bool {
    config.has_pages() && list.web_page_url(config).starts_with("https://")
}

/// Whether an entry usually takes a transaction for each recipient: with a copy, an envelope sender or a
/// link of its own. An MTA that offers XVERP needs fewer.
pub fn is_sent_one_by_one(
    list: &List,
    config: &Config,
    message: &Message,
    metadata: &Metadata,
) -> bool {
    let has_link = list.settings.one_click_unsubscribe == OneClick::Every
        && has_one_click_page(list, config)
        && message.text("List-Unsubscribe").is_some();
    is_personal(list, metadata) || has_own_sender(metadata) || has_link
}
