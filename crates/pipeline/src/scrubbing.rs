//! Converts messages of a list to plain text, as the settings of the list and the site say.

use dormouse_mail::Message;
use dormouse_mail::scrub::{self, Html, Options, Scrubbed};
use dormouse_store::{Attachments, Config, List, ScrubHtml, StoreError};
use std::time::{Duration, SystemTime};

/// Returns the message as text, with the files removed from it, which the caller must store in
/// `attachments` before it uses the text. `received` is when the message arrived, in seconds since
/// the epoch.
pub fn scrub(
    message: &Message,
    list: &List,
    config: &Config,
    received: f64,
    attachments: &Attachments,
) -> Result<Scrubbed, StoreError> {
    let since = Duration::try_from_secs_f64(received).unwrap_or_default();
    // Without a server for the files, a link would lead nowhere.
    let shown = list.shows_files(config);
    let base_url = if shown { list.archive_url(config) } else { String::new() };
    let options = Options {
        html: match config.scrub_html {
            ScrubHtml::Remove => Html::Remove,
            ScrubHtml::Clean => Html::Clean,
            ScrubHtml::Escape => Html::Escape,
            ScrubHtml::Inline => Html::Inline,
            ScrubHtml::Store => Html::Store,
        },
        keep_names: config.scrub_keep_names,
        base_url: &base_url,
        received: SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH),
    };
    scrub::scrub(message, &options, |path, content| attachments.is_taken(path, content))
}
