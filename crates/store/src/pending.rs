//! Requests that wait for a confirmation (docs/spec/pickles.md §5). Each has a cookie of 40
//! hexadecimal digits, like Mailman's, which can be used once and expires.

use crate::db::{self, Row, params};
use crate::{ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use serde::{Deserialize, Serialize};

/// What is requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Request {
    /// To join the list.
    Subscribe {
        /// The address, as the requester writes it.
        address: String,
        /// The name, or empty.
        #[serde(default)]
        real_name: String,
        /// Whether to get digests instead of single posts.
        #[serde(default)]
        digest: bool,
        /// The language for notices; the list's if empty.
        #[serde(default)]
        language: String,
        /// The stored form of the password, or empty.
        #[serde(default)]
        password: String,
        /// Whether an owner has invited the address; then no approval is needed.
        #[serde(default)]
        invitation: bool,
    },
    /// To leave the list.
    Unsubscribe {
        /// The member's address.
        address: String,
    },
    /// To change the member's address.
    ChangeAddress {
        /// The member's address.
        address: String,
        /// The new address.
        new: String,
        /// Whether to change it on all lists of the list's host.
        #[serde(default)]
        globally: bool,
    },
    /// To get mail again after bounces have turned delivery off.
    ReEnable {
        /// The member's address.
        address: String,
    },
    /// To change options, requested by a mail whose sender is not authenticated.
    SetOptions {
        /// The member's address.
        address: String,
        /// The changes, in the syntax of the command `set`: `ack on`.
        changes: Vec<String>,
    },
    /// To open the member's options on the web, once.
    LogIn {
        /// The member's address.
        address: String,
    },
    /// A probe, to find out whether the address really bounces; the content is the bounce because
    /// of which it was sent.
    Probe {
        /// The member's address.
        address: String,
    },
}

impl Request {
    /// Returns the name of its kind in the database.
    pub fn kind(&self) -> &'static str {
        match self {
            Request::Subscribe { .. } => "subscribe",
            Request::Unsubscribe { .. } => "unsubscribe",
            Request::ChangeAddress { .. } => "change-address",
            Request::ReEnable { .. } => "re-enable",
            Request::SetOptions { .. } => "set-options",
            Request::LogIn { .. } => "log-in",
            Request::Probe { .. } => "probe",
        }
    }

    /// Returns its form in the database.
    pub(crate) fn to_text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self)
            .map_err(|error| StoreError::Content { what: "a request", problem: error.to_string() })
    }

    pub(crate) fn from_row(row: &Row<'_>, column: usize) -> db::Result<Request> {
        let text: String = row.get(column)?;
        serde_json::from_str(&text)
            .map_err(|error| db::Error::content(format!("a request that cannot be read: {error}")))
    }

    /// Returns the address that it is about.
    pub fn address(&self) -> &str {
        match self {
            Request::Subscribe { address, .. }
            | Request::Unsubscribe { address }
            | Request::ChangeAddress { address, .. }
            | Request::ReEnable { address }
            | Request::SetOptions { address, .. }
            | Request::LogIn { address }
            | Request::Probe { address } => address,
        }
    }
}

/// A request that waits for a confirmation.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The cookie that confirms it.
    pub cookie: String,
    /// The list it is about.
    pub list_id: ListId,
    /// What is requested.
    pub request: Request,
    /// Further data of the request, or empty.
    pub content: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

const COLUMNS: &str = "cookie, list_id, request, content, created_at, expires_at";

fn read(row: &Row<'_>) -> db::Result<Pending> {
    Ok(Pending {
        cookie: row.get(0)?,
        list_id: row.get(1)?,
        request: Request::from_row(row, 2)?,
        content: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
    })
}

impl Read {
    /// Returns the request with this cookie, if it has not expired at `now`.
    pub fn pending(&self, cookie: &str, now: Timestamp) -> Result<Option<Pending>, StoreError> {
        let sql = format!("select {COLUMNS} from pending where cookie = ?1 and expires_at > ?2");
        self.first(&sql, params![cookie, now], read)
    }

    /// Returns the newest request of a kind about an address that has not expired at `now`.
    pub fn pending_about(
        &self,
        list_id: ListId,
        kind: &str,
        address: &str,
        now: Timestamp,
    ) -> Result<Option<Pending>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from pending
             where list_id = ?1 and kind = ?2 and address = ?3 and expires_at > ?4
             order by created_at desc limit 1"
        );
        let address = AddressKey::of(address);
        self.first(&sql, params![list_id, kind, address, now], read)
    }

    /// Returns all requests about an address, on any list, the oldest first.
    pub fn pending_for(&self, address: &str) -> Result<Vec<Pending>, StoreError> {
        let sql =
            format!("select {COLUMNS} from pending where address = ?1 order by created_at, cookie");
        self.rows(&sql, params![AddressKey::of(address)], read)
    }

    /// Returns all requests of a list, including expired ones, the oldest first.
    pub fn pending_of(&self, list_id: ListId) -> Result<Vec<Pending>, StoreError> {
        let sql =
            format!("select {COLUMNS} from pending where list_id = ?1 order by created_at, cookie");
        self.rows(&sql, params![list_id], read)
    }
}

impl Tx<'_> {
    /// Adds a request, and deletes expired ones. An existing one with the same cookie is not
    /// changed, because a batch that is repeated after a crash makes the same request.
    pub fn pend(&self, pending: &Pending) -> Result<(), StoreError> {
        let request = pending.request.to_text()?;
        self.expire_pending(pending.created_at)?;
        self.execute("insert into pending (cookie, list_id, kind, address, request, content, created_at, expires_at)
                      values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) on conflict (cookie) do nothing", params![
                    pending.cookie,
                    pending.list_id,
                    pending.request.kind(),
                    pending.request.address().to_lowercase(),
                    request,
                    pending.content,
                    pending.created_at,
                    pending.expires_at
                ])?;
        Ok(())
    }

    /// Replaces what is requested under a cookie, and when it expires.
    pub fn replace_pending(
        &self,
        cookie: &str,
        request: &Request,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let request = request.to_text()?;
        self.execute(
            "update pending set request = ?2, expires_at = ?3 where cookie = ?1",
            params![cookie, request, expires_at],
        )?;
        Ok(())
    }

    /// Returns and deletes the request with this cookie, if it has not expired at `now`.
    pub fn take_pending(
        &self,
        cookie: &str,
        now: Timestamp,
    ) -> Result<Option<Pending>, StoreError> {
        let pending = self.read().pending(cookie, now)?;
        if pending.is_some() {
            self.execute("delete from pending where cookie = ?1", params![cookie])?;
        }
        Ok(pending)
    }

    /// Deletes the requests that have expired at `now`, and returns how many there were.
    pub fn expire_pending(&self, now: Timestamp) -> Result<usize, StoreError> {
        let sql = "delete from pending where expires_at <= ?1";
        self.execute(sql, params![now])
    }
}
