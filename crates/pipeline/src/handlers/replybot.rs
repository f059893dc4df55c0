//! Automatic replies (docs/spec/pipeline.md §2.3).

use super::{Flow, HandlerError, Post};
use dormouse_membership::moderation::vouch;
use dormouse_store::AutorespondRequests;

const DAY: f64 = 86_400.0;

/// Replies with the list's text, at most once in the grace period, and never to a program.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let settings = &post.list.settings;
    let envelope = post.envelope();
    let is_command =
        envelope.to_request() || envelope.to_confirm() || envelope.to_join() || envelope.to_leave();
    let (kind, wanted, text) = if envelope.to_owner() {
        ("admin", settings.autorespond_admin, &settings.autoresponse_admin_text)
    } else if is_command {
        let wanted = settings.autorespond_requests != AutorespondRequests::No;
        ("requests", wanted, &settings.autoresponse_request_text)
    } else {
        ("postings", settings.autorespond_postings, &settings.autoresponse_postings_text)
    };
    if !wanted || envelope.no_ack() || !vouch::is_answerable(&post.message, &post.metadata) {
        return Ok(Flow::Next);
    }
    let ack = post.message.text("X-Ack").unwrap_or_default().trim().to_lowercase();
    let sender = post.message.sender().unwrap_or_default();
    let grace = settings.autoresponse_graceperiod.kept();
    if ack == "no" {
        return Ok(Flow::Next);
    }
    if grace > 0 && ack != "yes" {
        let until = post.store.read().quiet_until(post.list.id, kind, &sender)?;
        // A time further ahead than possible was stored while the clock was wrong.
        if until > post.now && until <= post.now + (grace + 1) as f64 * DAY {
            return Ok(Flow::Next);
        }
    }
    if !post.answerable().may_answer(&sender)? {
        return Ok(Flow::Next);
    }
    let notice = post.notices().automatic_answer(&post.message, &sender, text);
    post.outputs.push(notice);
    if grace > 0 {
        let until = post.now + grace as f64 * DAY;
        post.store.keep_quiet(post.list.id, kind, &sender, until)?;
    }
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use dormouse_spool::Metadata;

    fn fixture(settings: &[(&str, &str)]) -> Fixture {
        let mut fixture = Fixture::new(settings);
        fixture.config("notices.to_strangers", "always");
        fixture
    }

    fn answers(fixture: &Fixture, header: &str, edit: impl FnOnce(&mut Metadata)) -> Vec<String> {
        let raw = format!("{header}From: anna@x.example\nMessage-ID: <q@x.example>\n\nx\n");
        let outcome = fixture.run(run, &raw, edit);
        assert_eq!(outcome.flow, Flow::Next);
        let text = |output: &dormouse_membership::Output| {
            String::from_utf8_lossy(&output.entry.message).into_owned()
        };
        outcome.outputs.iter().map(text).collect()
    }

    const POSTINGS: [(&str, &str); 2] = [
        ("autorespond_postings", "yes"),
        ("autoresponse_postings_text", "Thanks for %(listname)s, %(other)s."),
    ];

    #[test]
    fn each_kind_has_its_switch_and_its_text() {
        let settings = [
            ("autorespond_admin", "yes"),
            ("autoresponse_admin_text", "to owners"),
            ("autorespond_requests", "answer-and-process"),
            ("autoresponse_request_text", "to request"),
        ];
        let all = fixture(&[&settings[..], &POSTINGS].concat());
        for (key, text) in [
            ("toowner", "to owners"),
            ("torequest", "to request"),
            ("tojoin", "to request"),
            ("tolist", "Thanks for Dev, %(other)s."),
        ] {
            let raw = "X-Ack: yes\n";
            let answer = answers(&all, raw, |data| data.set_int(key, 1)).remove(0);
            assert!(answer.contains(text), "{key}: {answer}");
            assert!(
                answer.contains("Automatic reply to your message to the mailing list Dev"),
                "{answer}"
            );
            assert!(answer.contains("\nAuto-Submitted: auto-replied\n"), "{answer}");
            assert!(answer.contains("\nX-Ack: No\n"), "{answer}");
            assert!(answer.contains("\nIn-Reply-To: <q@x.example>\n"), "{answer}");
        }
        for key in ["toowner", "torequest", "tolist"] {
            assert!(answers(&fixture(&[]), "", |data| data.set_int(key, 1)).is_empty(), "{key}");
        }
    }

    #[test]
    fn once_in_the_grace_period_unless_asked_for() {
        let fixture = fixture(&POSTINGS);
        assert_eq!(answers(&fixture, "", |_| {}).len(), 1);
        assert!(answers(&fixture, "", |_| {}).is_empty());
        assert_eq!(answers(&fixture, "X-Ack: yes\n", |_| {}).len(), 1);
        fixture.set("dev", &[("autoresponse_graceperiod", "0")]);
        assert_eq!(answers(&fixture, "", |_| {}).len(), 1);
        assert_eq!(answers(&fixture, "", |_| {}).len(), 1);
    }

    #[test]
    fn programs_and_those_who_ask_not_to_be_are_not_answered() {
        let fixture = fixture(&POSTINGS);
        for header in [
            "X-Ack: no\n",
            "Precedence: bulk\n",
            "Precedence: junk\n",
            "Precedence: list\n",
            "Auto-Submitted: auto-replied\n",
            "X-Ack: yes\nAuto-Submitted: auto-generated\n",
        ] {
            assert!(answers(&fixture, header, |_| {}).is_empty(), "{header}");
        }
        assert!(answers(&fixture, "", |data| data.set_int("noack", 1)).is_empty());
        assert!(answers(&fixture, "", |data| data.set_text("envelope_sender", "")).is_empty());
    }

    #[test]
    fn nobody_gets_more_than_the_site_allows_in_a_day() {
        let mut fixture = fixture(&[&POSTINGS[..], &[("autoresponse_graceperiod", "0")]].concat());
        fixture.config("members.mails_per_address", "2");
        let sent: usize = (0..5).map(|_| answers(&fixture, "", |_| {}).len()).sum();
        assert_eq!(sent, 2);
    }

    #[test]
    fn strangers_whom_nobody_vouches_for_are_not_answered() {
        let fixture = Fixture::new(&POSTINGS);
        assert!(answers(&fixture, "", |_| {}).is_empty());
        fixture.member("anna@x.example", &[]);
        assert_eq!(answers(&fixture, "", |_| {}).len(), 1);
    }
}
