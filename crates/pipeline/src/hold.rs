//! A post comes to wait for a moderator.

use crate::{Post, Reason};
use dormouse_membership::Output;
use dormouse_membership::RunError;
use dormouse_membership::moderation::turn::{Turn, turn};
use dormouse_membership::moderation::{SECRET, link, vouch};
use dormouse_spool::Entry;
use dormouse_store::HeldPost;

/// Stores a post for the moderators, and tells them and its sender as the list's settings say
/// (docs/spec/pipeline.md §2.5).
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
        match turn(post.store, post.list.id, post.now)? {
            Turn::Single => outputs.push(post.notices().held(&post.message, &held, &secret)),
            Turn::Summary => {
                let waiting = post.store.held_posts(post.list.id)?;
                outputs.push(post.notices().pending(&waiting, &secret, &[]));
            }
            Turn::Quiet => {}
        }
    }
    if settings.respond_to_post_requests
        && !post.metadata.flag("fromusenet")
        && vouch::is_answerable(&post.message, &post.metadata)
        && post.answerable().may_answer(&sender)?
    {
        let language = post.store.language_of(post.list.id, sender)?;
        outputs.push(post.notices().post_held(&held, &secret, &language));
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use crate::{Flow, HandlerError};

    fn holds(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        let outputs = hold(post, "anna@x.example", &Reason::new("s", "why")).unwrap();
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
