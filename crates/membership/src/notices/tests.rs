//! Who gets which notice, and what it says.

use super::Notices;
use crate::Output;
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_store::check::{LIST_FIELDS, NOTICE_FIELDS};
use dormouse_store::{
    BounceEvent, BounceKind, BounceOutcome, BounceSource, Delivery, Held, HeldPost, List, ListId,
    Member, MemberOptions, Request,
};
use dormouse_testkit::fixture::Fixture;

fn list(fixture: &Fixture) -> List {
    fixture.store.read().list("dev").unwrap().unwrap()
}

fn held() -> Held {
    let post = HeldPost {
        list_id: dormouse_store::ListId::new(1),
        entry: "1.0+a".to_owned(),
        sender: "sam@x.example".to_owned(),
        subject: "hello".to_owned(),
        reason: "why".to_owned(),
        setting: String::new(),
        cookie: "c".to_owned(),
        held_at: Timestamp::from_seconds(1.0),
    };
    Held { id: dormouse_store::HeldId::new(7), post }
}

fn member(address: &str) -> Member {
    Member {
        key: dormouse_mail::AddressKey::of(address),
        address: address.to_owned(),
        real_name: String::new(),
        digest: false,
        options: MemberOptions::from_bits(0),
        delivery: Delivery::ByBounce,
        language: String::new(),
        joined_at: Timestamp::from_seconds(1.0),
    }
}

fn event(list_id: ListId) -> BounceEvent {
    BounceEvent {
        list_id,
        address: "a@x.example".to_owned(),
        entry: "e".to_owned(),
        kind: BounceKind::Permanent,
        status: String::new(),
        code: 0,
        text: String::new(),
        source: BounceSource::Message,
        outcome: BounceOutcome::Disabled,
        at: Timestamp::from_seconds(1.0),
    }
}

fn recipients(output: &Output) -> Vec<String> {
    output.entry.metadata.texts("recips").unwrap()
}

/// The text and the subject.
fn text(output: &Output) -> String {
    let message = Message::parse(output.entry.message.clone());
    let subject = message.text("Subject").unwrap_or_default();
    format!("{subject}\n{}", dormouse_mail::mime::first_text(&message).unwrap())
}

/// docs/spec/bounces.md §1.8, pipeline.md §2.4 and §2.5.
#[test]
fn moderators_get_what_they_decide_on_and_owners_the_rest() {
    let fixture = Fixture::new(&[
        ("owner", "o@x.example\nboth@x.example"),
        ("moderator", "m@x.example\nBoth@x.example"),
    ]);
    let (list, message) = (list(&fixture), Message::parse("Subject: x\n\nx\n"));
    let notices = Notices { list: &list, site: &fixture.site };
    for output in [
        notices.unrecognized_bounce(&message),
        notices.bounced(&event(list.id), dormouse_words::say("what"), None),
        notices.auto_discarded(&message, "sam@x.example"),
        notices.password_changed("secret"),
        notices.complaint("a@x.example", None),
    ] {
        assert_eq!(recipients(&output), ["o@x.example", "both@x.example"], "{}", output.label);
    }
    for output in [
        notices.held(&message, &held(), b"key"),
        notices.pending(&[held()], b"key", &[]),
        notices.content_filtered(&message, "why"),
        notices.member_joined(&member("a@x.example"), crate::Means::Mail),
    ] {
        let both = ["o@x.example", "both@x.example", "m@x.example"];
        assert_eq!(recipients(&output), both, "{}", output.label);
    }
}

/// docs/spec/commands.md §4.
#[test]
fn on_an_umbrella_list_those_who_run_a_member_hear_that_its_delivery_is_off() {
    let fixture = Fixture::new(&[("umbrella_list", "yes")]);
    let list = list(&fixture);
    let notices = Notices { list: &list, site: &fixture.site };
    let sub = member("sub@x.example");
    let off = notices.delivery_off(&sub, Delivery::ByBounce, "c", 1);
    let removed = notices.removed_silent_member(&sub.address, Delivery::ByBounce, "");
    for output in [off, removed] {
        assert_eq!(recipients(&output), ["sub-owner@x.example"], "{}", output.label);
    }
}

