//! The daily job for bounces (Mailman's `cron/disabled`, docs/spec/bounces.md §4): resets stale
//! scores, warns members whose delivery is off, and finally removes them.

use super::ledger::{BY_BOUNCES, Ledger, is_stale};
use dormouse_clock::Timestamp;
use dormouse_mail::date;
use dormouse_membership::Output;
use dormouse_membership::RunError;
use dormouse_membership::notices::Notices;
use dormouse_spool::{EntryName, Spool};
use dormouse_store::{
    BounceEvent, BounceKind, BounceOutcome, BounceSource, BounceState, Delivery, List, Member,
    Site, Store, StoreError, Tx,
};
use dormouse_words::{Text, say};

/// The members that the job treats.
#[derive(Debug, Clone)]
pub struct DisabledMembers {
    /// Members whose delivery is off for one of these reasons.
    pub reasons: Vec<Delivery>,
    /// Also those whose next warning is not due.
    pub force: bool,
}

/// The counts of the job.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DisabledTally {
    /// Members whose stale score was reset.
    pub forgotten: u64,
    /// Members whose delivery was turned off because the threshold was lowered.
    pub disabled: u64,
    /// Members who got another warning.
    pub warned: u64,
    /// Members who were removed.
    pub removed: u64,
}

/// The number of members in a transaction, so that a large list does not lock the database for
/// long.
const AT_ONCE: usize = 200;

/// Runs the job for some lists. A member gets at most one warning a day, unless it is forced.
pub fn disabled(
    site: &Site,
    spool: &Spool,
    store: &Store,
    lists: impl Iterator<Item = Result<List, RunError>>,
    which: &DisabledMembers,
) -> Result<DisabledTally, RunError> {
    let mut tally = DisabledTally::default();
    for list in lists {
        let list = &list?;
        for keys in store.read().bouncing_members(list.id)?.chunks(AT_ONCE) {
            let done = store.write(|tx| -> Result<DisabledTally, RunError> {
                let today = date::local_day(Timestamp::now());
                let entry = format!("disabled {today}");
                let ledger =
                    Ledger { store: tx, config: site.config(), entry: &entry, evidence: b"" };
                let mut sweep = Sweep {
                    ledger,
                    list,
                    notices: Notices { list, site },
                    which,
                    today: &today,
                    outputs: Vec::new(),
                    tally: DisabledTally::default(),
                };
                for key in keys {
                    sweep.member(tx, key)?;
                }
                // The notices are enqueued before the commit; after a crash in between they are
                // repeated under the same names.
                sweep.send(spool)?;
                Ok(sweep.tally)
            })?;
            tally.forgotten += done.forgotten;
            tally.disabled += done.disabled;
            tally.warned += done.warned;
            tally.removed += done.removed;
        }
    }
    let keep = site.config().bounces_keep.seconds_f64();
    store.write(|tx| tx.forget_bounces(Timestamp::now() - keep))?;
    Ok(tally)
}

/// The job for some members of a list.
struct Sweep<'s> {
    ledger: Ledger<'s>,
    list: &'s List,
    notices: Notices<'s>,
    which: &'s DisabledMembers,
    today: &'s str,
    outputs: Vec<Output>,
    tally: DisabledTally,
}

