//! Posts that wait for a moderator.

use crate::{Store, StoreError, Tx, sql};
use rusqlite::{Row, params};

/// A post as it is held.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldPost {
    /// The list.
    pub list_id: i64,
    /// The queue entry it came as. A post is held once, however often its entry is processed.
    pub entry: String,
    /// Who sent it.
    pub sender: String,
    /// Its subject.
    pub subject: String,
    /// Why it is held.
    pub reason: String,
    /// The whole entry: message and metadata, in the queue's format.
    pub content: Vec<u8>,
    /// Since when, in seconds since the epoch.
    pub held_at: f64,
}

/// A held post with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The number, unique on the site.
    pub id: i64,
    /// The post.
    pub post: HeldPost,
}

const COLUMNS: &str = "id, list_id, entry, sender, subject, reason, content, held_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        id: row.get(0)?,
        post: HeldPost {
            list_id: row.get(1)?,
            entry: row.get(2)?,
            sender: row.get(3)?,
            subject: row.get(4)?,
            reason: row.get(5)?,
            content: row.get(6)?,
            held_at: row.get(7)?,
        },
    })
}

impl Store {
    /// The held post of that number.
    pub fn held(&self, id: i64) -> Result<Option<Held>, StoreError> {
        let sql = format!("select {COLUMNS} from held where id = $1");
        self.run(|connection| sql::first(connection, &sql, [id], read))
    }

    /// A list's held posts, the oldest first.
    pub fn held_posts(&self, list_id: i64) -> Result<Vec<Held>, StoreError> {
        let sql = format!("select {COLUMNS} from held where list_id = $1 order by held_at, id");
        self.run(|connection| sql::rows(connection, &sql, [list_id], read))
    }
}

impl Tx<'_> {
    /// Holds a post and returns its number: the one it has, if it is held already.
    pub fn hold(&self, post: &HeldPost) -> Result<i64, StoreError> {
        self.run(|connection| {
            sql::execute(
                connection,
                "insert into held (list_id, entry, sender, subject, reason, content, held_at)
                 values ($1, $2, $3, $4, $5, $6, $7) on conflict (entry) do nothing",
                params![
                    post.list_id,
                    post.entry,
                    post.sender,
                    post.subject,
                    post.reason,
                    post.content,
                    post.held_at
                ],
            )?;
            sql::prepare(connection, "select id from held where entry = $1")?
                .query_row([&post.entry], |row| row.get(0))
        })
    }

    /// Forgets a held post: it was approved or dropped.
    pub fn release_held(&self, id: i64) -> Result<(), StoreError> {
        self.run(|connection| sql::execute(connection, "delete from held where id = $1", [id]))?;
        Ok(())
    }
}
