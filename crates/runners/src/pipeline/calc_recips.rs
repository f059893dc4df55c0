//! Who gets a post: the regular members whose delivery is enabled, without a poster who does not
//! want copies of own posts (spec/pipeline.md §2.10).

use super::{Flow, HandlerError, Post};
use crate::recipients::Recipients;
use dormouse_store::MemberOption;
use std::collections::BTreeSet;

/// Leaves recipients that are there already as they are, even when they are none.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if Recipients::read(&post.metadata).is_some() {
        return Ok(Flow::Next);
    }
    let mut except = BTreeSet::new();
    if let Some(sender) = post.message.sender()
        && let Some(member) = post.store.member(post.list.id, &sender)?
        && member.options.has(MemberOption::DontReceiveOwnPosts)
    {
        except.insert(member.key);
    }
    let recipients = Recipients::of_list(post.store, post.list.id, &post.list.name, except)?;
    recipients.write(&mut post.metadata);
    Ok(Flow::Next)
}
