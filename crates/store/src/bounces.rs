//! Bounces: every one as an event, and each member's state.

use crate::db::{self, Row, params};
use crate::value::{SettingValue as _, choice};
use crate::{Count, Due, ListId, Read, SlowDomain, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use std::collections::{BTreeMap, HashMap};

choice! {
    /// What a bounce says about the address.
    BounceKind {
        /// Mail to it fails permanently.
        Permanent = 0 "permanent",
        /// Delivery failed temporarily.
        Temporary = 1 "temporary",
        /// Nothing: the message or its sender was rejected.
        Policy = 2 "policy",
        /// Its reader reports the mail as unwanted.
        Complaint = 3 "complaint",
    }
}

choice! {
    /// The outcome of a bounce.
    BounceOutcome {
        /// It was added to the member's score.
        Scored = 0 "scored",
        /// Nothing: another bounce had counted on the same day.
        SameDay = 1 "same-day",
        /// A probe was sent to the member.
        Probed = 2 "probed",
        /// The member's delivery was turned off.
        Disabled = 3 "disabled",
        /// The member was removed.
        Removed = 4 "removed",
        /// Nothing: delivery was already off.
        AlreadyOff = 5 "already-off",
        /// Nothing: it does not count against the member.
        NotCounted = 6 "not-counted",
        /// It does not count, because there are many; the owners were notified.
        Storm = 7 "storm",
    }
}

choice! {
    /// How a bounce became known.
    BounceSource {
        /// The MTA rejected the recipient.
        Smtp = 0 "smtp",
        /// A bounce message came back.
        Message = 1 "message",
        /// A bounce message of a probe came back.
        Probe = 2 "probe",
    }
}

/// A message that did not reach a member.
#[derive(Debug, Clone, PartialEq)]
pub struct BounceEvent {
    /// The list it counts for.
    pub list_id: ListId,
    /// The member's address.
    pub address: String,
    /// The queue entry's name. A bounce counts once, however often its entry is processed.
    pub entry: String,
    /// What it says about the address.
    pub kind: BounceKind,
    /// The enhanced status code (RFC 3463); empty if there is none.
    pub status: String,
    /// The SMTP reply code; 0 if there is none.
    pub code: i64,
    /// The reason, in the words of the mail system that gave it.
    pub text: String,
    /// How it became known.
    pub source: BounceSource,
    /// Its outcome.
    pub outcome: BounceOutcome,
    /// When it was recorded.
    pub at: Timestamp,
}

/// The bounces of one receiving domain. Each address counts once for each kind.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct DomainReturns {
    /// The domain.
    pub domain: String,
    /// Members with an address there.
    pub members: u64,
    /// Permanent failures.
    pub permanent: u64,
    /// Temporary failures.
    pub temporary: u64,
    /// Rejected by the domain's policy.
    pub refused: u64,
    /// Complaints of readers.
    pub complaints: u64,
    /// How the domain defers mail now, if it does.
    #[serde(rename = "puts_off", skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowDomain>,
}

impl DomainReturns {
    /// Formats one of the numbers with its share of the members there: `3 (1.5 %)`.
    pub fn share(&self, count: u64) -> String {
        match (count, self.members) {
            (0, _) => "0".to_owned(),
            (count, 0) => count.to_string(),
            // Addresses that have since left the list may have bounced.
            (count, members) => {
                format!("{count} ({:.1} %)", count as f64 * 100.0 / members.max(count) as f64)
            }
        }
    }
}

/// A member's bounce state. Days are in UTC, as `2026-11-23`, or empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BounceState {
    /// The bounce score.
    pub score: f64,
    /// The day of the last bounce that counted; empty for a member without bounces.
    pub date: String,
    /// The number of warnings to send after delivery is turned off.
    pub notices_left: i64,
    /// The day of the last warning.
    pub last_notice: String,
    /// The cookie that turns delivery on again.
    pub cookie: String,
}

impl BounceState {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.date.is_empty()
    }
}

const EVENT: &str = "list_id, address, entry, kind, status, code, text, source, outcome, at";

fn read_event(row: &Row<'_>) -> db::Result<BounceEvent> {
    let word = |index: usize| row.get::<String>(index);
    Ok(BounceEvent {
        list_id: row.get(0)?,
        address: row.get(1)?,
        entry: row.get(2)?,
        kind: BounceKind::read(&word(3)?).map_err(db::Error::content)?,
        status: row.get(4)?,
        code: row.get(5)?,
        text: row.get(6)?,
        source: BounceSource::read(&word(7)?).map_err(db::Error::content)?,
        outcome: BounceOutcome::read(&word(8)?).map_err(db::Error::content)?,
        at: row.get(9)?,
    })
}

const STATE: &str =
    "bounce_score, bounce_date, bounce_notices_left, bounce_last_notice, bounce_cookie";

fn read_state(row: &Row<'_>) -> db::Result<BounceState> {
    Ok(BounceState {
        score: row.get(0)?,
        date: row.get(1)?,
        notices_left: row.get(2)?,
        last_notice: row.get(3)?,
        cookie: row.get(4)?,
    })
}

impl Read {
    /// Returns a list's bounce events, the newest first.
    pub fn bounce_events(&self, list_id: ListId) -> Result<Vec<BounceEvent>, StoreError> {
        let sql = format!(
            "select {EVENT} from bounce_event where list_id = ?1 order by at desc, id desc"
        );
        self.rows(&sql, params![list_id], read_event)
    }

