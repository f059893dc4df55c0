//! The recipients of a post, page by page.

use crate::db::{self, Row, params};
use crate::{ListId, MemberOption, MemberOptions, Read, StoreError};
use dormouse_mail::AddressKey;
use std::fmt;

/// A recipient of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The normalized address, by which the recipient is found.
    pub key: AddressKey,
    /// The address to send to.
    pub address: String,
    /// The member's topics, for [`Audience::WithInterest`].
    pub interest: Option<Interest>,
    /// The reader's language, for [`Audience::Digest`]; the list's if empty.
    pub language: Option<String>,
}

/// The topics that a member wants to read about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// The topics that the member has chosen; none means all posts.
    pub topics: Vec<String>,
    /// Whether the member also gets posts that match no topic.
    pub unmatched: bool,
}

/// The members to whom a post is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Members who get single posts, with delivery enabled.
    Regular {
        /// The count of the digest that will contain the post, if there will be one.
        issue: Option<i64>,
    },
    /// As `Regular`, with their topics.
    WithInterest {
        /// As in `Regular`.
        issue: Option<i64>,
    },
    /// All members, including those with digests or with delivery disabled.
    Everyone,
    /// Members who get the digest with this count.
    Digest {
        /// Whether they get plain text instead of MIME.
        plain: bool,
        /// The digest's number among all digests of the list.
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
            // The first line must match the condition of the partial index.
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
                    // An invalid value means that none was chosen.
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

/// A position in the stream of recipients, after one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    key: AddressKey,
}

impl Recipient {
    /// Returns the address to send to, and the position after this recipient.
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
    /// Returns up to `limit` recipients of a list's posts after a position, sorted by domain and
    /// address.
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

    /// Returns the recipient with this address, if a list's posts are sent to it.
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
