use super::*;
use proptest::prelude::*;
use std::convert::Infallible;

const ID: &str = "Message-ID: <1@x.example>\nDate: Mon, 4 Mar 2024 10:00:00 +0100\n";
/// The directory of messages with those two fields: sha1("<1@x.example>") is d0fb…617c.
const DIR: &str = "attachments/20240304/d0fb617c/";

fn options() -> ScrubOptions<'static> {
    ScrubOptions {
        html: Html::Escape,
        keep_names: true,
        base_url: "https://h.example/pipermail/l/",
        received: Timestamp::EPOCH,
    }
}

fn with(raw: &str, options: &ScrubOptions<'_>) -> Scrubbed {
    let free = |_: &str, _: &[u8]| Ok::<bool, Infallible>(false);
    scrub(&Message::parse(raw), options, free).unwrap()
}

fn of(raw: &str) -> Scrubbed {
    with(raw, &options())
}

/// A multipart of these parts, each with its fields.
fn mixed(kind: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
    format!("{ID}Content-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n")
}

fn paths(scrubbed: &Scrubbed) -> Vec<&str> {
    scrubbed
        .attachments
        .iter()
        .map(|attachment| attachment.path.strip_prefix(DIR).unwrap_or(&attachment.path))
        .collect()
}

#[test]
fn a_text_stays_byte_for_byte() {
    let raw = format!("{ID}Content-Type: text/plain; charset=koi8-r; format=flowed\n\nhi \n");
    let scrubbed = of(&raw);
    assert!(!scrubbed.is_changed);
    assert_eq!(scrubbed.text, "hi \n");
    assert_eq!(scrubbed.flow, [("format", "flowed".to_owned())]);
    let mut message = Message::parse(raw.clone());
    scrubbed.write_to(&mut message);
    assert_eq!(message.to_bytes(), raw.as_bytes());
}

/// One case for each row of the table of docs/spec/archives.md §5.
#[test]
fn every_kind_of_part_has_its_place() {
    let html = "Content-Type: text/html\n\n<p>a  b</p>";
    let page = "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<tt>\n&lt;p&gt;a&nbsp;&nbsp;b&lt;/p&gt;<br>\n</tt>\n";
    for (part, kind, text, file) in [
        ("\n\nplain", Html::Escape, "plain\n", None),
        (
            "Content-Type: text/plain; charset=utf-8\nContent-Disposition: attachment\n\nplain",
            Html::Escape,
            "plain\n",
            None,
        ),
        (
            "Content-Disposition: attachment; filename=n.txt\n\nplain",
            Html::Escape,
            "Name: n.txt\nType: text/plain\nSize: 5 bytes\n",
            Some(("n.txt", "plain")),
        ),
        (html, Html::Remove, "a b\n", None),
        (html, Html::Escape, "a b\n", Some(("attachment.html", page))),
        (html, Html::Clean, "a b\n", Some(("attachment.html", clean_page("<p>a  b</p>").as_str()))),
        (html, Html::Inline, "<p>a  b</p>\n", None),
        (html, Html::Store, "a b\n", Some(("attachment.html", "<p>a  b</p>"))),
        (
            "Content-Type: message/rfc822\n\nFrom: a@x.example\nSubject: =?utf-8?q?=C3=A4?=\n\nin",
            Html::Escape,
            "From: a@x.example\nSubject: ä\n",
            Some(("attachment.eml", "From: a@x.example\nSubject: =?utf-8?q?=C3=A4?=\n\nin")),
        ),
        (
            "Content-Type: image/png; name=\"a b.PNG\"\nContent-Description: d\nContent-Transfer-Encoding: base64\n\naGk=",
            Html::Escape,
            "Name: a b.PNG\nType: image/png\nDesc: d\nSize: 2 bytes\nURL: <https://h.example/pipermail/l/attachments/20240304/d0fb617c/a_b.png>\n",
            Some(("a_b.png", "hi")),
        ),
    ] {
        let raw = mixed("mixed", &["\nfirst", part]);
        let scrubbed = with(&raw, &ScrubOptions { html: kind, ..options() });
        assert!(scrubbed.is_changed);
        assert!(scrubbed.text.starts_with(&format!("first\n{NEXT_PART}")), "{scrubbed:?}");
        assert!(scrubbed.text.contains(text), "{text:?} in {}", scrubbed.text);
        let kept = scrubbed.attachments.first().map(|attachment| {
            (&attachment.path[DIR.len()..], std::str::from_utf8(&attachment.content).unwrap())
        });
        assert_eq!(kept, file, "{part}");
    }
}

#[test]
fn html_beside_its_plain_text_leaves_only_its_address() {
    let raw = mixed("alternative", &["\nplain", "Content-Type: text/html\n\n<p>rich</p>"]);
    let text = of(&raw).text;
    assert!(text.starts_with("plain\n") && !text.contains("rich"), "{text}");
    let removed = with(&raw, &ScrubOptions { html: Html::Remove, ..options() });
    assert!(!removed.text.contains("rich") && removed.attachments.is_empty());
    // Inside its own multipart it belongs to the same alternative.
    let related = "Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<p>rich</p>\n--r--";
    assert!(!of(&mixed("alternative", &["\nplain", related])).text.contains("rich"));
}

