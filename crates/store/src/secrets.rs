//! Keys that the site generates for its own use.

use crate::db::params;
use crate::{Read, StoreError, Tx};

/// The length of a key in bytes: the size of a SHA-256 hash.
const LENGTH: usize = 32;

impl Read {
    /// Returns the key with this name, if it exists.
    pub fn existing_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.first("select value from secret where name = ?1", params![name], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Returns the key with this name, which is generated the first time.
    pub fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(secret) = self.read().existing_secret(name)? {
            return Ok(secret);
        }
        let mut secret = vec![0; LENGTH];
        getrandom::fill(&mut secret).map_err(|error| StoreError::Io {
            action: "get random bytes for",
            path: self.read().path().to_owned(),
            source: error.into(),
        })?;
        self.execute("insert into secret (name, value) values (?1, ?2)", params![name, secret])?;
        Ok(secret)
    }
}
