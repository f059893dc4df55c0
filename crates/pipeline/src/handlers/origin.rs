//! Whether a post is really from its author: the results of its signatures, and those of the MTA.

use super::Post;
use dormouse_auth::{
    AuthResult, AuthResults, Chain, Keyring, Mail, Published, SignatureOutcome, SignatureVerdict,
};
use dormouse_dmarc::{Answer, DmarcRecord, Policy, is_aligned};
use dormouse_mail::{Message, automatic};
use dormouse_membership::RunError;
use dormouse_spool::Metadata;
use dormouse_store::{DmarcAction, List, PostAuthentication, Site};
use std::collections::HashMap;

/// Which lookups a list needs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// The DMARC policies of authors' domains.
    pub policy: bool,
    /// The keys of DKIM signatures.
    pub keys: bool,
    /// Whether the results are recorded, for a seal or in the header.
    pub results: bool,
}

impl Wants {
    /// Derives it from the settings. A list that does not use the results needs no lookups.
    ///
    /// # Errors
    /// If the site's DKIM keys cannot be read.
    pub fn of(site: &Site, list: &List) -> Result<Wants, RunError> {
        let settings = &list.settings;
        let action = settings.dmarc_moderation_action;
        let seals = || Keyring::of_site(site.dir()).domain_for(&settings.host_name);
        let results = site.config().auth_results
            || settings.arc_seal && !settings.anonymous_list && seals()?.is_some();
        if !site.config().dmarc_lookups {
            return Ok(Wants { results, ..Wants::default() });
        }
        let adds = [&settings.subject_prefix, &settings.msg_header, &settings.msg_footer];
        let leaves_out =
            settings.keep_signatures && adds.iter().any(|text| !text.trim().is_empty());
        let changes_from = matches!(action, DmarcAction::Munge | DmarcAction::Wrap);
        let proof = settings.post_authentication != PostAuthentication::Off;
        Ok(Wants {
            policy: action != DmarcAction::Accept || proof || results,
            keys: changes_from || leaves_out || proof || results,
            results,
        })
    }
}

impl Wants {
    /// Returns the same for one entry: mail for a list's owners is only passed on, so lookups
    /// matter only for a seal.
    pub fn of_entry(self, metadata: &Metadata) -> Wants {
        if metadata.envelope().to_owner() && !self.results { Wants::default() } else { self }
    }
}

/// The results of DNS lookups for a post.
#[derive(Debug, Default, Clone)]
pub struct Known {
    /// The DMARC record of the author's domain.
    pub record: DmarcRecord,
    /// The answers for the names of its signatures' keys; `None` if the list does not need them.
    pub keys: Option<HashMap<String, Answer>>,
    /// Whether the results are recorded.
    pub wants_results: bool,
    /// Whether lookups were done. During delivery there is no time for them.
    pub was_asked: bool,
}

impl Known {
    fn published(&self, name: &str) -> Published {
        match self.keys.as_ref().and_then(|keys| keys.get(name)) {
            Some(Answer::Records(records)) => Published::Records(records.clone()),
            Some(Answer::Failed(why)) => Published::Unknown(why.clone()),
            None => Published::Unknown("nobody was asked".to_owned()),
        }
    }
}

/// Verifies the signatures of a post, before anything is changed. The results are stored in its
/// metadata if they are needed for a seal, and with `auth.results` also in its header.
pub fn examine(post: &mut Post<'_>) {
    if post.known.keys.is_none() && !post.known.wants_results {
        return;
    }
    let bytes = post.message.to_bytes();
    let mail = Mail::read(&bytes);
    let now = post.now.seconds() as u64;
    let published = |name: &str| post.known.published(name);
    let verdicts = match post.known.keys {
        Some(_) => mail.signatures(&published, now),
        None => Vec::new(),
    };
    // A post that was held may have been changed; the results from its arrival are still valid.
    let is_first = post.known.wants_results && post.envelope().auth_results().is_none();
    let chain = is_first.then(|| mail.chain(&published, now));
    post.signatures.start(verdicts);
    if let Some(chain) = chain {
        let results = results(post, &chain);
        if post.config.auth_results {
            tell(post, &results);
        }
        post.metadata.edit().auth_results(&results.join("; "));
    }
}

