//! Posts held for a moderator.

use crate::db::{self, Row, params};
use crate::{Due, HeldId, ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;

/// A held post, without its number.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldPost {
    /// The list.
    pub list_id: ListId,
    /// The name of its queue entry. A post is held once, however often its entry is processed.
    pub entry: String,
    /// The sender's address.
    pub sender: String,
    /// Its subject.
    pub subject: String,
    /// Why it is held.
    pub reason: String,
    /// The list setting because of which it is held; empty if there is none.
    pub setting: String,
    /// The cookie by which replies by mail refer to it: 40 hexadecimal digits, like Mailman's
    /// cookies.
    pub cookie: String,
    /// When it was held.
    pub held_at: Timestamp,
}

/// A held post with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The post's number, which is never given to another one on the site.
    pub id: HeldId,
    /// The post.
    pub post: HeldPost,
}

pub(crate) const COLUMNS: &str =
    "id, list_id, entry, sender, subject, reason, setting, cookie, held_at";

pub(crate) fn read(row: &Row<'_>) -> db::Result<Held> {
    Ok(Held {
        id: row.get(0)?,
        post: HeldPost {
            list_id: row.get(1)?,
            entry: row.get(2)?,
            sender: row.get(3)?,
            subject: row.get(4)?,
            reason: row.get(5)?,
            setting: row.get(6)?,
            cookie: row.get(7)?,
            held_at: row.get(8)?,
        },
    })
}

impl Read {
    /// Returns the held post with this number.
    pub fn held(&self, id: HeldId) -> Result<Option<Held>, StoreError> {
        let sql = format!("select {COLUMNS} from held_post where id = ?1");
        self.first(&sql, params![id], read)
    }

    /// Returns the held post with this cookie.
    pub fn held_by_cookie(&self, cookie: &str) -> Result<Option<Held>, StoreError> {
        let sql = format!("select {COLUMNS} from held_post where cookie = ?1");
        self.first(&sql, params![cookie], read)
    }

    /// Returns a list's held posts, the oldest first.
    pub fn held_posts(&self, list_id: ListId) -> Result<Vec<Held>, StoreError> {
        let sql =
            format!("select {COLUMNS} from held_post where list_id = ?1 order by held_at, id");
        self.rows(&sql, params![list_id], read)
    }

    /// Returns the held entry, with message and metadata, in the queue's format.
    pub fn held_content(&self, id: HeldId) -> Result<Option<Vec<u8>>, StoreError> {
        self.first("select content from held_post where id = ?1", params![id], |row| row.get(0))
    }

    /// As [`Read::held_content`], but `None` if it is larger than `most` bytes.
    pub fn held_content_up_to(&self, id: HeldId, most: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "select content from held_post where id = ?1 and length(content) <= ?2";
        self.first(sql, params![id, most], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Holds a post, and returns it with its number. A post that is already held is returned
    /// unchanged.
    pub fn hold(&self, post: &HeldPost, content: &[u8]) -> Result<Held, StoreError> {
        self.note_due(Due::Checkdbs);
        self.execute(
            "insert into held_post
                 (list_id, entry, sender, subject, reason, setting, cookie, held_at, content)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict (entry) do nothing",
            params![
                post.list_id,
                post.entry,
                post.sender,
                post.subject,
                post.reason,
                post.setting,
                post.cookie,
                post.held_at,
                content
            ],
        )?;
        let sql = format!("select {COLUMNS} from held_post where entry = ?1");
        self.read().one(&sql, params![&post.entry], read)
    }

    /// Deletes a held post after a decision. Returns false if there was none.
    pub fn release_held(&self, id: HeldId) -> Result<bool, StoreError> {
        self.note_done(Due::Checkdbs);
        self.execute("delete from held_post where id = ?1", params![id])
            .map(|released| released > 0)
    }
}
