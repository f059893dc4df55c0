//! Chains of seals (ARC, RFC 8617): each host that passes a message on writes down what it found, and
//! signs that together with what hosts before it wrote.

use crate::canonical::{self, Form};
use crate::header::Field;
use crate::tags::{Tags, without_b};
use crate::verify::{Claim, Keys, Mail, Outcome, algorithm, find_key, key_name, signer_of};

/// What a host found.
pub(crate) const RESULTS: &str = "ARC-Authentication-Results";
/// Its signature of the message.
pub(crate) const SIGNATURE: &str = "ARC-Message-Signature";
/// Its signature of the chain.
pub(crate) const SEAL: &str = "ARC-Seal";

/// A longer chain is broken (RFC 8617 §4.2.1).
pub(crate) const LONGEST: usize = 50;
/// For so many links keys are looked up; a longer chain is not known.
pub(crate) const MOST_LOOKED_AT: usize = 16;

/// What is to be thought of a message's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// It has none.
    None,
    /// It is whole; the domain that sealed last.
    Pass(String),
    /// It is broken, for this reason.
    Fail(String),
    /// A key could not be looked up, for this reason.
    Unknown(String),
}

impl Chain {
    /// The result's name (RFC 8617 §4.4).
    pub fn name(&self) -> &'static str {
        match self {
            Chain::None => "none",
            Chain::Pass(_) => "pass",
            Chain::Fail(_) => "fail",
            Chain::Unknown(_) => "temperror",
        }
    }
}

/// Whether a field names a key.
pub(crate) fn has_key(field: &Field<'_>) -> bool {
    field.is(SIGNATURE) || field.is(SEAL)
}

/// What one host added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Set<'m> {
    pub results: Field<'m>,
    pub signature: Field<'m>,
    pub seal: Field<'m>,
}

/// The sets of a header in their order: 1, 2, …
///
/// # Errors
/// Why they are no chain.
pub(crate) fn sets<'m>(fields: &[Field<'m>]) -> Result<Vec<Set<'m>>, String> {
    let mut found: Vec<[Option<Field<'m>>; 3]> = Vec::new();
    for field in fields {
        let Some(kind) = [RESULTS, SIGNATURE, SEAL].iter().position(|name| field.is(name)) else {
            continue;
        };
        let instance = instance(field).ok_or_else(|| format!("{} has no place", name(kind)))?;
        if found.len() < instance {
            found.resize(instance, [None; 3]);
        }
        if found[instance - 1][kind].replace(*field).is_some() {
            return Err(format!("{} {instance} is there twice", name(kind)));
        }
    }
    let whole = |(at, set): (usize, &[Option<Field<'m>>; 3])| match *set {
        [Some(results), Some(signature), Some(seal)] => Ok(Set { results, signature, seal }),
        _ => Err(format!("link {} is not whole", at + 1)),
    };
    found.iter().enumerate().map(whole).collect()
}

fn name(kind: usize) -> &'static str {
    [RESULTS, SIGNATURE, SEAL][kind]
}

/// The place of a field in the chain, from 1: the first tag of results, a tag of the others.
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

/// What a seal covers: all fields of the chain up to its own set, its own last and without its
/// signature (RFC 8617 §5.1.1). What is added to the end is of the last set.
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
    /// What is to be thought of the chain at the time `now`, in seconds of the Unix epoch
    /// (RFC 8617 §5.2).
    pub fn chain(&self, keys: &Keys<'_>, now: u64) -> Chain {
        let sets = match sets(&self.fields) {
            Ok(sets) => sets,
            Err(why) => return Chain::Fail(why),
        };
        let Some(last) = sets.last() else { return Chain::None };
        if sets.len() > MOST_LOOKED_AT {
            return Chain::Fail(format!("it has {} links", sets.len()));
        }
        let checked = statuses(&sets)
            .map_err(Outcome::Invalid)
            .and_then(|()| self.signed_by_last(last, keys, now))
            .and_then(|()| {
                (1..=sets.len()).rev().try_for_each(|length| seal(&sets[..length], keys))
            });
        match checked {
            Ok(()) => {
                let tags = Tags::read(&last.seal.text()).unwrap_or_default();
                Chain::Pass(tags.get("d").unwrap_or_default().to_ascii_lowercase())
            }
            Err(Outcome::Unknown(why)) => Chain::Unknown(why),
            Err(other) => Chain::Fail(other.reason().unwrap_or_default().to_owned()),
        }
    }

    /// The last signature of the message must be good; those before it need not be, for who signed
    /// after them may have changed it.
    fn signed_by_last(&self, last: &Set<'_>, keys: &Keys<'_>, now: u64) -> Result<(), Outcome> {
        let tags = Tags::read(&last.signature.text()).map_err(Outcome::Invalid)?;
        let claim = Claim::read(&tags, now)?;
        if claim.names.iter().any(|name| name.eq_ignore_ascii_case(SEAL)) {
            return Err(Outcome::Invalid("the signature covers seals".to_owned()));
        }
        self.verify(&last.signature, &claim, keys).map(|_| ())
    }
}

/// What each host said of the chain before it must be right for a whole one.
fn statuses(sets: &[Set<'_>]) -> Result<(), String> {
    for (at, set) in sets.iter().enumerate() {
        let tags = Tags::read(&set.seal.text())?;
        let expected = if at == 0 { "none" } else { "pass" };
        let said = tags.need("cv")?.to_ascii_lowercase();
        if said != expected {
            return Err(format!("link {} says {said} of the chain before it", at + 1));
        }
        if tags.get("h").is_some() {
            return Err(format!("the seal of link {} says what it covers", at + 1));
        }
    }
    Ok(())
}

fn seal(sets: &[Set<'_>], keys: &Keys<'_>) -> Result<(), Outcome> {
    let Some(last) = sets.last() else { return Ok(()) };
    let tags = Tags::read(&last.seal.text()).map_err(Outcome::Invalid)?;
    let (domain, selector) = signer_of(&tags).map_err(Outcome::Invalid)?;
    let algorithm = algorithm(&tags).map_err(Outcome::Invalid)?;
    let signature = tags.base64("b").map_err(Outcome::Invalid)?;
    let key = find_key(keys, &key_name(&domain, &selector), algorithm)?;
    if key.verifies(&input(sets), &signature) {
        Ok(())
    } else {
        Err(Outcome::Fail(format!("the seal of link {} is not good", sets.len())))
    }
}
