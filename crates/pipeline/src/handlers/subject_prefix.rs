//! The subject prefix (docs/spec/pipeline.md §3).

use super::{Post, deferred};
use dormouse_mail::message::encoded;
use dormouse_mail::subject;

/// Adds the list's prefix to the subject, and stores the original subject in the metadata.
pub fn add(post: &mut Post<'_>) {
    let subject = post.message.field("Subject").map(|field| field.value().to_vec());
    let prefixed = subject::prefix(
        subject.as_deref(),
        &post.list.settings.subject_prefix,
        post.list.post_id,
        post.config.old_style_prefixing,
    );
    if let Some(prefixed) = prefixed {
        post.metadata.edit().original_subject(&post.message.text("Subject").unwrap_or_default());
        post.metadata.edit().stripped_subject(&prefixed.stripped);
        let value = encoded("Subject", &prefixed.new);
        deferred::change(post, "Subject", &value);
    }
}
