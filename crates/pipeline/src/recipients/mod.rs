//! The recipients of an outgoing entry.
//!
//! A few recipients are in the entry itself, as `recips`, where Mailman expects them. For a large
//! membership the entry contains only a rule: which lists, and who is left out. The members are
//! then streamed from the store, page by page, while the mail is sent.

mod share;
mod stream;

pub use share::Share;
pub use stream::{Next, Stream};

use crate::progress::DeliveryProgress;
use dormouse_mail::AddressKey;
use dormouse_mail::address::domain_key;
use dormouse_membership::RunError;
use dormouse_spool::{Envelope, KEY, Metadata, WrongValue};
use dormouse_store::Read;
use dormouse_store::limits::names;
use std::collections::BTreeSet;

/// Up to this many recipients are in the entry itself (one SMTP transaction of Mailman's default
/// size).
pub const WRITTEN_OUT: usize = 500;

/// The minimum number of recipients in a share: an entry of its own costs about as much as a few
/// transactions.
const LEAST_SHARE: usize = 50;

/// Whom an entry is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// These addresses.
    These(Vec<String>),
    /// The addresses that match a rule at the time of sending.
    Those(Rule),
}

/// A rule for members of lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The names of the lists: the post's own first, then others whose members get it, too. Nobody
    /// gets it twice.
    pub lists: Vec<String>,
    /// Addresses that are left out.
    pub except: BTreeSet<AddressKey>,
    /// Lists whose members are left out of the first list.
    pub except_members_of: Vec<String>,
    /// The post's topics, if the first list has topics.
    pub topics: Option<Vec<String>>,
    /// The number of the first list's digest that will contain the post.
    pub issue: Option<i64>,
    /// All members of the first list, also those with digests or without delivery.
    pub everyone: bool,
    /// The readers of this digest, instead of those who get single posts.
    pub digest: Option<DigestIssue>,
    /// Only readers of a digest who have chosen this language; all if it is empty.
    pub only_language: String,
    /// Not those readers of a digest who have chosen one of these languages.
    pub except_languages: Vec<String>,
    /// Only addresses at, or not at, some domains.
    pub receivers: Option<Receivers>,
    /// Only this share of them.
    pub share: Option<Share>,
}

/// Receiving domains that limit the recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receivers {
    /// The domains, or patterns for them.
    pub domains: Vec<String>,
    /// Whether the rule includes addresses at these domains, or all others.
    pub are_meant: bool,
}

impl Receivers {
    /// Whether an address is included.
    pub fn mean(&self, address: &str) -> bool {
        let domain = domain_key(address);
        self.domains.iter().any(|pattern| names(pattern, &domain)) == self.are_meant
    }
}

impl Rule {
    fn write(&self, metadata: &mut Metadata) {
        metadata.edit().recips_members_of(&self.lists).recips_except(&self.except);
        if !self.except_languages.is_empty() {
            metadata.edit().recips_except_languages(&self.except_languages);
        }
        if !self.except_members_of.is_empty() {
            metadata.edit().recips_except_members_of(&self.except_members_of);
        }
        if let Some(topics) = &self.topics {
            metadata.edit().recips_topics(topics);
        }
        if let Some(issue) = self.issue {
            metadata.edit().recips_issue(issue);
        }
        if self.everyone {
            metadata.edit().recips_everyone(true);
        }
        match &self.receivers {
            Some(Receivers { domains, are_meant: true }) => {
                metadata.edit().recips_at(domains);
            }
            Some(Receivers { domains, are_meant: false }) => {
                metadata.edit().recips_not_at(domains);
            }
            None => {}
        }
        if !self.only_language.is_empty() {
            metadata.edit().recips_language(&self.only_language);
        }
        if let Some(digest) = self.digest {
            digest.write(metadata);
        }
        if let Some(share) = self.share {
            metadata.edit().recips_share(&share.to_string());
        }
    }
}

/// What decides who gets a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestIssue {
    /// Whether it is plain text rather than MIME.
    pub plain: bool,
    /// The digest's number on the list.
    pub count: i64,
}

impl DigestIssue {
    fn read(envelope: &Envelope<'_>) -> Result<Option<DigestIssue>, WrongValue> {
        let Some(text) = envelope.recips_digest() else { return Ok(None) };
        let read = || {
            let (format, count) = text.split_once(' ')?;
            let plain = match format {
                "plain" => true,
                "mime" => false,
                _ => return None,
            };
            Some(DigestIssue { plain, count: count.parse().ok()? })
        };
        read().map(Some).ok_or_else(|| WrongValue {
            key: KEY.recips_digest,
            found: format!("a text ({text:?})"),
            wanted: "`mime` or `plain`, followed by a count",
        })
    }

    fn write(self, metadata: &mut Metadata) {
        let format = if self.plain { "plain" } else { "mime" };
        metadata.edit().recips_digest(&format!("{format} {}", self.count));
    }
}

impl Recipients {
    /// Applies a rule: returns the addresses if there are few, otherwise the rule.
    pub fn by(rule: Rule, store: &Read) -> Result<Recipients, RunError> {
        let mut stream = Stream::of(store, &rule, None)?;
        let mut these = Vec::new();
        while let Some(next) = stream.pull()? {
            if these.len() == WRITTEN_OUT {
                return Ok(Recipients::Those(rule));
            }
            these.push(next.address.to_owned());
        }
        Ok(Recipients::These(these))
    }

