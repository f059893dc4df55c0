//! Verifying the signatures of a message (RFC 6376 §6), and finding out what broke one later.

use crate::canonical::Form;
use crate::header::{Field, split};
use crate::key::{Algorithm, is_domain, is_selector};
use crate::published::PublicKey;
use crate::tags::{Tags, without_b};
use ring::digest::{Context, SHA256};
use std::cell::OnceCell;
use std::fmt;

/// The result of looking up the name of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The texts of its records; none if there is no such name.
    Records(Vec<String>),
    /// It could not be looked up. The reason.
    Unknown(String),
}

/// Looks up a name.
pub type KeyLookup<'k> = dyn Fn(&str) -> Published + 'k;

/// The maximum number of signatures of a message that are verified (RFC 6376 §8.4), because each
/// requires a lookup.
const MOST_SIGNATURES: usize = 8;
/// How far the clock of a signer may be ahead, in seconds.
const AHEAD: u64 = 3600;

/// A message to verify, with line ends of either kind.
pub struct Mail<'m> {
    pub(crate) fields: Vec<Field<'m>>,
    pub(crate) body: &'m [u8],
    /// Hashes of the whole body in both forms.
    hashes: [OnceCell<BodyHash>; 2],
}

/// A hash of a body in a canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BodyHash {
    hash: Vec<u8>,
    length: u64,
}

/// The result of verifying a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureOutcome {
    /// It is valid.
    Pass,
    /// The message differs from the signed one, or the signature has expired.
    Fail(String),
    /// The signature or the key is not usable.
    Invalid(String),
    /// The key could not be looked up.
    Unknown(String),
}

impl SignatureOutcome {
    /// Returns the result's name in `Authentication-Results` (RFC 8601 §2.7.1).
    pub fn name(&self) -> &'static str {
        match self {
            SignatureOutcome::Pass => "pass",
            SignatureOutcome::Fail(_) => "fail",
            SignatureOutcome::Invalid(_) => "permerror",
            SignatureOutcome::Unknown(_) => "temperror",
        }
    }

    /// Returns why it is not valid.
    pub fn reason(&self) -> Option<&str> {
        match self {
            SignatureOutcome::Pass => None,
            SignatureOutcome::Fail(why)
            | SignatureOutcome::Invalid(why)
            | SignatureOutcome::Unknown(why) => Some(why),
        }
    }
}

/// A signature with the result of verifying it.
#[derive(Debug, Clone)]
pub struct SignatureVerdict {
    /// The domain that signed, in lower case; empty if the signature has none.
    pub domain: String,
    /// The selector of its key.
    pub selector: String,
    /// The result.
    pub outcome: SignatureOutcome,
    /// Whether it covers only the beginning of the body (`l=`), so that anything could have been
    /// appended.
    pub is_partial: bool,
    /// Whether the domain is testing DKIM.
    pub is_test: bool,
    evidence: Option<Evidence>,
}

/// A part of a message that a signature covers, or the signature itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignedPart {
    /// The signature itself, which was removed.
    Signature,
    /// The fields of this name.
    Field(String),
    /// The body.
    Body,
}

impl fmt::Display for SignedPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignedPart::Signature => formatter.write_str("the signature"),
            SignedPart::Field(name) => formatter.write_str(name),
            SignedPart::Body => formatter.write_str("the body"),
        }
    }
}

impl SignatureVerdict {
    /// Whether it proves that the whole message is from its domain.
    pub fn is_proof(&self) -> bool {
        self.outcome == SignatureOutcome::Pass && !self.is_partial && !self.is_test
    }

    /// Returns the covered parts that are different in `mail`, for a signature that was valid; none
    /// if it still is.
    pub fn broken_in(&self, mail: &Mail<'_>) -> Vec<SignedPart> {
        let Some(evidence) = &self.evidence else { return Vec::new() };
        let mut parts = Vec::new();
        let stands = mail
            .fields
            .iter()
            .any(|field| field.is(DKIM) && packed(field.value) == evidence.signature);
        if !stands {
            parts.push(SignedPart::Signature);
        }
        let now = mail.covered(&evidence.names, evidence.header_form);
        for ((name, before), after) in evidence.names.iter().zip(&evidence.fields).zip(&now) {
            let part = SignedPart::Field(name.clone());
            if before != after && !parts.contains(&part) {
                parts.push(part);
            }
        }
        if mail.body_hash(evidence.body_form).hash != evidence.body_hash {
            parts.push(SignedPart::Body);
        }
        parts
    }
}

