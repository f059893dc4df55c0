//! Full text search (FTS5, without the texts themselves, which are in the mbox).

use super::{ArchiveIndex, Hit, Search, of_message, read_hit};
use crate::StoreError;
use crate::db::params;

impl ArchiveIndex {
    /// Adds a message's words.
    pub fn insert_words(
        &self,
        number: i64,
        subject: &str,
        author: &str,
        body: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into word (rowid, subject, author, body) values (?1, ?2, ?3, ?4)",
            params![number, subject, author, body],
        )?;
        Ok(())
    }

    /// Finds messages, the newest first.
    pub fn search(&self, search: &Search) -> Result<Vec<Hit>, StoreError> {
        let (from, until) = (search.from.unwrap_or(i64::MIN), search.until.unwrap_or(i64::MAX));
        let limit = i64::try_from(search.limit).unwrap_or(i64::MAX);
        let columns = of_message();
        if search.words.is_empty() {
            let sql = format!(
                "select {columns}, volume.name from message join volume on volume.id = volume_id
                 where date >= ?1 and date < ?2 and removed = 0
                 order by date desc limit ?3"
            );
            return self.rows(&sql, params![from, until, limit], read_hit);
        }
        // Numbers are nearly in the order of dates, so a range of numbers avoids reading the date
        // of every match.
        let range: Option<(Option<i64>, Option<i64>)> =
            if search.from.is_none() && search.until.is_none() {
                Some((Some(i64::MIN), Some(i64::MAX)))
            } else {
                self.first(
                    "select min(number), max(number) from message where date >= ?1 and date < ?2",
                    params![from, until],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?
            };
        let Some((Some(low), Some(high))) = range else { return Ok(Vec::new()) };
        let sql = format!(
            "select {columns}, volume.name from word
             join message on message.number = word.rowid
             join volume on volume.id = message.volume_id
             where word match ?1 and word.rowid between ?2 and ?3
                and message.date >= ?4 and message.date < ?5
             order by word.rowid desc limit ?6"
        );
        self.rows(&sql, params![search.words, low, high, from, until, limit], read_hit)
    }
}