impl Sweep<'_> {
    fn member(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), StoreError> {
        let Some(member) = tx.read().member(self.list.id, key)? else { return Ok(()) };
        let state = tx.read().bounce_state(self.list.id, key)?.unwrap_or_default();
        if member.delivery == Delivery::Enabled {
            self.enabled(tx, &member, state)
        } else if self.which.reasons.contains(&member.delivery) {
            self.off(tx, &member, state)
        } else {
            Ok(())
        }
    }

    /// Resets a stale score; otherwise turns delivery off if the score has reached a threshold that
    /// was lowered meanwhile.
    fn enabled(
        &mut self,
        tx: &Tx<'_>,
        member: &Member,
        state: BounceState,
    ) -> Result<(), StoreError> {
        let settings = &self.list.settings;
        if is_stale(&state, self.today, settings.bounce_info_stale_after.seconds()) {
            tx.set_bounce_state(self.list.id, &member.key, &BounceState::default())?;
            self.tally.forgotten += 1;
            return Ok(());
        }
        if state.score < settings.bounce_score_threshold {
            return Ok(());
        }
        tracing::info!(target: "bounce",
            "{}: {} disabled: the threshold was lowered",
            self.list.name,
            member.address
        );
        let outcome = self.ledger.disable(self.list, member, state)?;
        if outcome == BounceOutcome::Removed {
            self.tell_removed(member, Delivery::ByBounce);
            return Ok(());
        }
        self.tally.disabled += 1;
        self.tell_warned(
            member,
            settings.bounce_you_are_disabled_warnings - 1,
            Delivery::ByBounce,
        )?;
        if settings.bounce_notify_owner_on_disable {
            self.tell_owners(
                member,
                outcome,
                say("Delivery to the member is off: the bounce score has reached the threshold of the list."),
            );
        }
        Ok(())
    }

    /// Warns or removes a member whose delivery is off, if that is due.
    fn off(
        &mut self,
        tx: &Tx<'_>,
        member: &Member,
        mut state: BounceState,
    ) -> Result<(), StoreError> {
        let settings = &self.list.settings;
        if state.is_empty() {
            if member.delivery == Delivery::ByBounce {
                tracing::warn!(
                    "{}: delivery to {} is off because of bounces, but none are recorded",
                    self.list.name,
                    member.address
                );
                return Ok(());
            }
            state = BounceState {
                date: self.today.to_owned(),
                notices_left: settings.bounce_you_are_disabled_warnings,
                ..BounceState::default()
            };
        }
        let days = date::days_between(&state.last_notice, self.today);
        let interval = settings.bounce_you_are_disabled_warnings_interval.seconds();
        // A date after tomorrow was stored while the clock was wrong.
        let is_due = days.is_none_or(|days| days < -1 || days.saturating_mul(86_400) >= interval);
        if !(is_due || self.which.force) {
            return Ok(());
        }
        if state.notices_left <= 0 {
            tracing::info!(target: "bounce", "{}: {} removed after all reminders", self.list.name, member.address);
            tx.remove_member(self.list.id, &member.key, BY_BOUNCES, Timestamp::now())?;
            self.tell_removed(member, member.delivery);
            return Ok(());
        }
        let left = state.notices_left - 1;
        self.ledger.warn(self.list, member, state)?;
        self.tally.warned += 1;
        self.tell_warned(member, left, member.delivery)
    }

    fn tell_warned(&mut self, member: &Member, left: i64, why: Delivery) -> Result<(), StoreError> {
        let cookie = self.ledger.cookie("re-enable", self.list, &member.key)?;
        self.outputs.push(self.notices.delivery_off(member, why, &cookie, left));
        Ok(())
    }

    fn tell_removed(&mut self, member: &Member, why: Delivery) {
        self.tally.removed += 1;
        self.outputs.push(self.notices.removed_silent_member(
            &member.address,
            why,
            &member.language,
        ));
        if self.list.settings.bounce_notify_owner_on_removal {
            self.tell_owners(member, BounceOutcome::Removed, say("The member was removed."));
        }
    }

    fn tell_owners(&mut self, member: &Member, outcome: BounceOutcome, what: Text) {
        let event = BounceEvent {
            list_id: self.list.id,
            address: member.address.clone(),
            entry: self.ledger.entry.to_owned(),
            kind: BounceKind::Permanent,
            status: String::new(),
            code: 0,
            text: self.notices.why_off(member.delivery, ""),
            source: BounceSource::Message,
            outcome,
            at: Timestamp::now(),
        };
        self.outputs.push(self.notices.bounced(&event, what, None));
    }

    fn send(&mut self, spool: &Spool) -> Result<(), RunError> {
        if self.outputs.is_empty() {
            return Ok(());
        }
        // The names are the same all day, so that a job that was killed repeats them.
        let day = date::days_between("1970-01-01", self.today).unwrap_or_default() * 86_400;
        let source = EntryName::from_base(&format!("{:?}+disabled-{}", day as f64, self.list.id));
        let mut batch = spool.batch();
        for output in self.outputs.drain(..) {
            batch.enqueue(output.queue, &source.derive(&output.label), &output.entry)?;
        }
        Ok(batch.commit()?)
    }
}
