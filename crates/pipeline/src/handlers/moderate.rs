//! Decides whether this sender may post here (docs/spec/pipeline.md §2.4).

use super::origin::{self, OriginProof};
use super::{Flow, HandlerError, Post, Reason};
use dormouse_mail::AddressKey;
use dormouse_membership::address::equivalents;
use dormouse_membership::moderation::vouch;
use dormouse_membership::patterns;
use dormouse_store::{
    List, Member, MemberAction, MemberOption, NonmemberAction, PostAuthentication, UnprovedAction,
};

/// Decides by membership. Approved posts pass.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if post.envelope().approved() {
        return Ok(Flow::Next);
    }
    match posting_member(post)? {
        Some((_, member)) if member.options.has(MemberOption::Moderate) => {
            Ok(member_verdict(post, &member))
        }
        Some((sender, _)) => Ok(unproved(post, &sender).unwrap_or(Flow::Next)),
        None => nonmember_verdict(post),
    }
}

/// Applies `post_authentication` to a post whose sender may post here. Returns `None` if the post
/// has the required proof.
fn unproved(post: &mut Post<'_>, sender: &str) -> Option<Flow> {
    const SETTING: &str = "post_authentication";
    let settings = &post.list.settings;
    let wanted = settings.post_authentication;
    // The sender of an article from a newsgroup cannot be proved.
    if wanted == PostAuthentication::Off || post.envelope().from_usenet() {
        return None;
    }
    let (why, action) = match origin::proof(post, sender, wanted) {
        OriginProof::Shown => return None,
        // It will be known after the post was accepted and the keys were looked up.
        OriginProof::Unknown(_) if !post.known.was_asked => return None,
        OriginProof::Unknown(why) => (why, UnprovedAction::Hold),
        OriginProof::Missing(why) => (why, settings.post_authentication_action),
    };
    let text = format!("Nothing shows that the post is really from {sender}: {why}");
    Some(match action {
        UnprovedAction::Hold => {
            post.metadata.edit().sender(sender);
            Flow::Hold(Reason::new(SETTING, text))
        }
        UnprovedAction::Reject => Flow::Reject(Reason::new(SETTING, text)),
    })
}

/// Whether the list's settings can reject posts because of their sender.
pub(super) fn may_reject(list: &List) -> bool {
    let settings = &list.settings;
    settings.member_moderation_action == MemberAction::Reject
        || settings.generic_nonmember_action == NonmemberAction::Reject
        || settings.post_authentication != PostAuthentication::Off
            && settings.post_authentication_action == UnprovedAction::Reject
        || !settings.reject_these_nonmembers.is_empty()
}

/// Whether a sender's address may make it a member. With `authenticated_senders`, only the address
/// in From does, and only if the MTA vouches for it.
fn is_proved(post: &Post<'_>, sender: &str) -> bool {
    !post.list.settings.authenticated_senders
        || post.message.mailboxes("From").first().is_some_and(|from| {
            from.address.eq_ignore_ascii_case(sender)
                && vouch::is_authenticated(&post.message, &post.config.notices_authserv_id, sender)
        })
}

/// Returns the first of the message's senders that is a member, also by an equivalent domain, as
/// the sender's address and the member.
fn posting_member(post: &Post<'_>) -> Result<Option<(AddressKey, Member)>, HandlerError> {
    for sender in post.senders().into_iter().filter(|sender| is_proved(post, sender)) {
        if let Some(member) = post.store.read().member(post.list.id, &sender)? {
            return Ok(Some((sender, member)));
        }
        for variant in equivalents(&post.list.settings.equivalent_domains, &sender) {
            if let Some(member) = post.store.read().member(post.list.id, &variant)? {
                return Ok(Some((sender, member)));
            }
        }
    }
    Ok(None)
}

fn member_verdict(post: &mut Post<'_>, member: &Member) -> Flow {
    let settings = &post.list.settings;
    const SETTING: &str = "member_moderation_action";
    match settings.member_moderation_action {
        MemberAction::Hold => {
            post.metadata.edit().sender(&member.address);
            Flow::Hold(Reason::new(SETTING, "Post to moderated list"))
        }
        MemberAction::Reject => {
            let text = non_blank(&settings.member_moderation_notice).unwrap_or(
                "You are not allowed to post to this mailing list without its moderators.",
            );
            Flow::Reject(Reason::new(SETTING, text))
        }
        MemberAction::Discard => Flow::Discard(Reason::new(SETTING, "a moderated member's post")),
    }
}

