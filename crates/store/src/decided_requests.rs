//! Recent decisions on requests to join or leave, which can still be undone.

use crate::daily::Count;
use crate::db::{self, Row, params};
use crate::decided::UNDO;
use crate::requests::{COLUMNS, read};
use crate::{Act, Due, HeldRequest, ListId, Read, RequestId, StoreError, Tx};
use dormouse_clock::Timestamp;

/// What a decision changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Nothing.
    Nothing,
    /// Somebody became a member.
    Joined,
    /// A member left.
    Left,
    /// An address was banned.
    Banned,
}

impl Changed {
    const ALL: [Changed; 4] = [Changed::Nothing, Changed::Joined, Changed::Left, Changed::Banned];

    fn name(self) -> &'static str {
        match self {
            Changed::Nothing => "",
            Changed::Joined => "joined",
            Changed::Left => "left",
            Changed::Banned => "banned",
        }
    }
}

/// A decision on a request.
#[derive(Debug, Clone, PartialEq)]
pub struct DecidedRequest {
    /// The request as it was held.
    pub held: HeldRequest,
    /// The decision, in one word.
    pub what: String,
    /// The queues and names of the entries that were enqueued.
    pub sent: Vec<(String, String)>,
    /// What the decision changed.
    pub changed: Changed,
    /// When it was decided.
    pub at: Timestamp,
}

fn read_decided(row: &Row<'_>) -> db::Result<DecidedRequest> {
    let (sent, changed): (String, String) = (row.get(7)?, row.get(8)?);
    let sent = sent.lines().filter_map(|line| line.split_once(' '));
    Ok(DecidedRequest {
        held: read(row)?,
        what: row.get(6)?,
        sent: sent.map(|(queue, entry)| (queue.to_owned(), entry.to_owned())).collect(),
        changed: Changed::ALL
            .into_iter()
            .find(|known| known.name() == changed)
            .unwrap_or(Changed::Nothing),
        at: row.get(9)?,
    })
}

/// All columns of a member but its number.
const MEMBER: &str = "list_id, address_key, domain, address, real_name, digest, options, delivery,
    delivery_changed_at, language, password, topics, one_last_digest, bounce_score, bounce_date,
    bounce_notices_left, bounce_last_notice, bounce_cookie, joined_at, consent";

impl Read {
    /// Returns the decision on the request with this number, if it was made after `since`.
    pub fn decided_request(
        &self,
        id: RequestId,
        since: Timestamp,
    ) -> Result<Option<DecidedRequest>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, what, sent, changed, decided_at from decided_request
             where id = ?1 and decided_at > ?2"
        );
        self.first(&sql, params![id, since], read_decided)
    }

    /// Returns the decisions on a list's requests after `since`, the latest first.
    pub fn decided_requests(
        &self,
        list_id: ListId,
        since: Timestamp,
    ) -> Result<Vec<DecidedRequest>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, what, sent, changed, decided_at from decided_request
             where list_id = ?1 and decided_at > ?2 order by decided_at desc, id desc"
        );
        self.rows(&sql, params![list_id, since], read_decided)
    }
}

impl Tx<'_> {
    /// Records a decision with copies of the request and of the requester's membership. Must be
    /// called before the membership ends.
    pub fn keep_decided_request(&self, decided: &DecidedRequest) -> Result<(), StoreError> {
        self.note_due(Due::Checkdbs);
        self.forget_decided(decided.at)?;
        let DecidedRequest { held, what, at, .. } = decided;
        let (address, request) = (held.request.address().to_lowercase(), held.request.to_text()?);
        self.execute(
            "insert into decided_request
                 (id, list_id, address, request, cookie, how, held_at, what, sent, changed, decided_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', '', ?9)",
            params![
                held.id, held.list_id, address, request, held.cookie, held.how, held.held_at, what, at
            ],
        )?;
        self.execute(
            &format!(
                "insert into decided_member (request_id, {MEMBER})
                 select cast(?1 as bigint), {MEMBER} from member
                 where list_id = ?2 and address_key = ?3"
            ),
            params![held.id, held.list_id, address],
        )?;
        Ok(())
    }

    /// Adds to a decision the entries that it enqueued and what it changed.
    pub fn note_decided_request(
        &self,
        id: RequestId,
        sent: &[(String, String)],
        changed: Changed,
    ) -> Result<(), StoreError> {
        let sent: Vec<String> =
            sent.iter().map(|(queue, entry)| format!("{queue} {entry}")).collect();
        self.execute(
            "update decided_request set sent = ?2, changed = ?3 where id = ?1",
            params![id, sent.join("\n"), changed.name()],
        )?;
        Ok(())
    }

    /// Deletes a decision, so that it cannot be undone.
    pub fn forget_decided_request(&self, id: RequestId) -> Result<(), StoreError> {
        self.note_done(Due::Checkdbs);
        self.execute("delete from decided_request where id = ?1", params![id])?;
        Ok(())
    }

    /// Holds a request again, with its former number. Returns false if the decision is no longer
    /// stored.
    pub fn hold_request_again(&self, held: &HeldRequest) -> Result<bool, StoreError> {
        self.note_due(Due::Checkdbs);
        let HeldRequest { id, list_id, request, cookie, how, held_at } = held;
        // Somebody may have made the same request again.
        self.execute(
            "insert into held_request (id, list_id, kind, address, request, cookie, how, held_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             on conflict (list_id, kind, address) do nothing",
            params![
                id,
                list_id,
                request.kind(),
                request.address().to_lowercase(),
                request.to_text()?,
                cookie,
                how,
                held_at
            ],
        )?;
        self.execute("delete from settled where cookie = ?1", params![cookie])?;
        Ok(self.execute("delete from decided_request where id = ?1", params![id])? > 0)
    }

    /// Restores the membership that a decision ended, as it was. Returns false if there was none,
    /// or the address has joined again.
    pub fn member_again(
        &self,
        request: RequestId,
        how: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "select list_id, address_key from decided_member where request_id = ?1";
        let found: Option<(ListId, String)> =
            self.read().first(sql, params![request], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some((list_id, key)) = found else { return Ok(false) };
        let restored = self.change_members(
            list_id,
            &format!(
                "insert into member ({MEMBER}) select {MEMBER} from decided_member
                 where request_id = ?1 on conflict (list_id, address_key) do nothing"
            ),
            params![request],
        )?;
        if restored > 0 {
            self.tally(list_id, Count::Joined, 1);
            self.add_consent(list_id, &key, Act::Joined, how, at)?;
        }
        Ok(restored > 0)
    }

    /// Deletes decisions on requests that can no longer be undone.
    pub(crate) fn forget_decided_requests(&self, now: Timestamp) -> Result<(), StoreError> {
        self.execute("delete from decided_request where decided_at <= ?1", params![now - UNDO])?;
        Ok(())
    }
}
