//! A post that has been through this list before is dropped (spec/pipeline.md §2.2).

use super::{Flow, HandlerError, Post, Reason};

/// Looks for the list's own address in `X-BeenThere`.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let address = post.list.address();
    let seen = post
        .message
        .fields_named("X-BeenThere")
        .any(|field| field.text().trim().eq_ignore_ascii_case(&address));
    Ok(if seen {
        Flow::Discard(Reason::plain("the post has been through this list already"))
    } else {
        Flow::Next
    })
}
