//! Header and footer texts around a message's own (docs/spec/pipeline.md §7).
//!
//! Only what must change is changed: the text keeps the charset and encoding of the message if
//! that can represent it. A signed or encrypted message is never changed.

use crate::compose::{Composed, with_eol};
use crate::mime::{self, Encoding, Parameterised, Part};
use crate::tree::{Content, Node};
use crate::{Message, charset, html, transfer};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decorated {
    /// Nothing, for this reason.
    Unchanged(&'static str),
    /// The texts are in the message's own text, or in each of its alternatives.
    InPlace,
    /// They are separate parts in the message's multipart.
    Parts,
    /// The message is a part in a new multipart with them.
    Wrapped,
}

/// Adds the texts to the message's text if possible, in plain text and in HTML
/// alike; otherwise as separate parts.
pub fn decorate(message: &mut Message, header: &str, footer: &str) -> Decorated {
    let (header, footer) = (normal(header), normal(footer));
    if header.is_empty() && footer.is_empty() {
        return Decorated::Unchanged("there is nothing to add");
    }
    let root = mime::structure(message);
    if is_sealed(&root, message.body()) {
        return Decorated::Unchanged("it is signed or encrypted");
    }
    let mut node = Node::of(message);
    if put_into(&mut node, &header, &footer) {
        *message = node.into_message();
        if message.has("Content-Type") {
            message.set_default("MIME-Version", "1.0");
        }
        return Decorated::InPlace;
    }
    let is_mixed = root.content_type.value == "multipart/mixed" && !root.parts.is_empty();
    if is_mixed && as_parts(message, &root, &header, &footer) {
        return Decorated::Parts;
    }
    wrap(message, &header, &footer);
    Decorated::Wrapped
}

/// Whether it is signed or encrypted, by MIME or inside its text: then no byte may change.
pub(crate) fn is_sealed(root: &Part, body: &[u8]) -> bool {
    const KINDS: [&str; 4] = [
        "multipart/signed",
        "multipart/encrypted",
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
    ];
    KINDS.contains(&root.content_type.value.as_str())
        || root.walk().into_iter().any(|part| {
            part.content_type.value == "text/plain"
                && part.disposition.value != "attachment"
                && memchr::memmem::find(&part.decoded(body), b"-----BEGIN PGP ").is_some()
        })
}

/// Adds the texts to those of a part, to all or none. False if that is not possible.
fn put_into(node: &mut Node, header: &str, footer: &str) -> bool {
    if node.is_attachment() {
        return false;
    }
    let kind = node.content_type().value;
    match (&mut node.content, kind.as_str()) {
        (Content::Leaf(_), "text/plain") => {
            let mut part = node.clone().into_message();
            let root = mime::structure(&part);
            let decoded = root.decoded(part.body());
            let done = in_place(&mut part, &root, &decoded, header, footer);
            if done {
                *node = Node::of(&part);
            }
            done
        }
        (Content::Leaf(_), "text/html") => in_html(node, header, footer),
        (Content::Multipart(multipart), "multipart/related") => {
            multipart.parts_mut().first_mut().is_some_and(|first| put_into(first, header, footer))
        }
        (Content::Multipart(multipart), "multipart/alternative") => {
            // Each reader sees one of the alternatives. Non-text alternatives, such as invitations,
            // are for programs.
            let mut changed = multipart.clone();
            let mut texts = changed.parts_mut().iter_mut().filter(|part| is_text(part)).peekable();
            let done = texts.peek().is_some() && texts.all(|text| put_into(text, header, footer));
            if done {
                *multipart = changed;
            }
            done
        }
        (Content::Multipart(multipart), "multipart/mixed") => {
            // If there are several texts, the end of the first is not the end of the message.
            let parts = multipart.parts_mut();
            parts.iter().filter(|part| is_text(part)).count() == 1
                && parts.first_mut().is_some_and(|first| put_into(first, header, footer))
        }
        _ => false,
    }
}

/// An inline text.
fn is_text(node: &Node) -> bool {
    let kind = node.content_type().value;
    !node.is_attachment()
        && (matches!(kind.as_str(), "text/plain" | "text/html") || kind.starts_with("multipart/"))
}

/// Adds the texts to HTML. They are escaped so that any charset that contains ASCII can represent them.
fn in_html(node: &mut Node, header: &str, footer: &str) -> bool {
    let charset = node.content_type().parameter("charset").unwrap_or_default().to_owned();
    let encoding = Encoding::parse(node.header.text("Content-Transfer-Encoding"));
    let Content::Leaf(content) = &mut node.content else { return false };
    if encoding == Encoding::Unknown || !charset::is_ascii_superset(&charset) {
        return false;
    }
    let eol = body_eol(content, b"\n");
    let around = |decoded: &[u8]| html::surround(decoded, header, footer);
    *content = match encoding {
        Encoding::QuotedPrintable => {
            let decoded = transfer::quoted_printable_decode(content);
            transfer::quoted_printable_encode(&around(&decoded), eol)
        }
        Encoding::Base64 => {
            transfer::base64_encode(&around(&transfer::base64_decode(content)), eol)
        }
        Encoding::Identity | Encoding::Unknown => around(content),
    };
    true
}

/// LF line ends, with one at the end; empty for a blank text. Blanks at line ends are removed, except
/// those of a signature mark.
fn normal(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let mut out = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        out.push_str(if line == "-- " { line } else { line.trim_end() });
        out.push('\n');
    }
    out
}

