//! Whom an outgoing entry is for.
//!
//! A short list stands in the entry itself, as `recips`, where Mailman looks for it. For a large
//! membership the entry carries only the rule: which list, and who is left out; the members are
//! then streamed from the store, page by page, while the mail goes out.

use dormouse_spool::Metadata;
use dormouse_store::{Cursor, Recipient, Store, StoreError};
use std::collections::BTreeSet;

/// Up to this many recipients are written out (one SMTP transaction of Mailman's default size).
pub const WRITTEN_OUT: usize = 500;
/// Members fetched at a time.
const PAGE: usize = 1000;

const EXPLICIT: &str = "recips";
const EXCLUDED: &str = "recips_except";
/// Names the list whose regular members are meant.
const MEMBERS_OF: &str = "recips_members_of";

/// Whom an entry is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// These addresses.
    These(Vec<String>),
    /// The regular members of a list whose delivery is enabled, at the time of sending.
    MembersOf {
        /// The list's name.
        list: String,
        /// Lower-cased addresses that are left out.
        except: BTreeSet<String>,
    },
}

impl Recipients {
    /// The members of a list but for some: written out when they are few.
    pub fn of_list(
        store: &Store,
        list_id: i64,
        list: &str,
        except: BTreeSet<String>,
    ) -> Result<Recipients, StoreError> {
        let page = store.recipients(list_id, None, WRITTEN_OUT + except.len() + 1)?;
        let these: Vec<String> = page
            .into_iter()
            .filter(|member| !except.contains(&member.key))
            .map(|member| member.address)
            .collect();
        Ok(if these.len() <= WRITTEN_OUT {
            Recipients::These(these)
        } else {
            Recipients::MembersOf { list: list.to_owned(), except }
        })
    }

    /// Reads them from an entry's metadata; `None` when it names nobody at all.
    pub fn read(metadata: &Metadata) -> Option<Recipients> {
        if let Some(list) = metadata.text(MEMBERS_OF) {
            let except = metadata.texts(EXCLUDED).unwrap_or_default().into_iter().collect();
            return Some(Recipients::MembersOf { list: list.into_owned(), except });
        }
        metadata.texts(EXPLICIT).map(Recipients::These)
    }

    /// Writes them into an entry's metadata.
    pub fn write(&self, metadata: &mut Metadata) {
        for key in [EXPLICIT, EXCLUDED, MEMBERS_OF] {
            metadata.remove(key);
        }
        match self {
            Recipients::These(these) => {
                metadata.set_texts(EXPLICIT, these.iter().map(String::as_str));
            }
            Recipients::MembersOf { list, except } => {
                metadata.set_text(MEMBERS_OF, list);
                metadata.set_texts(EXCLUDED, except.iter().map(String::as_str));
            }
        }
    }

    /// Nobody at all.
    pub fn is_empty(&self) -> bool {
        matches!(self, Recipients::These(these) if these.is_empty())
    }
}

/// Recipients one after the other, from where an earlier process stopped.
#[derive(Debug)]
pub enum Stream<'s> {
    /// From the entry.
    These(std::vec::IntoIter<String>),
    /// From the store.
    Members {
        /// The store to read.
        store: &'s Store,
        /// The list's id there.
        list_id: i64,
        /// Who is left out.
        except: BTreeSet<String>,
        /// Where the next page starts.
        after: Option<Cursor>,
        /// What is left of the current page.
        page: std::vec::IntoIter<Recipient>,
        /// Whether the last page has been fetched.
        ended: bool,
    },
}

/// A recipient, and where the stream stands after it.
#[derive(Debug, Clone)]
pub struct Next {
    /// The address to send to.
    pub address: String,
    /// The place behind it, for a stream of members.
    pub cursor: Option<Cursor>,
}

impl<'s> Stream<'s> {
    /// The members of a list in the store's order, but for some, from behind a cursor.
    pub fn members(
        store: &'s Store,
        list_id: i64,
        except: BTreeSet<String>,
        after: Option<Cursor>,
    ) -> Stream<'s> {
        Stream::Members {
            store,
            list_id,
            except,
            after,
            page: Vec::new().into_iter(),
            ended: false,
        }
    }

    /// The next recipient; `None` at the end.
    pub fn pull(&mut self) -> Result<Option<Next>, StoreError> {
        match self {
            Stream::These(these) => Ok(these.next().map(|address| Next { address, cursor: None })),
            Stream::Members { store, list_id, except, after, page, ended } => loop {
                if let Some(member) = page.next() {
                    if except.contains(&member.key) {
                        continue;
                    }
                    let (address, cursor) = member.into_parts();
                    return Ok(Some(Next { address, cursor: Some(cursor) }));
                }
                if *ended {
                    return Ok(None);
                }
                let fetched = store.recipients(*list_id, after.as_ref(), PAGE)?;
                *ended = fetched.len() < PAGE;
                if let Some(last) = fetched.last() {
                    *after = Some(last.clone().into_parts().1);
                }
                *page = fetched.into_iter();
            },
        }
    }
}
