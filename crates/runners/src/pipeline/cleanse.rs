//! Headers that must not reach the members (spec/pipeline.md §2.12).

use super::{Flow, HandlerError, Post};

/// Passwords, and requests that would tell the poster who reads the list.
const NEVER: [&str; 9] = [
    "Approved",
    "Approve",
    "X-Approved",
    "X-Approve",
    "Urgent",
    "Return-Receipt-To",
    "Disposition-Notification-To",
    "X-Confirm-Reading-To",
    "X-PMRQC",
];

/// Removes them, and notes the original sender.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if !post.metadata.has("original_sender")
        && let Some(sender) = post.message.sender()
    {
        post.metadata.set_text("original_sender", &sender);
    }
    for name in NEVER {
        post.message.remove(name);
    }
    Ok(Flow::Next)
}