/// The body's own line end, by its first line.
fn body_eol(body: &[u8], otherwise: &'static [u8]) -> &'static [u8] {
    match memchr::memchr(b'\n', body) {
        Some(0) => b"\n",
        Some(at) if body[at - 1] == b'\r' => b"\r\n",
        Some(_) => b"\n",
        None => otherwise,
    }
}

/// Whether the texts could be added to the message's.
fn in_place(
    message: &mut Message,
    root: &Part,
    decoded: &[u8],
    header: &str,
    footer: &str,
) -> bool {
    let charset_name = root.charset();
    let ascii = header.is_ascii() && footer.is_ascii();
    let utf8 = matches!(charset_name.as_str(), "utf-8" | "utf8");
    let fits = (ascii && charset::is_ascii_superset(&charset_name)) || utf8;
    let eol = body_eol(message.body(), message.eol());
    if is_flowed(&root.content_type)
        && !footer.is_empty()
        && let Some(closed) = without_flow(decoded)
    {
        // Otherwise the footer would continue the text's last line (RFC 3676 §4.1).
        let content = match root.encoding {
            Encoding::QuotedPrintable => transfer::quoted_printable_encode(closed, eol),
            Encoding::Base64 => transfer::base64_encode(closed, eol),
            Encoding::Identity => closed.to_vec(),
            Encoding::Unknown => return false,
        };
        let closed = closed.to_vec();
        message.set_body(content);
        return in_place(message, root, &closed, header, footer);
    }
    let body = message.body().to_vec();
    if fits {
        let (head, foot) = (with_eol(header, eol), with_eol(footer, eol));
        let changed = match root.encoding {
            Encoding::Identity if ascii || root_is_eight_bit(message) => {
                let gap: &[u8] = if body.is_empty() || body.ends_with(b"\n") || foot.is_empty() {
                    b""
                } else {
                    eol
                };
                [&head, body.as_slice(), gap, &foot].concat()
            }
            Encoding::QuotedPrintable => {
                // A soft break at the end does not end the line.
                let open = !decoded.is_empty() && !decoded.ends_with(b"\n") && !foot.is_empty();
                let gap: &[u8] = if open { eol } else { b"" };
                let quoted = |text: &[u8]| transfer::quoted_printable_encode(text, eol);
                [&quoted(&head), body.as_slice(), gap, &quoted(&foot)].concat()
            }
            Encoding::Base64 => {
                let open = !decoded.is_empty() && !decoded.ends_with(b"\n") && !foot.is_empty();
                let gap: &[u8] = if open { b"\n" } else { b"" };
                transfer::base64_encode(&[&head, decoded, gap, &foot].concat(), eol)
            }
            Encoding::Identity => return recode(message, root, decoded, header, footer),
            Encoding::Unknown => return false,
        };
        message.set_body(changed);
        return true;
    }
    root.encoding != Encoding::Unknown && recode(message, root, decoded, header, footer)
}

/// A text without the blanks that make its last line flow; `None` if it does not flow.
pub(crate) fn without_flow(text: &[u8]) -> Option<&[u8]> {
    let trimmed = text.strip_suffix(b"\n").unwrap_or(text);
    let trimmed = trimmed.strip_suffix(b"\r").unwrap_or(trimmed);
    let start = trimmed.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mark = trimmed[start..].trim_ascii_start();
    if !trimmed.ends_with(b" ") || mark == b"-- " {
        return None;
    }
    let kept = trimmed.iter().rposition(|&byte| byte != b' ').map_or(0, |at| at + 1);
    Some(&text[..kept.max(start)])
}

fn root_is_eight_bit(message: &Message) -> bool {
    let encoding = message.text("Content-Transfer-Encoding").unwrap_or_default();
    encoding.trim().eq_ignore_ascii_case("8bit")
}

/// Converts the whole text to UTF-8, so that it can contain the texts. Not if the message's charset is
/// wrong: then nothing is known about its text.
fn recode(message: &mut Message, root: &Part, decoded: &[u8], header: &str, footer: &str) -> bool {
    let text = charset::decode(&root.charset(), decoded);
    if text.contains('\u{fffd}') {
        return false;
    }
    let gap = if text.is_empty() || text.ends_with('\n') || footer.is_empty() { "" } else { "\n" };
    let whole = format!("{header}{text}{gap}{footer}");
    let eol = message.eol();
    let mut content_type = "text/plain; charset=\"utf-8\"".to_owned();
    for name in ["format", "delsp"] {
        if let Some(value) = root.content_type.parameter(name) {
            content_type.push_str(&format!("; {name}={value}"));
        }
    }
    message.set_raw("Content-Type", content_type.as_bytes());
    message.set("Content-Transfer-Encoding", "quoted-printable");
    message.set_body(transfer::quoted_printable_encode(whole.as_bytes(), eol));
    true
}

/// A part with one of the texts.
fn text_part(text: &str, eol: &[u8]) -> Vec<u8> {
    Composed::text(text, eol).with("Content-Disposition", "inline").to_part(eol)
}

/// Adds the texts before the first and after the last part. False if the last boundary is missing
/// or misplaced: then nothing can be added before it.
fn as_parts(message: &mut Message, root: &Part, header: &str, footer: &str) -> bool {
    let Some(boundary) = root.content_type.parameter("boundary") else { return false };
    let body = message.body();
    let eol = body_eol(body, message.eol());
    let open = format!("--{boundary}");
    let close = format!("--{boundary}--");
    let lines = lines_of(body);
    let place = |wanted: &str| {
        lines.iter().find(|line| body[(*line).clone()].trim_ascii_end() == wanted.as_bytes())
    };
    let (Some(first), Some(last)) = (place(&open), place(&close)) else { return false };
    let mut changed = body[..first.start].to_vec();
    if !header.is_empty() {
        changed.extend_from_slice(open.as_bytes());
        changed.extend_from_slice(eol);
        changed.extend_from_slice(&text_part(header, eol));
        changed.extend_from_slice(eol);
    }
    changed.extend_from_slice(&body[first.start..last.start]);
    if !footer.is_empty() {
        changed.extend_from_slice(open.as_bytes());
        changed.extend_from_slice(eol);
        changed.extend_from_slice(&text_part(footer, eol));
        changed.extend_from_slice(eol);
    }
    changed.extend_from_slice(&body[last.start..]);
    message.set_body(changed);
    true
}

fn lines_of(body: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |found| at + found + 1);
        lines.push(at..end);
        at = end;
    }
    lines
}

