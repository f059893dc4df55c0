//! Sends a post in two versions if its author's DMARC policy requires a change of From and
//! `dmarc.enforcing_receivers` names the receivers that enforce policies: From names the list only
//! for them. There are never more than two versions, so it stays as cheap as bulk mail.

use super::{
    Flow, HandlerError, Post, cook_headers, dmarc, order, origin, to_outgoing, wrap_message,
};
use crate::POSTING;
use crate::recipients::Recipients;
use dormouse_membership::Output;
use dormouse_spool::{Entry, Metadata, Queue};
use dormouse_store::FromIsList;
use std::cell::RefCell;

/// The label of the entry with the author's From.
pub const LABEL: &str = "out-from-kept";

/// Stores a copy of the post before its headers are changed, if some recipients get it with the
/// author's From. A change of From by the list's own settings is for all recipients.
pub fn keep(post: &mut Post<'_>) {
    let settings = &post.list.settings;
    let by_policy = post.envelope().from_is_list().is_some_and(|number| number != 0);
    if by_policy
        && !post.config.dmarc_enforcing_receivers.is_empty()
        && !post.is_virgin()
        && !settings.anonymous_list
        && settings.from_is_list == FromIsList::No
        && !dmarc::is_listed(post)
    {
        post.uncooked = Some(Box::new((post.message.clone(), post.metadata.clone())));
    }
}

/// Returns the entries of `out` for a post: one, or two for different recipients.
pub fn split(post: &mut Post<'_>, munged: Output) -> Result<Vec<Output>, HandlerError> {
    let Some(uncooked) = post.uncooked.take() else { return Ok(vec![munged]) };
    let Some(recipients) = Recipients::read(&munged.entry.metadata)? else {
        return Ok(vec![munged]);
    };
    let (there, elsewhere) = recipients.split(&post.config.dmarc_enforcing_receivers);
    let (message, metadata) = *uncooked;
    let mut kept = Post {
        left: post.left.clone(),
        message,
        metadata,
        outputs: Vec::new(),
        attempts: None,
        known: origin::Known::default(),
        signatures: post.signatures.clone(),
        pattern_problems: RefCell::default(),
        is_rehearsal: true,
        uncooked: None,
        ..*post
    };
    kept.metadata.edit().from_is_list(0);
    cook_headers::run(&mut kept)?;
    if order(post.list, &Metadata::new(), POSTING).iter().any(|name| name == "WrapMessage") {
        match wrap_message::run(&mut kept)? {
            Flow::Next => {}
            _ => return Ok(vec![munged]),
        }
    }
    to_outgoing::decorate(&mut kept);
    let envelope = munged.entry.metadata.envelope();
    kept.metadata.edit().verp(envelope.verp().unwrap_or_default()).listname(&post.list.name);
    let kept = Output {
        queue: Queue::Out,
        label: LABEL.to_owned(),
        entry: Entry::new(kept.message.to_bytes(), kept.metadata),
    };
    let of = |recipients: Option<Recipients>, mut output: Output| {
        recipients.map(|recipients| {
            recipients.write(&mut output.entry.metadata);
            output
        })
    };
    Ok([of(there, munged), of(elsewhere, kept)].into_iter().flatten().collect())
}
