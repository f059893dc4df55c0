//! The list remembers that it had a post (spec/pipeline.md §5).

use super::{Flow, HandlerError, Post};

/// Counts the post and notes its time.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    post.store.count_post(post.list.id, post.now)?;
    post.delivered = true;
    Ok(Flow::Next)
}
