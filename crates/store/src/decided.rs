//! Recent decisions on held posts, which can still be undone.

use crate::db::{self, Row, params};
use crate::held::{COLUMNS, read};
use crate::{Due, Held, HeldId, ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;

/// How long a decision can be undone, in seconds.
pub const UNDO: f64 = 60.0;

/// A decision on a held post.
#[derive(Debug, Clone, PartialEq)]
pub struct DecidedPost {
    /// The post as it was held.
    pub held: Held,
    /// The decision, in one word.
    pub what: String,
    /// The queue and name of the entry that was enqueued; empty if there is none.
    pub sent: (String, String),
    /// The list's settings to which the sender was added, and other changes, one on each line.
    pub changed: String,
    /// When it was decided.
    pub at: Timestamp,
}

fn read_decided(row: &Row<'_>) -> db::Result<DecidedPost> {
    Ok(DecidedPost {
        held: read(row)?,
        what: row.get(9)?,
        sent: (row.get(10)?, row.get(11)?),
        changed: row.get(12)?,
        at: row.get(13)?,
    })
}

impl Read {
    /// Returns the decision on the post with this number, if it was made after `since`.
    pub fn decided_post(
        &self,
        id: HeldId,
        since: Timestamp,
    ) -> Result<Option<DecidedPost>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, what, queue, output, changed, decided_at from decided_post
             where id = ?1 and decided_at > ?2"
        );
        self.first(&sql, params![id, since], read_decided)
    }

    /// Returns the decisions on a list's posts after `since`, the latest first.
    pub fn decided_posts(
        &self,
        list_id: ListId,
        since: Timestamp,
    ) -> Result<Vec<DecidedPost>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, what, queue, output, changed, decided_at from decided_post
             where list_id = ?1 and decided_at > ?2 order by decided_at desc, id desc"
        );
        self.rows(&sql, params![list_id, since], read_decided)
    }
}

impl Tx<'_> {
    /// Records a decision with a copy of the held post. Must be called before the post is released.
    pub fn keep_decided(&self, decided: &DecidedPost) -> Result<(), StoreError> {
        self.note_due(Due::Checkdbs);
        self.forget_decided(decided.at)?;
        self.execute(
            &format!(
                "insert into decided_post
                     ({COLUMNS}, content, what, queue, output, changed, decided_at)
                 select {COLUMNS}, content, ?2, ?3, ?4, ?5, cast(?6 as double precision)
                 from held_post where id = ?1"
            ),
            params![
                decided.held.id,
                decided.what,
                decided.sent.0,
                decided.sent.1,
                decided.changed,
                decided.at
            ],
        )?;
        Ok(())
    }

    /// Holds a post again, with its former number. Returns false if the decision is no longer
    /// stored.
    pub fn hold_again(&self, id: HeldId) -> Result<bool, StoreError> {
        self.note_due(Due::Checkdbs);
        self.execute(
            &format!(
                "insert into held_post ({COLUMNS}, content)
                 select {COLUMNS}, content from decided_post where id = ?1
                 on conflict (entry) do nothing"
            ),
            params![id],
        )?;
        self.execute("delete from settled where kind = 'post' and item = ?1", params![id])?;
        Ok(self.execute("delete from decided_post where id = ?1", params![id])? > 0)
    }

    /// Deletes decisions that can no longer be undone.
    pub fn forget_decided(&self, now: Timestamp) -> Result<(), StoreError> {
        self.note_done(Due::Checkdbs);
        self.execute("delete from decided_post where decided_at <= ?1", params![now - UNDO])?;
        self.forget_decided_requests(now)
    }
}
