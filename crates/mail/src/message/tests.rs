use super::*;
use proptest::prelude::*;

fn edited(raw: &str, edit: impl FnOnce(&mut Message)) -> String {
    let mut message = Message::parse(raw);
    edit(&mut message);
    String::from_utf8(message.to_bytes()).unwrap()
}

#[test]
fn an_edit_touches_its_field_and_nothing_else() {
    let raw = "A: 1\nSubject: old\n more\nB:2\nsubject : again\n\nbody\n";
    assert_eq!(edited(raw, |m| m.set("Subject", "new")), "A: 1\nSubject: new\nB:2\n\nbody\n");
    assert_eq!(edited(raw, |m| m.append("X", "y")), raw.replace("\n\n", "\nX: y\n\n"));
    assert_eq!(edited(raw, |m| m.prepend("X", "y")), format!("X: y\n{raw}"));
    assert_eq!(edited(raw, |m| assert_eq!(m.remove("SUBJECT"), 2)), "A: 1\nB:2\n\nbody\n");
    assert_eq!(edited("A: 1\r\n\r\nx\r\n", |m| m.set("B", "2")), "A: 1\r\nB: 2\r\n\r\nx\r\n");
}

#[test]
fn a_line_that_is_not_a_field_ends_the_header() {
    for (head, body) in [
        ("A: 1\nSubject: Minutes\n", "Hello all,\nB: 2\n\nx\n"),
        ("Subject: Minutes\n more\n", "(see below): x\n y\n"),
        ("Subject: Minutes\r\n", "\u{e4}: x\r\n\r\nB: 2\r\n"),
        ("", "just text\nB: 2\n\n"),
        ("From a line of an mbox\nSubject: Minutes\n", ">From x\nB: 2\n"),
        ("Subject: Minutes\nFrom another one\nX: y\n", ": x\nB: 2\n"),
        ("Subject: Minutes\nX: y\n", "From here on\nwe go\nB: 2\n"),
    ] {
        let raw = format!("{head}{body}");
        let mut message = Message::parse(raw.as_str());
        assert_eq!(message.body(), body.as_bytes(), "{raw:?}");
        assert!(!message.has("B"), "{raw:?}");
        let out = String::from_utf8(message.to_bytes()).unwrap();
        assert!(raw.ends_with(&out), "as it came: {out:?}");
        message.append("X-New", "1");
        let out = String::from_utf8(message.to_bytes()).unwrap();
        let eol = if raw.contains('\r') { "\r\n" } else { "\n" };
        assert!(out.ends_with(&format!("X-New: 1{eol}{eol}{body}")), "{out:?}");
        assert_eq!(Message::parse(out).body(), body.as_bytes());
    }
    let head = Message::parse_header_of(b"A: 1\nno field\nB: 2\n\n");
    assert!(head.has("A") && !head.has("B") && head.body().is_empty());
}

#[test]
fn a_message_that_ends_in_its_header_can_be_edited() {
    assert_eq!(edited("A: 1", |m| m.append("B", "2")), "A: 1\nB: 2\n");
    assert_eq!(edited("A: 1", |m| m.set_body(b"x".to_vec())), "A: 1\n\nx");
    assert_eq!(edited("", |m| m.append("B", "2")), "B: 2\n");
}

#[test]
fn no_value_begins_another_field() {
    let text = edited("\nbody", |m| m.set_raw("A", b"x\nEvil: y\n\nbody"));
    assert_eq!(text, "A: x\n Evil: y\n body\n\nbody");
    assert!(!edited("\n", |m| m.set("A", "x\r\nEvil: y")).contains("\nEvil"));
}

#[test]
fn only_the_first_senders_count_however_many_there_are() {
    let many: Vec<String> = (0..100_000).map(|number| format!("a{number}@x.org")).collect();
    let message = Message::parse(format!("From: f@x.org\nReply-To: {}\n\n", many.join(",")));
    let senders = message.senders();
    assert_eq!(senders.len(), MOST_SENDERS);
    assert_eq!(senders[..2], ["f@x.org", "a0@x.org"].map(AddressKey::of));
}

#[test]
fn senders_come_from_the_header_and_the_mbox_line() {
    let message = Message::parse(
        "From env@x.org Mon\nReply-To: r@x.org\nFrom: A <A@x.org>, b@x.org\nSender: s@x.org\n\n",
    );
    let senders = ["a@x.org", "b@x.org", "env@x.org", "r@x.org", "s@x.org"];
    assert_eq!(message.senders(), senders.map(AddressKey::of));
    assert_eq!(message.sender().as_deref(), Some("a@x.org"));
    assert_eq!(Message::parse("From env@x.org Mon\n\n").sender().as_deref(), Some("env@x.org"));
    assert!(!Message::parse("From env@x.org Mon\nA: b\n\n").to_bytes().starts_with(b"From "));
}

proptest! {
    #[test]
    fn any_bytes_leave_as_they_came(raw: Vec<u8>) {
        prop_assume!(!raw.starts_with(b"From "));
        prop_assert_eq!(Message::parse(raw.clone()).to_bytes(), raw);
    }

    #[test]
    fn any_header_leaves_as_it_came(raw in "([A-Za-z]{1,3}[ :]{0,2}[ -~]{0,9}\r?\n|[ \t][a-z]{0,4}\n){0,6}\n?[a-z\n]{0,9}") {
        prop_assume!(!raw.starts_with("From "));
        prop_assert_eq!(Message::parse(raw.clone()).to_bytes(), raw.as_bytes());
    }

    #[test]
    fn an_edit_keeps_the_body_and_every_other_field(
        raw in "([A-C]: [ -~]{0,9}\n){0,5}\n[ -~\n]{0,30}", name in "[A-D]", text in "\\PC{0,40}",
    ) {
        let mut message = Message::parse(raw);
        let before = message.clone();
        message.set(&name, &text);
        prop_assert_eq!(message.body(), before.body());
        let others = |m: &Message| m.fields().filter(|field| !field.is(&name)).map(|field| field.raw.to_vec()).collect::<Vec<_>>();
        prop_assert_eq!(others(&message), others(&before));
        prop_assert_eq!(message.fields_named(&name).count(), 1);
        let again = Message::parse(message.to_bytes());
        prop_assert_eq!(again.body(), before.body());
    }
}