/// Returns the results to record: those of trusted MTAs, and our own about the signatures.
fn results(post: &Post<'_>, chain: &Chain) -> Vec<String> {
    let told = trusted(&post.message, &post.config.notices_authserv_id);
    // Our own results replace the MTA's, and those about the chain always do.
    let ours: &[&str] =
        if post.known.keys.is_some() { &["dkim", "dmarc", "arc"] } else { &["arc"] };
    let theirs = told.iter().flat_map(|told| &told.results);
    let theirs = theirs.filter(|result| !ours.contains(&result.method.as_str()));
    let mut results: Vec<String> = theirs.filter_map(in_words).collect();
    if post.known.keys.is_some() {
        results.extend(dkim_results(post));
        results.extend(dmarc_result(post, &told));
    }
    results.push(match chain {
        Chain::Pass(domain) => format!("arc=pass header.d={domain}"),
        other => format!("arc={}", other.name()),
    });
    results
}

/// Returns a result of another host, if it can be written without quotes.
fn in_words(result: &AuthResult) -> Option<String> {
    if !is_plain(&result.method) || !is_plain(&result.result) {
        return None;
    }
    let properties = result.properties.iter();
    let plain = properties.filter(|(name, value)| is_plain(name) && is_plain(value));
    let words: String = plain.map(|(name, value)| format!(" {name}={value}")).collect();
    Some(format!("{}={}{words}", result.method, result.result))
}

fn dkim_results(post: &Post<'_>) -> Vec<String> {
    let result = |verdict: &SignatureVerdict| {
        let SignatureVerdict { domain, selector, outcome, .. } = verdict;
        match domain.is_empty() {
            true => format!("dkim={}", outcome.name()),
            false => format!("dkim={} header.d={domain} header.s={selector}", outcome.name()),
        }
    };
    let results: Vec<String> = post.signatures.verdicts().map(result).collect();
    if results.is_empty() { vec!["dkim=none".to_owned()] } else { results }
}

fn dmarc_result(post: &Post<'_>, told: &[AuthResults]) -> Option<String> {
    let domain = super::dmarc::from_domain(&post.message).filter(|domain| is_plain(domain))?;
    let record = &post.known.record;
    let passes = told.iter().any(|told| proves_spf(told, &domain, record))
        || post.signatures.verdicts().any(|one| aligned_proof(post, one, &domain));
    let result = match &record.policy {
        Policy::None => "none",
        Policy::Unknown(_) => "temperror",
        _ if passes => "pass",
        _ => "fail",
    };
    Some(format!("dmarc={result} header.from={domain}"))
}

/// Whether a word can be written in a result without quotes.
fn is_plain(word: &str) -> bool {
    let special = |c: char| c.is_whitespace() || c.is_control() || "()<>,;:\\\"[]?=".contains(c);
    !word.is_empty() && word.is_ascii() && !word.contains(special)
}

/// Adds the results to the header under the site's name, and removes fields with this name that the
/// post arrived with, which may be forged.
fn tell(post: &mut Post<'_>, results: &[String]) {
    let host = post.config.host.clone();
    post.message.retain(|field| {
        !field.is("Authentication-Results")
            || !says(&field.text()).authserv_id.eq_ignore_ascii_case(&host)
    });
    post.message.prepend("Authentication-Results", &format!("{host}; {}", results.join("; ")));
}

fn says(value: &str) -> AuthResults {
    AuthResults::read(&automatic::without_comments(value))
}

/// Returns the results of trusted MTAs.
fn trusted(message: &Message, names: &[String]) -> Vec<AuthResults> {
    let fields = message.fields_named("Authentication-Results").map(|field| says(&field.text()));
    let is_ours = |found: &AuthResults| {
        names.iter().any(|name| name.trim().eq_ignore_ascii_case(&found.authserv_id))
    };
    fields.filter(is_ours).collect()
}

/// Whether a verdict proves that the mail is from a domain.
fn aligned_proof(post: &Post<'_>, verdict: &SignatureVerdict, domain: &str) -> bool {
    verdict.is_proof() && is_aligned(domain, &verdict.domain, post.known.record.strict_dkim)
}

