//! A post comes to wait for a moderator.

use super::{SECRET, link, vouch};
use crate::RunError;
use crate::notices::is_automatic;
use crate::pipeline::{Output, Post, Reason};
use dormouse_spool::Entry;
use dormouse_store::HeldPost;

/// Stores a post for the moderators, and tells them and its sender as the list's settings say
/// (spec/pipeline.md §2.5).
pub fn hold(post: &Post<'_>, sender: &str, reason: &Reason) -> Result<Vec<Output>, RunError> {
    let kept = Entry::new(post.message.to_bytes(), post.metadata.clone());
    let secret = post.store.secret(SECRET)?;
    let held = HeldPost {
        list_id: post.list.id,
        entry: post.entry.as_str().to_owned(),
        sender: sender.to_owned(),
        subject: post.message.text("Subject").unwrap_or_default(),
        reason: reason.text.clone(),
        setting: reason.setting.unwrap_or_default().to_owned(),
        cookie: link::cookie(&secret, post.entry.as_str()),
        held_at: post.now,
    };
    let held = post.store.hold(&held, &kept.to_bytes())?;
    let settings = &post.list.settings;
    let mut outputs = Vec::new();
    if reason.is_quiet {
        return Ok(outputs);
    }
    if settings.admin_immed_notify {
        outputs.push(post.notices().held(&post.message, &held, &secret));
    }
    if settings.respond_to_post_requests
        && !is_automatic(&post.message, &post.metadata)
        && vouch::may_answer(post, sender)?
    {
        let language = post.store.language_of(post.list.id, sender)?;
        outputs.push(post.notices().post_held(&held, &secret, &language));
    }
    Ok(outputs)
}
