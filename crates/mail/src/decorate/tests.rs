use super::*;
use proptest::prelude::*;

fn decorated(raw: &str, footer: &str) -> (Decorated, String) {
    let mut message = Message::parse(raw);
    let done = decorate(&mut message, "", footer);
    (done, String::from_utf8(message.to_bytes()).unwrap())
}

#[test]
fn plain_text_gets_the_footer_and_keeps_its_bytes() {
    let (done, text) = decorated("Subject: x\n\nbody  \nlast", "-- \nfoot \n");
    assert_eq!(
        (done, text.as_str()),
        (Decorated::InPlace, "Subject: x\n\nbody  \nlast\n-- \nfoot\n")
    );
    let (_, text) = decorated("A: b\r\n\r\nbody\r\n", "foot");
    assert_eq!(text, "A: b\r\n\r\nbody\r\nfoot\r\n");
}

#[test]
fn encoded_text_gets_it_in_its_own_encoding() {
    let head = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding:";
    let (done, text) = decorated(&format!("{head} quoted-printable\n\ns=FC=DF\n"), "1=1");
    assert_eq!(done, Decorated::InPlace);
    assert!(text.ends_with("\n\ns=FC=DF\n1=3D1\n"), "{text}");
    let (done, text) = decorated(&format!("{head} base64\n\naGkK\n"), "foot");
    assert_eq!(done, Decorated::InPlace);
    assert!(text.ends_with("\n\naGkKZm9vdAo=\n"), "{text}");
}

#[test]
fn a_soft_break_at_the_end_does_not_swallow_the_footer() {
    for body in ["one=\n", "one", "one\n", "one=0A", "one=\r\n"] {
        let raw = format!("Content-Transfer-Encoding: quoted-printable\n\n{body}");
        let mut message = Message::parse(raw);
        decorate(&mut message, "", "foot");
        let text = mime::first_text(&message).unwrap().replace('\r', "");
        assert_eq!(text, "one\nfoot\n", "{body:?}");
    }
}

#[test]
fn a_flowed_text_does_not_flow_into_the_footer() {
    let plain = "Content-Type: text/plain; format=flowed\n\n";
    let latin = "Content-Type: text/plain; charset=iso-8859-1; format=flowed; delsp=yes\n";
    let quoted = format!("{latin}Content-Transfer-Encoding: quoted-printable\n\n");
    let base64 = format!("{latin}Content-Transfer-Encoding: base64\n\n");
    for (raw, text) in [
        (format!("{plain}one \ntwo "), "one \ntwo\nfoot\n"),
        (format!("{plain}one \ntwo  \n"), "one \ntwo\nfoot\n"),
        (format!("{plain}one\n> two \r\n"), "one\n> two\nfoot\n"),
        (format!("{plain}one \n\n"), "one \n\nfoot\n"),
        (format!("{plain}one\n-- "), "one\n-- \nfoot\n"),
        (format!("{plain} "), "foot\n"),
        (format!("{quoted}s=FC=DF=20\ntwo=20\n"), "s\u{fc}\u{df} \ntwo\nfoot\n"),
        (format!("{quoted}two =\n"), "two\nfoot\n"),
        (format!("{base64}dHdvIA=="), "two\nfoot\n"),
    ] {
        let mut message = Message::parse(raw.as_str());
        assert_eq!(decorate(&mut message, "", "foot"), Decorated::InPlace);
        assert_eq!(mime::first_text(&message).unwrap(), text, "{raw:?}");
    }
    let fixed = decorated("Content-Type: text/plain\n\ntwo \n", "foot").1;
    assert!(fixed.ends_with("\ntwo \nfoot\n"), "{fixed:?}");
}

#[test]
fn a_footer_beyond_the_messages_charset_makes_it_utf8() {
    let raw = "Content-Type: text/plain; charset=iso-8859-1; format=flowed\nContent-Transfer-Encoding: quoted-printable\n\ns=FC=DF\n";
    let (done, text) = decorated(raw, "☃");
    assert_eq!(done, Decorated::InPlace);
    let message = Message::parse(text.clone());
    assert_eq!(mime::first_text(&message).as_deref(), Some("süß\n☃\n"), "{text}");
    assert!(text.contains("format=flowed"), "{text}");
}

#[test]
fn signed_and_encrypted_parts_are_not_changed() {
    for raw in [
        "Content-Type: multipart/signed; boundary=b\n\n--b\n\nx\n--b--\n",
        "Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--\n",
        "Content-Type: application/pkcs7-mime\n\nx\n",
        "A: b\n\n-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n-----BEGIN PGP MESSAGE-----\n--b--\n",
    ] {
        let (done, text) = decorated(raw, "foot");
        assert!(matches!(done, Decorated::Unchanged(_)));
        assert_eq!(text, raw);
    }
}

const IMAGE: &str = "--b\nContent-Type: image/png\n\nx\n";

fn multipart(kind: &str, parts: &str) -> String {
    format!("MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n")
}

#[test]
fn the_one_text_of_a_mixed_multipart_gets_it_and_the_others_stay() {
    let (done, text) = decorated(&multipart("mixed", &format!("--b\n\none\n{IMAGE}")), "foot");
    assert_eq!(done, Decorated::InPlace);
    assert_eq!(text, multipart("mixed", &format!("--b\n\none\nfoot\n\n{IMAGE}")));
}

