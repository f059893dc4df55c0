//! Passwords of the site, which are valid for every list.

use crate::db::params;
use crate::{Read, StoreError, Tx};

impl Read {
    /// Returns the stored password of a role (`admin`, `creator`); `None` if none is set.
    pub fn site_password(&self, role: &str) -> Result<Option<String>, StoreError> {
        let sql = "select hash from site_password where role = ?1";
        self.first(sql, params![role], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Stores the password of a role, which must be hashed.
    pub fn set_site_password(&self, role: &str, hash: &str) -> Result<(), StoreError> {
        self.execute(
            "insert into site_password (role, hash) values (?1, ?2)
             on conflict (role) do update set hash = excluded.hash",
            params![role, hash],
        )?;
        Ok(())
    }
}
