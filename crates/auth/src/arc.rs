//! ARC chains (RFC 8617): each host that passes a message on adds its authentication results, and
//! signs them together with those of earlier hosts.

use crate::canonical::{self, Form};
use crate::header::Field;
use crate::tags::{Tags, without_b};
use crate::verify::{
    Claim, KeyLookup, Mail, SignatureOutcome, algorithm, find_key, key_name, signer_of,
};

/// The field with a host's results.
pub(crate) const RESULTS: &str = "ARC-Authentication-Results";
/// The field with its signature of the message.
pub(crate) const SIGNATURE: &str = "ARC-Message-Signature";
/// The field with its signature of the chain.
pub(crate) const SEAL: &str = "ARC-Seal";

/// The maximum number of links (RFC 8617 §4.2.1).
pub(crate) const LONGEST: usize = 50;
/// The maximum number of links whose keys are looked up; a longer chain fails.
pub(crate) const MOST_LOOKED_AT: usize = 16;

/// The result of verifying a message's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// There is no chain.
    None,
    /// It is intact. The domain of the last seal.
    Pass(String),
    /// It is broken. The reason.
    Fail(String),
    /// A key could not be looked up. The reason.
    Unknown(String),
}

impl Chain {
    /// Returns the result's name (RFC 8617 §4.4).
    pub fn name(&self) -> &'static str {
        match self {
            Chain::None => "none",
            Chain::Pass(_) => "pass",
            Chain::Fail(_) => "fail",
            Chain::Unknown(_) => "temperror",
        }
    }
}

/// Whether a field refers to a key.
pub(crate) fn has_key(field: &Field<'_>) -> bool {
    field.is(SIGNATURE) || field.is(SEAL)
}

/// The three fields of one host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Set<'m> {
    pub results: Field<'m>,
    pub signature: Field<'m>,
    pub seal: Field<'m>,
}

/// Returns the sets of a header in order: 1, 2, …
///
/// # Errors
/// If they do not form a chain; the text says why.
pub(crate) fn sets<'m>(fields: &[Field<'m>]) -> Result<Vec<Set<'m>>, String> {
    let mut found: Vec<[Option<Field<'m>>; 3]> = Vec::new();
    for field in fields {
        let Some(kind) = [RESULTS, SIGNATURE, SEAL].iter().position(|name| field.is(name)) else {
            continue;
        };
        let instance =
            instance(field).ok_or_else(|| format!("{} has no valid instance", name(kind)))?;
        if found.len() < instance {
            found.resize(instance, [None; 3]);
        }
        if found[instance - 1][kind].replace(*field).is_some() {
            return Err(format!("{} {instance} occurs twice", name(kind)));
        }
    }
    let whole = |(at, set): (usize, &[Option<Field<'m>>; 3])| match *set {
        [Some(results), Some(signature), Some(seal)] => Ok(Set { results, signature, seal }),
        _ => Err(format!("link {} is incomplete", at + 1)),
    };
    found.iter().enumerate().map(whole).collect()
}

fn name(kind: usize) -> &'static str {
    [RESULTS, SIGNATURE, SEAL][kind]
}

/// Returns the instance of a field in the chain, from 1: the first tag of results, a tag of the
/// other fields.
fn instance(field: &Field<'_>) -> Option<usize> {
    let text = field.text();
    let number = if field.is(RESULTS) {
        let (name, value) = text.split(';').next()?.split_once('=')?;
        (name.trim() == "i").then(|| value.trim().to_owned())?
    } else {
        Tags::read(&text).ok()?.get("i")?.to_owned()
    };
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let number: usize = number.parse().ok()?;
    (is_number && (1..=LONGEST).contains(&number)).then_some(number)
}

