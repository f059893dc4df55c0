//! The indexes of volumes: the order of messages, and the pages that show them.

use super::{ArchiveIndex, IndexLine, IndexPage, Order, PagePlace, read_line, read_page};
use crate::StoreError;
use crate::db::params;

impl ArchiveIndex {
    /// Adds a message to a listing of a volume.
    pub fn list(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
        number: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into listing (volume_id, kind, key, number) values (?1, ?2, ?3, ?4)",
            params![volume_id, order as i64, key, number],
        )?;
        Ok(())
    }

    /// Removes an entry from a listing.
    pub fn unlist(&self, volume_id: i64, order: Order, key: &str) -> Result<(), StoreError> {
        self.execute(
            "delete from listing where volume_id = ?1 and kind = ?2 and key = ?3",
            params![volume_id, order as i64, key],
        )?;
        Ok(())
    }

    /// Returns the entries before and after a key.
    pub fn neighbours(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
    ) -> Result<(Option<IndexLine>, Option<IndexLine>), StoreError> {
        let find = |than: &str, direction: &str| {
            let sql = format!(
                "select message.number, subject, author, date, thread_key from listing
                 join message on message.number = listing.number
                 where listing.volume_id = ?1 and kind = ?2 and key {than} ?3
                 order by key {direction} limit 1"
            );
            self.first(&sql, params![volume_id, order as i64, key], read_line)
        };
        Ok((find("<", "desc")?, find(">", "asc")?))
    }

    /// Returns the entries of a listing with keys from `low` up to but not including `high`.
    pub fn lines(
        &self,
        volume_id: i64,
        order: Order,
        low: &str,
        high: Option<&str>,
    ) -> Result<Vec<IndexLine>, StoreError> {
        self.rows(
            "select message.number, subject, author, date, thread_key from listing
             join message on message.number = listing.number
             where listing.volume_id = ?1 and kind = ?2 and key >= ?3 and (?4 is null or key < ?4)
             order by key",
            params![volume_id, order as i64, low, high],
            read_line,
        )
    }

    /// Returns the first entry of a listing with a key of at least `low`.
    pub fn first_line(
        &self,
        volume_id: i64,
        order: Order,
        low: &str,
    ) -> Result<Option<IndexLine>, StoreError> {
        self.first(
            "select message.number, subject, author, date, thread_key from listing
             join message on message.number = listing.number
             where listing.volume_id = ?1 and kind = ?2 and key >= ?3 order by key limit 1",
            params![volume_id, order as i64, low],
            read_line,
        )
    }

    /// Returns the keys of a listing from `low` up to but not including `high`.
    pub fn keys(
        &self,
        volume_id: i64,
        order: Order,
        low: &str,
        high: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        self.rows(
            "select key from listing where volume_id = ?1 and kind = ?2 and key >= ?3
             and (?4 is null or key < ?4) order by key",
            params![volume_id, order as i64, low, high],
            |row| row.get(0),
        )
    }

    /// Returns the numbers of the messages before and after a key.
    pub fn neighbour_numbers(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
    ) -> Result<(Option<i64>, Option<i64>), StoreError> {
        let find = |than: &str, direction: &str| {
            let sql = format!(
                "select number from listing where volume_id = ?1 and kind = ?2 and key {than} ?3
                 order by key {direction} limit 1"
            );
            self.first(&sql, params![volume_id, order as i64, key], |row| row.get(0))
        };
        Ok((find("<", "desc")?, find(">", "asc")?))
    }

    /// Returns the page that contains a key.
    pub fn page_of(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
    ) -> Result<Option<IndexPage>, StoreError> {
        self.first(
            "select low, number, entries from page where volume_id = ?1 and kind = ?2 and low <= ?3
             order by low desc limit 1",
            params![volume_id, order as i64, key],
            read_page,
        )
    }

    /// Returns the page that contains a key, with the pages before and after it.
    pub fn page_at(
        &self,
        volume_id: i64,
        order: Order,
        key: &str,
    ) -> Result<PagePlace, StoreError> {
        let find = |than: &str, key: &str, direction: &str| {
            let sql = format!(
                "select low, number, entries from page
                 where volume_id = ?1 and kind = ?2 and low {than} ?3
                 order by low {direction} limit 1"
            );
            self.first(&sql, params![volume_id, order as i64, key], read_page)
        };
        let this = self.page_of(volume_id, order, key)?;
        let before = match &this {
            Some(this) => find("<", &this.low, "desc")?,
            None => None,
        };
        Ok(PagePlace { before, this, after: find(">", key, "asc")? })
    }

    /// Returns all pages of a volume's index, in order.
    pub fn pages(&self, volume_id: i64, order: Order) -> Result<Vec<IndexPage>, StoreError> {
        self.rows(
            "select low, number, entries from page where volume_id = ?1 and kind = ?2 order by low",
            params![volume_id, order as i64],
            read_page,
        )
    }

    /// Marks a page to be written again.
    pub fn mark_stale(&self, volume_id: i64, order: Order, low: &str) -> Result<(), StoreError> {
        self.execute(
            "update page set is_stale = 1 where volume_id = ?1 and kind = ?2 and low = ?3",
            params![volume_id, order as i64, low],
        )?;
        Ok(())
    }

    /// Returns the pages of an order that must be written: their volumes, and their lowest keys.
    pub fn stale_pages(&self, order: Order) -> Result<Vec<(i64, String)>, StoreError> {
        self.rows(
            "select volume_id, low from page where kind = ?1 and is_stale = 1",
            params![order as i64],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Marks all pages as written.
    pub fn mark_all_written(&self) -> Result<(), StoreError> {
        self.execute("update page set is_stale = 0 where is_stale = 1", &[])?;
        Ok(())
    }

    /// Adds a page, or changes its number of entries, and marks it to be written.
    pub fn put_page(
        &self,
        volume_id: i64,
        order: Order,
        page: &IndexPage,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into page (volume_id, kind, low, number, entries) values (?1, ?2, ?3, ?4, ?5)
             on conflict (volume_id, kind, low)
                do update set entries = excluded.entries, is_stale = 1",
            params![volume_id, order as i64, page.low, page.number, page.entries],
        )?;
        Ok(())
    }

    /// Returns the first unused page number of a volume's index.
    pub fn next_page(&self, volume_id: i64, order: Order) -> Result<i64, StoreError> {
        let sql =
            "select coalesce(max(number), 0) + 1 from page where volume_id = ?1 and kind = ?2";
        Ok(self.first(sql, params![volume_id, order as i64], |row| row.get(0))?.unwrap_or(1))
    }
}
