//! Looks up what the authors' domains publish, before a batch of posts takes the store's lock, so
//! that nobody waits for the store while it waits for name servers.

use crate::handlers::dmarc::from_domain;
use crate::handlers::origin::{Known, Wants};
use dormouse_auth::Mail;
use dormouse_clock::Timestamp;
use dormouse_dmarc::{Answer, DmarcRecord, Resolver, names, record};
use dormouse_mail::Message;
use dormouse_membership::RunError;
use dormouse_spool::Entry;
use dormouse_store::{DnsAnswer, List, Read, Site, Store, StoreError, Tx};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Looks up policies and keys for one run. Name servers are asked at most once for a name in a
/// batch, and only if the store has no valid answer.
#[derive(Default)]
pub struct Policies {
    /// Created for the first lookup; an error if that failed.
    resolver: Option<Result<Resolver, String>>,
    /// What the lists need, by their names, as far as they were read.
    wanted_by: HashMap<String, Wants>,
}

/// The results for a batch.
#[derive(Default)]
pub struct FoundPolicies {
    /// By the domain of the author's address.
    policies: HashMap<String, DmarcRecord>,
    /// By DNS name.
    answers: HashMap<String, Answer>,
    fresh: Vec<Fresh>,
}

/// An answer that is not in the store yet.
struct Fresh {
    name: String,
    answer: Answer,
    kept: Duration,
}

impl Policies {
    /// Looks up the policies of the authors' domains and the keys of signatures, for entries whose
    /// list needs them. A failed lookup is not an error but an answer.
    pub fn of<'e>(
        &mut self,
        site: &Site,
        store: &Store,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Result<FoundPolicies, RunError> {
        let mut found = FoundPolicies::default();
        if !site.config().dmarc_lookups {
            return Ok(found);
        }
        let mut domains: BTreeSet<String> = BTreeSet::new();
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for entry in entries {
            let Some(list) = entry.metadata.envelope().listname() else { continue };
            let wants =
                self.wants(site, store.read(), &list.to_lowercase())?.of_entry(&entry.metadata);
            if wants.policy
                && let Some(domain) = from_domain(&Message::parse_header_of(&entry.message))
            {
                wanted.extend(names(&domain));
                domains.insert(domain);
            }
            if wants.keys {
                wanted.extend(Mail::read(&entry.message).key_names());
            }
        }
        let now = Timestamp::now();
        let mut missing: Vec<String> = Vec::new();
        for name in wanted {
            match store.read().dns_answer(&name, now)?.and_then(|kept| read(&name, &kept)) {
                Some(answer) => drop(found.answers.insert(name, answer)),
                None => missing.push(name),
            }
        }
        for (name, answer, kept) in self.ask(site, missing) {
            found.answers.insert(name.clone(), answer.clone());
            found.fresh.push(Fresh { name, answer, kept });
        }
        for domain in domains {
            let answers = names(&domain);
            let known = record(answers.iter().filter_map(|name| found.answers.get(name)));
            found.policies.insert(domain, known);
        }
        Ok(found)
    }

    /// Returns what a list needs; nothing if there is no such list.
    fn wants(&mut self, site: &Site, store: &Read, name: &str) -> Result<Wants, RunError> {
        if let Some(wants) = self.wanted_by.get(name) {
            return Ok(*wants);
        }
        let wants = match store.list(name)? {
            Some(list) => Wants::of(site, &list)?,
            None => Wants::default(),
        };
        self.wanted_by.insert(name.to_owned(), wants);
        Ok(wants)
    }

    fn ask(&mut self, site: &Site, names: Vec<String>) -> Vec<(String, Answer, Duration)> {
        if names.is_empty() {
            return Vec::new();
        }
        let config = site.config();
        let resolver = self.resolver.get_or_insert_with(|| {
            Resolver::new(&config.dmarc_servers, config.dmarc_timeout.duration()).map_err(|error| {
                tracing::error!("cannot look up DMARC policies and DKIM keys: {error}");
                error.to_string()
            })
        });
        match resolver {
            Ok(resolver) => resolver.texts(names),
            Err(why) => names
                .into_iter()
                .map(|name| (name, Answer::Failed(why.clone()), Duration::ZERO))
                .collect(),
        }
    }
}

impl FoundPolicies {
    /// Returns what is known about an entry of a list.
    ///
    /// # Errors
    /// If the site's DKIM keys cannot be read.
    pub fn of(&self, site: &Site, list: &List, entry: &Entry) -> Result<Known, RunError> {
        let wants = Wants::of(site, list)?.of_entry(&entry.metadata);
        let domain = from_domain(&Message::parse_header_of(&entry.message));
        let record = domain.and_then(|domain| self.policies.get(&domain)).cloned();
        let answer = |name: String| {
            let answer = self.answers.get(&name)?.clone();
            Some((name, answer))
        };
        let names = || Mail::read(&entry.message).key_names().into_iter();
        let keys = || names().filter_map(answer).collect();
        Ok(Known {
            record: record.unwrap_or_default(),
            keys: wants.keys.then(keys),
            wants_results: wants.results,
            was_asked: true,
        })
    }

    /// Caches the new answers in the store for as long as they are valid.
    pub fn keep(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let mut rows = Vec::new();
        for Fresh { name, answer, kept } in self.fresh.iter().filter(|fresh| !fresh.kept.is_zero())
        {
            match serde_json::to_string(answer) {
                Ok(answer) => {
                    rows.push(DnsAnswer { name, answer, expires_at: now + *kept });
                }
                Err(error) => tracing::error!("cannot cache the answer for {name}: {error}"),
            }
        }
        tx.keep_dns_answers(&rows, now)
    }
}

/// Parses a cached answer; `None` makes the caller look it up again.
fn read(name: &str, kept: &str) -> Option<Answer> {
    serde_json::from_str(kept)
        .inspect_err(|error| tracing::warn!("the cached answer for {name} cannot be read: {error}"))
        .ok()
}
