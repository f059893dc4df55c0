//! Makes a message acceptable for the server that will receive it.
//!
//! Everything that a server has not offered to accept is encoded in place, part by part: text beyond
//! ASCII in headers (RFC 6532), and 8-bit bodies (RFC 6152). So is what no server accepts: NULs, and
//! lines longer than SMTP allows (RFC 5321 §4.5.3.1.6). Everything else stays unchanged.

use crate::address::{self, Mailbox};
use crate::decorate::is_sealed;
use crate::mime::{self, Encoding, Parameterized};
use crate::tree::{Content, Node};
use crate::{Message, encoded_word, transfer};
use std::borrow::Cow;

/// The longest line, without its line end.
const LONGEST_LINE: usize = 998;

/// What a server offers to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// 8-bit text in bodies (8BITMIME).
    pub eight_bit: bool,
    /// Addresses beyond ASCII (SMTPUTF8).
    pub utf8: bool,
}

/// The message for such a server. A sender's address that cannot be written is replaced by
/// `stand_in`, with the address as its name. Signed or encrypted content stays unchanged below the
/// header: the sending code finds out that it cannot be sent.
pub fn fit<'m>(message: &'m Message, takes: Takes, stand_in: &str) -> Cow<'m, Message> {
    let has_cr = has_lone_cr(message.body());
    let is_body_fit = is_fit(message.body()) && (takes.eight_bit || message.body().is_ascii());
    if is_body_fit && !has_cr && message.fields().all(|field| !is_unfit_field(field.raw)) {
        return Cow::Borrowed(message);
    }
    let mut message = message.clone();
    mend_fields(&mut message, takes, stand_in);
    if has_cr {
        let mut body = message.body().to_vec();
        end_lines_at_cr(&mut body);
        message.set_body(body);
    }
    if is_body_fit || is_sealed(&mime::structure(&message), message.body()) {
        return Cow::Owned(message);
    }
    let mut node = Node::of(&message);
    Mend { takes, stand_in, touches_sealed: false }.body(&mut node);
    Cow::Owned(node.into_message())
}

/// Whether SMTP allows these lines.
pub(crate) fn is_fit(bytes: &[u8]) -> bool {
    let fits = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len() <= LONGEST_LINE;
    memchr::memchr(0, bytes).is_none() && bytes.split(|&byte| byte == b'\n').all(fits)
}

/// Encodes everything that no server accepts.
pub(crate) fn mend(message: &mut Message) {
    let takes = Takes { eight_bit: true, utf8: true };
    if !is_fit(message.body()) {
        let mut node = Node::of(message);
        Mend { takes, stand_in: "", touches_sealed: true }.body(&mut node);
        *message = node.into_message();
    }
    mend_long_fields(message);
}

/// Fields that contain addresses, and what happens to those that cannot be written.
const SENDERS: [&str; 3] = ["From", "Sender", "Resent-From"];
const RECIPIENTS: [&str; 9] = [
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-To",
    "Resent-Cc",
    "Resent-Sender",
    "Errors-To",
    "Mail-Followup-To",
];

fn is_unfit_field(raw: &[u8]) -> bool {
    !raw.is_ascii() || !is_fit(raw) || has_lone_cr(raw)
}

/// Whether there is a CR that does not end a line (RFC 5321 §2.3.8).
fn has_lone_cr(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

/// Such a CR becomes a line end like any other: later programs must not see other lines than
/// earlier ones did.
fn end_lines_at_cr(bytes: &mut [u8]) {
    for at in 0..bytes.len() {
        if bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n') {
            bytes[at] = b'\n';
        }
    }
}

fn mend_fields(message: &mut Message, takes: Takes, stand_in: &str) {
    mend_named(message, is_unfit_field, takes, stand_in);
}

fn mend_long_fields(message: &mut Message) {
    mend_named(message, |raw| !is_fit(raw), Takes { eight_bit: true, utf8: true }, "");
}

fn mend_named(
    message: &mut Message,
    is_unfit: impl Fn(&[u8]) -> bool,
    takes: Takes,
    stand_in: &str,
) {
    let mut values: Vec<Option<String>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for field in message.fields() {
        let name = String::from_utf8_lossy(field.name()).into_owned();
        let value = is_unfit(field.raw).then(|| mended(&name, &field, takes, stand_in));
        values.push(value);
        names.push(name);
    }
    if values.iter().any(Option::is_some) {
        message.replace_values(&names, &values);
    }
}