#[test]
fn several_texts_or_none_get_a_part_beside_them() {
    for parts in [
        format!("--b\n\none\n{IMAGE}--b\n\ntwo\n"),
        IMAGE.to_owned(),
        "--b\nContent-Disposition: attachment\n\none\n".to_owned(),
        format!("--b\nContent-Transfer-Encoding: x-uuencode\n\none\n{IMAGE}"),
    ] {
        let mut message = Message::parse(multipart("mixed", &parts));
        assert_eq!(decorate(&mut message, "head", "foot"), Decorated::Parts, "{parts}");
        let text = String::from_utf8(message.to_bytes()).unwrap();
        assert!(text.contains(&parts), "{text}");
        let root = mime::structure(&message);
        let texts: Vec<_> = root.parts.iter().map(|part| part.text(message.body())).collect();
        assert_eq!(texts.first().unwrap(), "head\n", "{text}");
        assert_eq!(texts.last().unwrap(), "foot\n", "{text}");
    }
}

#[test]
fn every_alternative_gets_it_in_its_own_way() {
    let plain = "--b\nContent-Type: text/plain; charset=iso-8859-1\n\none\n";
    let rich = "--b\nContent-Type: text/html; charset=koi8-r\nContent-Transfer-Encoding: quoted-printable\n\n<body>=C1</body>\n";
    let related = "--b\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<b>x</b>\n--r--\n";
    let calendar = "--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n";
    for html in [rich, related] {
        let raw = multipart("alternative", &format!("{plain}{html}{calendar}"));
        let (done, text) = decorated(&raw, "f☃t\n<x>");
        assert_eq!(done, Decorated::InPlace, "{text}");
        let message = Message::parse(text.clone());
        let root = mime::structure(&message);
        assert_eq!(root.parts[0].text(message.body()), "one\nf☃t\n<x>\n", "{text}");
        let parts = root.walk();
        let html = parts.iter().find(|part| part.content_type.value == "text/html").unwrap();
        assert!(html.text(message.body()).contains("f&#9731;t<br>\n&lt;x&gt;"), "{text}");
        assert!(text.contains(calendar), "{text}");
    }
}

#[test]
fn an_alternative_that_cannot_hold_it_keeps_them_all_as_they_are() {
    let raw = multipart(
        "alternative",
        "--b\n\none\n--b\nContent-Type: text/html; charset=utf-16\n\n<p>\n",
    );
    let (done, text) = decorated(&raw, "foot");
    assert_eq!(done, Decorated::Wrapped);
    assert!(text.contains("\n--b\n\none\n--b\n"), "{text}");
}

#[test]
fn html_alone_gets_it_at_its_end() {
    for (encoding, body) in
        [("7bit", "<html><body><p>hi</p></body></html>\n"), ("base64", "PHA+aGk8L3A+\n")]
    {
        let raw = format!(
            "MIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: {encoding}\n\n{body}"
        );
        let mut message = Message::parse(raw);
        assert_eq!(decorate(&mut message, "head", "foot"), Decorated::InPlace);
        let root = mime::structure(&message);
        let text = html::to_text(&root.text(message.body()));
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["head", "hi", "foot"]);
    }
}

#[test]
fn anything_else_is_wrapped() {
    for kind in ["image/png", "text/calendar", "multipart/report; boundary=c"] {
        let raw = format!("Content-Type: {kind}\nSubject: x\n\nhi\n");
        let (done, text) = decorated(&raw, "foot");
        assert_eq!(done, Decorated::Wrapped);
        let message = Message::parse(text.clone());
        let root = mime::structure(&message);
        assert_eq!(root.content_type.value, "multipart/mixed", "{text}");
        assert!(kind.starts_with(&root.parts[0].content_type.value));
        assert_eq!(root.parts[0].text(message.body()), "hi\n");
        assert_eq!(root.parts[1].text(message.body()), "foot\n");
        assert_eq!(message.fields_named("Content-Type").count(), 1);
    }
}

proptest! {
    #[test]
    fn the_footer_is_somewhere_to_be_read(
        head in "(Content-Type: (text/plain; charset=(utf-8|koi8-r|utf-16)|text/html|multipart/(mixed|alternative|related); boundary=b)\n)?(Content-Transfer-Encoding: (base64|quoted-printable|8bit|x-odd)\n)?",
        body in "(--b\n|--b--\n|Content-Type: (text/plain|text/html|image/png|multipart/alternative; boundary=c)\n|--c\n|--c--\n|Content-Disposition: attachment\n|<p>[a-z]{0,4}</p>\n|</body>|[a-zäx=]{0,9}\n|\n){0,16}",
    ) {
        let mut message = Message::parse(format!("{head}\n{body}"));
        let before = mime::structure(&message).walk().len();
        let done = decorate(&mut message, "", "m4rk");
        let root = mime::structure(&message);
        let marked = root
            .walk()
            .into_iter()
            .filter(|part| part.main_type() == "text" && part.parts.is_empty())
            .any(|part| part.text(message.body()).contains("m4rk"));
        prop_assert!(marked, "{done:?}\n{}", String::from_utf8_lossy(&message.to_bytes()));
        if done == Decorated::InPlace {
            prop_assert_eq!(root.walk().len(), before);
        }
    }

    #[test]
    fn any_message_can_be_decorated(raw: Vec<u8>, footer: String) {
        let mut message = Message::parse(raw);
        decorate(&mut message, "", &footer);
    }
}
