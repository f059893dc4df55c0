//! Requests to join or leave that wait for a moderator.

use crate::db::{self, Row, params};
use crate::{Due, ListId, Read, Request, RequestId, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;

/// A request that waits for a moderator.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldRequest {
    /// The request's number, which is never given to another one on the site.
    pub id: RequestId,
    /// The list.
    pub list_id: ListId,
    /// What is requested.
    pub request: Request,
    /// The cookie by which links refer to this request.
    pub cookie: String,
    /// How it was requested, as evidence of consent.
    pub how: String,
    /// When it was held.
    pub held_at: Timestamp,
}

/// The columns for [`read`].
pub(crate) const COLUMNS: &str = "id, list_id, request, cookie, how, held_at";

pub(crate) fn read(row: &Row<'_>) -> db::Result<HeldRequest> {
    Ok(HeldRequest {
        id: row.get(0)?,
        list_id: row.get(1)?,
        request: Request::from_row(row, 2)?,
        cookie: row.get(3)?,
        how: row.get(4)?,
        held_at: row.get(5)?,
    })
}

impl Read {
    /// Returns the request with this number.
    pub fn held_request(&self, id: RequestId) -> Result<Option<HeldRequest>, StoreError> {
        let sql = format!("select {COLUMNS} from held_request where id = ?1");
        self.first(&sql, params![id], read)
    }

    /// Returns a list's requests, the oldest first.
    pub fn held_requests(&self, list_id: ListId) -> Result<Vec<HeldRequest>, StoreError> {
        let sql =
            format!("select {COLUMNS} from held_request where list_id = ?1 order by held_at, id");
        self.rows(&sql, params![list_id], read)
    }

    /// Returns the requests about an address, on any list.
    pub fn held_requests_for(&self, address: &str) -> Result<Vec<HeldRequest>, StoreError> {
        let sql = format!("select {COLUMNS} from held_request where address = ?1 order by id");
        self.rows(&sql, params![AddressKey::of(address)], read)
    }
}

impl Tx<'_> {
    /// Holds a request, and returns it with whether it is new. A second one of the same kind for an
    /// address replaces the first, and keeps its number and cookie (docs/spec/commands.md §11).
    pub fn hold_request(
        &self,
        list_id: ListId,
        request: &Request,
        cookie: &str,
        how: &str,
        at: Timestamp,
    ) -> Result<(HeldRequest, bool), StoreError> {
        let (kind, address) = (request.kind(), request.address().to_lowercase());
        let text = request.to_text()?;
        self.note_due(Due::Checkdbs);
        let updated = self.execute(
            "update held_request set request = ?4, how = ?5
             where list_id = ?1 and kind = ?2 and address = ?3",
            params![list_id, kind, address, text, how],
        )?;
        if updated == 0 {
            self.execute(
                "insert into held_request (list_id, kind, address, request, cookie, how, held_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![list_id, kind, address, text, cookie, how, at],
            )?;
        }
        let sql = format!(
            "select {COLUMNS} from held_request
             where list_id = ?1 and kind = ?2 and address = ?3"
        );
        let held = self.read().one(&sql, params![list_id, kind, address], read)?;
        Ok((held, updated == 0))
    }

    /// Deletes a request after a decision. Returns false if there was none.
    pub fn release_request(&self, id: RequestId) -> Result<bool, StoreError> {
        self.note_done(Due::Checkdbs);
        let sql = "delete from held_request where id = ?1";
        self.execute(sql, params![id]).map(|released| released > 0)
    }
}
