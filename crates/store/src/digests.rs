//! Digests: the posts for the next one, and the numbers of volumes and issues.

use crate::db::{Row, params};
use crate::{Due, List, ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;

/// The numbers of a list's digests, and when the last one was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DigestState {
    /// The volume.
    pub volume: i64,
    /// The next digest's number in the volume (Mailman: `next_digest_number`).
    pub next_number: i64,
    /// When the last one was sent; 0 if never.
    pub last_sent_at: Timestamp,
    /// The total number of digests sent.
    pub sent: i64,
}

/// A post for the next digest.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingPost {
    /// The post's number in the store; later posts have larger ones.
    pub id: i64,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// The message.
    pub content: Vec<u8>,
}

/// A sent issue to close. Closing it again changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedIssue {
    /// The number of the last post in the issue.
    pub last_post: i64,
    /// The issue's volume.
    pub volume: i64,
    /// The issue's number in the volume.
    pub number: i64,
    /// The total number of digests sent, including this one.
    pub count: i64,
    /// When it was sent.
    pub at: Timestamp,
}

/// The prefix of an entry's name in the table of outcomes, for posts that have been in a digest.
const IN_A_DIGEST: &str = "in a digest: ";

impl Read {
    /// Returns the number of posts for a list's next digest, and their size in bytes.
    pub fn digest_size(&self, list_id: ListId) -> Result<(u64, u64), StoreError> {
        let (number, size): (i64, i64) = self.one("select count(*), cast(coalesce(sum(size), 0) as bigint) from digest_post where list_id = ?1", params![list_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((u64::try_from(number).unwrap_or(0), u64::try_from(size).unwrap_or(0)))
    }

    /// Returns the numbers of a list's digests.
    pub fn digest_state(&self, list_id: ListId) -> Result<DigestState, StoreError> {
        self.one(
            "select volume, next_digest_number, digest_last_sent_at, digests_sent
             from list where id = ?1",
            params![list_id],
            |row| {
                Ok(DigestState {
                    volume: row.get(0)?,
                    next_number: row.get(1)?,
                    last_sent_at: row.get(2)?,
                    sent: row.get(3)?,
                })
            },
        )
    }

    /// Calls `each` with every post for a list's next digest, the oldest first.
    pub fn digest_posts<E: From<StoreError>>(
        &self,
        list_id: ListId,
        each: impl FnMut(WaitingPost) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "select id, posted_at, content from digest_post where list_id = ?1 order by id";
        let read = |row: &Row<'_>| {
            Ok(WaitingPost { id: row.get(0)?, posted_at: row.get(1)?, content: row.get(2)? })
        };
        self.stream(sql, params![list_id], read, each)
    }

    /// Returns the lists with posts for a digest.
    pub fn lists_with_digest_posts(&self) -> Result<Vec<ListId>, StoreError> {
        let sql = "select distinct list_id from digest_post order by list_id";
        self.rows(sql, &[], |row| row.get(0))
    }

    /// Returns the lists whose next digest is large enough to be sent.
    pub fn lists_with_due_digest(&self) -> Result<Vec<ListId>, StoreError> {
        let sql = "select id from list where digest_due = 1 order by id";
        self.rows(sql, &[], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Adds a post to the next digest, once for each queue entry, unless it has been in a digest.
    pub fn add_to_digest(
        &self,
        list: &List,
        entry: &str,
        posted_at: Timestamp,
        content: &[u8],
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into digest_post (list_id, entry, posted_at, size, content)
             select ?1, ?2, ?3, ?4, ?5 where not exists (select 1 from outcome where entry = ?6)
             on conflict (entry) do nothing",
            params![
                list.id,
                entry,
                posted_at,
                content.len() as i64,
                content,
                format!("{IN_A_DIGEST}{entry}")
            ],
        )?;
        if list.settings.digest_send_periodic {
            self.note_due(Due::Senddigests);
        }
        Ok(())
    }

    /// Removes the posts for which `goes` returns true from a list's next digest, and returns how
    /// many there were.
    pub fn drop_from_digest(
        &self,
        list_id: ListId,
        mut goes: impl FnMut(&[u8]) -> bool,
    ) -> Result<usize, StoreError> {
        let mut gone = Vec::new();
        self.read().digest_posts(list_id, |post| -> Result<(), StoreError> {
            if goes(&post.content) {
                gone.push(post.id);
            }
            Ok(())
        })?;
        for id in &gone {
            let sql = "delete from digest_post where id = ?1";
            self.execute(sql, params![id])?;
        }
        if !gone.is_empty() {
            self.note_done(Due::Senddigests);
        }
        Ok(gone.len())
    }

    /// Sets the size in bytes from which a list's next digest is due. It is compared once, at the
    /// end of the transaction.
    pub fn digest_is_due_from(&self, list_id: ListId, bytes: f64) {
        self.digests.borrow_mut().insert(list_id, bytes.ceil() as i64);
    }

    /// Marks the lists whose next digest has reached its size as due.
    pub(crate) fn write_due_digests(&self) -> Result<(), StoreError> {
        for (list_id, bytes) in self.digests.take() {
            let changed = self.execute(
                "update list set digest_due = 1 where id = ?1 and ?2 <=
                     (select coalesce(sum(size), 0) from digest_post where list_id = ?1)",
                params![list_id, bytes],
            )?;
            if changed > 0 {
                self.note_due(Due::Senddigests);
                self.note_due(Due::LargeDigests);
            }
        }
        Ok(())
    }

    /// Closes an issue: removes its posts from the list's next digest, and sets the next issue's
    /// number. The posts' entries are recorded, because an entry whose process was killed after the
    /// commit is processed again, and must not be in a second digest. Does nothing if the issue is
    /// already closed.
    ///
    /// Returns false if it was closed by an issue of the same number that was created at another time: the
    /// database failed when this one was to be closed, and another host has created it again.
    pub fn close_digest(&self, list_id: ListId, closing: &ClosedIssue) -> Result<bool, StoreError> {
        self.note_done(Due::Senddigests);
        self.note_done(Due::LargeDigests);
        let is_new = self.execute(
            "update list set volume = ?2, next_digest_number = ?3, digests_sent = ?4,
                 digest_last_sent_at = ?5, digest_due = 0
             where id = ?1 and digests_sent < ?4",
            params![list_id, closing.volume, closing.number + 1, closing.count, closing.at],
        )? > 0;
        if is_new {
            self.execute(
                "insert into outcome (entry, content, at)
                 select ?1 || entry, ?5, ?4 from digest_post where list_id = ?2 and id <= ?3
                 on conflict (entry) do nothing",
                params![IN_A_DIGEST, list_id, closing.last_post, closing.at, b"".as_slice()],
            )?;
            self.execute(
                "delete from digest_post where list_id = ?1 and id <= ?2",
                params![list_id, closing.last_post],
            )?;
            return Ok(true);
        }
        let DigestState { sent, last_sent_at, .. } = self.read().digest_state(list_id)?;
        Ok(sent != closing.count || last_sent_at == closing.at)
    }

    /// Marks a list's digest as not due.
    pub fn digest_is_not_due(&self, list_id: ListId) -> Result<(), StoreError> {
        self.note_done(Due::Senddigests);
        self.note_done(Due::LargeDigests);
        self.execute("update list set digest_due = 0 where id = ?1", params![list_id])?;
        Ok(())
    }

    /// Starts a new volume with the next digest.
    pub fn bump_digest(&self, list_id: ListId) -> Result<(), StoreError> {
        let sql = "update list set volume = volume + 1, next_digest_number = 1 where id = ?1";
        self.execute(sql, params![list_id])?;
        Ok(())
    }
}