fn nonmember_verdict(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let settings = &post.list.settings;
    let sender = post.message.sender().unwrap_or_default();
    let lists: [(&str, &[String], NonmemberAction); 4] = [
        ("accept_these_nonmembers", &settings.accept_these_nonmembers, NonmemberAction::Accept),
        ("hold_these_nonmembers", &settings.hold_these_nonmembers, NonmemberAction::Hold),
        ("reject_these_nonmembers", &settings.reject_these_nonmembers, NonmemberAction::Reject),
        ("discard_these_nonmembers", &settings.discard_these_nonmembers, NonmemberAction::Discard),
    ];
    let mut decided = None;
    for (setting, list, action) in lists {
        let accepts_forgeries = action == NonmemberAction::Accept && !is_proved(post, &sender);
        if !accepts_forgeries && patterns::matching(&*post, setting, list, &sender)?.is_some() {
            decided = Some((setting, action));
            break;
        }
    }
    let (setting, action) = match decided {
        Some(decided) => decided,
        // Authors of articles in newsgroups need not be members.
        None if post.envelope().from_usenet() => return Ok(Flow::Next),
        None => ("generic_nonmember_action", settings.generic_nonmember_action),
    };
    let own_text = non_blank(&settings.nonmember_rejection_notice)
        .map(|text| text.replace("%(listowner)s", &post.list.sub_address("owner")));
    Ok(match action {
        // A sender who may post because of an address must prove it; if everybody may post, nobody
        // must.
        NonmemberAction::Accept if decided.is_some() => {
            unproved(post, &sender).unwrap_or(Flow::Next)
        }
        NonmemberAction::Accept => Flow::Next,
        NonmemberAction::Hold => {
            if let Some(text) = own_text {
                post.metadata.edit().rejection_notice(&text);
            }
            Flow::Hold(Reason::new(setting, "Post by non-member to a members-only list"))
        }
        NonmemberAction::Reject => {
            let usual = || "Only members may post to this mailing list.".to_owned();
            Flow::Reject(Reason::new(setting, own_text.unwrap_or_else(usual)))
        }
        NonmemberAction::Discard => {
            if settings.forward_auto_discards {
                let notice = post.notices().auto_discarded(&post.message, &sender);
                post.outputs.push(notice);
            }
            Flow::Discard(Reason::new(setting, "a non-member's post"))
        }
    })
}

