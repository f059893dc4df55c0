//! Whom a post goes to, page by page.

use crate::db::{self, Row, params};
use crate::{ListId, MemberOption, MemberOptions, Read, StoreError};
use dormouse_mail::AddressKey;
use std::fmt;

/// One who gets a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address, by which the recipient is found.
    pub key: AddressKey,
    /// The address to send to.
    pub address: String,
    /// What the member wants to read about; known only where it was asked for.
    pub interest: Option<Interest>,
    /// The language of a digest's reader; the list's when empty. Known only there.
    pub language: Option<String>,
}

/// What a member wants to read about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// The topics the member chose; none means all posts.
    pub topics: Vec<String>,
    /// Also what is about no topic.
    pub unmatched: bool,
}

/// Which members a post goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Those who get posts one by one and have delivery enabled.
    Regular {
        /// The count of the digest that the post will be in, if it will be in one.
        issue: Option<i64>,
    },
    /// The same, with their topics.
    WithInterest {
        /// The same.
        issue: Option<i64>,
    },
    /// All: with digests and with delivery disabled, too.
    Everyone,
    /// Those who get the digest of this count.
    Digest {
        /// In plain text, in place of MIME.
        plain: bool,
        /// The digest's number among all of the list.
        count: i64,
    },
}

impl Audience {
    fn columns(self) -> &'static str {
        match self {
            Audience::WithInterest { .. } => "address_key, address, topics, options",
            Audience::Digest { .. } => "address_key, address, language",
            _ => "address_key, address",
        }
    }

    fn condition(self) -> String {
        match self {
            Audience::Everyone => String::new(),
            Audience::Regular { issue: None } | Audience::WithInterest { issue: None } => {
                "and digest = 0 and delivery = 0".to_owned()
            }
            Audience::Regular { issue: Some(issue) }
            | Audience::WithInterest { issue: Some(issue) } => format!(
                "and delivery = 0 and (digest = 0 and one_last_digest < {issue}
                 or digest = 1 and one_last_digest >= {issue})"
            ),
            // The first line is the condition of the index.
            Audience::Digest { plain, count } => format!(
                "and (digest = 1 or one_last_digest > 0)
                 and (digest = 1 and one_last_digest < {count}
                      or digest = 0 and one_last_digest >= {count}) and delivery = 0
                 and (options & {bit}) = {wanted}",
                bit = MemberOption::DisableMime as i64,
                wanted = if plain { MemberOption::DisableMime as i64 } else { 0 },
            ),
        }
    }

    fn read(self, row: &Row<'_>) -> db::Result<Recipient> {
        let interest = match self {
            Audience::WithInterest { .. } => {
                let topics: String = row.get(2)?;
                let options = MemberOptions::from_bits(row.get(3)?);
                Some(Interest {
                    // What is no list of names chooses nothing.
                    topics: serde_json::from_str(&topics).unwrap_or_default(),
                    unmatched: options.has(MemberOption::ReceiveNonmatchingTopics),
                })
            }
            _ => None,
        };
        let language = match self {
            Audience::Digest { .. } => Some(row.get(2)?),
            _ => None,
        };
        Ok(Recipient { key: row.get(0)?, address: row.get(1)?, interest, language })
    }
}

/// A place in the stream of recipients: behind this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    key: AddressKey,
}

impl Recipient {
    /// The address to send to, and the place behind this recipient.
    pub fn into_parts(self) -> (String, Cursor) {
        (self.address, Cursor { key: self.key })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

impl From<&str> for Cursor {
    fn from(text: &str) -> Cursor {
        Cursor { key: AddressKey::of(text) }
    }
}

impl Read {
    /// Up to `limit` of those whom a list's posts go to, in the order of domain and address, from
    /// behind a place.
    pub fn recipients(
        &self,
        list_id: ListId,
        audience: Audience,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Vec<Recipient>, StoreError> {
        let sql = format!(
            "select {} from member where list_id = ?1 and (domain, address_key) > (?2, ?3) {}
             order by domain, address_key limit ?4",
            audience.columns(),
            audience.condition()
        );
        let (domain, key) =
            after.map_or(("", ""), |after| (after.key.domain(), after.key.as_str()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(&sql, params![list_id, domain, key, limit], |row| audience.read(row))
    }

    /// The recipient with that address, if a list's posts go there.
    pub fn recipient(
        &self,
        list_id: ListId,
        audience: Audience,
        key: &AddressKey,
    ) -> Result<Option<Recipient>, StoreError> {
        let sql = format!(
            "select {} from member where list_id = ?1 and address_key = ?2 {}",
            audience.columns(),
            audience.condition()
        );
        self.first(&sql, params![list_id, key], |row| audience.read(row))
    }
}
