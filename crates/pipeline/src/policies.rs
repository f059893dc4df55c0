//! What the senders' domains ask, looked up before a batch of posts takes the store's lock: no
//! name server is waited for while others wait for the store.

use crate::handlers::dmarc::from_domain;
use dormouse_dmarc::{Answer, Policy, Resolver, names, policy};
use dormouse_mail::Message;
use dormouse_membership::RunError;
use dormouse_spool::Entry;
use dormouse_store::{DmarcAction, DnsAnswer, Site, Store, StoreError, Tx};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Looks policies up for one run. Name servers are asked once at most for a name, and not at all
/// while an answer in the store is good.
#[derive(Default)]
pub struct Policies {
    /// Made for the first question.
    resolver: Option<Result<Resolver, String>>,
    /// Whether a list acts on policies, as far as it was looked at.
    wanted_by: HashMap<String, bool>,
}

/// The policies for a batch.
#[derive(Default)]
pub struct FoundPolicies {
    /// By the domain of the author's address.
    policies: HashMap<String, Policy>,
    fresh: Vec<Fresh>,
}

/// An answer that is not in the store yet.
struct Fresh {
    name: String,
    answer: Answer,
    kept: Duration,
}

impl Policies {
    /// The policies of the authors' domains, for those entries whose list acts on them.
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
        let mut domains: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for entry in entries.filter(|entry| !entry.metadata.envelope().to_owner()) {
            let Some(list) = entry.metadata.envelope().listname() else { continue };
            let Some(domain) = from_domain(&Message::parse_header_of(&entry.message)) else {
                continue;
            };
            domains.entry(domain).or_default().insert(list.to_lowercase());
        }
        let now = dormouse_spool::clock::seconds();
        let mut answers: HashMap<String, Answer> = HashMap::new();
        let mut missing: BTreeSet<String> = BTreeSet::new();
        let mut asked: Vec<(String, Vec<String>)> = Vec::new();
        for (domain, lists) in domains {
            if !self.is_wanted(store, lists)? {
                continue;
            }
            let names = names(&domain);
            for name in &names {
                if answers.contains_key(name) {
                    continue;
                }
                match store.dns_answer(name, now)?.and_then(|kept| read(name, &kept)) {
                    Some(answer) => drop(answers.insert(name.clone(), answer)),
                    None => drop(missing.insert(name.clone())),
                }
            }
            asked.push((domain, names));
        }
        for (name, answer, kept) in self.ask(site, missing.into_iter().collect()) {
            answers.insert(name.clone(), answer.clone());
            found.fresh.push(Fresh { name, answer, kept });
        }
        found.policies = asked
            .into_iter()
            .map(|(domain, names)| {
                let known = policy(names.iter().filter_map(|name| answers.get(name)));
                (domain, known)
            })
            .collect();
        Ok(found)
    }

    /// Whether one of these lists acts on policies.
    fn is_wanted(&mut self, store: &Store, lists: BTreeSet<String>) -> Result<bool, StoreError> {
        for name in lists {
            let wanted = match self.wanted_by.get(&name) {
                Some(wanted) => *wanted,
                None => {
                    let list = store.list(&name)?;
                    let acts = |action| action != DmarcAction::Accept;
                    list.is_some_and(|list| acts(list.settings.dmarc_moderation_action))
                }
            };
            self.wanted_by.insert(name, wanted);
            if wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn ask(&mut self, site: &Site, names: Vec<String>) -> Vec<(String, Answer, Duration)> {
        if names.is_empty() {
            return Vec::new();
        }
        let config = site.config();
        let resolver = self.resolver.get_or_insert_with(|| {
            Resolver::new(&config.dmarc_servers, config.dmarc_timeout.duration()).map_err(|error| {
                tracing::error!("no DMARC policy can be looked up: {error}");
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
    /// What the domain of a message's author asks.
    pub fn of(&self, message: &Message) -> Policy {
        let policy = from_domain(message).and_then(|domain| self.policies.get(&domain));
        policy.cloned().unwrap_or(Policy::None)
    }

    /// Keeps the new answers in the store for as long as they are good.
    pub fn keep(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let now = dormouse_spool::clock::seconds();
        let mut rows = Vec::new();
        for Fresh { name, answer, kept } in self.fresh.iter().filter(|fresh| !fresh.kept.is_zero())
        {
            match serde_json::to_string(answer) {
                Ok(answer) => {
                    rows.push(DnsAnswer { name, answer, expires_at: now + kept.as_secs_f64() });
                }
                Err(error) => tracing::error!("the answer for {name} is not kept: {error}"),
            }
        }
        tx.keep_dns_answers(&rows, now)
    }
}

/// An answer from the store; one that cannot be read is asked for again.
fn read(name: &str, kept: &str) -> Option<Answer> {
    serde_json::from_str(kept)
        .inspect_err(|error| tracing::warn!("the kept answer for {name} cannot be read: {error}"))
        .ok()
}
