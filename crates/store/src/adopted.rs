//! The spools of dead hosts that other hosts have adopted.

use crate::db::params;
use crate::{Read, StoreError, Tx};
use dormouse_clock::Timestamp;

/// A spool that another host's spool has adopted.
#[derive(Debug, Clone, PartialEq)]
pub struct AdoptedSpool {
    /// The spool's identity.
    pub id: String,
    /// The identity of the spool that has its entries now.
    pub adopter: String,
    /// The host name of the adopter.
    pub host: String,
    /// When it was adopted.
    pub adopted_at: Timestamp,
    /// The entries, as `queue/name`.
    pub entries: Vec<String>,
}

impl Read {
    /// Returns the adoption of the spool with this identity, if it was adopted.
    pub fn adopted_spool(&self, id: &str) -> Result<Option<AdoptedSpool>, StoreError> {
        let sql = "select id, adopter, host, adopted_at, entries from adopted_spool where id = ?1";
        self.first(sql, params![id], |row| {
            let entries: String = row.get(4)?;
            Ok(AdoptedSpool {
                id: row.get(0)?,
                adopter: row.get(1)?,
                host: row.get(2)?,
                adopted_at: row.get(3)?,
                entries: entries.lines().map(str::to_owned).collect(),
            })
        })
    }
}

impl Tx<'_> {
    /// Records an adoption. Returns false if the spool was adopted before.
    pub fn adopt_spool(&self, adopted: &AdoptedSpool) -> Result<bool, StoreError> {
        let AdoptedSpool { id, adopter, host, adopted_at, entries } = adopted;
        let changed = self.execute(
            "insert into adopted_spool (id, adopter, host, adopted_at, entries)
             values (?1, ?2, ?3, ?4, ?5) on conflict (id) do nothing",
            params![id, adopter, host, *adopted_at, entries.join("\n")],
        )?;
        Ok(changed > 0)
    }
}
