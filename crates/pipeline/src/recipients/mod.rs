//! Whom an outgoing entry is for.
//!
//! A short list stands in the entry itself, as `recips`, where Mailman looks for it. For a large
//! membership the entry carries only the rule: which lists, and who is left out; the members are
//! then streamed from the store, page by page, while the mail goes out.

mod stream;

pub use stream::{Next, Stream};

use crate::progress::Progress;
use dormouse_mail::AddressKey;
use dormouse_mail::address::domain_key;
use dormouse_membership::RunError;
use dormouse_spool::{Envelope, KEY, Metadata, WrongValue};
use dormouse_store::Read;
use dormouse_store::limits::names;
use std::collections::BTreeSet;

/// Up to this many recipients are written out (one SMTP transaction of Mailman's default size).
pub const WRITTEN_OUT: usize = 500;

/// Whom an entry is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// These addresses.
    These(Vec<String>),
    /// Those whom a rule names at the time of sending.
    Those(Rule),
}

/// Members of lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The lists' names: the post's own, then others that get it, too. Nobody gets it twice.
    pub lists: Vec<String>,
    /// Lower-cased addresses that are left out.
    pub except: BTreeSet<AddressKey>,
    /// Lists whose members the first list's posts leave out.
    pub except_members_of: Vec<String>,
    /// The topics that the post hits, if the first list has topics.
    pub topics: Option<Vec<String>>,
    /// The count of the first list's digest that the post will be in.
    pub issue: Option<i64>,
    /// All members of the first list, however they get its mail otherwise.
    pub everyone: bool,
    /// Those who get this digest, in place of those who get posts one by one.
    pub digest: Option<Digest>,
    /// Of a digest's readers only those who have chosen this language; all when empty.
    pub only_language: String,
    /// Of a digest's readers those who have not chosen one of these languages.
    pub except_languages: Vec<String>,
    /// Only those at, or not at, some domains.
    pub receivers: Option<Receivers>,
}

/// Domains, and whether those there are meant, or those elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receivers {
    /// The domains, or patterns for them.
    pub domains: Vec<String>,
    /// Whether those there are meant.
    pub are_meant: bool,
}

impl Receivers {
    /// Whether an address is meant.
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
    }
}

/// A digest, as far as it decides who gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// In plain text, in place of MIME.
    pub plain: bool,
    /// Its number among the digests of the list.
    pub count: i64,
}

impl Digest {
    fn read(envelope: &Envelope<'_>) -> Result<Option<Digest>, WrongValue> {
        let Some(text) = envelope.recips_digest() else { return Ok(None) };
        let read = || {
            let (format, count) = text.split_once(' ')?;
            let plain = match format {
                "plain" => true,
                "mime" => false,
                _ => return None,
            };
            Some(Digest { plain, count: count.parse().ok()? })
        };
        read().map(Some).ok_or_else(|| WrongValue {
            key: KEY.recips_digest,
            found: format!("a text ({text:?})"),
            wanted: "`mime` or `plain` with a count behind it",
        })
    }

    fn write(self, metadata: &mut Metadata) {
        let format = if self.plain { "plain" } else { "mime" };
        metadata.edit().recips_digest(&format!("{format} {}", self.count));
    }
}

impl Recipients {
    /// Those whom a rule names: written out when they are few.
    pub fn by(rule: Rule, store: &Read) -> Result<Recipients, RunError> {
        let mut stream = Stream::of(store, &rule, None)?;
        let mut these = Vec::new();
        while let Some(next) = stream.pull()? {
            if these.len() == WRITTEN_OUT {
                return Ok(Recipients::Those(rule));
            }
            these.push(next.address);
        }
        Ok(Recipients::These(these))
    }

    /// Reads them from an entry's metadata; `None` when it names nobody at all.
    ///
    /// # Errors
    /// When what names them cannot be read.
    pub fn read(metadata: &Metadata) -> Result<Option<Recipients>, WrongValue> {
        let envelope = Envelope::read(metadata)?;
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
            digest: Digest::read(&envelope)?,
            only_language: envelope.recips_language().unwrap_or_default().into_owned(),
            except_languages: envelope.recips_except_languages().unwrap_or_default(),
            receivers: match (envelope.recips_at(), envelope.recips_not_at()) {
                (Some(domains), _) => Some(Receivers { domains, are_meant: true }),
                (None, Some(domains)) => Some(Receivers { domains, are_meant: false }),
                (None, None) => None,
            },
        })))
    }

    /// Those at some domains, and all others; none where nobody is known to be.
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

    /// Those who are left after what an earlier process did.
    pub fn stream<'s>(self, store: &'s Read, progress: &Progress) -> Result<Stream<'s>, RunError> {
        match self {
            Recipients::These(mut these) => {
                let done = usize::try_from(progress.done).unwrap_or(usize::MAX).min(these.len());
                these.drain(..done);
                Ok(Stream::These(these.into_iter()))
            }
            Recipients::Those(rule) => Stream::of(store, &rule, progress.after.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let rule = Rule {
            lists: vec!["dev".to_owned(), "ops".to_owned()],
            except: BTreeSet::from([AddressKey::of("a@x.example")]),
            except_members_of: vec!["staff".to_owned()],
            topics: Some(Vec::new()),
            issue: Some(8),
            everyone: true,
            digest: Some(Digest { plain: true, count: 7 }),
            only_language: "de".to_owned(),
            except_languages: vec!["fr".to_owned()],
            receivers: Some(Receivers {
                domains: vec!["*.x.example".to_owned()],
                are_meant: false,
            }),
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