/// A field's value, encoded and folded.
fn mended(name: &str, field: &crate::Field<'_>, takes: Takes, stand_in: &str) -> String {
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let value = field.unfolded();
    let is_sender = is(&SENDERS);
    let mailboxes =
        if is_sender || is(&RECIPIENTS) { address::parse_list(&value) } else { Vec::new() };
    let text = field.text();
    let value = if !mailboxes.is_empty() {
        let shown = mailboxes.iter().map(|one| written(one, takes, is_sender, stand_in));
        shown.collect::<Vec<_>>().join(",\n ")
    } else if is(&["Content-Type", "Content-Disposition"]) {
        described(&Parameterized::parse(&value))
    } else {
        crate::message::encoded(name, &text)
    };
    // A word of a thousand characters cannot be folded, only encoded.
    if is_fit(value.as_bytes()) { value } else { encoded_word::encode_words(&text, 40) }
}

/// An address in the form that a header allows.
fn written(mailbox: &Mailbox, takes: Takes, is_sender: bool, stand_in: &str) -> String {
    let address = address::ascii_domain(&mailbox.address);
    if address.is_ascii() || takes.utf8 {
        return address::format_mailbox(&mailbox.name, &address);
    }
    let name = if mailbox.name.trim().is_empty() {
        mailbox.address.clone()
    } else {
        format!("{} {}", mailbox.name, mailbox.address)
    };
    if is_sender && !stand_in.is_empty() {
        return address::format_mailbox(&name, stand_in);
    }
    // An empty group (RFC 6857 §3.1.8).
    format!("{} :;", encoded_word::encode_words(&name, 60))
}

/// A content type or disposition in ASCII (RFC 2231).
fn described(of: &Parameterized) -> String {
    let mut out = of.value.chars().filter(char::is_ascii).collect::<String>();
    for (name, value) in of.parameters.iter().filter(|(name, _)| name.is_ascii()) {
        let value: String = value.chars().filter(|letter| !letter.is_control()).collect();
        if value.is_ascii() {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            out.push_str(&format!(";\n {name}=\"{quoted}\""));
        } else {
            let coded: String = value.bytes().map(percent_coded).collect();
            out.push_str(&format!(";\n {name}*=utf-8''{coded}"));
        }
    }
    out
}

fn percent_coded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

struct Mend<'s> {
    takes: Takes,
    stand_in: &'s str,
    touches_sealed: bool,
}

impl Mend<'_> {
    fn node(&self, node: &mut Node) {
        if self.touches_sealed {
            mend_long_fields(&mut node.header);
        } else {
            mend_fields(&mut node.header, self.takes, self.stand_in);
        }
        self.body(node);
    }

    fn is_fit(&self, bytes: &[u8]) -> bool {
        is_fit(bytes) && (self.takes.eight_bit || bytes.is_ascii())
    }

    fn body(&self, node: &mut Node) {
        let content_type = node.content_type();
        let kind = content_type.value.as_str();
        if !self.touches_sealed && matches!(kind, "multipart/signed" | "multipart/encrypted") {
            return;
        }
        match &mut node.content {
            Content::Multipart(multipart) => {
                multipart.parts_mut().iter_mut().for_each(|part| self.node(part));
                let boundary = content_type.parameter("boundary").unwrap_or_default().trim_end();
                let eight_bit = self.takes.eight_bit;
                multipart.mend_between(boundary, |byte| byte == 0 || byte > 127 && !eight_bit);
                if !eight_bit {
                    said_7bit(&mut node.header);
                }
            }
            Content::Message(inner) => {
                self.node(inner);
                if !self.takes.eight_bit {
                    said_7bit(&mut node.header);
                }
            }
            Content::Leaf(bytes) if !self.is_fit(bytes) => self.leaf(node),
            Content::Leaf(_) if !self.takes.eight_bit => said_7bit(&mut node.header),
            Content::Leaf(_) => {}
        }
    }

    fn leaf(&self, node: &mut Node) {
        let encoding = Encoding::parse(node.header.text("Content-Transfer-Encoding"));
        if encoding == Encoding::Unknown && self.touches_sealed {
            return;
        }
        let decoded = node.decoded();
        let content_type = node.content_type();
        let is_text = content_type.value.starts_with("text/") && !decoded.contains(&0);
        let (name, encoded) = if is_text {
            ("quoted-printable", transfer::quoted_printable_encode(&decoded, b"\n"))
        } else {
            ("base64", transfer::base64_encode(&decoded, b"\n"))
        };
        if !self.takes.eight_bit && !node.header.has("Content-Type") {
            // RFC 1428: there is a charset, but it is unknown.
            let charset = match std::str::from_utf8(&decoded) {
                Ok(_) => "utf-8",
                Err(_) => "unknown-8bit",
            };
            let value = format!("{}; charset={charset}", content_type.value);
            node.header.append_raw("Content-Type", value.as_bytes());
        }
        if !self.takes.eight_bit {
            node.header.set_default("MIME-Version", "1.0");
        }
        node.header.set("Content-Transfer-Encoding", name);
        node.content = Content::Leaf(encoded);
    }
}

