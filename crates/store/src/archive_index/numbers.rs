//! Numbers of messages, which survive a rebuild of the index.

use super::{ArchiveIndex, KnownNumber};
use crate::StoreError;
use crate::db::{Row, params};

impl ArchiveIndex {
    /// Returns the first number that was never used.
    pub fn next_number(&self) -> Result<i64, StoreError> {
        let next = self.first(
            "select max(coalesce((select max(number) from message), -1),
             coalesce((select max(number) from known_number), -1)) + 1",
            &[],
            |row| row.get(0),
        )?;
        Ok(next.unwrap_or(0))
    }

    /// Empties the index for a rebuild, and keeps only the numbers of messages.
    pub fn forget_all_but_numbers(&self) -> Result<(), StoreError> {
        self.execute(
            "insert into known_number (number, volume, message_id, digest)
             select number, volume.name, message_id, digest from message
             join volume on volume.id = volume_id
             where true
             on conflict (number) do nothing",
            &[],
        )?;
        for table in
            ["message", "stale_message", "volume", "listing", "page", "wanted", "word", "fact"]
        {
            let all = if table == "fact" { " where name like 'mbox%'" } else { "" };
            self.execute(&format!("delete from {table}{all}"), &[])?;
        }
        Ok(())
    }

    /// Deletes the kept numbers of messages.
    pub fn forget_numbers(&self) -> Result<(), StoreError> {
        self.execute("delete from known_number", &[])?;
        Ok(())
    }

    /// Adds the number that a message has elsewhere.
    pub fn know(&self, known: &KnownNumber) -> Result<(), StoreError> {
        self.execute(
            "insert into known_number (number, volume, message_id, digest)
             values (?1, ?2, ?3, ?4) on conflict (number) do nothing",
            params![known.number, known.volume, known.message_id, known.digest],
        )?;
        Ok(())
    }

    /// Returns and deletes the kept number of a message: by its digest, or else the first one with
    /// its Message-ID.
    pub fn take_known(
        &self,
        digest: &[u8],
        message_id: &str,
    ) -> Result<Option<KnownNumber>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(KnownNumber {
                number: row.get(0)?,
                volume: row.get(1)?,
                message_id: row.get(2)?,
                digest: row.get(3)?,
            })
        };
        let columns = "select number, volume, message_id, digest from known_number";
        let by_digest = format!("{columns} where digest = ?1 order by number limit 1");
        let by_id =
            format!("{columns} where message_id = ?1 and message_id <> '' order by number limit 1");
        let found = match self.first(&by_digest, params![digest], read)? {
            Some(found) => Some(found),
            None => self.first(&by_id, params![message_id], read)?,
        };
        if let Some(found) = &found {
            self.execute("delete from known_number where number = ?1", params![found.number])?;
        }
        Ok(found)
    }

    /// Deletes a kept number, if there is one, and returns its volume.
    pub fn take_known_number(&self, number: i64) -> Result<Option<String>, StoreError> {
        let found = self.first(
            "select volume from known_number where number = ?1",
            params![number],
            |row| row.get(0),
        )?;
        if found.is_some() {
            self.execute("delete from known_number where number = ?1", params![number])?;
        }
        Ok(found)
    }

    /// Returns how many kept numbers are not used by a message.
    pub fn unclaimed(&self) -> Result<i64, StoreError> {
        let count = self.first("select count(*) from known_number", &[], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }
}
