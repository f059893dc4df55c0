//! The last step: the message is ready for the MTA (spec/pipeline.md §5).

use super::{Flow, HandlerError, Output, Post};
use crate::decorate::{DECORATED, Texts};
use crate::outbound::is_personal;
use dormouse_mail::decorate::Decorated;
use dormouse_spool::{Entry, Queue};

/// Decides on VERP, adds the list's texts and hands the message to `out`.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    decorate(post);
    if !post.metadata.has("verp") {
        let interval = post.config.delivery_verp_interval;
        let verp = if post.list.settings.personalize.is_on() {
            post.config.delivery_verp_personalized
        } else {
            // The number this post had, plus one: AfterDelivery has counted it already.
            interval == 1 || interval > 1 && (post.list.post_id + 1) % interval == 0
        };
        post.metadata.set_flag("verp", verp);
    }
    post.metadata.set_text("listname", &post.list.name);
    post.metadata.remove("pipeline");
    let entry = Entry::new(post.message.to_bytes(), post.metadata.clone());
    post.outputs.push(Output { queue: Queue::Out, label: "out".to_owned(), entry });
    Ok(Flow::Next)
}

/// Adds the list's texts, unless they are different for each recipient.
fn decorate(post: &mut Post<'_>) {
    let Some(texts) = Texts::of(post.list, post.config, &post.metadata) else { return };
    if is_personal(post.list, &post.metadata) && texts.name_recipient() {
        return;
    }
    if let Decorated::Unchanged(why) = texts.add_to(&mut post.message, &Vec::new()) {
        tracing::debug!("{}: no header or footer added: {why:?}", post.entry);
    }
    post.metadata.set_flag(DECORATED, true);
}
