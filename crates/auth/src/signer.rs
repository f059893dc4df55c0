//! One message that is signed, perhaps many times: the body is hashed once, the header each time.

use crate::{AuthError, Key, canonical};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};

/// A header field that signatures cover.
struct Covered {
    name: &'static str,
    /// It is named once more than it stands there, so that adding another one breaks the signature
    /// (RFC 6376 §8.15).
    oversigned: bool,
}

const fn covered(name: &'static str) -> Covered {
    Covered { name, oversigned: false }
}

const fn oversigned(name: &'static str) -> Covered {
    Covered { name, oversigned: true }
}

/// What a signature covers (RFC 6376 §5.4.1), with the fields that RFC 8058 §4 wants covered.
/// `Errors-To`, `Received` and the like change on the way and are left out.
const COVERED: [Covered; 29] = [
    oversigned("From"),
    oversigned("To"),
    oversigned("Cc"),
    oversigned("Subject"),
    oversigned("Date"),
    oversigned("Message-ID"),
    oversigned("Reply-To"),
    oversigned("MIME-Version"),
    oversigned("Content-Type"),
    oversigned("Content-Transfer-Encoding"),
    oversigned("List-Unsubscribe"),
    oversigned("List-Unsubscribe-Post"),
    covered("Sender"),
    covered("In-Reply-To"),
    covered("References"),
    covered("Resent-Date"),
    covered("Resent-From"),
    covered("Resent-To"),
    covered("Resent-Cc"),
    covered("List-Id"),
    covered("List-Help"),
    covered("List-Subscribe"),
    covered("List-Post"),
    covered("List-Owner"),
    covered("List-Archive"),
    covered("Archived-At"),
    covered("Auto-Submitted"),
    covered("Feedback-ID"),
    covered("CFBL-Address"),
];

/// A header field: its name and what stands behind the colon, with its folds.
#[derive(Debug, Clone, Copy)]
struct Field<'m> {
    name: &'m [u8],
    value: &'m [u8],
}

/// A message ready to be signed.
#[derive(Debug, Clone)]
pub struct Signer {
    header: Vec<u8>,
    body_hash: String,
}

impl Signer {
    /// Reads the header and hashes the body of a message with line ends of either kind, as it will
    /// leave: what is changed afterwards breaks its signatures.
    pub fn new(message: &[u8]) -> Signer {
        let (_, body) = split(message);
        let mut context = Context::new(&SHA256);
        canonical::body(body, |piece| context.update(piece));
        let header = message[..message.len() - body.len()].to_vec();
        Signer { header, body_hash: STANDARD.encode(context.finish()) }
    }

    /// The `DKIM-Signature` fields, one a key, of the message with `head` put before its header.
    /// `now` is the time of signing in seconds of the Unix epoch.
    ///
    /// # Errors
    /// When a key cannot sign.
    pub fn sign(&self, keys: &[Key], head: &[u8], now: u64) -> Result<String, AuthError> {
        let (mut fields, _) = split(head);
        fields.extend(split(&self.header).0);
        let (names, signed) = select(&fields);
        let mut out = String::new();
        for key in keys {
            let start = format!(
                " v=1; a={}; c=relaxed/relaxed; d={}; s={};\r\n\tt={now}; h={};\r\n\tbh={};\r\n\tb=",
                key.algorithm().signature_name(),
                key.domain(),
                key.selector(),
                folded(&names.join(":"), ':'),
                self.body_hash,
            );
            let mut input = signed.clone();
            canonical::field(b"DKIM-Signature", start.as_bytes(), &mut input);
            let signature = STANDARD.encode(key.sign(&input)?);
            out.push_str("DKIM-Signature:");
            out.push_str(&start);
            out.push_str(&wrapped(&signature));
            out.push_str("\r\n");
        }
        Ok(out)
    }
}

