//! The recipients of a post, page by page.

use crate::db::{self, Row, params};
use crate::{ListId, MemberOption, MemberOptions, Read, StoreError};
use dormouse_mail::AddressKey;
use std::fmt;

/// A recipient of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient<'p> {
    /// The normalized address ([`AddressKey`]), by which the recipient is found.
    pub key: &'p str,
    /// The address to send to.
    pub address: &'p str,
    /// The member's topics, for [`Audience::WithInterest`].
    pub interest: Option<&'p Interest>,
    /// The reader's language, for [`Audience::Digest`]; the list's if empty.
    pub language: Option<&'p str>,
}

/// Recipients that were read in one go. Their addresses are in one text: a large post would spend
/// more time on separate ones than on sending.
#[derive(Debug, Clone, Default)]
pub struct RecipientPage {
    text: String,
    ends: Vec<RecipientEnds>,
    /// One for each recipient, or none at all.
    interests: Vec<Interest>,
    /// One for each recipient, or none at all.
    languages: Vec<String>,
}

/// Where a recipient ends in a page's text: the address and the key behind it, or only the address
/// if the key is the same.
#[derive(Debug, Clone, Copy)]
struct RecipientEnds {
    address: usize,
    key: usize,
}

impl RecipientPage {
    /// Returns the number of recipients.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the recipient at this position.
    pub fn get(&self, at: usize) -> Option<Recipient<'_>> {
        let ends = self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].key);
        let address = &self.text[start..ends.address];
        Some(Recipient {
            key: if ends.key > ends.address { &self.text[ends.address..ends.key] } else { address },
            address,
            interest: self.interests.get(at),
            language: self.languages.get(at).map(String::as_str),
        })
    }

    /// Returns the recipients in their order.
    pub fn iter(&self) -> impl Iterator<Item = Recipient<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Returns the last recipient.
    pub fn last(&self) -> Option<Recipient<'_>> {
        self.get(self.len().checked_sub(1)?)
    }

    fn read(&mut self, row: &Row<'_>, audience: Audience) -> db::Result<()> {
        self.text.push_str(row.text(0)?);
        let address = self.text.len();
        self.text.push_str(row.optional_text(1)?.unwrap_or_default());
        self.ends.push(RecipientEnds { address, key: self.text.len() });
        match audience {
            Audience::WithInterest { .. } => {
                let options = MemberOptions::from_bits(row.get(3)?);
                self.interests.push(Interest {
                    // An invalid value means that none was chosen.
                    topics: serde_json::from_str(row.text(2)?).unwrap_or_default(),
                    unmatched: options.has(MemberOption::ReceiveNonmatchingTopics),
                });
            }
            Audience::Digest { .. } => self.languages.push(row.get(2)?),
            Audience::Regular { .. } | Audience::Everyone => {}
        }
        Ok(())
    }
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

/// The address, and the key if it is not the same. Without a name of its own, PostgreSQL would call the second one
/// `address_key`, and sort by it.
const ADDRESS: &str =
    "address, case when address_key = address then null else address_key end as other_key";

impl Audience {
    /// What the audience is chosen by, after the address and its key.
    fn columns(self) -> &'static str {
        match self {
            Audience::WithInterest { .. } => ", topics, options",
            Audience::Digest { .. } => ", language",
            Audience::Regular { .. } | Audience::Everyone => "",
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
}

/// A position in the stream of recipients, after one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    key: AddressKey,
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
    ) -> Result<RecipientPage, StoreError> {
        // A server is asked once. SQLite would compare both columns with each row again.
        let places: &[&str] = match self.is_shared() {
            true => &["(domain, address_key) > (?2, ?3)"],
            false => &["domain = ?2 and address_key > ?3", "domain > ?2"],
        };
        let (domain, key) =
            after.map_or(("", ""), |after| (after.key.domain(), after.key.as_str()));
        let mut page = RecipientPage::default();
        for place in places {
            let left = limit - page.len();
            if left == 0 {
                break;
            }
            let sql = format!(
                "select {ADDRESS}{} from member where list_id = ?1 and {place} {}
                 order by domain, address_key limit ?4",
                audience.columns(),
                audience.condition()
            );
            let left = i64::try_from(left).unwrap_or(i64::MAX);
            self.rows(&sql, params![list_id, domain, key, left], |row| page.read(row, audience))?;
        }
        Ok(page)
    }

    /// Returns the recipient with this key, if a list's posts are sent to it.
    pub fn recipient(
        &self,
        list_id: ListId,
        audience: Audience,
        key: &str,
    ) -> Result<RecipientPage, StoreError> {
        let sql = format!(
            "select {ADDRESS}{} from member where list_id = ?1 and address_key = ?2 {}",
            audience.columns(),
            audience.condition()
        );
        let mut page = RecipientPage::default();
        self.rows(&sql, params![list_id, key], |row| page.read(row, audience))?;
        Ok(page)
    }
}
