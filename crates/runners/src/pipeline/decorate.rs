//! The list's header and footer texts (spec/pipeline.md §7).

use super::Post;
use crate::template;
use dormouse_mail::decorate::{Decorated, decorate};

/// Puts them around the message's text, unless the message must stay as it is.
pub fn add(post: &mut Post<'_>) {
    let exempt = ["isdigest", "nodecorate", "decorated"].iter().any(|key| post.metadata.flag(key));
    if exempt || post.list.settings.personalize.is_on() {
        return;
    }
    let fields = template::list_fields(post.list, post.config);
    let dollars = post.list.settings.use_dollar_strings;
    let header = template::fill(&post.list.settings.msg_header, &fields, dollars);
    let footer = template::fill(&post.list.settings.msg_footer, &fields, dollars);
    if header.trim().is_empty() && footer.trim().is_empty() {
        return;
    }
    if let Decorated::Unchanged(why) = decorate(&mut post.message, &header, &footer) {
        tracing::debug!("{}: no header or footer added: {why:?}", post.entry);
    }
    // Mailman's own delivery must not add them a second time.
    post.metadata.set_flag("decorated", true);
}
