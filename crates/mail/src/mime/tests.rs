use super::*;
use proptest::prelude::*;

#[test]
fn parts_are_found_with_their_places() {
    let raw = "Content-Type: multipart/mixed; boundary=\"b\"\n\npre\n--b\n\none\n--b\nContent-Type: text/html; charset=x\nContent-Transfer-Encoding: base64\n\naGk=\n--b--\nafter";
    let message = Message::parse(raw);
    let root = structure(&message);
    assert_eq!(root.parts.len(), 2);
    assert_eq!(&message.body()[root.parts[0].content.clone()], b"one");
    assert_eq!(root.parts[1].content_type.value, "text/html");
    assert_eq!(root.parts[1].decoded(message.body()), b"hi");
    assert_eq!(first_text(&message).as_deref(), Some("one"));
}

#[test]
fn parameters_are_joined_and_decoded() {
    let parsed = Parameterized::parse(
        b"attachment; filename*0*=utf-8'de'Gr%C3%BC; filename*1=\"sse; x\"; y=z",
    );
    assert_eq!(parsed.parameter("filename"), Some("Grüsse; x"));
    assert_eq!(parsed.parameter("y"), Some("z"));
    let parsed = Parameterized::parse(b"TEXT/Plain; charset=\"a\\\"b\"");
    assert_eq!((parsed.value.as_str(), parsed.parameter("charset")), ("text/plain", Some("a\"b")));
}

#[test]
fn nesting_has_an_end() {
    let level =
        |number| format!("Content-Type: multipart/mixed; boundary=b{number}\n\n--b{number}\n");
    let nested: String = (0..20_000).map(level).collect();
    assert!(structure(&Message::parse(nested)).walk().len() <= DEEPEST + 1);
    let flat = level(0).repeat(20_000);
    assert!(structure(&Message::parse(flat)).walk().len() <= MOST_PARTS + 1);
}

fn shape(raw: &str) -> Vec<(String, String)> {
    let message = Message::parse(raw);
    let root = structure(&message);
    let content =
        |part: &Part| String::from_utf8_lossy(&message.body()[part.content.clone()]).into_owned();
    root.walk()
        .into_iter()
        .map(|part| (part.content_type.value.clone(), content(part)))
        .skip(1)
        .collect()
}

#[test]
fn a_boundary_of_the_outer_multipart_ends_the_inner_one() {
    let raw = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--a\n\ntwo\n--b\n--a--\n--a\n\nno\n";
    let part = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    assert_eq!(
        shape(raw),
        [
            part("multipart/mixed", "--b\n\none"),
            part("text/plain", "one"),
            part("text/plain", "two\n--b"),
        ]
    );
    let same = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a--\n";
    assert_eq!(shape(same), [part("multipart/mixed", ""), part("text/plain", "one")]);
}

#[test]
fn a_line_that_is_not_a_field_ends_the_header_of_a_part() {
    let raw = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html\nHello all,\nB: c\n--a\nHello: all\n--a\nno field\n--a--\n";
    let part = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    assert_eq!(
        shape(raw),
        [
            part("text/html", "Hello all,\nB: c"),
            part("text/plain", ""),
            part("text/plain", "no field"),
        ]
    );
}

#[test]
fn parts_of_a_digest_are_messages_unless_they_say_otherwise() {
    let raw = "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\none\n--a\nContent-Type: text/plain\n\ntwo\n--a\nContent-Type: nonsense\n\nthree\n--a\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nfour\n--a--\n";
    let kinds: Vec<String> = shape(raw).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(
        kinds,
        ["message/rfc822", "text/plain", "text/plain", "multipart/digest", "message/rfc822"]
    );
}

proptest! {
    #[test]
    fn any_body_has_a_structure_whose_places_are_in_it(body in "(--b\n|--b--\n|Content-Type: multipart/x; boundary=b\n|[a-z]{0,4}\n|\n){0,20}") {
        let message = Message::parse(format!("Content-Type: multipart/mixed; boundary=b\n\n{body}"));
        for part in structure(&message).walk() {
            prop_assert!(part.content.end <= message.body().len());
            part.text(message.body());
        }
    }
}
