//! Signing a message, perhaps many times: the body is hashed once, the header each time.

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
    /// Whether it is listed once more than it occurs, so that adding another one breaks the
    /// signature (RFC 6376 §8.15).
    oversigned: bool,
}

const fn covered(name: &'static str) -> Covered {
    Covered { name, oversigned: false }
}

const fn oversigned(name: &'static str) -> Covered {
    Covered { name, oversigned: true }
}

/// The fields that a signature covers (RFC 6376 §5.4.1), with those that RFC 8058 §4 requires.
/// `Errors-To`, `Received` and the like change in transit and are omitted.
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

/// The fields that the signature of a link covers (RFC 8617 §4.1.2): those that all copies of a
/// message have in common, so that they share the link. Of the fields that differ between readers,
/// `List-Unsubscribe` is covered by the DKIM signature, and `Sender` need not be.
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

/// The content of a link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcContent {
    /// The name of the host that adds it.
    pub authserv_id: String,
    /// The results, each as in `Authentication-Results`.
    pub results: Vec<String>,
    /// The status of the chain with which the message arrived.
    pub chain: Chain,
}

/// A message ready to be signed.
#[derive(Debug, Clone)]
pub struct Signer {
    header: Vec<u8>,
    body_hash: String,
    /// The last link that was created, after the fields that its signature covers.
    link: RefCell<Option<(Vec<u8>, String)>>,
}

impl Signer {
    /// Prepares the final form of a message, with line ends of either kind. Later changes break its
    /// signatures.
    pub fn new(message: &[u8]) -> Signer {
        let (_, body) = split(message);
        let mut context = Context::new(&SHA256);
        canonical::body(body, |piece| context.update(piece));
        let header = message[..message.len() - body.len()].to_vec();
        let body_hash = STANDARD.encode(context.finish());
        Signer { header, body_hash, link: RefCell::new(None) }
    }

    /// Returns a `DKIM-Signature` field for each key, for the message with `head` prepended to its
    /// header. `now` is the time of signing, in seconds since the epoch.
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

    /// Returns the next link of the message's ARC chain (RFC 8617 §5.1), for the message with
    /// `head` prepended to its header. Returns `None` if the chain must not be continued: it is
    /// already marked as broken, or could not be verified, or has the maximum length.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn seal(
        &self,
        key: &Key,
        head: &[u8],
        found: &ArcContent,
        now: u64,
    ) -> Result<Option<String>, AuthError> {
        let own = split(&self.header).0;
        let (before, status) = match (arc::sets(&own), &found.chain) {
            (_, Chain::Unknown(_)) => return Ok(None),
            // A broken chain ends with one link that marks it as broken.
            (Ok(sets), Chain::Fail(_)) if says_fail(&sets) => return Ok(None),
            (Ok(sets), Chain::Fail(_)) => (sets, "fail"),
            (Err(_), _) => return Ok(None),
            // The message has no chain, perhaps no longer.
            (Ok(sets), _) if sets.is_empty() => (sets, "none"),
            // It arrived without a chain, so the current one is not verified.
            (Ok(_), Chain::None) => return Ok(None),
            (Ok(sets), Chain::Pass(_)) => (sets, "pass"),
        };
        let instance = before.len() + 1;
        if instance > arc::LONGEST {
            return Ok(None);
        }
        let (mut fields, _) = split(head);
        // The signatures in `head` differ between readers.
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

    /// Returns the three fields of a link, with the seal first.
    #[expect(clippy::too_many_arguments, reason = "the tags of three fields")]
    fn link(
        &self,
        key: &Key,
        instance: usize,
        status: &str,
        before: &[Set<'_>],
        found: &ArcContent,
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
        // The last link of a broken chain is sealed alone (RFC 8617 §5.1.2).
        let mut sets = if status == "fail" { Vec::new() } else { before.to_vec() };
        sets.push(own);
        let seal = wrapped(&STANDARD.encode(key.sign(&arc::input(&sets))?));
        let (seal_name, name) = (arc::SEAL, arc::SIGNATURE);
        Ok(format!("{seal_name}:{start}{seal}\r\n{name}:{signature}{}:{results}", arc::RESULTS))
    }
}

/// Whether the chain is already marked as broken.
fn says_fail(sets: &[Set<'_>]) -> bool {
    sets.last().is_some_and(|last| {
        let tags = Tags::read(&last.seal.text()).unwrap_or_default();
        tags.get("cv").is_some_and(|said| said.eq_ignore_ascii_case("fail"))
    })
}

/// Returns the names for `h=`, and the canonical fields that they stand for: of each name the last
/// field first (RFC 6376 §5.4.2).
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

/// Folds a text after separators, into lines of about 76 characters.
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

/// Folds a text at any place, as `b=` allows.
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