/// docs/spec/bounces.md §4.3.
#[test]
fn a_member_removed_for_bounces_gets_the_lists_goodbye() {
    let fixture = Fixture::new(&[("goodbye_msg", "So long.")]);
    let list = list(&fixture);
    let notices = Notices { list: &list, site: &fixture.site };
    for language in ["", "de", "es", "fr"] {
        let output = notices.removed_silent_member("a@x.example", Delivery::ByBounce, language);
        assert!(text(&output).contains("\nSo long.\n"), "{}", text(&output));
    }
}

/// All notices that link to a page on a site with pages.
fn with_links(fixture: &Fixture) -> Vec<Output> {
    let list = list(fixture);
    let notices = Notices { list: &list, site: &fixture.site };
    let message = Message::parse("Subject: x\n\nx\n");
    let waiting = dormouse_store::HeldRequest {
        id: dormouse_store::RequestId::new(3),
        list_id: list.id,
        request: dormouse_store::Request::Unsubscribe { address: "a@x.example".to_owned() },
        cookie: "c".to_owned(),
        how: "by mail".to_owned(),
        held_at: Timestamp::from_seconds(1.0),
    };
    let url = notices.request_url(&waiting, b"key");
    let (person, off) = (member("a@x.example"), Delivery::ByBounce);
    vec![
        notices.held(&message, &held(), b"key"),
        notices.post_held(&held(), b"key", ""),
        notices.post_held(&held(), b"key", "de"),
        notices.pending(&[held()], b"key", &[("somebody".to_owned(), url)]),
        notices.request_waits(&waiting, b"key"),
        notices.delivery_off(&person, off, "c", 1),
        notices.removed_silent_member(&person.address, off, ""),
        notices.acknowledged(&person, "x"),
        notices.automatic_answer(&message, "a@x.example", "See %(listurl)s."),
        notices.welcome(&person, "a@x.example", false, "https://lists.example/leave"),
        notices.list_made("o@x.example", Some("secret")),
    ]
}

/// docs/spec/web.md §3 and §5.
#[test]
fn notices_lead_to_pages_where_there_are_pages_and_to_mail_where_there_are_none() {
    let mut fixture = Fixture::new(&[]);
    for output in with_links(&fixture) {
        assert!(text(&output).contains("https://lists.example/"), "{}", text(&output));
    }
    fixture.config("web.listen", "");
    // The setting alone does not say whether there are pages.
    fixture.config("web_url", "https://lists.example/mailman/");
    for output in with_links(&fixture) {
        let text = text(&output);
        assert!(!text.contains("https://") && !text.contains("%("), "{text}");
    }
    let all: Vec<String> = with_links(&fixture).iter().map(text).collect();
    for said in [
        "dormouse held approve dev 7",
        "dormouse request approve dev 3",
        "would like to withdraw it, write to the people who run the list:\ndev-owner@lists.example\n",
        "reply to this mail without changing its\nsubject.\n",
        "See mailto:dev-request@lists.example?subject=info.",
    ] {
        assert!(all.iter().any(|text| text.contains(said)), "{said}\n{}", all.join("\n---\n"));
    }
}

