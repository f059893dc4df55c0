//! A post comes to wait for a moderator.

use super::{SECRET, link, vouch};
use crate::pipeline::{Output, Post, Reason};
use crate::{RunError, budget};
use dormouse_spool::Entry;
use dormouse_store::{HeldPost, StoreError, Tx};

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
        && vouch::may_answer(post, sender)?
    {
        let language = post.store.language_of(post.list.id, sender)?;
        outputs.push(post.notices().post_held(&held, &secret, &language));
    }
    Ok(outputs)
}

/// How moderators hear of something that waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// By a notice of its own.
    Single,
    /// By one about everything that waits.
    Summary,
    /// With the next summary, or by the daily reminder.
    Quiet,
}

/// So many notices of their own go to the moderators of a list in a day.
const SINGLE: u64 = 10;

/// The first of a day have notices of their own; then every time that their number has doubled there
/// is one about all that wait.
pub(crate) fn turn(store: &Tx<'_>, list_id: i64, now: f64) -> Result<Turn, StoreError> {
    const KIND: &str = "moderators";
    let (list, today) = (list_id.to_string(), budget::today(now));
    store.count_asked(KIND, &list, &today, u64::MAX)?;
    let number = store.asked(KIND, &list, &today)?;
    Ok(if number <= SINGLE {
        Turn::Single
    } else if number % SINGLE == 0 && (number / SINGLE).is_power_of_two() {
        Turn::Summary
    } else {
        Turn::Quiet
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::testing::Fixture;
    use crate::pipeline::{Flow, HandlerError};

    fn holds(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
        let outputs = hold(post, "anna@x.example", &Reason::new("s", "why")).unwrap();
        post.outputs.extend(outputs);
        Ok(Flow::Next)
    }

    #[test]
    fn many_posts_lead_to_few_notices() {
        let fixture = Fixture::new(&[]);
        let turns: Vec<Turn> =
            (0..500).map(|_| fixture.write(|tx| turn(tx, fixture.get("dev").id, 1e9))).collect();
        let count = |wanted| turns.iter().filter(|turn| **turn == wanted).count();
        assert_eq!((count(Turn::Single), count(Turn::Summary)), (10, 5));
        assert_eq!(turns[19], Turn::Summary);
        let tomorrow = fixture.write(|tx| turn(tx, fixture.get("dev").id, 1e9 + 86_400.0));
        assert_eq!(tomorrow, Turn::Single);
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