/// The names for `h=`, and the canonical fields that they stand for, from the last of each name up
/// (RFC 6376 §5.4.2).
fn select(fields: &[Field<'_>]) -> (Vec<&'static str>, Vec<u8>) {
    let mut names = Vec::new();
    let mut signed = Vec::with_capacity(2048);
    for Covered { name, oversigned } in &COVERED {
        let named =
            fields.iter().rev().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        for field in named {
            names.push(*name);
            canonical::field(field.name, field.value, &mut signed);
            signed.extend_from_slice(b"\r\n");
        }
        if *oversigned {
            names.push(name);
        }
    }
    (names, signed)
}

/// The fields of a header, and what follows it.
fn split(message: &[u8]) -> (Vec<Field<'_>>, &[u8]) {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        if let Some(body) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            return (fields, body);
        }
        let mut end = 0;
        loop {
            end += match rest[end..].iter().position(|&byte| byte == b'\n') {
                Some(length) => length + 1,
                None => rest.len() - end,
            };
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, behind) = rest.split_at(end);
        if let Some(colon) = field.iter().position(|&byte| byte == b':') {
            fields.push(Field { name: field[..colon].trim_ascii(), value: &field[colon + 1..] });
        }
        rest = behind;
    }
    (fields, rest)
}

/// Folds behind `separator`, into lines of at most some 76 characters.
fn folded(text: &str, separator: char) -> String {
    let mut out = String::new();
    let mut length = 16;
    for piece in text.split_inclusive(separator) {
        if length + piece.len() > 76 {
            out.push_str("\r\n\t ");
            length = 9;
        }
        out.push_str(piece);
        length += piece.len();
    }
    out
}

/// Folds text without blanks anywhere, as `b=` may be.
fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 20);
    for (at, piece) in text.as_bytes().chunks(72).enumerate() {
        if at > 0 {
            out.push_str("\r\n\t ");
        }
        out.push_str(&String::from_utf8_lossy(piece));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    fn names(message: &str, head: &str) -> String {
        let key = Key::generate("example.org", "s", Algorithm::Ed25519).unwrap();
        let fields = Signer::new(message.as_bytes()).sign(&[key], head.as_bytes(), 1).unwrap();
        let packed: String = fields.split_whitespace().collect();
        packed.split(";h=").nth(1).unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn what_is_there_is_signed_and_what_must_not_be_added_is_oversigned() {
        let covered = names("From: a@x\nSubject: s\nReceived: r\nList-Id: l\n\nx\n", "");
        assert!(covered.starts_with("From:From:To:Cc:Subject:Subject:Date:"), "{covered}");
        assert!(covered.ends_with(":List-Id"), "{covered}");
        assert!(!covered.contains("Received"));
    }

    #[test]
    fn the_head_is_part_of_the_message() {
        let covered =
            names("From: a@x\n\nx\n", "List-Unsubscribe: <x>,\r\n <y>\r\nErrors-To: e\r\n");
        assert!(
            covered.contains("List-Unsubscribe:List-Unsubscribe:List-Unsubscribe-Post"),
            "{covered}"
        );
        assert!(!covered.contains("Errors-To"));
    }

    #[test]
    fn line_ends_of_either_kind_are_one_message() {
        let key = Key::generate("example.org", "s", Algorithm::Ed25519).unwrap();
        let keys = [key];
        let unix = "From: a@x\nSubject: a\n b\n\nx \n\ny\n\n";
        let wire = unix.replace('\n', "\r\n");
        assert_eq!(
            Signer::new(unix.as_bytes()).sign(&keys, b"", 1).unwrap(),
            Signer::new(wire.as_bytes()).sign(&keys, b"", 1).unwrap()
        );
    }

    #[test]
    fn lines_are_short() {
        let key = Key::generate("example.org", "s", Algorithm::Rsa).unwrap();
        let fields = Signer::new(b"From: a@x\n\nx\n").sign(&[key], b"", 1).unwrap();
        assert!(fields.split("\r\n").all(|line| line.len() <= 78), "{fields}");
        assert!(fields.ends_with("\r\n") && !fields.contains("\r\n\r\n"));
    }
}
