//! New members, many with one statement.

use super::{Added, MOST_TOGETHER, NewMember};
use crate::db::{Row, params};
use crate::insert::many;
use crate::{Act, Count, List, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use std::collections::BTreeSet;

impl Tx<'_> {
    /// Adds a member with the list's options for new ones.
    pub fn add_member(
        &self,
        list: &List,
        new: &NewMember,
        at: Timestamp,
        consent: &str,
    ) -> Result<Added, StoreError> {
        let added = self.add_members(list, std::slice::from_ref(new), at, consent)?;
        Ok(added.first().copied().unwrap_or(Added::AlreadyMember))
    }

    /// Adds members with the list's options for new ones. An address that occurs twice is added the
    /// first time.
    pub fn add_members(
        &self,
        list: &List,
        new: &[NewMember],
        at: Timestamp,
        consent: &str,
    ) -> Result<Vec<Added>, StoreError> {
        let together = self.rows_together().min(new.len().max(1));
        let options = list.settings.new_options().bits();
        let shared = params![list.id, options, at, consent];
        let (one, whole) = (statement(1), returning(together));
        let mut added = Vec::with_capacity(new.len());
        let mut joined = Vec::new();
        for new in new.chunks(together) {
            let keys: Vec<AddressKey> =
                new.iter().map(|new| AddressKey::of(&new.address)).collect();
            let mut params = shared.to_vec();
            let domains: Vec<&str> = keys.iter().map(AddressKey::domain).collect();
            for ((new, key), domain) in new.iter().zip(&keys).zip(&domains) {
                let own = params![*key, *domain, new.address, new.real_name, new.digest];
                params.extend_from_slice(own);
            }
            let read = |row: &Row<'_>| row.get(0);
            let came: Vec<AddressKey> = match new.len() {
                // SQLite takes a third longer to return what the count says already.
                1 if self.execute(&one, &params)? == 0 => Vec::new(),
                1 => keys.clone(),
                rows if rows == together => self.read().rows(&whole, &params, read)?,
                rows => self.read().rows(&returning(rows), &params, read)?,
            };
            // An address that occurs twice comes back once.
            let mut left: BTreeSet<&AddressKey> = came.iter().collect();
            added.extend(keys.iter().map(|key| match left.remove(key) {
                true => Added::Added,
                false => Added::AlreadyMember,
            }));
            joined.extend(came);
        }
        self.add_consents(list.id, &joined, Act::Joined, consent, at)?;
        self.members_came(list.id, joined.len() as i64)?;
        self.tally(list.id, Count::Joined, joined.len() as u64);
        Ok(added)
    }

    /// How many rows one statement adds. A server takes many, as each statement is a round trip. SQLite takes a
    /// short statement that it has prepared already faster than a long one that it must read.
    pub(crate) fn rows_together(&self) -> usize {
        if self.read().is_shared() { MOST_TOGETHER } else { 1 }
    }
}

/// Adds so many members, and returns the addresses that are new.
fn returning(rows: usize) -> String {
    statement(rows) + " returning address_key"
}

/// Adds so many members.
fn statement(rows: usize) -> String {
    let rows = many(&["?1", "?2", "?3", "?4"], 5, rows);
    format!(
        "insert into member (list_id, options, joined_at, consent,
             address_key, domain, address, real_name, digest) values {rows}
         on conflict (list_id, address_key) do nothing"
    )
}