    /// Reads them from the metadata of an entry whose envelope has been [read](Envelope::read); `None` if it
    /// says nothing about recipients.
    ///
    /// # Errors
    /// If a rule's digest or share cannot be read.
    pub fn read(metadata: &Metadata) -> Result<Option<Recipients>, WrongValue> {
        let envelope = metadata.envelope();
        let Some(lists) = envelope.recips_members_of() else {
            return Ok(envelope.recips().map(Recipients::These));
        };
        Ok(Some(Recipients::Those(Rule {
            lists,
            except: {
                let except = envelope.recips_except().unwrap_or_default();
                except.iter().map(|address| AddressKey::of(address)).collect()
            },
            except_members_of: envelope.recips_except_members_of().unwrap_or_default(),
            topics: envelope.recips_topics(),
            issue: envelope.recips_issue(),
            everyone: envelope.recips_everyone(),
            digest: DigestIssue::read(&envelope)?,
            only_language: envelope.recips_language().unwrap_or_default().into_owned(),
            except_languages: envelope.recips_except_languages().unwrap_or_default(),
            receivers: match (envelope.recips_at(), envelope.recips_not_at()) {
                (Some(domains), _) => Some(Receivers { domains, are_meant: true }),
                (None, Some(domains)) => Some(Receivers { domains, are_meant: false }),
                (None, None) => None,
            },
            share: Share::read(&envelope)?,
        })))
    }

    /// Splits them into those at some domains and all others; `None` if there are certainly none.
    pub fn split(self, domains: &[String]) -> (Option<Recipients>, Option<Recipients>) {
        let receivers = |are_meant| Receivers { domains: domains.to_owned(), are_meant };
        match self {
            Recipients::These(these) => {
                let there = receivers(true);
                let (there, elsewhere) = these.into_iter().partition(|one| there.mean(one));
                let some =
                    |these: Vec<String>| (!these.is_empty()).then_some(Recipients::These(these));
                (some(there), some(elsewhere))
            }
            Recipients::Those(rule) => {
                let of = |are_meant| Rule { receivers: Some(receivers(are_meant)), ..rule.clone() };
                (Some(Recipients::Those(of(true))), Some(Recipients::Those(of(false))))
            }
        }
    }

    /// Divides them into at most `count` shares. None is smaller than [`LEAST_SHARE`].
    pub fn shares(self, count: u32) -> Vec<Recipients> {
        match self {
            Recipients::These(these) if these.len() >= 2 * LEAST_SHARE && count > 1 => {
                let count = (these.len() / LEAST_SHARE).min(count as usize);
                let share = |share: &[String]| Recipients::These(share.to_vec());
                these.chunks(these.len().div_ceil(count)).map(share).collect()
            }
            Recipients::Those(rule) if rule.share.is_none() => {
                let of = |share| Recipients::Those(Rule { share: Some(share), ..rule.clone() });
                Share::all(count).map(of).collect()
            }
            whole => vec![whole],
        }
    }

    /// Writes them into an entry's metadata.
    pub fn write(&self, metadata: &mut Metadata) {
        for key in [
            KEY.recips,
            KEY.recips_members_of,
            KEY.recips_except,
            KEY.recips_except_members_of,
            KEY.recips_topics,
            KEY.recips_issue,
            KEY.recips_everyone,
            KEY.recips_digest,
            KEY.recips_language,
            KEY.recips_except_languages,
            KEY.recips_at,
            KEY.recips_not_at,
            KEY.recips_share,
        ] {
            metadata.remove(key);
        }
        match self {
            Recipients::These(these) => {
                metadata.edit().recips(these);
            }
            Recipients::Those(rule) => rule.write(metadata),
        }
    }

    /// Returns those who are left after the progress of earlier processes.
    pub fn stream<'s>(
        self,
        store: &'s Read,
        progress: &DeliveryProgress,
    ) -> Result<Stream<'s>, RunError> {
        match self {
            Recipients::These(these) => {
                let done = usize::try_from(progress.done).unwrap_or(usize::MAX).min(these.len());
                Ok(Stream::These { these, done })
            }
            Recipients::Those(rule) => Stream::of(store, &rule, progress.after.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_divided_in_order_and_not_into_small_shares() {
        for (addresses, count, expected) in [
            (0, 3, vec![0]),
            (1, 3, vec![1]),
            (99, 3, vec![99]),
            (100, 3, vec![50, 50]),
            (149, 3, vec![75, 74]),
            (150, 3, vec![50, 50, 50]),
            (500, 3, vec![167, 167, 166]),
            (500, 1, vec![500]),
            (500, 0, vec![500]),
        ] {
            let all: Vec<String> =
                (0..addresses).map(|number| format!("m{number}@x.example")).collect();
            let shares: Vec<Vec<String>> = Recipients::These(all.clone())
                .shares(count)
                .into_iter()
                .map(|share| match share {
                    Recipients::These(these) => these,
                    Recipients::Those(rule) => panic!("{rule:?}"),
                })
                .collect();
            assert_eq!(shares.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{addresses}");
            assert_eq!(shares.concat(), all);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let rule = Rule {
            lists: vec!["dev".to_owned(), "ops".to_owned()],
            except: BTreeSet::from([AddressKey::of("a@x.example")]),
            except_members_of: vec!["staff".to_owned()],
            topics: Some(Vec::new()),
            issue: Some(8),
            everyone: true,
            digest: Some(DigestIssue { plain: true, count: 7 }),
            only_language: "de".to_owned(),
            except_languages: vec!["fr".to_owned()],
            receivers: Some(Receivers {
                domains: vec!["*.x.example".to_owned()],
                are_meant: false,
            }),
            share: Share::all(3).nth(1),
        };
        let these = Recipients::These(vec!["a@x.example".to_owned()]);
        let mut metadata = Metadata::new();
        assert_eq!(Recipients::read(&metadata), Ok(None));
        for recipients in [Recipients::Those(rule), these, Recipients::Those(Rule::default())] {
            recipients.write(&mut metadata);
            assert_eq!(Recipients::read(&metadata), Ok(Some(recipients)));
        }
    }
}