/// What Mailman 2.1.39's own texts say, by their names.
const MAILMANS: [(&str, &str); 15] = [
    ("adminsubscribeack", "listname member whence"),
    ("bounce", "addr but did listname negative owneraddr reenable"),
    ("disabled", "confirmurl listname noticesleft optionsurl owneraddr password reason"),
    ("invite", "confirmurl cookie email hostname listname listowner requestaddr"),
    ("newlist", "admin_url listinfo_url listname password requestaddr siteowner"),
    ("postack", "listinfo_url listname optionsurl subject"),
    ("postauth", "admindb_url hostname listname reason sender subject"),
    ("postheld", "confirmurl listname reason subject"),
    ("probe", "address listname optionsurl owneraddr"),
    ("refuse", "adminaddr listname reason request"),
    ("subauth", "admindb_url hostname listname username"),
    (
        "subscribeack",
        "emailaddr host_name listinfo_url optionsurl password real_name umbrella welcome",
    ),
    ("unsub", "confirmurl cookie email listaddr listadmin listname remote requestaddr"),
    ("verify", "confirmurl cookie email listaddr listadmin listname remote requestaddr"),
    ("adminunsubscribeack", "listname member whence"),
];

/// docs/spec/web.md §7, docs/spec/gotchas.md §7.11.
#[test]
fn texts_written_for_mailman_are_filled_in_and_have_our_subject() {
    let fixture = Fixture::new(&[]);
    let dir = fixture.site.dir().join("templates/site/en");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, fields) in MAILMANS {
        let fields: Vec<String> =
            fields.split(' ').map(|field| format!("{field}=%({field})s;")).collect();
        let text = format!("old {name}\n{}\n", fields.join("\n"));
        assert!(super::templates::unknown_fields(name, &text).is_empty(), "{name}");
        std::fs::write(dir.join(format!("{name}.txt")), text).unwrap();
    }
    let list = list(&fixture);
    let notices = Notices { list: &list, site: &fixture.site };
    let confirmation = super::membership::Confirmation {
        cookie: "c00c1e".to_owned(),
        expires_at: Timestamp::from_seconds(1.0),
        to: "a@x.example".to_owned(),
        language: String::new(),
        means: crate::Means::Web,
        from: "192.0.2.1".to_owned(),
        is_reply: false,
    };
    let person = member("a@x.example");
    let mut all = with_links(&fixture);
    all.extend([
        notices.member_joined(&person, crate::Means::Mail),
        notices.member_left(&person, crate::Means::Mail),
        notices.bounced(&event(list.id), dormouse_words::say("what"), None),
        notices.probe(&person, "c00c1e", None),
        notices.invitation(&confirmation, ""),
        notices.confirm_joining(
            &confirmation,
            &Request::Subscribe {
                address: "a@x.example".to_owned(),
                real_name: "Änne".to_owned(),
                digest: true,
                language: "de".to_owned(),
                password: String::new(),
                invitation: false,
            },
        ),
        notices.confirm_leaving(&confirmation, "a@x.example"),
        notices.refused(&Message::parse("\nx\n"), &held(), "why", ""),
    ]);
    let all: Vec<String> = all.iter().map(text).collect();
    for (name, _) in MAILMANS {
        let text = all.iter().find(|text| text.contains(&format!("\nold {name}\n")));
        let text = text.unwrap_or_else(|| panic!("{name}"));
        assert!(!text.contains("%(") && !text.starts_with('\n'), "{name}: {text}");
    }
    let verify = all.iter().find(|text| text.contains("old verify")).unwrap();
    assert!(verify.contains("remote= (192.0.2.1);\n"), "{verify}");
    assert!(verify.contains("listadmin=dev-owner@lists.example;\n"), "{verify}");
}

/// The fields that `unknown_fields` accepts everywhere are those of every notice.
#[test]
fn every_notice_knows_what_any_text_may_say() {
    let fixture = Fixture::new(&[]);
    let list = list(&fixture);
    let fields = Notices { list: &list, site: &fixture.site }.fields();
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let known = [&LIST_FIELDS[..], &NOTICE_FIELDS].concat();
    assert_eq!(names, known);
    let text = "%(real_name)s %(nobody)s %(addr)s";
    let unknown = super::templates::unknown_fields("postheld", text);
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["addr", "nobody"]);
}
