//! What waits for somebody to confirm it (docs/spec/pickles.md §5). Each request has a cookie of 40
//! hexadecimal digits, as Mailman's, which is good once and until it expires.

use crate::db::{self, Row, params};
use crate::{ListId, Read, StoreError, Tx};
use dormouse_mail::AddressKey;
use serde::{Deserialize, Serialize};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Request {
    /// To become a member.
    Subscribe {
        /// The address, as its owner writes it.
        address: String,
        /// The name, or nothing.
        #[serde(default)]
        real_name: String,
        /// Digests instead of single posts.
        #[serde(default)]
        digest: bool,
        /// The language for notices; the list's when empty.
        #[serde(default)]
        language: String,
        /// The password as it is stored, or nothing.
        #[serde(default)]
        password: String,
        /// An owner asked the address; it needs no approval.
        #[serde(default)]
        invitation: bool,
    },
    /// To be a member no more.
    Unsubscribe {
        /// The member's address.
        address: String,
    },
    /// To be a member under another address.
    ChangeAddress {
        /// The member's address.
        address: String,
        /// The address to be.
        new: String,
        /// On all lists of the list's host.
        #[serde(default)]
        globally: bool,
    },
    /// To get mail again after bounces turned it off.
    ReEnable {
        /// The member's address.
        address: String,
    },
    /// To change options, as a mail without a proof of its sender asked for it.
    SetOptions {
        /// The member's address.
        address: String,
        /// What is to change, as the command `set` writes it: `ack on`.
        changes: Vec<String>,
    },
    /// To see and change one's options on the web, once.
    LogIn {
        /// The member's address.
        address: String,
    },
    /// Whether an address bounces for sure; the content is the bounce that led to the question.
    Probe {
        /// The member's address.
        address: String,
    },
}

impl Request {
    /// Its kind, as the store spells it.
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

    /// As the store keeps it.
    pub(crate) fn to_text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self)
            .map_err(|error| StoreError::Content { what: "a request", problem: error.to_string() })
    }

    pub(crate) fn from_row(row: &Row<'_>, column: usize) -> db::Result<Request> {
        let text: String = row.get(column)?;
        serde_json::from_str(&text)
            .map_err(|error| db::Error::content(format!("a request that cannot be read: {error}")))
    }

    /// Whom it is about.
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

/// A request that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// What confirms it.
    pub cookie: String,
    /// The list it is about.
    pub list_id: ListId,
    /// What was asked for.
    pub request: Request,
    /// What belongs to it, or nothing.
    pub content: Vec<u8>,
    /// Since when, in seconds since the epoch.
    pub created_at: f64,
    /// Until when, in seconds since the epoch.
    pub expires_at: f64,
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
    /// The request that a cookie confirms, if it still waits at `now`.
    pub fn pending(&self, cookie: &str, now: f64) -> Result<Option<Pending>, StoreError> {
        let sql = format!("select {COLUMNS} from pending where cookie = ?1 and expires_at > ?2");
        self.first(&sql, params![cookie, now], read)
    }

    /// The newest request of a kind about an address, if one still waits at `now`.
    pub fn pending_about(
        &self,
        list_id: ListId,
        kind: &str,
        address: &str,
        now: f64,
    ) -> Result<Option<Pending>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from pending
             where list_id = ?1 and kind = ?2 and address = ?3 and expires_at > ?4
             order by created_at desc limit 1"
        );
        let address = AddressKey::of(address);
        self.first(&sql, params![list_id, kind, address, now], read)
    }

    /// All requests about an address, on any list, the oldest first.
    pub fn pending_for(&self, address: &str) -> Result<Vec<Pending>, StoreError> {
        let sql =
            format!("select {COLUMNS} from pending where address = ?1 order by created_at, cookie");
        self.rows(&sql, params![AddressKey::of(address)], read)
    }

    /// All requests of a list, the oldest first, those whose time is over included.
    pub fn pending_of(&self, list_id: ListId) -> Result<Vec<Pending>, StoreError> {
        let sql =
            format!("select {COLUMNS} from pending where list_id = ?1 order by created_at, cookie");
        self.rows(&sql, params![list_id], read)
    }
}

impl Tx<'_> {
    /// Lets a request wait. One with the same cookie stays as it is: a batch that is repeated after
    /// a crash asks for the same thing. Those whose time is over by then are forgotten.
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

    /// Has a request that waits ask for something else, until another time.
    pub fn replace_pending(
        &self,
        cookie: &str,
        request: &Request,
        expires_at: f64,
    ) -> Result<(), StoreError> {
        let request = request.to_text()?;
        self.execute(
            "update pending set request = ?2, expires_at = ?3 where cookie = ?1",
            params![cookie, request, expires_at],
        )?;
        Ok(())
    }

    /// Forgets what waits for a member who is one no more.
    pub(crate) fn forget_pending_of_member(
        &self,
        list_id: ListId,
        address: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "delete from pending where list_id = ?1 and address = ?2 and kind <> 'subscribe'",
            params![list_id, AddressKey::of(address)],
        )?;
        Ok(())
    }

    /// Takes a request that still waits at `now`, for good.
    pub fn take_pending(&self, cookie: &str, now: f64) -> Result<Option<Pending>, StoreError> {
        let pending = self.read().pending(cookie, now)?;
        if pending.is_some() {
            self.execute("delete from pending where cookie = ?1", params![cookie])?;
        }
        Ok(pending)
    }

    /// Forgets the requests whose time was over at `now`; how many there were.
    pub fn expire_pending(&self, now: f64) -> Result<usize, StoreError> {
        let sql = "delete from pending where expires_at <= ?1";
        self.execute(sql, params![now])
    }
}
