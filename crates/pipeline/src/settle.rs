//! The consequences of a verdict: a held post is stored, a scheduled one waits, and its sender and the
//! moderators are notified. Handlers only decide, but a few write a mail of their own, such as an
//! acknowledgement.

use crate::{Flow, POSTING, Post, Reason, Verdict, handlers};
use dormouse_clock::Timestamp;
use dormouse_membership::moderation::alert::{Alert, alert};
use dormouse_membership::moderation::{SECRET, link, vouch};
use dormouse_membership::{Output, PatternProblem, RunError};
use dormouse_spool::{Entry, Metadata, Queue};
use dormouse_store::{Held, HeldPost, StoreError};
use std::borrow::Cow;

/// The handler that a waiting post passes again: the owners may turn on emergency moderation meanwhile.
const EMERGENCY: &str = "Emergency";

/// Stores a held post, and returns the entries of the post with the notices about the verdict.
///
/// # Errors
/// If the store fails.
pub fn settle(post: &mut Post<'_>, verdict: &Verdict) -> Result<Vec<Output>, RunError> {
    let mut outputs = std::mem::take(&mut post.outputs);
    outputs.extend(bad_patterns(post, post.pattern_problems.take())?);
    let Verdict::Stopped { handler, flow } = verdict else { return Ok(outputs) };
    let sender = post.message.sender().unwrap_or_default();
    match flow {
        Flow::Reject(reason) => {
            if is_sender_told(post, &sender, flow)? {
                let language = post.store.read().language_of(post.list.id, &sender)?;
                let (notices, message) = (post.notices(), &post.message);
                outputs.push(notices.rejected(message, &sender, &reason.text, &language));
            }
        }
        Flow::Hold(reason) => {
            post.metadata.edit().held_by(handler);
            // The moderated member may be in another header than From.
            let sender = post.metadata.envelope().sender().map_or(sender.into(), Cow::into_owned);
            outputs.extend(hold(post, &sender, flow, reason)?);
        }
        Flow::Wait { until, reason } => outputs.push(waiting(post, *until, reason)),
        Flow::Discard(_) | Flow::Next => {}
    }
    Ok(outputs)
}

/// Whether the sender of a stopped post is notified. If so, that counts towards the day's limit of
/// mails to the sender.
///
/// # Errors
/// If the store fails.
pub fn is_sender_told(post: &Post<'_>, sender: &str, flow: &Flow) -> Result<bool, StoreError> {
    let is_wanted = match flow {
        Flow::Hold(reason) => {
            let settings = &post.list.settings;
            !reason.is_quiet && settings.respond_to_post_requests && !post.envelope().from_usenet()
        }
        Flow::Reject(_) => true,
        Flow::Discard(_) | Flow::Wait { .. } | Flow::Next => false,
    };
    Ok(is_wanted
        && vouch::is_answerable(&post.message, &post.metadata)
        && post.answerable().may_answer(sender)?)
}

/// Returns the entry that waits for the time its author named. It is due at least every `longest_retry_wait`, so that a wrong
/// clock does not delay it further.
fn waiting(post: &mut Post<'_>, until: Timestamp, reason: &Reason) -> Output {
    let look = post.now + post.config.longest_retry_wait();
    let mut left: Vec<&str> = post.left.iter().map(|handler| handler.name).collect();
    if handlers::order(post.list, &Metadata::new(), POSTING).iter().any(|name| name == EMERGENCY)
        && left.first().is_none_or(|first| *first != EMERGENCY)
    {
        left.insert(0, EMERGENCY);
    }
    post.metadata
        .edit()
        .pipeline(&left)
        .scheduled_for(until)
        .deliver_after(until.min(look))
        .retry_for(Queue::In)
        .retry_reason(&reason.text);
    let entry = Entry::new(post.message.to_bytes(), post.metadata.clone());
    Output { queue: Queue::Retry, label: "scheduled".to_owned(), entry }
}

/// Stores a post for the moderators, and notifies them and its sender as the list's settings say
/// (docs/spec/pipeline.md §2.5).
fn hold(
    post: &Post<'_>,
    sender: &str,
    flow: &Flow,
    reason: &Reason,
) -> Result<Vec<Output>, RunError> {
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
    let mut outputs = Vec::new();
    if !reason.is_quiet && post.list.settings.admin_immed_notify {
        outputs.extend(tell_moderators(post, &held, &secret)?);
    }
    if is_sender_told(post, sender, flow)? {
        let language = post.store.read().language_of(post.list.id, sender)?;
        outputs.push(post.notices().post_held(&held, &secret, &language));
    }
    Ok(outputs)
}

fn tell_moderators(
    post: &Post<'_>,
    held: &Held,
    secret: &[u8],
) -> Result<Option<Output>, StoreError> {
    Ok(match alert(post.store, post.list.id, post.now)? {
        Alert::Single => Some(post.notices().held(&post.message, held, secret)),
        Alert::Summary => {
            let waiting = post.store.read().held_posts(post.list.id)?;
            Some(post.notices().pending(&waiting, secret, &[]))
        }
        Alert::Quiet => None,
    })
}

/// Notifies the owners of unusable patterns, at most once in a while for each.
///
/// # Errors
/// If the store fails.
pub fn bad_patterns(
    post: &Post<'_>,
    mut problems: Vec<PatternProblem>,
) -> Result<Option<Output>, RunError> {
    problems.dedup();
    let mut new = Vec::new();
    for problem in problems {
        let PatternProblem { setting, pattern, problem: text } = &problem;
        if post.store.note_pattern_problem(post.list.id, setting, pattern, text, post.now)? {
            new.push(problem);
        }
    }
    Ok((!new.is_empty()).then(|| post.notices().bad_patterns(&new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HandlerError;
    use crate::testing::Fixture;

    fn holds(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        let flow = Flow::Hold(Reason::new("s", "why"));
        let outputs = settle(post, &Verdict::Stopped { handler: "Hold", flow }).unwrap();
        post.outputs.extend(outputs);
        Ok(Flow::Next)
    }

    /// docs/spec/pipeline.md §2.5.
    #[test]
    fn who_wrote_to_the_newsgroup_does_not_hear_that_the_list_holds_it() {
        let fixture = Fixture::new(&[]);
        fixture.member("anna@x.example", &[]);
        let labels = |usenet| {
            let raw = "From: anna@x.example\n\nx\n";
            let outcome = fixture.run(holds, raw, |data| data.set_int("fromusenet", usenet));
            outcome.outputs.into_iter().map(|output| output.label).collect::<Vec<_>>()
        };
        assert_eq!(labels(1), ["held"]);
        assert_eq!(labels(0), ["held", "post-held"]);
    }
}
