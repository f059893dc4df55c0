//! Streams recipients in constant memory.

use super::{DigestIssue, Receivers, Rule, Share, WRITTEN_OUT};
use dormouse_mail::AddressKey;
use dormouse_membership::RunError;
use dormouse_store::{Audience, Cursor, ListId, Read, Recipient, RecipientPage, StoreError};
use std::collections::BTreeSet;

/// The members of another list who get single posts. Which of its digests contains the post, if
/// any, is unknown here.
const SINGLE_POSTS: Audience = Audience::Regular { issue: None };
/// Members fetched at first: as many as decide whether they are written out, and as many as a
/// transaction usually has. So each transaction is prepared while the server processes another one.
const FIRST_PAGE: usize = WRITTEN_OUT + 1;
/// Members fetched at a time from a server, to which each question is a round trip; a page is twice as long
/// as the one before up to here, and takes about 1 MB then.
const MOST_FROM_SERVER: usize = 16_000;

/// Recipients, one after the other, from where an earlier process stopped.
#[derive(Debug)]
pub enum Stream<'s> {
    /// From the entry.
    These {
        /// The addresses.
        these: Vec<String>,
        /// How many of them are done.
        done: usize,
    },
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
    /// The current page.
    page: RecipientPage,
    /// How many of it are done.
    done: usize,
    /// Whether the last page of this list has been fetched.
    ended: bool,
}

/// A recipient, and the place after it.
#[derive(Debug, Clone, Copy)]
pub struct Next<'n> {
    /// The address to send to.
    pub address: &'n str,
    /// The place after it, in a stream of members.
    pub place: Option<StreamPlace<'n>>,
}

/// A place in a stream of members. As text it is the key of the member before it; for other lists
/// than the first, preceded by the list's position and a tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPlace<'n> {
    list: usize,
    key: &'n str,
}

impl std::fmt::Display for StreamPlace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.write_to(&mut text);
        f.write_str(&text)
    }
}

impl<'n> StreamPlace<'n> {
    /// Replaces a text by this place's, in the text's own memory.
    pub fn write_to(self, text: &mut String) {
        text.clear();
        if self.list > 0 {
            // A tab cannot occur in an address.
            text.push_str(&self.list.to_string());
            text.push('\t');
        }
        text.push_str(self.key);
    }

    fn parse(text: &'n str) -> StreamPlace<'n> {
        match text.split_once('\t') {
            Some((list, key)) => StreamPlace { list: list.parse().unwrap_or(0), key },
            None => StreamPlace { list: 0, key: text },
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
            let list = store.list_id(name)?;
            if list.is_none() && position == 0 {
                return Err(RunError::NoSuchList(name.clone()));
            }
            lists.push(list);
        }
        let mut except_members_of = Vec::new();
        for name in &rule.except_members_of {
            except_members_of.extend(store.list_id(name)?);
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
            after: after.map(|place| Cursor::from(place.key)),
            length: FIRST_PAGE,
            page: RecipientPage::default(),
            done: 0,
            ended: false,
        })))
    }

    /// Returns an upper limit of the recipients left; for members, which are not counted, the
    /// maximum.
    pub fn most_left(&self) -> u64 {
        match self {
            Stream::These { these, done } => (these.len() - done) as u64,
            Stream::Members(_) => u64::MAX,
        }
    }

    /// Returns the next recipient; `None` at the end.
    pub fn pull(&mut self) -> Result<Option<Next<'_>>, StoreError> {
        match self {
            Stream::These { these, done } => {
                let address = these.get(*done);
                *done += usize::from(address.is_some());
                Ok(address.map(|address| Next { address, place: None }))
            }
            Stream::Members(members) => members.pull(),
        }
    }
}

impl Members<'_> {
    fn pull(&mut self) -> Result<Option<Next<'_>>, StoreError> {
        let Some(at) = self.next_in_page()? else { return Ok(None) };
        let list = self.current;
        let next = |Recipient { address, key, .. }| Next {
            address,
            place: Some(StreamPlace { list, key }),
        };
        Ok(self.page.get(at).map(next))
    }

    /// Returns the position in the page of the next recipient that is meant, and fetches pages as
    /// needed.
    fn next_in_page(&mut self) -> Result<Option<usize>, StoreError> {
        loop {
            while let Some(member) = self.page.get(self.done) {
                let is_meant = self.is_meant(member)?;
                self.done += 1;
                if is_meant {
                    return Ok(Some(self.done - 1));
                }
            }
            if self.ended {
                self.current += 1;
                self.after = None;
                self.ended = false;
            }
            let Some(&list) = self.lists.get(self.current) else { return Ok(None) };
            let audience = self.audience(self.current);
            self.page = match list {
                Some(list) => {
                    self.store.recipients(list, audience, self.after.as_ref(), self.length)?
                }
                None => RecipientPage::default(),
            };
            self.done = 0;
            self.ended = self.page.len() < self.length;
            if self.store.is_shared() {
                self.length = (self.length * 2).min(MOST_FROM_SERVER);
            }
            if let Some(last) = self.page.last() {
                self.after = Some(Cursor::from(last.key));
            }
        }
    }

    fn audience(&self, position: usize) -> Audience {
        if position == 0 { self.own } else { SINGLE_POSTS }
    }

    fn is_meant(&self, member: Recipient<'_>) -> Result<bool, StoreError> {
        if self.share.is_some_and(|share| !share.has(member.key))
            || self.except.contains(member.key)
            || self.receivers.as_ref().is_some_and(|receivers| !receivers.mean(member.key))
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
            if let Some(earlier) = self.store.recipient(list, audience, member.key)?.last()
                && (position > 0 || self.is_meant_by_own(earlier)?)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_meant_by_own(&self, member: Recipient<'_>) -> Result<bool, StoreError> {
        if let (Some(hits), Some(interest)) = (&self.topics, member.interest)
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
        if let Some(language) = member.language {
            let is_other = !self.only_language.is_empty() && language != self.only_language;
            if is_other || self.except_languages.iter().any(|one| one == language) {
                return Ok(false);
            }
        }
        for &list in &self.except_members_of {
            if !self.store.recipient(list, SINGLE_POSTS, member.key)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
