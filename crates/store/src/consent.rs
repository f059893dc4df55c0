//! What people agreed to, when, and how that is known.

use crate::db::{self, Row, params};
use crate::value::choice;
use crate::{ListId, Read, StoreError, Tx};
use dormouse_mail::AddressKey;
use serde::Serialize;

choice! {
    /// What was done.
    Act {
        /// Somebody asked for the address to be a member.
        Asked = 0 "asked",
        /// The owner of the address confirmed it.
        Confirmed = 1 "confirmed",
        /// A moderator let it be.
        Approved = 2 "approved",
        /// The address became a member.
        Joined = 3 "joined",
        /// It was asked whether it would like to.
        Invited = 4 "invited",
        /// It took the place of another address, or another took its place.
        Moved = 5 "moved",
        /// It is a member no more.
        Left = 6 "left",
    }
}

/// One act.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Consent {
    /// The list's name.
    pub list: String,
    /// The address, in lower case.
    pub address: String,
    /// What was done, as [`Act`] spells it.
    pub act: String,
    /// How that is known: the mail's Message-ID, the address a page was asked from, who did it.
    pub how: String,
    /// When, in seconds since the epoch.
    pub at: f64,
}

fn read(row: &Row<'_>) -> db::Result<Consent> {
    Ok(Consent {
        list: row.get(0)?,
        address: row.get(1)?,
        act: row.get(2)?,
        how: row.get(3)?,
        at: row.get(4)?,
    })
}

impl Read {
    /// Everything about an address, on any list, the oldest first.
    pub fn consents(&self, address: &str) -> Result<Vec<Consent>, StoreError> {
        self.rows(
            "select list.name, consent.address, act, how, at
             from consent join list on list.id = consent.list_id
             where consent.address = ?1 order by at, consent.id",
            params![AddressKey::of(address)],
            read,
        )
    }
}

impl Tx<'_> {
    /// Notes an act.
    pub fn add_consent(
        &self,
        list_id: ListId,
        address: &str,
        act: Act,
        how: &str,
        at: f64,
    ) -> Result<(), StoreError> {
        use crate::value::Value as _;
        self.execute(
            "insert into consent (list_id, address, act, how, at) values (?1, ?2, ?3, ?4, ?5)",
            params![list_id, AddressKey::of(address), act.write(), how, at],
        )?;
        Ok(())
    }
}