    /// Returns at most `most` bounces of an address on a list, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub fn bounce_events_of(
        &self,
        list_id: ListId,
        address: &str,
        most: u32,
    ) -> Result<Vec<BounceEvent>, StoreError> {
        let sql = format!(
            "select {EVENT} from bounce_event where list_id = ?1 and lower(address) = ?2
             order by at desc, id desc limit ?3"
        );
        let key = AddressKey::of(address);
        self.rows(&sql, params![list_id, key, most], read_event)
    }

    /// Returns the events of a queue entry, in order.
    pub fn bounce_events_of_entry(&self, entry: &str) -> Result<Vec<BounceEvent>, StoreError> {
        let sql = format!("select {EVENT} from bounce_event where entry = ?1 order by id");
        self.rows(&sql, params![entry], read_event)
    }

    /// Returns how many addresses of a list had bounces of a kind since a time.
    pub fn count_bounced(
        &self,
        list_id: ListId,
        kind: BounceKind,
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        let sql = "select count(distinct address) from bounce_event
                   where list_id = ?1 and kind = ?2 and at > ?3";
        let count: i64 = self.one(sql, params![list_id, kind.write(), since], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Returns the bounces of one list or of all since a time, by receiving domain, and the domains
    /// that defer mail now. The domains with the most bounces come first.
    pub fn returns_by_domain(
        &self,
        list_id: Option<ListId>,
        since: Timestamp,
    ) -> Result<Vec<DomainReturns>, StoreError> {
        const DOMAIN: &str = "lower(substr(address, instr(address, '@') + 1))";
        let events = format!(
            "select {DOMAIN}, kind, count(distinct list_id || ' ' || lower(address))
             from bounce_event where at > ?1 and (?2 is null or list_id = ?2) group by 1, 2"
        );
        let members = format!(
            "select {DOMAIN}, count(*) from member where ?1 is null or list_id = ?1 group by 1"
        );
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let events: Vec<(String, String, i64)> =
            self.rows(&events, params![since, list_id], read)?;
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let members: Vec<(String, i64)> = self.rows(&members, params![list_id], read)?;
        let members: HashMap<String, i64> = members.into_iter().collect();
        let new = |domain: &str| DomainReturns {
            members: members.get(domain).map_or(0, |count| count.unsigned_abs()),
            domain: domain.to_owned(),
            ..DomainReturns::default()
        };
        let mut domains: BTreeMap<String, DomainReturns> = BTreeMap::new();
        for slow in self.slow_domains()? {
            let row = new(&slow.domain);
            if list_id.is_none() || row.members > 0 {
                domains.insert(slow.domain.clone(), DomainReturns { slow: Some(slow), ..row });
            }
        }
        for (domain, kind, count) in events {
            let count = u64::try_from(count).unwrap_or(0);
            let row = domains.entry(domain.clone()).or_insert_with(|| new(&domain));
            match BounceKind::read(&kind) {
                Ok(BounceKind::Permanent) => row.permanent += count,
                Ok(BounceKind::Temporary) => row.temporary += count,
                Ok(BounceKind::Policy) => row.refused += count,
                Ok(BounceKind::Complaint) => row.complaints += count,
                Err(problem) => tracing::warn!("a bounce of kind {kind}: {problem}"),
            }
        }
        let mut rows: Vec<DomainReturns> = domains.into_values().collect();
        rows.sort_by_key(|row| {
            std::cmp::Reverse(row.permanent + row.temporary + row.refused + row.complaints)
        });
        Ok(rows)
    }

    /// Returns a member's bounce state; `None` if the address is not a member.
    pub fn bounce_state(
        &self,
        list_id: ListId,
        address: &str,
    ) -> Result<Option<BounceState>, StoreError> {
        let sql = format!("select {STATE} from member where list_id = ?1 and address_key = ?2");
        self.first(&sql, params![list_id, AddressKey::of(address)], read_state)
    }

    /// Returns the sorted addresses of the members with bounces or with delivery turned off.
    pub fn bouncing_members(&self, list_id: ListId) -> Result<Vec<String>, StoreError> {
        let sql = "select address_key from member
                   where list_id = ?1 and (delivery <> 0 or bounce_date <> '') order by address_key";
        self.rows(sql, params![list_id], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Records a bounce, once.
    pub fn add_bounce_event(&self, event: &BounceEvent) -> Result<(), StoreError> {
        self.note_due(Due::Disabled);
        let added = self.execute(
            "insert into bounce_event
                 (list_id, address, entry, kind, status, code, text, source, outcome, at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             on conflict (entry, address) do nothing",
            params![
                event.list_id,
                event.address,
                event.entry,
                event.kind.write(),
                event.status,
                event.code,
                event.text,
                event.source.write(),
                event.outcome.write(),
                event.at
            ],
        )?;
        self.tally(event.list_id, Count::Bounces, added as u64);
        Ok(())
    }

    /// Sets a member's bounce state.
    pub fn set_bounce_state(
        &self,
        list_id: ListId,
        address: &str,
        state: &BounceState,
    ) -> Result<(), StoreError> {
        self.note_due(Due::Disabled);
        self.execute(
            "update member set bounce_score = ?3, bounce_date = ?4, bounce_notices_left = ?5,
                 bounce_last_notice = ?6, bounce_cookie = ?7
             where list_id = ?1 and address_key = ?2",
            params![
                list_id,
                AddressKey::of(address),
                state.score,
                state.date,
                state.notices_left,
                state.last_notice,
                state.cookie
            ],
        )?;
        Ok(())
    }

    /// Deletes the bounce events before a time, and returns how many there were.
    pub fn forget_bounces(&self, before: Timestamp) -> Result<usize, StoreError> {
        let sql = "delete from bounce_event where at < ?1";
        self.execute(sql, params![before])
    }
}