/// A message that is now all ASCII no longer claims otherwise.
fn said_7bit(header: &mut Message) {
    let said = header.text("Content-Transfer-Encoding").unwrap_or_default();
    if ["8bit", "binary"].iter().any(|known| said.trim().eq_ignore_ascii_case(known)) {
        header.set("Content-Transfer-Encoding", "7bit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Takes = Takes { eight_bit: false, utf8: false };
    const EIGHT_BIT: Takes = Takes { eight_bit: true, utf8: false };
    const ALL: Takes = Takes { eight_bit: true, utf8: true };

    fn fitted(raw: impl Into<Vec<u8>>, takes: Takes) -> Message {
        fit(&Message::parse(raw.into()), takes, "l@lists.example").into_owned()
    }

    #[test]
    fn what_is_fit_stays_byte_for_byte() {
        for raw in ["A: b\n\nx\r\ny", "no header\n", "A: b\nno field\n", ""] {
            for takes in [PLAIN, EIGHT_BIT, ALL] {
                assert_eq!(fitted(raw, takes).to_bytes(), raw.as_bytes());
            }
        }
        let body = b"A: b\n\nGr\xfc\xdfe\n";
        assert_eq!(fitted(&body[..], EIGHT_BIT).to_bytes(), body);
    }

    #[test]
    fn text_in_headers_is_encoded() {
        for takes in [PLAIN, EIGHT_BIT, ALL] {
            let message = fitted(
                "Subject: Grüße ☃\nFrom: Jörg, Ä <a@x.example>\nX-Odd: \u{e4}\nContent-Type: text/plain;\n name=\"ä.txt\"\n\nx\n",
                takes,
            );
            assert!(message.to_bytes().is_ascii(), "{message:?}");
            assert_eq!(message.text("Subject").as_deref(), Some("Grüße ☃"));
            let from = message.mailboxes("From").remove(0);
            assert_eq!((from.name.as_str(), from.address.as_str()), ("Ä", "a@x.example"));
            assert_eq!(mime::structure(&message).file_name().as_deref(), Some("ä.txt"));
        }
        let latin = fitted(&b"Subject: Gr\xfc\xdfe\n\nx\n"[..], ALL);
        assert_eq!(latin.text("Subject").as_deref(), Some("Grüße"));
    }

    #[test]
    fn addresses_beyond_ascii_make_way_where_nobody_takes_them() {
        let raw =
            "From: jürgen@m.example\nTo: Ä <ä@x.example>, b@bücher.example\nCc: c@x.example\n\nx\n";
        let message = fitted(raw, EIGHT_BIT);
        assert!(message.to_bytes().is_ascii());
        let from = message.mailboxes("From").remove(0);
        assert_eq!(
            (from.name.as_str(), from.address.as_str()),
            ("jürgen@m.example", "l@lists.example")
        );
        let to: Vec<String> = message.mailboxes("To").into_iter().map(|to| to.address).collect();
        assert_eq!(to, ["b@xn--bcher-kva.example"]);
        assert!(message.text("To").unwrap().starts_with("Ä ä@x.example :;"), "{message:?}");
        let taken = fitted(raw, ALL);
        assert_eq!(taken.mailboxes("From")[0].address, "jürgen@m.example");
    }

    #[test]
    fn bodies_are_encoded_part_by_part() {
        let part = |head: &str, text: &[u8]| {
            let end = if head.is_empty() { "" } else { "\n" };
            [head.as_bytes(), end.as_bytes(), b"\n", text].concat()
        };
        let parts: [(Vec<u8>, &str, &[u8]); 5] = [
            (
                part(
                    "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit",
                    b"Gr\xfc\xdfe",
                ),
                "quoted-printable",
                b"Gr\xfc\xdfe",
            ),
            (
                part("Content-Type: image/png\nContent-Transfer-Encoding: binary", b"\x89PNG\xff"),
                "base64",
                b"\x89PNG\xff",
            ),
            (
                part("Content-Type: text/plain\nContent-Transfer-Encoding: x-odd", b"\xff"),
                "quoted-printable",
                b"\xff",
            ),
            (
                part(
                    "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit",
                    b"ascii",
                ),
                "7bit",
                b"ascii",
            ),
            (part("", "ü".as_bytes()), "quoted-printable", "ü".as_bytes()),
        ];
        let mut raw = b"MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\nContent-Type: multipart/mixed; boundary=b\n\npr\xe4amble\n".to_vec();
        for (part, _, _) in &parts {
            raw.extend_from_slice(b"--b\n");
            raw.extend_from_slice(part);
            raw.push(b'\n');
        }
        raw.extend_from_slice(b"--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: \xc3\xbc\n\n\xc3\xbc\n--b--\n\xff");
        let message = fitted(raw, PLAIN);
        assert!(message.to_bytes().is_ascii(), "{}", message.to_bytes().escape_ascii());
        assert_eq!(message.text("Content-Transfer-Encoding").as_deref(), Some("7bit"));
        let root = mime::structure(&message);
        for (found, (_, encoding, bytes)) in root.parts.iter().zip(&parts) {
            let header = found.header(message.body());
            assert_eq!(header.text("Content-Transfer-Encoding").as_deref(), Some(*encoding));
            assert_eq!(found.decoded(message.body()), *bytes);
        }
        let bare = fitted(&b"A: b\n\n\xfc\n"[..], PLAIN);
        assert_eq!(bare.text("Content-Type").as_deref(), Some("text/plain; charset=unknown-8bit"));
        assert!(bare.has("MIME-Version") && bare.to_bytes().is_ascii());
    }

    #[test]
    fn a_cr_alone_ends_a_line_and_makes_no_field() {
        let message = fitted("A: b\rBcc: c\r\r\n\r\nx\r.\ry\r\r\nz\r", ALL);
        assert_eq!(message.to_bytes(), b"A: bBcc: c\r\n\r\nx\n.\ny\n\r\nz\n");
        assert_eq!(fitted("A: b\r\n\r\nx\r\n", ALL).to_bytes(), b"A: b\r\n\r\nx\r\n");
    }

    #[test]
    fn what_is_signed_keeps_its_bytes() {
        for body in [
            &b"Content-Type: multipart/signed; boundary=b\n\n--b\n\n\xfc\n--b--\n"[..],
            b"A: b\n\n-----BEGIN PGP SIGNED MESSAGE-----\n\n\xfc\n",
        ] {
            assert_eq!(fitted(body, PLAIN).to_bytes(), body);
        }
        let beside = b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/signed; boundary=b\n\n--b\n\n\xfc\n--b--\n--a\nContent-Type: text/plain\n\n\xfc\n--a--\n";
        let message = fitted(&beside[..], PLAIN);
        let text = message.to_bytes();
        assert!(memchr::memmem::find(&text, b"--b\n\n\xfc\n--b--").is_some());
        assert!(memchr::memmem::find(&text, b"\n\n=FC\n--a--").is_some());
    }

    proptest! {
        #[test]
        fn any_unsigned_message_becomes_fit(
            head in "(Subject: [a\0ä\u{200b} ]{0,30}\r?\n|From: ä@x[ä,<>\"(]{0,4}\n|To: a@b, [ä ]{0,9}<c@ü>\n|Content-Type: multipart/mixed; boundary=b\n|junk ä\n){0,4}",
            body in "(--b\n|--b--\n|Content-Type: message/rfc822\n|Content-Transfer-Encoding: (8bit|base64|x)\n|\n|[a\0ä]{0,20}|a{1000}|\r\n){0,12}",
        ) {
            let bytes = fitted(format!("{head}\n{body}"), PLAIN).to_bytes();
            prop_assert!(bytes.is_ascii() && !bytes.contains(&0), "{}", bytes.escape_ascii());
        }
    }
}
