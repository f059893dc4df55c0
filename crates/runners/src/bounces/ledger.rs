//! The effects of bounces (docs/spec/bounces.md §3 and §4): scores, probes, delivery turned off,
//! members removed.
//!
//! Each effect is in one transaction of the store with the event that records it. An entry that is
//! processed again finds its events, so nothing counts twice.

use dormouse_bounce::{FailedAddress, FailureKind};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_mail::date;
use dormouse_membership::moderation::link;
use dormouse_store::{
    BounceEvent, BounceKind, BounceOutcome, BounceSource, BounceState, Config, Delivery, List,
    Member, Pending, Period, Request, StoreError, Tx,
};

/// The name of the site's key for cookies that turn delivery on again, and those of probes.
const SECRET: &str = "bounces";
/// The recorded reason for the removal of a bouncing member.
pub(crate) const BY_BOUNCES: &str = "mail came back for too long";
/// The recorded reason for the removal of a member who complained.
const BY_COMPLAINT: &str = "the reader marked the list's mail as unwanted";
const DAY: f64 = 86_400.0;
/// The weight of a temporary bounce. Mailman intended this, but counts all bounces the same.
const TEMPORARY_WEIGHT: f64 = 0.5;
/// How long a probe's cookie is valid: a probe may be tried for days before it bounces.
const PROBE_LIFETIME: f64 = 14.0 * DAY;
/// A cookie is valid until the next warning contains a new one, plus this time.
const GRACE: f64 = 3.0 * DAY;
/// The owners are told if this many addresses are refused for policy reasons within a day …
const STORM: u64 = 10;
/// … or this many, if they are a tenth of the list.
const SMALL_STORM: u64 = 3;

/// A bounce of one address, before it is recorded.
pub(crate) struct Bounce<'b> {
    /// The recipient whose mail bounced.
    pub address: &'b str,
    /// Its kind.
    pub kind: BounceKind,
    /// The enhanced status code; empty if unknown.
    pub status: String,
    /// The SMTP reply code; 0 if unknown.
    pub code: i64,
    /// The reason.
    pub text: &'b str,
    /// The source of the report.
    pub source: BounceSource,
    /// Its time.
    pub at: Timestamp,
}

impl<'b> Bounce<'b> {
    /// Creates one from a failure in a message or reply.
    pub fn new(address: &'b str, failure: &'b FailedAddress, source: BounceSource) -> Bounce<'b> {
        Bounce {
            address,
            kind: match failure.kind {
                FailureKind::Permanent => BounceKind::Permanent,
                FailureKind::Temporary => BounceKind::Temporary,
                FailureKind::Policy => BounceKind::Policy,
            },
            status: failure.status.map_or_else(String::new, |status| status.to_string()),
            code: dormouse_bounce::status::reply_code(&failure.text).map_or(0, i64::from),
            text: &failure.text,
            source,
            at: Timestamp::now(),
        }
    }
}

/// Records bounces and applies their effects.
pub(crate) struct Ledger<'l> {
    /// The store, in a transaction.
    pub store: &'l Tx<'l>,
    /// The site's settings.
    pub config: &'l Config,
    /// The queue entry with the bounces, which identifies them.
    pub entry: &'l str,
    /// The bounce message; empty if there is none.
    pub evidence: &'l [u8],
}

