//! Converts messages of a list to plain text, as the settings of the list and the site say.

use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_mail::scrub::{self, Html, ScrubOptions, Scrubbed};
use dormouse_store::{Attachments, Config, List, ScrubHtml, StoreError};

/// Returns the message as text, with the files removed from it, which the caller must store in
/// `attachments` before it uses the text. `received` is when the message arrived.
pub fn scrub(
    message: &Message,
    list: &List,
    config: &Config,
    received: Timestamp,
    attachments: &Attachments,
) -> Result<Scrubbed, StoreError> {
    // Without a server for the files, a link would lead nowhere.
    let shown = list.shows_files(config);
    let base_url = if shown { list.archive_url(config) } else { String::new() };
    let options = ScrubOptions {
        html: match config.scrub_html {
            ScrubHtml::Remove => Html::Remove,
            ScrubHtml::Clean => Html::Clean,
            ScrubHtml::Escape => Html::Escape,
            ScrubHtml::Inline => Html::Inline,
            ScrubHtml::Store => Html::Store,
        },
        keep_names: config.scrub_keep_names,
        base_url: &base_url,
        received,
    };
    scrub::scrub(message, &options, |path, content| attachments.is_taken(path, content))
}
