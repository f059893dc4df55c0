//! New members, many with one statement.

use super::{Added, NewMember};
use crate::db::params;
use crate::insert::many;
use crate::{Act, Count, List, StoreError, Tx};
use dormouse_mail::AddressKey;
use std::collections::BTreeSet;

/// So many members are added by one statement.
const TOGETHER: usize = 500;

impl Tx<'_> {
    /// Adds a member with the list's options for new ones.
    pub fn add_member(
        &self,
        list: &List,
        new: &NewMember,
        at: f64,
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
        at: f64,
        consent: &str,
    ) -> Result<Vec<Added>, StoreError> {
        let mut added = Vec::with_capacity(new.len());
        for new in new.chunks(TOGETHER) {
            let keys: Vec<AddressKey> =
                new.iter().map(|new| AddressKey::of(&new.address)).collect();
            let mut came = self.insert(list, new, &keys, at, consent)?;
            let noted: Vec<&AddressKey> = came.iter().collect();
            self.add_consents(list.id, &noted, Act::Joined, consent, at)?;
            self.members_came(list.id, came.len() as i64)?;
            self.tally(list.id, Count::Joined, came.len() as u64);
            added.extend(keys.iter().map(|key| match came.remove(key) {
                true => Added::Added,
                false => Added::AlreadyMember,
            }));
        }
        Ok(added)
    }

    /// Adds rows, and returns the addresses that are new.
    fn insert(
        &self,
        list: &List,
        new: &[NewMember],
        keys: &[AddressKey],
        at: f64,
        consent: &str,
    ) -> Result<BTreeSet<AddressKey>, StoreError> {
        let options = list.settings.new_options().bits();
        let rows = many(&["?1", "?2", "?3", "?4"], 5, new.len());
        let sql = format!(
            "insert into member (list_id, options, joined_at, consent,
                 address_key, domain, address, real_name, digest) values {rows}
             on conflict (list_id, address_key) do nothing returning address_key"
        );
        let domains: Vec<&str> = keys.iter().map(AddressKey::domain).collect();
        let mut params = params![list.id, options, at, consent].to_vec();
        for ((new, key), domain) in new.iter().zip(keys).zip(&domains) {
            params.extend_from_slice(params![
                *key,
                *domain,
                new.address,
                new.real_name,
                new.digest
            ]);
        }
        let came = self.read().rows(&sql, &params, |row| row.get(0))?;
        Ok(came.into_iter().collect())
    }
}