fn non_blank(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use dormouse_spool::Metadata;

    const RAW: &str = "From: Sam@x.example\n\nhello\n";

    fn stopped(fixture: &Fixture, raw: &str) -> Option<(&'static str, Option<&'static str>)> {
        fixture.run(run, raw, |_| {}).stopped()
    }

    #[test]
    fn a_member_may_post_under_another_name_by_the_envelope() {
        let fixture = Fixture::new(&[]);
        fixture.member("sam@work.example", &[]);
        let told = |raw: &str| {
            let tell = |data: &mut Metadata| data.set_text("envelope_sender", "Sam@work.example");
            fixture.run(run, raw, tell).stopped()
        };
        assert_eq!(told(RAW), None);
        assert!(stopped(&fixture, RAW).is_some());
        let line = format!("From tim@y.example Thu Jan  1 00:00:00 2026\n{RAW}");
        assert!(told(&line).is_some(), "the mbox line is nearer to the message");
    }

    #[test]
    fn a_member_must_show_that_the_post_is_from_there_if_the_list_says_so() {
        let proof = "Authentication-Results: mx.example; ";
        let held = Some(("hold", Some("post_authentication")));
        for (wanted, results, expected) in [
            ("off", "none", None),
            ("dmarc", "none", held),
            ("dmarc", "dmarc=pass header.from=x.example", None),
            ("dmarc", "dmarc=pass header.from=evil.example", held),
            ("dmarc", "dmarc=fail header.from=x.example", held),
            ("dmarc", "spf=pass smtp.mailfrom=bounces@mail.x.example", None),
            ("dmarc", "spf=pass smtp.mailfrom=evil.example", held),
            ("dmarc", "spf=softfail smtp.mailfrom=x.example", held),
            ("dmarc", "dkim=pass header.d=mail.x.example", None),
            ("dmarc", "dkim=pass (good) header.i=@x.example", None),
            ("dmarc", "dkim=fail header.d=x.example; dkim=pass header.d=y.example", held),
            ("dkim", "spf=pass smtp.mailfrom=x.example; dmarc=pass header.from=x.example", held),
            ("dkim", "dkim=pass header.d=x.example", None),
        ] {
            let mut fixture = Fixture::new(&[
                ("post_authentication", wanted),
                ("accept_these_nonmembers", "tim@x.example"),
            ]);
            fixture.member("sam@x.example", &[]);
            let named = format!("{proof}{results}\n");
            for who in ["sam", "tim"] {
                let raw = format!("{named}From: {who}@x.example\n\nhello\n");
                let untrusted = stopped(&fixture, &raw);
                assert_eq!(untrusted, if wanted == "off" { None } else { held }, "whose word?");
                fixture.config("notices.authserv_id", "other.example,mx.example");
                assert_eq!(stopped(&fixture, &raw), expected, "{wanted}: {results}");
                let approved = fixture.run(run, &raw, |data| data.set_int("approved", 1));
                assert_eq!(approved.stopped(), None, "a password makes up for it");
                fixture.config("notices.authserv_id", "");
            }
        }
    }

    #[test]
    fn no_header_that_makes_a_member_goes_without_its_proof() {
        let mut fixture = Fixture::new(&[
            ("post_authentication", "dmarc"),
            ("post_authentication_action", "reject"),
            ("equivalent_domains", "x.example,mail.y.example"),
        ]);
        fixture.config("notices.authserv_id", "mx.example");
        fixture.member("sam@x.example", &[]);
        let evil = "Authentication-Results: mx.example; dmarc=pass header.from=evil.example\n";
        for head in [
            "From: evil@evil.example\nReply-To: sam@x.example\n",
            "From: evil@evil.example\nSender: sam@x.example\n",
            "From: evil@evil.example, sam@x.example\n",
            "From: sam@x.example\nSender: evil@evil.example\n",
            "From: sam@mail.y.example\n",
        ] {
            let outcome = fixture.run(run, &format!("{evil}{head}\nx\n"), |_| {});
            assert_eq!(outcome.stopped(), Some(("reject", Some("post_authentication"))), "{head}");
        }
        match fixture.run(run, &format!("{evil}From: sam@x.example\n\nx\n"), |_| {}).flow {
            Flow::Reject(reason) => assert!(
                reason.text.contains("sam@x.example") && reason.text.contains("DKIM"),
                "{}",
                reason.text
            ),
            other => panic!("{other:?}"),
        }
        // Where all may write, a stranger need not show anything.
        fixture.set("dev", &[("generic_nonmember_action", "accept")]);
        assert_eq!(stopped(&fixture, &format!("{evil}From: tim@y.example\n\nx\n")), None);
    }

    #[test]
    fn where_the_list_asks_for_a_proof_no_header_makes_a_stranger_a_member() {
        let mut fixture = Fixture::new(&[
            ("authenticated_senders", "yes"),
            ("accept_these_nonmembers", "press@x.example"),
            ("hold_these_nonmembers", "^.*@spam\\.example$"),
        ]);
        fixture.member("sam@x.example", &[]);
        let proof = "Authentication-Results: mx.example; dmarc=pass header.from=x.example\n";
        let forged = "Authentication-Results: other.example; dmarc=pass header.from=x.example\n";
        let stranger = Some(("hold", Some("generic_nonmember_action")));
        let tries = |fixture: &Fixture, head: &str| stopped(fixture, &format!("{head}\nhello\n"));
        assert_eq!(
            tries(&fixture, &format!("{proof}From: sam@x.example\n")),
            stranger,
            "whose word?"
        );
        fixture.config("notices.authserv_id", "mx.example");
        for (head, expected) in [
            (format!("{proof}From: sam@x.example\n"), None),
            (format!("{proof}From: press@x.example\n"), None),
            ("From: sam@x.example\n".to_owned(), stranger),
            ("From: press@x.example\n".to_owned(), stranger),
            (format!("{forged}From: sam@x.example\n"), stranger),
            ("From: tim@y.example\nSender: sam@x.example\n".to_owned(), stranger),
            ("From: tim@y.example\nReply-To: sam@x.example\n".to_owned(), stranger),
            (format!("{proof}From: tim@y.example\nSender: sam@x.example\n"), stranger),
            (format!("{proof}From: tim@y.example, sam@x.example\n"), stranger),
            (
                "From sam@x.example Thu Jan  1 00:00:00 2026\nFrom: tim@y.example\n".to_owned(),
                stranger,
            ),
            ("From: a@spam.example\n".to_owned(), Some(("hold", Some("hold_these_nonmembers")))),
        ] {
            assert_eq!(tries(&fixture, &head), expected, "{head}");
        }
        let told = |data: &mut Metadata| data.set_text("envelope_sender", "sam@x.example");
        assert_eq!(fixture.run(run, "From: tim@y.example\n\nx\n", told).stopped(), stranger);
    }

    /// docs/spec/pipeline.md §2.4: lists are asked in the order accept, hold, reject, discard.
    #[test]
    fn a_strangers_post_is_decided_by_the_first_list_that_names_the_sender() {
        let lists = [
            ("accept_these_nonmembers", None),
            ("hold_these_nonmembers", Some("hold")),
            ("reject_these_nonmembers", Some("reject")),
            ("discard_these_nonmembers", Some("discard")),
        ];
        for entry in ["sam@X.example", "^sam@", "^.*@x\\.example$", "@friends"] {
            for (position, (setting, verdict)) in lists.into_iter().enumerate() {
                let settings: Vec<(&str, &str)> =
                    lists[position..].iter().map(|(setting, _)| (*setting, entry)).collect();
                let fixture = Fixture::new(&settings);
                fixture.list("friends", &[]);
                fixture.member_of("friends", "sam@x.example", &[]);
                let expected = verdict.map(|verdict| (verdict, Some(setting)));
                assert_eq!(stopped(&fixture, RAW), expected, "{entry} {setting}");
                let other = RAW.replace("Sam@x", "tim@y");
                let generic = Some(("hold", Some("generic_nonmember_action")));
                assert_eq!(stopped(&fixture, &other), generic, "{entry} {setting}");
            }
        }
    }

    #[test]
    fn the_generic_action_is_for_all_other_strangers() {
        let cases =
            [("0", None), ("1", Some("hold")), ("2", Some("reject")), ("3", Some("discard"))];
        for (action, verdict) in cases {
            let fixture = Fixture::new(&[("generic_nonmember_action", action)]);
            let expected = verdict.map(|verdict| (verdict, Some("generic_nonmember_action")));
            assert_eq!(stopped(&fixture, RAW), expected, "{action}");
            let news = fixture.run(run, RAW, |data| data.set_int("fromusenet", 1));
            assert_eq!(news.stopped(), None);
            let approved = fixture.run(run, RAW, |data| data.set_int("approved", 1));
            assert_eq!(approved.stopped(), None);
        }
    }

    #[test]
    fn a_member_may_post_unless_moderated() {
        let cases = [("0", "hold"), ("1", "reject"), ("2", "discard")];
        for (action, verdict) in cases {
            let fixture = Fixture::new(&[
                ("member_moderation_action", action),
                ("member_moderation_notice", "Not you."),
            ]);
            fixture.member("sam@x.example", &[MemberOption::Moderate]);
            fixture.member("ann@x.example", &[]);
            let setting = "member_moderation_action";
            assert_eq!(stopped(&fixture, RAW), Some((verdict, Some(setting))));
            assert_eq!(stopped(&fixture, &RAW.replace("Sam", "ann")), None);
            if let Flow::Reject(reason) = fixture.run(run, RAW, |_| {}).flow {
                assert_eq!(reason.text, "Not you.");
            }
        }
    }

    #[test]
    fn any_sender_header_and_any_equivalent_domain_makes_a_member() {
        let fixture = Fixture::new(&[("equivalent_domains", "x.example,mail.x.example")]);
        fixture.member("ann@x.example", &[]);
        for raw in [
            "From: s@y.example\nReply-To: ann@x.example\n\nx\n",
            "From: s@y.example\nSender: ann@x.example\n\nx\n",
            "From ann@x.example Mon\nFrom: s@y.example\n\nx\n",
            "From: ann@mail.x.example\n\nx\n",
        ] {
            assert_eq!(stopped(&fixture, raw), None, "{raw}");
        }
    }

    #[test]
    fn owners_get_discarded_posts_if_they_want_them() {
        for (forward, notices) in [("yes", 1), ("no", 0)] {
            let fixture = Fixture::new(&[
                ("generic_nonmember_action", "discard"),
                ("forward_auto_discards", forward),
            ]);
            assert_eq!(fixture.run(run, RAW, |_| {}).outputs.len(), notices);
        }
    }

    #[test]
    fn a_stranger_reads_the_lists_own_words() {
        let fixture = Fixture::new(&[
            ("generic_nonmember_action", "reject"),
            ("nonmember_rejection_notice", "Ask %(listowner)s."),
        ]);
        match fixture.run(run, RAW, |_| {}).flow {
            Flow::Reject(reason) => assert_eq!(reason.text, "Ask dev-owner@lists.example."),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_lists_own_words_wait_with_a_post_that_is_held() {
        let fixture = Fixture::new(&[("nonmember_rejection_notice", "Ask %(listowner)s.")]);
        let outcome = fixture.run(run, RAW, |_| {});
        assert!(matches!(outcome.flow, Flow::Hold(_)));
        let kept = outcome.metadata.text("rejection_notice");
        assert_eq!(kept.as_deref(), Some("Ask dev-owner@lists.example."));
    }
}