impl Ledger<'_> {
    /// Records a bounce and its effect. Returns `None` for an address that is not a member of the
    /// list or of a list whose members get its posts.
    pub fn enter(
        &self,
        list: &List,
        bounce: &Bounce<'_>,
    ) -> Result<Option<BounceEvent>, StoreError> {
        match self.member_of(list, bounce.address)? {
            Some((list, member)) => {
                let outcome = self.outcome(&list, &member, bounce)?;
                self.record(&list, &member.address, bounce, outcome).map(Some)
            }
            None => {
                tracing::info!(target: "bounce", "{}: a bounce of {}, who is not a member", list.name, bounce.address);
                Ok(None)
            }
        }
    }

    /// Ends the membership of a reader who complained.
    pub fn unsubscribe(
        &self,
        list: &List,
        bounce: &Bounce<'_>,
    ) -> Result<Option<BounceEvent>, StoreError> {
        let Some((list, member)) = self.member_of(list, bounce.address)? else { return Ok(None) };
        self.store.remove_member(list.id, &member.key, BY_COMPLAINT, Timestamp::now())?;
        tracing::info!(target: "bounce", "{}: deleted {}; {BY_COMPLAINT}", list.name, member.address);
        self.record(&list, &member.address, bounce, BounceOutcome::Removed).map(Some)
    }

    /// Turns off a member's delivery, whatever the score, because a probe bounced.
    pub fn probe_bounced(
        &self,
        list: &List,
        bounce: &Bounce<'_>,
    ) -> Result<Option<BounceEvent>, StoreError> {
        let Some(member) = self.store.read().member(list.id, bounce.address)? else {
            return Ok(None);
        };
        let outcome = if bounce.kind == BounceKind::Policy {
            BounceOutcome::NotCounted
        } else if member.delivery != Delivery::Enabled {
            BounceOutcome::AlreadyOff
        } else {
            tracing::info!(target: "bounce", "{}: {} disabled: a probe bounced", list.name, member.address);
            let state = self.store.read().bounce_state(list.id, &member.key)?.unwrap_or_default();
            self.disable(list, &member, state)?
        };
        self.record(list, &member.address, bounce, outcome).map(Some)
    }

    fn record(
        &self,
        list: &List,
        address: &str,
        bounce: &Bounce<'_>,
        outcome: BounceOutcome,
    ) -> Result<BounceEvent, StoreError> {
        let event = BounceEvent {
            list_id: list.id,
            address: address.to_owned(),
            entry: self.entry.to_owned(),
            kind: bounce.kind,
            status: bounce.status.clone(),
            code: bounce.code,
            text: bounce.text.to_owned(),
            source: bounce.source,
            outcome,
            at: bounce.at,
        };
        self.store.add_bounce_event(&event)?;
        Ok(event)
    }

    /// Returns the member with an address, and the list for which the bounce counts: the list
    /// itself, or one whose members get its posts.
    fn member_of(&self, list: &List, address: &str) -> Result<Option<(List, Member)>, StoreError> {
        if let Some(member) = self.store.read().member(list.id, address)? {
            return Ok(Some((list.clone(), member)));
        }
        for sibling in &list.settings.regular_include_lists {
            let sibling = AddressKey::of(sibling);
            let Some((local, domain)) = sibling.rsplit_once('@') else { continue };
            if let Some(other) = self.store.read().list_by_address(local, domain)?
                && let Some(member) = self.store.read().member(other.id, address)?
            {
                return Ok(Some((other, member)));
            }
        }
        Ok(None)
    }

    fn outcome(
        &self,
        list: &List,
        member: &Member,
        bounce: &Bounce<'_>,
    ) -> Result<BounceOutcome, StoreError> {
        match bounce.kind {
            _ if !list.settings.bounce_processing => Ok(BounceOutcome::NotCounted),
            BounceKind::Permanent => self.score(list, member, 1.0, bounce.at),
            BounceKind::Temporary => self.score(list, member, TEMPORARY_WEIGHT, bounce.at),
            BounceKind::Policy if self.is_new_storm(list)? => Ok(BounceOutcome::Storm),
            BounceKind::Policy | BounceKind::Complaint => Ok(BounceOutcome::NotCounted),
        }
    }

    fn score(
        &self,
        list: &List,
        member: &Member,
        weight: f64,
        at: Timestamp,
    ) -> Result<BounceOutcome, StoreError> {
        if member.delivery != Delivery::Enabled {
            tracing::info!(target: "bounce", "{}: residual bounce of {}", list.name, member.address);
            return Ok(BounceOutcome::AlreadyOff);
        }
        let settings = &list.settings;
        let today = day_of(at);
        let mut state = self.store.read().bounce_state(list.id, &member.key)?.unwrap_or_default();
        let first = state.date != today;
        if first {
            // A day that cannot be parsed counts as stale, too.
            if is_stale(&state, &today, settings.bounce_info_stale_after.seconds()) {
                state = BounceState::default();
            }
            state.score += weight;
            // A bounce that was reported late must not move the date back.
            state.date = state.date.max(today);
            state.notices_left = settings.bounce_you_are_disabled_warnings;
        }
        let (score, threshold) = (state.score, settings.bounce_score_threshold);
        tracing::info!(target: "bounce", "{}: {} has a bounce score of {score}", list.name, member.address);
        if score >= threshold {
            if self.config.bounces_probes {
                return self.probe(list, member, state);
            }
            tracing::info!(target: "bounce",
                "{}: {} disabled: a bounce score of {score}, the threshold is {threshold}",
                list.name,
                member.address
            );
            return self.disable(list, member, state);
        }
        self.store.set_bounce_state(list.id, &member.key, &state)?;
        Ok(if first { BounceOutcome::Scored } else { BounceOutcome::SameDay })
    }

    /// Stores a probe, to be recognized if it bounces, and resets the score. The day stays.
    fn probe(
        &self,
        list: &List,
        member: &Member,
        mut state: BounceState,
    ) -> Result<BounceOutcome, StoreError> {
        let now = Timestamp::now();
        self.store.pend(&Pending {
            cookie: self.cookie("probe", list, &member.key)?,
            list_id: list.id,
            request: Request::Probe { address: member.address.clone() },
            content: self.evidence.to_vec(),
            created_at: now,
            expires_at: now + PROBE_LIFETIME,
        })?;
        state.score = 0.0;
        self.store.set_bounce_state(list.id, &member.key, &state)?;
        Ok(BounceOutcome::Probed)
    }

    /// Turns a member's delivery off, or removes the member if the list sends no warnings.
    pub fn disable(
        &self,
        list: &List,
        member: &Member,
        mut state: BounceState,
    ) -> Result<BounceOutcome, StoreError> {
        let warnings = list.settings.bounce_you_are_disabled_warnings;
        if warnings <= 0 {
            self.store.remove_member(list.id, &member.key, BY_BOUNCES, Timestamp::now())?;
            return Ok(BounceOutcome::Removed);
        }
        let off = Member { delivery: Delivery::ByBounce, ..member.clone() };
        self.store.update_member(list.id, &off, Timestamp::now())?;
        state.notices_left = warnings;
        if state.date.is_empty() {
            state.date = date::local_day(Timestamp::now());
        }
        self.warn(list, member, state)?;
        Ok(BounceOutcome::Disabled)
    }

    /// Records that a member gets the next warning today, with a cookie that turns delivery on
    /// again. The caller sends it.
    pub fn warn(
        &self,
        list: &List,
        member: &Member,
        mut state: BounceState,
    ) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let interval =
            list.settings.bounce_you_are_disabled_warnings_interval.seconds().max(0) as f64;
        state.cookie = self.cookie("re-enable", list, &member.key)?;
        state.notices_left -= 1;
        state.last_notice = date::local_day(Timestamp::now());
        self.store.pend(&Pending {
            cookie: state.cookie.clone(),
            list_id: list.id,
            request: Request::ReEnable { address: member.address.clone() },
            content: Vec::new(),
            created_at: now,
            expires_at: now + interval + GRACE,
        })?;
        self.store.set_bounce_state(list.id, &member.key, &state)
    }

    /// Returns a cookie for a member. It is the same each time the entry is processed.
    pub fn cookie(&self, purpose: &str, list: &List, key: &str) -> Result<String, StoreError> {
        let secret = self.store.secret(SECRET)?;
        let seed = format!("{purpose}\n{}\n{key}\n{}", list.id, self.entry);
        Ok(link::cookie(&secret, &seed))
    }

    /// Whether many addresses are refused for policy reasons and the owners have not been told
    /// today, which is then recorded.
    fn is_new_storm(&self, list: &List) -> Result<bool, StoreError> {
        let since = Timestamp::now() - DAY;
        // The current one is not recorded yet.
        let refused = self.store.read().count_bounced(list.id, BounceKind::Policy, since)? + 1;
        let many = refused >= STORM
            || refused >= SMALL_STORM
                && refused * 10 >= self.store.read().count_members(list.id)?;
        let today = date::local_day(Timestamp::now());
        let today = Period { name: today.clone(), latest: today };
        Ok(many && self.store.mark_done(STORM_JOB, list.id, &today)?)
    }
}

/// The name of the report about a storm among the daily jobs.
const STORM_JOB: &str = "policy-storm";

/// Returns the day of a time in the server's time zone, in which all days of bounces are.
pub(crate) fn day_of(at: Timestamp) -> String {
    date::local_day(at)
}

/// Whether the last counted bounce is older than that.
pub(crate) fn is_stale(state: &BounceState, today: &str, after_seconds: i64) -> bool {
    // A date after tomorrow was stored while the clock was wrong.
    date::days_between(&state.date, today)
        .is_none_or(|days| days < -1 || days.saturating_mul(86_400) > after_seconds)
}