#[test]
fn a_message_of_html_alone_does_not_vanish() {
    let raw = format!("{ID}Content-Type: text/html; charset=utf-8\n\n<p>Grüße</p>\n");
    for kind in [Html::Remove, Html::Clean, Html::Escape, Html::Inline, Html::Store] {
        let scrubbed = with(&raw, &ScrubOptions { html: kind, ..options() });
        assert!(scrubbed.text.contains("Grüße") && scrubbed.is_changed, "{scrubbed:?}");
    }
}

#[test]
fn names_are_safe_and_distinct() {
    let part = |name: &str, kind: &str, content: &str| {
        format!(
            "Content-Type: {kind}\nContent-Disposition: attachment; filename=\"{name}\"\n\n{content}"
        )
    };
    for (name, kind, expected) in [
        ("../../etc/passwd", "application/pdf", "passwd.pdf"),
        ("C:\\\\evil.exe", "application/octet-stream", "evil.bin"),
        ("...hidden.pdf", "application/pdf", "hidden.pdf"),
        ("x.html", "application/octet-stream", "x.bin"),
        ("x.svg", "image/svg+xml", "x.bin"),
        ("photo.JPG", "application/octet-stream", "photo.jpg"),
        ("a.tar.gz", "application/gzip", "a.tar.gz"),
        ("☃", "image/png", "attachment.png"),
        ("", "", "attachment.bin"),
    ] {
        let raw = mixed("mixed", &[&part(name, &format!("{kind}; charset=\"\""), "x")]);
        let scrubbed = of(&raw.replace("Content-Type: ;", "Content-Type: x/unheard;"));
        assert_eq!(paths(&scrubbed), [expected], "{name}");
        let plain = with(&raw, &ScrubOptions { keep_names: false, ..options() });
        assert!(paths(&plain)[0].starts_with("attachment."), "{name}");
    }
    let long = of(&mixed("mixed", &[&part(&"n".repeat(999), "image/png", "x")]));
    assert!(paths(&long)[0].len() <= LONGEST_NAME);

    let (one, two) = (part("a.png", "image/png", "1"), part("a.png", "image/png", "2"));
    let scrubbed = of(&mixed("mixed", &[&one, &two, &one, &two]));
    assert_eq!(paths(&scrubbed), ["a.png", "a-0001.png"]);
    assert_eq!(scrubbed.text.matches("a-0001.png").count(), 2);
}

#[test]
fn a_path_that_is_taken_is_left_to_its_owner() {
    let raw = mixed("mixed", &["Content-Type: image/png\n\nx"]);
    let taken = |path: &str, _: &[u8]| Ok::<bool, Infallible>(!path.ends_with("-0002.png"));
    let scrubbed = scrub(&Message::parse(raw), &options(), taken).unwrap();
    assert_eq!(paths(&scrubbed), ["attachment-0002.png"]);
}

#[test]
fn without_date_or_message_id_there_is_a_directory_too() {
    let image = "Content-Type: image/png\n\nx";
    let scrubbed = of(image);
    assert!(scrubbed.attachments[0].path.starts_with("attachments/19700101/"), "{scrubbed:?}");
    assert_eq!(of(image), scrubbed, "the same for the same message");
}

#[test]
fn the_text_takes_the_place_of_the_content() {
    let raw = mixed(
        "mixed",
        &["Content-Type: text/plain; format=flowed\n\nGrüße", "Content-Type: image/png\n\nx"],
    );
    let mut message = Message::parse(raw);
    let scrubbed = with(&String::from_utf8(message.to_bytes()).unwrap(), &options());
    scrubbed.write_to(&mut message);
    assert_eq!(mime::first_text(&message).unwrap(), scrubbed.text);
    assert_eq!(mime::structure(&message).content_type.parameter("format"), Some("flowed"));
    assert_eq!(message.fields_named("Content-Type").count(), 1);
    assert_eq!(message.text("Message-ID").as_deref(), Some("<1@x.example>"));
}

#[test]
fn thousands_of_equal_names_take_no_long_time() {
    let parts: Vec<String> =
        (0..9_000).map(|number| format!("Content-Type: image/png\n\n{number}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    assert_eq!(of(&mixed("mixed", &parts)).attachments.len(), 9_000);
}

proptest! {
    #[test]
    fn any_message_becomes_text_with_paths_inside_the_archive(
        body in "(--b\n|--b--\n|Content-Type: (text/html|image/png|message/rfc822|multipart/x; boundary=b)\n|Content-Disposition: attachment; filename=\"[./\\\\a:é ]{0,9}\"\n|[a-z<>]{0,4}\n|\n){0,20}",
        message_id in "[a-z<>@]{0,9}",
    ) {
        let raw = format!("Message-ID: {message_id}\nContent-Type: multipart/mixed; boundary=b\n\n{body}");
        let scrubbed = of(&raw);
        for Attachment { path, .. } in &scrubbed.attachments {
            let pieces: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(pieces.len(), 4, "{}", path);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && !piece.starts_with('.')));
            let address = format!("URL: <https://h.example/pipermail/l/{path}>\n");
            prop_assert!(scrubbed.text.contains(&address));
        }
        let mut message = Message::parse(raw);
        scrubbed.write_to(&mut message);
        prop_assert!(!of(&String::from_utf8_lossy(&message.to_bytes())).is_changed);
    }
}