/// Makes the message's content one part of a new multipart/mixed. Its Content-* fields move with it.
fn wrap(message: &mut Message, header: &str, footer: &str) {
    let eol = message.eol();
    let mut inner = Vec::new();
    for field in message.fields() {
        if field.name().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-")) {
            inner.extend_from_slice(field.raw);
        }
    }
    if !inner.is_empty() && !inner.ends_with(b"\n") {
        inner.extend_from_slice(eol);
    }
    inner.extend_from_slice(eol);
    inner.extend_from_slice(message.body());
    let parts = [
        (!header.is_empty()).then(|| text_part(header, eol)),
        Some(inner),
        (!footer.is_empty()).then(|| text_part(footer, eol)),
    ];
    let parts: Vec<Vec<u8>> = parts.into_iter().flatten().collect();
    let whole = Composed::mixed(&parts, eol);
    message.retain(|field| {
        !field.name().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
    });
    message.set("MIME-Version", "1.0");
    whole.write_to(message);
}

/// Whether a content type's parameters say that lines may be joined (RFC 3676).
pub fn is_flowed(content_type: &Parameterised) -> bool {
    content_type.parameter("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed"))
}

#[cfg(test)]
mod tests {
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
    fn what_is_signed_or_encrypted_is_left_alone() {
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
}