/// Returns the positions of the good signatures of the author's domain.
pub fn of_author<'v>(
    post: &Post<'_>,
    verdicts: impl Iterator<Item = &'v SignatureVerdict>,
) -> Vec<usize> {
    let Some(domain) = super::dmarc::from_domain(&post.message) else { return Vec::new() };
    let good = verdicts.enumerate().filter(|(_, verdict)| aligned_proof(post, verdict, &domain));
    good.map(|(place, _)| place).collect()
}

fn proves_spf(told: &AuthResults, domain: &str, record: &DmarcRecord) -> bool {
    proves(told, "spf", |found| is_aligned(domain, found, record.strict_spf))
}

fn proves(told: &AuthResults, method: &str, is_of: impl Fn(&str) -> bool) -> bool {
    told.results.iter().any(|result| {
        result.method == method && result.result == "pass" && result.domain().is_some_and(&is_of)
    })
}

/// Whether a post is from an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginProof {
    /// It is, as far as its domain can prove.
    Shown,
    /// There is no proof; the text says what is missing.
    Missing(String),
    /// It is unknown, because a lookup failed or was not done.
    Unknown(String),
}

/// Looks for a proof that a post is from an address in its header or envelope.
pub fn proof(post: &Post<'_>, address: &str, wanted: PostAuthentication) -> OriginProof {
    let Some((_, domain)) = address.rsplit_once('@') else {
        return OriginProof::Missing("the address has no domain".to_owned());
    };
    let record = &post.known.record;
    let by_spf = wanted == PostAuthentication::Dmarc;
    let told = trusted(&post.message, &post.config.notices_authserv_id);
    let is_told = told.iter().any(|told| {
        proves(told, "dkim", |found| is_aligned(domain, found, record.strict_dkim))
            || by_spf && proves_spf(told, domain, record)
            || by_spf && proves(told, "dmarc", |found| found.eq_ignore_ascii_case(domain))
    });
    if is_told || post.signatures.verdicts().any(|one| aligned_proof(post, one, domain)) {
        return OriginProof::Shown;
    }
    if !post.known.was_asked {
        return at_the_door(post, domain);
    }
    let aligned =
        |verdict: &&SignatureVerdict| is_aligned(domain, &verdict.domain, record.strict_dkim);
    let mut unknown =
        post.signatures.verdicts().filter(aligned).filter_map(|verdict| match &verdict.outcome {
            SignatureOutcome::Unknown(why) => Some(why.clone()),
            _ => None,
        });
    if let Some(why) = unknown.next() {
        return OriginProof::Unknown(why);
    }
    OriginProof::Missing(lacking(post, domain, by_spf))
}

/// Decides without DNS lookups: only a post without signatures of the domain certainly has no
/// proof.
fn at_the_door(post: &Post<'_>, domain: &str) -> OriginProof {
    let bytes = post.message.without_body().to_bytes();
    let names = Mail::read(&bytes).key_names();
    let mut signers = names.iter().filter_map(|name| name.split_once("._domainkey."));
    if signers.any(|(_, signer)| is_aligned(domain, signer, false)) {
        return OriginProof::Unknown("its signatures have not been looked at yet".to_owned());
    }
    let by_spf = post.list.settings.post_authentication == PostAuthentication::Dmarc;
    OriginProof::Missing(lacking(post, domain, by_spf))
}

/// Describes what is missing, and why an existing signature does not count.
fn lacking(post: &Post<'_>, domain: &str, by_spf: bool) -> String {
    let spf = if by_spf { ", nor did the MTA find SPF for it" } else { "" };
    let mut text = format!("it has no good DKIM signature of {domain}{spf}");
    let bad = post
        .signatures
        .verdicts()
        .find(|verdict| is_aligned(domain, &verdict.domain, post.known.record.strict_dkim));
    let why = bad.map(|verdict| match verdict.outcome.reason() {
        Some(why) => why,
        None if verdict.is_partial => "it covers a part of the body only",
        None => "its domain only tries signatures out",
    });
    if let Some(why) = why {
        text.push_str(&format!(" (there is one, but {why})"));
    }
    text
}
