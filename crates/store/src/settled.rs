//! The results of links and codes that can be used once.

use crate::db::{self, Row, params};
use crate::{HeldId, ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;

/// The result of a link or code.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The link's or code's cookie.
    pub cookie: String,
    /// The list.
    pub list_id: ListId,
    /// What it was about: `confirmation`, `request` or `post`.
    pub kind: &'static str,
    /// The held post, if it was about one.
    pub post: Option<HeldId>,
    /// The address that it was about.
    pub address: String,
    /// The result, as a sentence.
    pub what: String,
    /// When it was used.
    pub at: Timestamp,
}

/// The kinds in the database.
pub const KINDS: [&str; 3] = ["confirmation", "request", "post"];

/// How long results are kept, in seconds.
const KEPT_FOR: f64 = 90.0 * 86_400.0;

fn read(row: &Row<'_>) -> db::Result<Settled> {
    let kind: String = row.get(2)?;
    Ok(Settled {
        cookie: row.get(0)?,
        list_id: row.get(1)?,
        kind: KINDS.into_iter().find(|known| *known == kind).unwrap_or_default(),
        post: Some(row.get(3)?).filter(|post| *post != NO_POST),
        address: row.get(4)?,
        what: row.get(5)?,
        at: row.get(6)?,
    })
}

/// The value of the column `item` for kinds other than `post`.
const NO_POST: HeldId = HeldId::new(0);

const COLUMNS: &str = "cookie, list_id, kind, item, address, what, at";

impl Read {
    /// Returns the result of the link or code with this cookie.
    pub fn settled(&self, cookie: &str) -> Result<Option<Settled>, StoreError> {
        let sql = format!("select {COLUMNS} from settled where cookie = ?1");
        self.first(&sql, params![cookie], read)
    }

    /// Returns the result for the held post with this number.
    pub fn settled_post(&self, id: HeldId) -> Result<Option<Settled>, StoreError> {
        let sql = format!("select {COLUMNS} from settled where kind = 'post' and item = ?1");
        self.first(&sql, params![id], read)
    }
}

impl Tx<'_> {
    /// Stores the result of a link or code, and deletes old ones.
    pub fn settle(&self, settled: &Settled) -> Result<(), StoreError> {
        self.execute("delete from settled where at < ?1", params![settled.at - KEPT_FOR])?;
        self.execute(
            "insert into settled (cookie, list_id, kind, item, address, what, at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             on conflict (cookie) do update set what = excluded.what, at = excluded.at",
            params![
                settled.cookie,
                settled.list_id,
                settled.kind,
                settled.post.unwrap_or(NO_POST),
                AddressKey::of(&settled.address),
                settled.what,
                settled.at
            ],
        )?;
        Ok(())
    }
}