/// Returns the input of the last set's seal: all fields of the chain, with the seal itself last and
/// without its signature (RFC 8617 §5.1.1).
pub(crate) fn input(sets: &[Set<'_>]) -> Vec<u8> {
    let mut input = Vec::with_capacity(4096);
    let Some((last, before)) = sets.split_last() else { return input };
    let mut add = |field: &Field<'_>| {
        canonical::field(field.name, field.value, &mut input);
        input.extend_from_slice(b"\r\n");
    };
    for set in before {
        [set.results, set.signature, set.seal].iter().for_each(&mut add);
    }
    [last.results, last.signature].iter().for_each(&mut add);
    Form::Relaxed.field(last.seal.name, &without_b(last.seal.value), &mut input);
    input
}

impl Mail<'_> {
    /// Verifies the chain at the time `now`, in seconds since the epoch (RFC 8617 §5.2).
    pub fn chain(&self, keys: &KeyLookup<'_>, now: u64) -> Chain {
        let sets = match sets(&self.fields) {
            Ok(sets) => sets,
            Err(why) => return Chain::Fail(why),
        };
        let Some(last) = sets.last() else { return Chain::None };
        if sets.len() > MOST_LOOKED_AT {
            return Chain::Fail(format!("it has {} links", sets.len()));
        }
        let checked = statuses(&sets)
            .map_err(SignatureOutcome::Invalid)
            .and_then(|()| self.signed_by_last(last, keys, now))
            .and_then(|()| {
                (1..=sets.len()).rev().try_for_each(|length| seal(&sets[..length], keys))
            });
        match checked {
            Ok(()) => {
                let tags = Tags::read(&last.seal.text()).unwrap_or_default();
                Chain::Pass(tags.get("d").unwrap_or_default().to_ascii_lowercase())
            }
            Err(SignatureOutcome::Unknown(why)) => Chain::Unknown(why),
            Err(other) => Chain::Fail(other.reason().unwrap_or_default().to_owned()),
        }
    }

    /// Checks the last signature of the message. Earlier ones need not be valid, because later
    /// hosts may have changed the message.
    fn signed_by_last(
        &self,
        last: &Set<'_>,
        keys: &KeyLookup<'_>,
        now: u64,
    ) -> Result<(), SignatureOutcome> {
        let tags = Tags::read(&last.signature.text()).map_err(SignatureOutcome::Invalid)?;
        let claim = Claim::read(&tags, now)?;
        if claim.names.iter().any(|name| name.eq_ignore_ascii_case(SEAL)) {
            return Err(SignatureOutcome::Invalid("the signature covers seals".to_owned()));
        }
        self.verify(&last.signature, &claim, keys).map(|_| ())
    }
}

/// Checks the statuses of the chain that the hosts have reported (`cv=`): all must be right for an
/// intact chain.
fn statuses(sets: &[Set<'_>]) -> Result<(), String> {
    for (at, set) in sets.iter().enumerate() {
        let tags = Tags::read(&set.seal.text())?;
        let expected = if at == 0 { "none" } else { "pass" };
        let said = tags.need("cv")?.to_ascii_lowercase();
        if said != expected {
            return Err(format!("link {} reports cv={said} for the chain before it", at + 1));
        }
        if tags.get("h").is_some() {
            return Err(format!("the seal of link {} has a tag h=", at + 1));
        }
    }
    Ok(())
}

fn seal(sets: &[Set<'_>], keys: &KeyLookup<'_>) -> Result<(), SignatureOutcome> {
    let Some(last) = sets.last() else { return Ok(()) };
    let tags = Tags::read(&last.seal.text()).map_err(SignatureOutcome::Invalid)?;
    let (domain, selector) = signer_of(&tags).map_err(SignatureOutcome::Invalid)?;
    let algorithm = algorithm(&tags).map_err(SignatureOutcome::Invalid)?;
    let signature = tags.base64("b").map_err(SignatureOutcome::Invalid)?;
    let key = find_key(keys, &key_name(&domain, &selector), algorithm)?;
    if key.verifies(&input(sets), &signature) {
        Ok(())
    } else {
        Err(SignatureOutcome::Fail(format!("the seal of link {} is not valid", sets.len())))
    }
}
