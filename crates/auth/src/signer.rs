//! One message that is signed, perhaps many times: the body is hashed once, the header each time.

use crate::arc::{self, Set};
use crate::header::{Field, split};
use crate::tags::Tags;
use crate::{AuthError, Chain, Key, canonical};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};
use std::cell::RefCell;

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

/// What the signature of a link of a chain covers (RFC 8617 §4.1.2): what all copies of a message have
/// in common, so that they share the link. Of the fields that are each reader's own, `List-Unsubscribe`
/// and `Sender`, the DKIM signature covers the first, and no one needs the second.
const SEALED: [&str; 24] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
    "Resent-Date",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Auto-Submitted",
    "DKIM-Signature",
];

/// What a link of a chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Who says so: a host's name.
    pub authserv_id: String,
    /// The results, as in `Authentication-Results`, one an item.
    pub results: Vec<String>,
    /// What is to be thought of the chain that the message came with.
    pub chain: Chain,
}

/// A message ready to be signed.
#[derive(Debug, Clone)]
pub struct Signer {
    header: Vec<u8>,
    body_hash: String,
    /// The link that was made last, with what its signature covers.
    link: RefCell<Option<(Vec<u8>, String)>>,
}

impl Signer {
    /// Reads the header and hashes the body of a message with line ends of either kind, as it will
    /// leave: what is changed afterwards breaks its signatures.
    pub fn new(message: &[u8]) -> Signer {
        let (_, body) = split(message);
        let mut context = Context::new(&SHA256);
        canonical::body(body, |piece| context.update(piece));
        let header = message[..message.len() - body.len()].to_vec();
        let body_hash = STANDARD.encode(context.finish());
        Signer { header, body_hash, link: RefCell::new(None) }
    }

    /// The `DKIM-Signature` fields, one a key, of the message with `head` put before its header.
    /// `now` is the time of signing in seconds of the Unix epoch.
    ///
    /// # Errors
    /// If a key cannot sign.
    pub fn sign(&self, keys: &[Key], head: &[u8], now: u64) -> Result<String, AuthError> {
        let (mut fields, _) = split(head);
        fields.extend(split(&self.header).0);
        let (names, signed) = select(&fields, &COVERED);
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

    /// The next link of the message's chain of seals (RFC 8617 §5.1), of the message with `head` put
    /// before its header; nothing where a chain must not go on: it was declared broken before, or it
    /// could not be looked at, or it has as many links as it may.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn seal(
        &self,
        key: &Key,
        head: &[u8],
        found: &Found,
        now: u64,
    ) -> Result<Option<String>, AuthError> {
        let own = split(&self.header).0;
        let (before, status) = match (arc::sets(&own), &found.chain) {
            (_, Chain::Unknown(_)) => return Ok(None),
            // A broken chain has its end in one link that says so.
            (Ok(sets), Chain::Fail(_)) if says_fail(&sets) => return Ok(None),
            (Ok(sets), Chain::Fail(_)) => (sets, "fail"),
            (Err(_), _) => return Ok(None),
            // What is left of the message has no chain.
            (Ok(sets), _) if sets.is_empty() => (sets, "none"),
            // It came without, and what it has now is not known.
            (Ok(_), Chain::None) => return Ok(None),
            (Ok(sets), Chain::Pass(_)) => (sets, "pass"),
        };
        let instance = before.len() + 1;
        if instance > arc::LONGEST {
            return Ok(None);
        }
        let (mut fields, _) = split(head);
        // Signatures that are added now are each reader's own.
        fields.retain(|field| !field.is("DKIM-Signature"));
        fields.extend(&own);
        let covered: Vec<_> = SEALED.iter().map(|name| covered(name)).collect();
        let (names, signed) = select(&fields, &covered);
        if let Some((known, link)) = &*self.link.borrow()
            && *known == signed
        {
            return Ok(Some(link.clone()));
        }
        let link = self.link(key, instance, status, &before, found, (&names, &signed), now)?;
        *self.link.borrow_mut() = Some((signed, link.clone()));
        Ok(Some(link))
    }

    /// The three fields of a link, the seal on top.
    #[expect(clippy::too_many_arguments, reason = "the tags of three fields")]
    fn link(
        &self,
        key: &Key,
        instance: usize,
        status: &str,
        before: &[Set<'_>],
        found: &Found,
        (names, signed): (&[&str], &[u8]),
        now: u64,
    ) -> Result<String, AuthError> {
        let by = format!(
            "a={}; d={}; s={}; t={now};",
            key.algorithm().signature_name(),
            key.domain(),
            key.selector(),
        );
        let said = match found.results.as_slice() {
            [] => "none".to_owned(),
            results => results.join(";\r\n\t"),
        };
        let results = format!(" i={instance}; {};\r\n\t{said}\r\n", found.authserv_id);
        let start = format!(
            " i={instance}; {by}\r\n\tc=relaxed/relaxed; h={};\r\n\tbh={};\r\n\tb=",
            folded(&names.join(":"), ':'),
            self.body_hash,
        );
        let mut input = signed.to_vec();
        canonical::field(arc::SIGNATURE.as_bytes(), start.as_bytes(), &mut input);
        let signature = format!("{start}{}\r\n", wrapped(&STANDARD.encode(key.sign(&input)?)));
        let start = format!(" i={instance}; {by}\r\n\tcv={status};\r\n\tb=");
        fn field<'v>(name: &'static str, value: &'v str) -> Field<'v> {
            Field { name: name.as_bytes(), value: value.as_bytes() }
        }
        let own = Set {
            results: field(arc::RESULTS, &results),
            signature: field(arc::SIGNATURE, &signature),
            seal: field(arc::SEAL, &start),
        };
        // The end of a broken chain is sealed alone (RFC 8617 §5.1.2).
        let mut sets = if status == "fail" { Vec::new() } else { before.to_vec() };
        sets.push(own);
        let seal = wrapped(&STANDARD.encode(key.sign(&arc::input(&sets))?));
        let (seal_name, name) = (arc::SEAL, arc::SIGNATURE);
        Ok(format!("{seal_name}:{start}{seal}\r\n{name}:{signature}{}:{results}", arc::RESULTS))
    }
}

/// Whether somebody has said of the chain already that it is broken.
fn says_fail(sets: &[Set<'_>]) -> bool {
    sets.last().is_some_and(|last| {
        let tags = Tags::read(&last.seal.text()).unwrap_or_default();
        tags.get("cv").is_some_and(|said| said.eq_ignore_ascii_case("fail"))
    })
}

/// The names for `h=`, and the canonical fields that they stand for, from the last of each name up
/// (RFC 6376 §5.4.2).
fn select(fields: &[Field<'_>], covered: &[Covered]) -> (Vec<&'static str>, Vec<u8>) {
    let mut names = Vec::new();
    let mut signed = Vec::with_capacity(2048);
    for Covered { name, oversigned } in covered {
        for field in fields.iter().rev().filter(|field| field.is(name)) {
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
