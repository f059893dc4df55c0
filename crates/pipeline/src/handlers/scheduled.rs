//! Posts that wait until the time their author names in `Deferred-Delivery` (RFC 2156, RFC 4021 §2.1.52).
//!
//! A post waits after all handlers that could stop it, so that its author is told of a decision
//! immediately. Then it waits as a whole in `retry`, and continues from there.

use super::{Flow, HandlerError, Post, Reason};
use dormouse_clock::Timestamp;
use dormouse_mail::date;
use dormouse_spool::KEY;
use dormouse_store::ScheduledPosts;

/// The header field with the time.
pub const FIELD: &str = "Deferred-Delivery";

/// The handlers before the wait: those that stop posts, and those that change them for the
/// moderator.
pub const BEFORE: [&str; 9] = [
    "SpamDetect",
    "Approve",
    "Replybot",
    "Moderate",
    "Hold",
    "MimeDel",
    "Scrubber",
    "Emergency",
    "Tagger",
];

/// The longest wait, in seconds.
const LONGEST: f64 = 366.0 * 86_400.0;

const SETTING: &str = "scheduled_posts";

/// The name of this step in the trace and in `post --dry-run`.
pub const NAME: &str = "Schedule";

/// Decides whether the post waits.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if let Some(time) = post.envelope().scheduled_for() {
        // It has waited. A time beyond the limit was computed while the clock was wrong.
        if time > post.now && time <= post.now + LONGEST {
            return Ok(wait(time));
        }
        for key in [KEY.scheduled_for, KEY.retry_for, KEY.retry_reason, KEY.deliver_after] {
            post.metadata.remove(key);
        }
        return Ok(Flow::Next);
    }
    if post.list.settings.scheduled_posts == ScheduledPosts::Nobody {
        return Ok(Flow::Next);
    }
    let Some(field) = post.message.field(FIELD) else { return Ok(Flow::Next) };
    let Some(time) = date::parse(field.value()) else {
        let text = format!("its {FIELD} is not a date, so it was not sent");
        return Ok(Flow::Reject(Reason::new(SETTING, text)));
    };
    let time = Timestamp::from_seconds(time as f64);
    if time <= post.now {
        return Ok(Flow::Next);
    }
    if time > post.now + LONGEST {
        let text = format!("its {FIELD} is more than a year ahead, so it was not sent");
        return Ok(Flow::Reject(Reason::new(SETTING, text)));
    }
    if may_schedule(post)? {
        return Ok(wait(time));
    }
    let text = format!("it asks to be sent later ({FIELD}), which its author may not do");
    Ok(Flow::Hold(Reason::new(SETTING, text)))
}

/// Whether the author of a post that passed moderation may schedule it.
fn may_schedule(post: &Post<'_>) -> Result<bool, HandlerError> {
    // A moderator has approved it, or it had the list's password.
    if post.envelope().approved() || post.envelope().admin_approved() {
        return Ok(true);
    }
    let settings = &post.list.settings;
    for sender in post.senders() {
        let is_sender = |address: &String| address.eq_ignore_ascii_case(&sender);
        if settings.owner.iter().chain(&settings.moderator).any(is_sender)
            || settings.scheduled_posts == ScheduledPosts::Members
                && post.store.read().is_member(post.list.id, &sender)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wait(until: Timestamp) -> Flow {
    let reason = format!("scheduled for {}", date::rfc5322(until));
    Flow::Wait { until, reason: Reason::new(SETTING, reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use dormouse_store::value::SettingValue as _;

    fn raw(from: &str, time: &str) -> String {
        format!("From: {from}\nDeferred-Delivery: {time}\n\nhello\n")
    }

    fn in_days(days: f64) -> String {
        date::rfc5322(Timestamp::now() + days * 86_400.0)
    }

    #[test]
    fn only_those_who_may_post_without_moderation_have_posts_wait() {
        for (setting, from, approved, expected) in [
            ("members", "anna@x.example", 0, Some("wait")),
            ("members", "owner@x.example", 0, Some("wait")),
            ("members", "stranger@x.example", 0, Some("hold")),
            ("members", "stranger@x.example", 1, Some("wait")),
            ("moderators", "anna@x.example", 0, Some("hold")),
            ("moderators", "owner@x.example", 0, Some("wait")),
            ("nobody", "owner@x.example", 0, None),
        ] {
            let fixture =
                Fixture::new(&[("scheduled_posts", setting), ("owner", "owner@x.example")]);
            fixture.member("anna@x.example", &[]);
            let outcome = fixture
                .run(run, &raw(from, &in_days(3.0)), |data| data.set_int("approved", approved));
            assert_eq!(
                outcome.stopped().map(|(flow, _)| flow),
                expected,
                "{setting} {from} {approved}"
            );
        }
        assert!(ScheduledPosts::read("somebody").is_err());
    }

    #[test]
    fn a_time_is_ahead_by_no_more_than_a_year_or_it_is_now() {
        let fixture = Fixture::new(&[("owner", "owner@x.example")]);
        let stopped = |time: &str| {
            let outcome = fixture.run(run, &raw("owner@x.example", time), |_| {});
            outcome.stopped().map(|(flow, _)| flow)
        };
        assert_eq!(stopped(&in_days(0.01)), Some("wait"));
        assert_eq!(stopped(&in_days(365.0)), Some("wait"));
        assert_eq!(stopped(&in_days(367.0)), Some("reject"));
        assert_eq!(stopped(&in_days(-0.01)), None);
        assert_eq!(stopped("Mon, 23 Nov 2020 10:00:00 +0000"), None);
        for wrong in ["tomorrow", "", "9 o'clock"] {
            assert_eq!(stopped(wrong), Some("reject"), "{wrong}");
        }
    }
}
