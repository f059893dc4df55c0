//! Content that this program writes: a text, or a multipart of given parts, with the fields that
//! describe it. All MIME content of ours is written here, by one set of rules.

use crate::{Message, transfer};
use sha1::{Digest, Sha1};

/// Longer lines are encoded: SMTP allows 998 bytes (RFC 5321 §4.5.3.1.6).
const LONGEST_LINE: usize = 900;

/// A content and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Composed {
    /// A text with LF line ends: unchanged if it consists of short lines of ASCII, else as
    /// quoted-printable UTF-8.
    pub fn text(text: &str, eol: &[u8]) -> Composed {
        let is_plain = text.is_ascii() && text.lines().all(|line| line.len() < LONGEST_LINE);
        let (charset, encoding, body) = if is_plain {
            ("us-ascii", "7bit", with_eol(text, eol))
        } else {
            let body = transfer::quoted_printable_encode(text.as_bytes(), eol);
            ("utf-8", "quoted-printable", body)
        };
        let content_type = format!("text/plain; charset={charset}");
        let fields = vec![
            ("Content-Type", content_type),
            ("Content-Transfer-Encoding", encoding.to_owned()),
        ];
        Composed { fields, body }
    }

    /// A message as a part of another. It is not encoded (RFC 2046 §5.2.1).
    pub fn message(bytes: Vec<u8>) -> Composed {
        let mut fields = vec![("Content-Type", "message/rfc822".to_owned())];
        if !bytes.is_ascii() {
            fields.push(("Content-Transfer-Encoding", "8bit".to_owned()));
        }
        Composed { fields, body: bytes }
    }

    /// Parts, each with its header, one after the other.
    pub fn multipart(kind: &str, parts: &[Vec<u8>], eol: &[u8]) -> Composed {
        let boundary = boundary_for(&parts.concat());
        let content_type = format!("multipart/{kind}; boundary=\"{boundary}\"");
        let mut fields = vec![("Content-Type", content_type)];
        if !parts.iter().all(|part| part.is_ascii()) {
            // RFC 2045 §6.4: a multipart with 8-bit parts must say so.
            fields.push(("Content-Transfer-Encoding", "8bit".to_owned()));
        }
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(format!("--{boundary}").as_bytes());
            body.extend_from_slice(eol);
            body.extend_from_slice(part);
            body.extend_from_slice(eol);
        }
        body.extend_from_slice(format!("--{boundary}--").as_bytes());
        body.extend_from_slice(eol);
        Composed { fields, body }
    }

    /// The usual multipart.
    pub fn mixed(parts: &[Vec<u8>], eol: &[u8]) -> Composed {
        Composed::multipart("mixed", parts, eol)
    }

    /// Adds a field, whose value is ASCII.
    pub fn with(mut self, name: &'static str, value: &str) -> Composed {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// Adds parameters to the content type.
    pub fn with_parameters<'p>(
        mut self,
        parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Composed {
        if let Some((_, content_type)) = self.fields.first_mut() {
            for (name, value) in parameters {
                content_type.push_str(&format!("; {name}={value}"));
            }
        }
        self
    }

    /// Sets a message's content. Its own fields that describe a content must have been removed.
    pub fn write_to(self, message: &mut Message) {
        for (name, value) in self.fields {
            message.append_raw(name, value.as_bytes());
        }
        message.set_body(self.body);
    }

    /// Its fields and its body.
    pub fn into_parts(self) -> (Vec<(&'static str, String)>, Vec<u8>) {
        (self.fields, self.body)
    }

    /// The same as a part of a multipart.
    pub fn to_part(&self, eol: &[u8]) -> Vec<u8> {
        let mut head: String =
            self.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        head.push('\n');
        [with_eol(&head, eol), self.body.clone()].concat()
    }
}

/// Converts LF line ends to others.
pub(crate) fn with_eol(text: &str, eol: &[u8]) -> Vec<u8> {
    if eol == b"\n" { text.as_bytes().to_vec() } else { text.replace('\n', "\r\n").into_bytes() }
}

/// A boundary that does not occur in the content, and is the same for the same content.
fn boundary_for(content: &[u8]) -> String {
    let mut seed = 0u32;
    loop {
        let digest = Sha1::new().chain_update(seed.to_le_bytes()).chain_update(content).finalize();
        let digits: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let boundary = format!("=_{digits}");
        if memchr::memmem::find(content, boundary.as_bytes()).is_none() {
            return boundary;
        }
        seed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime;

    fn read(composed: Composed) -> (Message, String) {
        let mut message = Message::parse(Vec::new());
        composed.write_to(&mut message);
        let message = Message::parse(message.to_bytes());
        let text = mime::first_text(&message).unwrap_or_default();
        (message, text)
    }

    #[test]
    fn any_text_is_read_as_it_was_and_leaves_in_lines_that_smtp_takes() {
        let long = "x".repeat(2000);
        for text in ["short\n", "Gr\u{fc}\u{df}e\n", &format!("{long}\n"), "", "no end"] {
            let (message, shown) = read(Composed::text(text, b"\n"));
            assert_eq!(shown, text);
            let lines = message.to_bytes();
            assert!(lines.is_ascii());
            assert!(lines.split(|byte| *byte == b'\n').all(|line| line.len() < 998));
        }
    }

    #[test]
    fn parts_are_kept_apart_whatever_they_hold_and_eight_bits_are_announced() {
        let parts = [
            Composed::text("one\n", b"\n").to_part(b"\n"),
            b"Content-Type: text/plain; charset=utf-8\n\n\xc3\xbc\n".to_vec(),
        ];
        let (message, _) = read(Composed::mixed(&parts, b"\n"));
        assert_eq!(message.text("Content-Transfer-Encoding").as_deref(), Some("8bit"));
        let root = mime::structure(&message);
        assert_eq!(root.parts.len(), 2);
        assert_eq!(root.parts[1].decoded(message.body()), b"\xc3\xbc\n");
        let (message, _) = read(Composed::mixed(&parts[..1], b"\n"));
        assert!(!message.has("Content-Transfer-Encoding"));
    }

    #[test]
    fn line_ends_are_those_of_what_it_becomes_a_part_of() {
        let part = Composed::text("a\nb\n", b"\r\n").to_part(b"\r\n");
        let lone = part.windows(2).filter(|pair| pair[1] == b'\n' && pair[0] != b'\r').count();
        assert_eq!(lone, 0);
    }
}
