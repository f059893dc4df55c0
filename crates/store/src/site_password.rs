//! Passwords of the site itself, which are good on every list.

use crate::db::params;
use crate::{Read, StoreError, Tx};

impl Read {
    /// The password of a role (`admin`, `creator`) as it is stored; nothing when none is set.
    pub fn site_password(&self, role: &str) -> Result<Option<String>, StoreError> {
        let sql = "select hash from site_password where role = ?1";
        self.first(sql, params![role], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Keeps the password of a role, as it is to be stored.
    pub fn set_site_password(&self, role: &str, hash: &str) -> Result<(), StoreError> {
        self.execute(
            "insert into site_password (role, hash) values (?1, ?2)
             on conflict (role) do update set hash = excluded.hash",
            params![role, hash],
        )?;
        Ok(())
    }
}
