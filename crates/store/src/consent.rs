//! The record of what people agreed to, with time and evidence.

use crate::db::{self, Row, ToParam, params};
use crate::insert::many;
use crate::value::choice;
use crate::{ListId, ListName, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use serde::Serialize;

choice! {
    /// What happened to an address on a list.
    Act {
        /// Somebody requested the membership.
        Asked = 0 "asked",
        /// The owner of the address confirmed it.
        Confirmed = 1 "confirmed",
        /// A moderator approved it.
        Approved = 2 "approved",
        /// The address became a member.
        Joined = 3 "joined",
        /// It was invited.
        Invited = 4 "invited",
        /// It replaced another address, or was replaced by one.
        Moved = 5 "moved",
        /// Its membership ended.
        Left = 6 "left",
    }
}

/// A recorded act.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Consent {
    /// The list's name.
    pub list: ListName,
    /// The address, in lower case.
    pub address: String,
    /// The act, as a word of [`Act`].
    pub act: String,
    /// The evidence: the mail's Message-ID, the network address of a web request, or who did it.
    pub how: String,
    /// When it happened.
    pub at: Timestamp,
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
    /// Returns the acts of an address on all lists, the oldest first.
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
    /// Records an act.
    pub fn add_consent(
        &self,
        list_id: ListId,
        address: &str,
        act: Act,
        how: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.add_consents(list_id, &[AddressKey::of(address)], act, how, at)
    }

    /// Notes an act of many, with few statements.
    pub(crate) fn add_consents(
        &self,
        list_id: ListId,
        addresses: &[AddressKey],
        act: Act,
        how: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        use crate::value::SettingValue as _;
        let act = act.write();
        let together = self.rows_together().min(addresses.len().max(1));
        let statement = |rows: usize| {
            let rows = many(&["?1", "?2", "?3", "?4"], 1, rows);
            format!("insert into consent (list_id, act, how, at, address) values {rows}")
        };
        let whole = statement(together);
        for addresses in addresses.chunks(together) {
            let mut params = params![list_id, act, how, at].to_vec();
            params.extend(addresses.iter().map(ToParam::to_param));
            match addresses.len() {
                length if length == together => self.execute(&whole, &params)?,
                length => self.execute(&statement(length), &params)?,
            };
        }
        Ok(())
    }
}
