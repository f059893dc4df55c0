//! What a moderator should look at before everybody gets it (spec/pipeline.md §2.5).

use super::{Flow, HandlerError, Post, Reason, administrivia, destination, patterns};

/// The first test that hits holds the post. What a moderator approved has been looked at.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if post.metadata.flag("approved") {
        return Ok(Flow::Next);
    }
    let tests = [
        commands,
        too_many_recipients,
        implicit_destination,
        suspicious_header,
        too_big,
        moderated_group,
    ];
    Ok(tests.iter().find_map(|test| test(post)).map_or(Flow::Next, Flow::Hold))
}

fn commands(post: &Post<'_>) -> Option<Reason> {
    (post.list.settings.administrivia && administrivia::is_command(&post.message))
        .then(|| Reason::new("administrivia", "Message may contain administrivia"))
}

fn too_many_recipients(post: &Post<'_>) -> Option<Reason> {
    let most = post.list.settings.max_num_recipients;
    let count = post.message.mailboxes("To").len() + post.message.mailboxes("Cc").len();
    (most > 0 && count as i64 >= most)
        .then(|| Reason::new("max_num_recipients", "Too many recipients to the message"))
}

fn implicit_destination(post: &Post<'_>) -> Option<Reason> {
    (post.list.settings.require_explicit_destination
        && !post.metadata.flag("fromusenet")
        && !destination::is_explicit(post))
    .then(|| Reason::new("require_explicit_destination", "Message has implicit destination"))
}

fn suspicious_header(post: &Post<'_>) -> Option<Reason> {
    const SETTING: &str = "bounce_matching_headers";
    let rules = &post.list.settings.bounce_matching_headers;
    rules
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .any(|(name, pattern)| {
            post.message
                .fields_named(name.trim())
                .any(|field| patterns::search(post, SETTING, pattern.trim(), &field.text()))
        })
        .then(|| Reason::new(SETTING, "Message has a suspicious header"))
}

fn too_big(post: &Post<'_>) -> Option<Reason> {
    let limit = post.list.settings.max_message_size;
    let size = post.message.body().len() as i64;
    (limit > 0 && size / 1024 > limit).then(|| {
        Reason::new(
            "max_message_size",
            format!("Message body is too big: {size} bytes with a limit of {limit} KB"),
        )
    })
}

fn moderated_group(post: &Post<'_>) -> Option<Reason> {
    let settings = &post.list.settings;
    (settings.gateway_to_news && settings.news_moderation.is_moderated())
        .then(|| Reason::new("news_moderation", "Posting to a moderated newsgroup"))
}
