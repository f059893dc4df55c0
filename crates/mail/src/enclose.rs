//! A message as a part of another one.
//!
//! Its bytes stay unchanged (RFC 2046 §5.2.1 allows no encoding of the whole), except what would
//! prevent the outer message from being sent: NULs, and lines longer than SMTP allows
//! (RFC 5321 §4.5.3.1.6). Those are encoded in place.

use crate::Message;
use crate::fit::{is_fit, mend};
use crate::tree::{Content, Node};

/// The fields that are needed to read the body.
const DESCRIBES_BODY: [&str; 3] = ["MIME-Version", "Content-Type", "Content-Transfer-Encoding"];

/// The message with only the fields in `keep` and those that describe its body, ready to be sent
/// inside another. `text` replaces a body that cannot be sent.
pub fn enclosed(message: &Message, keep: &[String], text: &str) -> Message {
    let mut message = message.clone();
    message.forget_unix_from();
    message.retain(|field| {
        keep.iter().any(|name| field.is(name)) || DESCRIBES_BODY.iter().any(|name| field.is(name))
    });
    mend(&mut message);
    if !is_fit(message.body()) {
        let mut node = Node::new(message.without_body(), Content::Leaf(Vec::new()));
        node.set_text(text);
        message = node.into_message();
    }
    // There is an empty line after the header, even if the message had no body.
    let body = message.body().to_vec();
    message.set_body(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::{self, Encoding};
    use proptest::prelude::*;

    fn keep() -> Vec<String> {
        ["From", "Subject"].map(str::to_owned).to_vec()
    }

    fn enclose(raw: impl Into<Vec<u8>>) -> Message {
        enclosed(&Message::parse(raw), &keep(), "no text\n")
    }

    #[test]
    fn only_named_fields_stay_and_the_body_byte_for_byte() {
        let raw = b"From a Mon\nReceived: x\nFROM: a@x\nSubject: s\n t\nContent-Type: text/html\n\nb\r\n\xe4 ";
        let message = enclose(raw);
        assert_eq!(
            message.to_bytes(),
            b"FROM: a@x\nSubject: s\n t\nContent-Type: text/html\n\nb\r\n\xe4 "
        );
        assert_eq!(enclose("From: a").to_bytes(), b"From: a\n\n");
    }

    #[test]
    fn what_smtp_cannot_carry_is_encoded_in_its_part() {
        let long = "x".repeat(3000);
        let raw = format!(
            "From: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nshort\n--b\nContent-Type: text/plain\n\n{long}\n--b\n\n\0nul\n--b--\n"
        );
        let message = enclose(raw);
        assert!(is_fit(&message.to_bytes()));
        let root = mime::structure(&message);
        let texts: Vec<Vec<u8>> =
            root.parts.iter().map(|part| part.decoded(message.body())).collect();
        assert_eq!(texts, [b"short".to_vec(), long.into_bytes(), b"\0nul".to_vec()]);
        assert_eq!(root.parts[0].encoding, Encoding::Identity, "nothing else is touched");
    }

    #[test]
    fn a_body_that_cannot_be_mended_is_replaced_by_a_text() {
        let preamble = "x".repeat(3000);
        let raw = format!(
            "From: a\nContent-Type: multipart/mixed; boundary=b\n\n{preamble}\n--b\n\none\n--b--\n"
        );
        assert_eq!(mime::first_text(&enclose(raw)).as_deref(), Some("no text\n"));
    }

    proptest! {
        #[test]
        fn any_message_becomes_fit(
            head in "(Subject: [a\0ä ]{0,1200}\r?\n|X: y\n|From: a\n|Content-Type: multipart/mixed; boundary=b\n|junk){0,4}",
            body in "(--b\n|--b--\n|Content-Type: message/rfc822\n|\n|[a\0ä]{0,40}|a{1000}|\r\n){0,12}",
        ) {
            let message = enclose(format!("{head}\n{body}"));
            prop_assert!(is_fit(&message.to_bytes()), "{:?}", message);
        }

        #[test]
        fn any_bytes_become_fit(raw: Vec<u8>) {
            prop_assert!(is_fit(&enclose(raw).to_bytes()));
        }
    }
}