/// What a valid signature covers.
#[derive(Debug, Clone)]
struct Evidence {
    signature: Vec<u8>,
    names: Vec<String>,
    header_form: Form,
    body_form: Form,
    /// For each name, the field that it stands for, in canonical form.
    fields: Vec<Option<Vec<u8>>>,
    body_hash: Vec<u8>,
}

fn packed(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

const DKIM: &str = "DKIM-Signature";

/// The tags that DKIM signatures and `ARC-Message-Signature` have in common.
pub(crate) struct Claim {
    pub domain: String,
    pub selector: String,
    pub algorithm: Algorithm,
    pub signature: Vec<u8>,
    pub(crate) names: Vec<String>,
    header_form: Form,
    body_form: Form,
    body_hash: Vec<u8>,
    length: Option<u64>,
    /// Whether the identity (`i=`) is in a domain below, which a key can forbid.
    identity_below: bool,
}

impl Claim {
    /// Returns the DNS name of the key.
    pub(crate) fn key_name(&self) -> String {
        key_name(&self.domain, &self.selector)
    }

    /// Reads the tags of a signature.
    pub(crate) fn read(tags: &Tags, now: u64) -> Result<Claim, SignatureOutcome> {
        let invalid = SignatureOutcome::Invalid;
        let (domain, selector) = signer_of(tags).map_err(invalid)?;
        let algorithm = algorithm(tags).map_err(invalid)?;
        let names: Vec<String> = tags.items("h").into_iter().flatten().map(str::to_owned).collect();
        if !names.iter().any(|name| name.eq_ignore_ascii_case("From")) {
            return Err(invalid("it does not cover From".to_owned()));
        }
        if tags.items("q").is_some_and(|mut ways| !ways.any(|way| way == "dns/txt")) {
            return Err(invalid("its key is not published in DNS".to_owned()));
        }
        let identity = tags.get("i").and_then(|identity| identity.rsplit_once('@'));
        let identity = identity.map_or(domain.clone(), |(_, host)| host.to_ascii_lowercase());
        let identity_below = identity != domain;
        if identity_below && !identity.ends_with(&format!(".{domain}")) {
            return Err(invalid("its identity is outside of its domain".to_owned()));
        }
        let forms = tags.get("c").unwrap_or("simple/simple");
        let (header, body) = forms.split_once('/').unwrap_or((forms, "simple"));
        let length = tags.number("l").map_err(invalid)?;
        let (since, until) =
            (tags.number("t").map_err(invalid)?, tags.number("x").map_err(invalid)?);
        let claim = Claim {
            algorithm,
            signature: tags.base64("b").map_err(invalid)?,
            names,
            header_form: form(header).map_err(invalid)?,
            body_form: form(body).map_err(invalid)?,
            body_hash: tags.base64("bh").map_err(invalid)?,
            length,
            domain,
            selector,
            identity_below,
        };
        match (since, until) {
            (Some(since), Some(until)) if until <= since => {
                Err(SignatureOutcome::Invalid("it expired before it was created".to_owned()))
            }
            (_, Some(until)) if until < now => {
                Err(SignatureOutcome::Fail("it has expired".to_owned()))
            }
            (Some(since), _) if since > now.saturating_add(AHEAD) => {
                Err(SignatureOutcome::Fail("it is from the future".to_owned()))
            }
            _ => Ok(claim),
        }
    }
}

/// Returns the domain and selector of a signature.
pub(crate) fn signer_of(tags: &Tags) -> Result<(String, String), String> {
    let domain = tags.need("d")?.trim_end_matches('.').to_ascii_lowercase();
    let selector = tags.need("s")?.to_ascii_lowercase();
    if !is_domain(&domain) || !is_selector(&selector) {
        return Err(format!("{domain:?} and {selector:?} are not a domain and a selector"));
    }
    Ok((domain, selector))
}

pub(crate) fn key_name(domain: &str, selector: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// Returns the algorithm of a signature. `rsa-sha1` is not accepted (RFC 8301 §3.1).
pub(crate) fn algorithm(tags: &Tags) -> Result<Algorithm, String> {
    match tags.need("a")?.to_ascii_lowercase().as_str() {
        "rsa-sha256" => Ok(Algorithm::Rsa),
        "ed25519-sha256" => Ok(Algorithm::Ed25519),
        other => Err(format!("its algorithm {other:?} is not accepted")),
    }
}

fn form(name: &str) -> Result<Form, String> {
    match name.trim() {
        "simple" => Ok(Form::Simple),
        "relaxed" => Ok(Form::Relaxed),
        other => Err(format!("its canonical form {other:?} is unknown")),
    }
}

/// Finds the key of a signature among the records of its name.
pub(crate) fn find_key(
    keys: &KeyLookup<'_>,
    name: &str,
    algorithm: Algorithm,
) -> Result<PublicKey, SignatureOutcome> {
    let records = match keys(name) {
        Published::Records(records) => records,
        Published::Unknown(why) => {
            return Err(SignatureOutcome::Unknown(format!(
                "its key {name} could not be looked up: {why}"
            )));
        }
    };
    let mut problem = format!("no key is published at {name}");
    for record in records {
        match PublicKey::read(&record) {
            Ok(key) if key.algorithm() == algorithm => return Ok(key),
            Ok(_) => problem = format!("the key at {name} has another algorithm"),
            Err(why) => problem = format!("the record at {name} is not usable: {why}"),
        }
    }
    Err(SignatureOutcome::Invalid(problem))
}

impl<'m> Mail<'m> {
    /// Parses a message.
    pub fn read(message: &'m [u8]) -> Mail<'m> {
        let (fields, body) = split(message);
        Mail { fields, body, hashes: Default::default() }
    }

    /// Whether it has a DKIM signature or an ARC chain.
    pub fn is_signed(&self) -> bool {
        self.fields.iter().any(|field| field.is(DKIM) || field.is(crate::arc::SEAL))
    }

    /// Returns the DNS names of the keys of its signatures and its ARC chain.
    pub fn key_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let signatures = self.fields.iter().filter(|field| field.is(DKIM)).take(MOST_SIGNATURES);
        let seals = self.fields.iter().filter(|field| crate::arc::has_key(field));
        for field in signatures.chain(seals.take(2 * crate::arc::MOST_LOOKED_AT)) {
            let signer = Tags::read(&field.text()).and_then(|tags| signer_of(&tags));
            if let Ok((domain, selector)) = signer {
                let name = key_name(&domain, &selector);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Verifies the DKIM signatures at the time `now`, in seconds since the epoch.
    pub fn signatures(&self, keys: &KeyLookup<'_>, now: u64) -> Vec<SignatureVerdict> {
        let fields = self.fields.iter().filter(|field| field.is(DKIM)).take(MOST_SIGNATURES);
        fields.map(|field| self.signature(field, keys, now)).collect()
    }

    fn signature(&self, field: &Field<'m>, keys: &KeyLookup<'_>, now: u64) -> SignatureVerdict {
        let mut verdict = SignatureVerdict {
            domain: String::new(),
            selector: String::new(),
            outcome: SignatureOutcome::Pass,
            is_partial: false,
            is_test: false,
            evidence: None,
        };
        let tags = match Tags::read(&field.text()) {
            Ok(tags) => tags,
            Err(why) => {
                return SignatureVerdict { outcome: SignatureOutcome::Invalid(why), ..verdict };
            }
        };
        if let Ok((domain, selector)) = signer_of(&tags) {
            (verdict.domain, verdict.selector) = (domain, selector);
        }
        if tags.get("v") != Some("1") {
            let why = "its version is not 1".to_owned();
            return SignatureVerdict { outcome: SignatureOutcome::Invalid(why), ..verdict };
        }
        match Claim::read(&tags, now).and_then(|claim| self.check(field, claim, keys)) {
            Ok((evidence, is_partial, is_test)) => {
                SignatureVerdict { is_partial, is_test, evidence: Some(evidence), ..verdict }
            }
            Err(outcome) => SignatureVerdict { outcome, ..verdict },
        }
    }

    /// Verifies a signature. Returns what it covers, whether that is only a part of the body, and
    /// whether its domain is testing DKIM.
    fn check(
        &self,
        field: &Field<'m>,
        claim: Claim,
        keys: &KeyLookup<'_>,
    ) -> Result<(Evidence, bool, bool), SignatureOutcome> {
        let (key, is_partial) = self.verify(field, &claim, keys)?;
        let Claim { names, header_form, body_form, body_hash, .. } = claim;
        let fields = self.covered(&names, header_form);
        let signature = packed(field.value);
        let evidence = Evidence { signature, names, header_form, body_form, fields, body_hash };
        Ok((evidence, is_partial, key.is_test()))
    }

    /// Verifies the signature in a field. Returns its key, and whether it does not cover the whole
    /// body.
    pub(crate) fn verify(
        &self,
        field: &Field<'m>,
        claim: &Claim,
        keys: &KeyLookup<'_>,
    ) -> Result<(PublicKey, bool), SignatureOutcome> {
        let whole = self.body_hash(claim.body_form);
        let length = claim.length.unwrap_or(whole.length);
        if length > whole.length {
            return Err(SignatureOutcome::Fail(
                "the body is shorter than what was signed".to_owned(),
            ));
        }
        let is_partial = length < whole.length;
        let is_same = if is_partial {
            self.hash_of_beginning(claim.body_form, length) == claim.body_hash
        } else {
            whole.hash == claim.body_hash
        };
        if !is_same {
            return Err(SignatureOutcome::Fail("the body was changed".to_owned()));
        }
        let key = find_key(keys, &claim.key_name(), claim.algorithm)?;
        if claim.identity_below && key.is_strict() {
            return Err(SignatureOutcome::Invalid(
                "its key is only for the domain itself".to_owned(),
            ));
        }
        let mut input = Vec::with_capacity(2048);
        for field in self.covered(&claim.names, claim.header_form).into_iter().flatten() {
            input.extend_from_slice(&field);
            input.extend_from_slice(b"\r\n");
        }
        claim.header_form.field(field.name, &without_b(field.value), &mut input);
        if !key.verifies(&input, &claim.signature) {
            return Err(SignatureOutcome::Fail(
                "the header was changed, or the key is another".to_owned(),
            ));
        }
        Ok((key, is_partial))
    }

    /// Returns for each name the field that it stands for: of each name the last field first (RFC
    /// 6376 §5.4.2).
    fn covered(&self, names: &[String], form: Form) -> Vec<Option<Vec<u8>>> {
        let mut used = vec![false; self.fields.len()];
        let find = |name: &String| {
            let at =
                (0..self.fields.len()).rev().find(|&at| !used[at] && self.fields[at].is(name))?;
            used[at] = true;
            let mut canonical = Vec::new();
            form.field(self.fields[at].name, self.fields[at].value, &mut canonical);
            Some(canonical)
        };
        names.iter().map(find).collect()
    }

    fn body_hash(&self, form: Form) -> &BodyHash {
        self.hashes[form as usize].get_or_init(|| {
            let mut context = Context::new(&SHA256);
            let mut length = 0;
            form.body(self.body, |piece| {
                context.update(piece);
                length += piece.len() as u64;
            });
            BodyHash { hash: context.finish().as_ref().to_vec(), length }
        })
    }

    fn hash_of_beginning(&self, form: Form, length: u64) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        let mut left = length;
        form.body(self.body, |piece| {
            let taken = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            context.update(&piece[..taken]);
            left -= taken as u64;
        });
        context.finish().as_ref().to_vec()
    }
}
