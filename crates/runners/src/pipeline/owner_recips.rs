//! Mail for the people who run the list (spec/pipeline.md §5).

use super::{Flow, HandlerError, Post};
use crate::recipients::Recipients;

/// Owners and moderators, untouched and each once.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let settings = &post.list.settings;
    let mut people: Vec<String> = Vec::new();
    for address in settings.owner.iter().chain(&settings.moderator) {
        if !people.iter().any(|known| known.eq_ignore_ascii_case(address)) {
            people.push(address.clone());
        }
    }
    Recipients::These(people).write(&mut post.metadata);
    post.metadata.set_int("nodecorate", 1);
    post.metadata.set_int("personalize", 0);
    Ok(Flow::Next)
}
