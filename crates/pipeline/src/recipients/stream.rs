//! Streams recipients in constant memory.

use super::{DigestIssue, Receivers, Rule, Share};
use dormouse_mail::AddressKey;
use dormouse_membership::RunError;
use dormouse_store::{Audience, Cursor, ListId, Read, Recipient, StoreError};
use std::collections::BTreeSet;

/// The members of another list who get single posts. Which of its digests contains the post, if
/// any, is unknown here.
const SINGLE_POSTS: Audience = Audience::Regular { issue: None };
/// Members fetched at first. A small post needs no more, and asks for no more.
const FIRST_PAGE: usize = 1000;
/// Members fetched at a time from a server, to which each question is a round trip; a page is twice as long
/// as the one before up to here, and takes about 5 MB then.
const MOST_FROM_SERVER: usize = 16_000;

/// Recipients, one after the other, from where an earlier process stopped.
#[derive(Debug)]
pub enum Stream<'s> {
    /// From the entry.
    These(std::vec::IntoIter<String>),
    /// From the store.
    Members(Box<Members<'s>>),
}

/// The members that match a rule.
#[derive(Debug)]
pub struct Members<'s> {
    store: &'s Read,
    /// The lists, the post's own first.
    lists: Vec<Option<ListId>>,
    /// Which of them is being read.
    current: usize,
    own: Audience,
    topics: Option<Vec<String>>,
    only_language: String,
    except_languages: Vec<String>,
    receivers: Option<Receivers>,
    share: Option<Share>,
    except: BTreeSet<AddressKey>,
    except_members_of: Vec<ListId>,
    /// Where the next page starts.
    after: Option<Cursor>,
    /// How many members the next page may have.
    length: usize,
    /// The rest of the current page.
    page: std::vec::IntoIter<Recipient>,
    /// Whether the last page of this list has been fetched.
    ended: bool,
}

/// A recipient, and the place after it.
#[derive(Debug, Clone)]
pub struct Next {
    /// The address to send to.
    pub address: String,
    /// The place after it, in a stream of members.
    pub place: Option<StreamPlace>,
}

/// A place in a stream of members. As text it is the key of the member before it; for other lists
/// than the first, preceded by the list's position and a tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPlace {
    list: usize,
    cursor: Cursor,
}

impl std::fmt::Display for StreamPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.list > 0 {
            // A tab cannot occur in an address.
            write!(f, "{}\t", self.list)?;
        }
        self.cursor.fmt(f)
    }
}

impl StreamPlace {
    fn parse(text: &str) -> StreamPlace {
        match text.split_once('\t') {
            Some((list, key)) => {
                StreamPlace { list: list.parse().unwrap_or(0), cursor: Cursor::from(key) }
            }
            None => StreamPlace { list: 0, cursor: Cursor::from(text) },
        }
    }
}

impl<'s> Stream<'s> {
    /// Streams the members that match a rule, after a place.
    ///
    /// # Errors
    /// If the first list does not exist. Other lists that do not exist count as empty.
    pub fn of(store: &'s Read, rule: &Rule, after: Option<&str>) -> Result<Stream<'s>, RunError> {
        let mut lists = Vec::new();
        for (position, name) in rule.lists.iter().enumerate() {
            let list = store.list(name)?;
            if list.is_none() && position == 0 {
                return Err(RunError::NoSuchList(name.clone()));
            }
            lists.push(list.map(|list| list.id));
        }
        let mut except_members_of = Vec::new();
        for name in &rule.except_members_of {
            except_members_of.extend(store.list(name)?.map(|list| list.id));
        }
        let after = after.map(StreamPlace::parse);
        Ok(Stream::Members(Box::new(Members {
            store,
            lists,
            current: after.as_ref().map_or(0, |place| place.list),
            own: match (rule.digest, rule.everyone, &rule.topics) {
                (Some(DigestIssue { plain, count }), _, _) => Audience::Digest { plain, count },
                (None, true, _) => Audience::Everyone,
                (None, false, Some(_)) => Audience::WithInterest { issue: rule.issue },
                (None, false, None) => Audience::Regular { issue: rule.issue },
            },
            topics: rule.topics.clone(),
            only_language: rule.only_language.clone(),
            except_languages: rule.except_languages.clone(),
            receivers: rule.receivers.clone(),
            share: rule.share,
            except: rule.except.clone(),
            except_members_of,
            after: after.map(|place| place.cursor),
            length: FIRST_PAGE,
            page: Vec::new().into_iter(),
            ended: false,
        })))
    }

    /// Returns an upper limit of the recipients left; for members, which are not counted, the
    /// maximum.
    pub fn most_left(&self) -> u64 {
        match self {
            Stream::These(these) => these.len() as u64,
            Stream::Members(_) => u64::MAX,
        }
    }

    /// Returns the next recipient; `None` at the end.
    pub fn pull(&mut self) -> Result<Option<Next>, StoreError> {
        match self {
            Stream::These(these) => Ok(these.next().map(|address| Next { address, place: None })),
            Stream::Members(members) => members.pull(),
        }
    }
}

impl Members<'_> {
    fn pull(&mut self) -> Result<Option<Next>, StoreError> {
        loop {
            while let Some(member) = self.page.next() {
                if self.is_meant(&member)? {
                    let (address, cursor) = member.into_parts();
                    let place = Some(StreamPlace { list: self.current, cursor });
                    return Ok(Some(Next { address, place }));
                }
            }
            if self.ended {
                self.current += 1;
                self.after = None;
                self.ended = false;
            }
            let Some(&list) = self.lists.get(self.current) else { return Ok(None) };
            let audience = self.audience(self.current);
            let fetched = match list {
                Some(list) => {
                    self.store.recipients(list, audience, self.after.as_ref(), self.length)?
                }
                None => Vec::new(),
            };
            self.ended = fetched.len() < self.length;
            if self.store.is_shared() {
                self.length = (self.length * 2).min(MOST_FROM_SERVER);
            }
            if let Some(last) = fetched.last() {
                self.after = Some(last.clone().into_parts().1);
            }
            self.page = fetched.into_iter();
        }
    }

    fn audience(&self, position: usize) -> Audience {
        if position == 0 { self.own } else { SINGLE_POSTS }
    }

    fn is_meant(&self, member: &Recipient) -> Result<bool, StoreError> {
        if self.share.is_some_and(|share| !share.has(&member.key))
            || self.except.contains(&member.key)
            || self.receivers.as_ref().is_some_and(|receivers| !receivers.mean(&member.key))
        {
            return Ok(false);
        }
        if self.current == 0 {
            return self.is_meant_by_own(member);
        }
        // Recipients of an earlier list have got it already.
        for (position, list) in self.lists[..self.current].iter().enumerate() {
            let Some(list) = *list else { continue };
            let audience = self.audience(position);
            if let Some(earlier) = self.store.recipient(list, audience, &member.key)?
                && (position > 0 || self.is_meant_by_own(&earlier)?)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_meant_by_own(&self, member: &Recipient) -> Result<bool, StoreError> {
        if let (Some(hits), Some(interest)) = (&self.topics, &member.interest)
            && !interest.topics.is_empty()
        {
            let wanted = if hits.is_empty() {
                interest.unmatched
            } else {
                interest.topics.iter().any(|topic| hits.contains(topic))
            };
            if !wanted {
                return Ok(false);
            }
        }
        if let Some(language) = &member.language {
            let is_other = !self.only_language.is_empty() && *language != self.only_language;
            if is_other || self.except_languages.contains(language) {
                return Ok(false);
            }
        }
        for &list in &self.except_members_of {
            if self.store.recipient(list, SINGLE_POSTS, &member.key)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
