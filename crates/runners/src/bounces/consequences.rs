//! Writes the notices about bounces. The same events give the same notices, so that an entry that
//! is processed again repeats them and adds none.

use super::ledger::Ledger;
use dormouse_bounce::FailedAddress;
use dormouse_clock::Timestamp;
use dormouse_mail::{AddressKey, Message, date};
use dormouse_membership::Output;
use dormouse_membership::notices::Notices;
use dormouse_store::{BounceEvent, BounceKind, BounceOutcome, Delivery, List, Site, StoreError};
use dormouse_words::{Text, say};

/// Writes notices about events.
pub(crate) struct Consequences<'c> {
    /// The ledger that recorded the events.
    pub ledger: Ledger<'c>,
    /// The site.
    pub site: &'c Site,
    /// The bounce message, to attach.
    pub evidence: Option<&'c Message>,
}

impl Consequences<'_> {
    /// Returns the notices about some events.
    pub fn of(&self, events: &[BounceEvent]) -> Result<Vec<Output>, StoreError> {
        let (read, mut outputs) = (self.ledger.store.read(), Vec::new());
        for event in events {
            let Some(list) = read.list_by_id(event.list_id)? else { continue };
            let notices = Notices { list: &list, site: self.site };
            let settings = &list.settings;
            let key = AddressKey::of(&event.address);
            let off = Delivery::ByBounce;
            let owners = |what: Text| notices.bounced(event, what, self.evidence);
            if event.kind == BounceKind::Complaint
                && settings.bounce_unrecognized_goes_to_list_owner
            {
                outputs.push(notices.complaint(&event.address, self.evidence));
            }
            match event.outcome {
                BounceOutcome::Scored if settings.bounce_notify_owner_on_bounce_increment => {
                    outputs.push(owners(say("The member's bounce score has increased.")));
                }
                BounceOutcome::Disabled => {
                    outputs.extend(self.to_disabled(&notices, &key)?);
                    if settings.bounce_notify_owner_on_disable {
                        outputs.push(owners(say(
                            "Delivery to the member is off, and the member was told how to turn it on again.",
                        )));
                    }
                }
                BounceOutcome::Removed => {
                    // A person who complained wants no more mail.
                    if event.kind != BounceKind::Complaint {
                        outputs.push(notices.removed_silent_member(&event.address, off, ""));
                    }
                    if settings.bounce_notify_owner_on_removal {
                        outputs.push(owners(say("The member was removed.")));
                    }
                }
                BounceOutcome::Probed => {
                    let cookie = self.ledger.cookie("probe", &list, &key)?;
                    if let Some(member) = read.member(list.id, &key)? {
                        outputs.push(notices.probe(&member, &cookie, self.evidence));
                    }
                }
                BounceOutcome::Storm => {
                    let since = event.at - 86_400.0;
                    let count = read.count_bounced(list.id, BounceKind::Policy, since)?;
                    outputs.push(notices.policy_storm(event, count));
                }
                BounceOutcome::Scored
                | BounceOutcome::SameDay
                | BounceOutcome::AlreadyOff
                | BounceOutcome::NotCounted => {}
            }
        }
        Ok(outputs)
    }

    /// Returns the first notice to a member whose delivery was turned off.
    fn to_disabled(
        &self,
        notices: &Notices<'_>,
        key: &AddressKey,
    ) -> Result<Option<Output>, StoreError> {
        let list = notices.list;
        let cookie = self.ledger.cookie("re-enable", list, key)?;
        let left = list.settings.bounce_you_are_disabled_warnings - 1;
        let member = self.ledger.store.read().member(list.id, key)?;
        Ok(member.map(|member| notices.delivery_off(&member, Delivery::ByBounce, &cookie, left)))
    }

    /// Returns the owners' notice, at most once a day, about members for whom a post was given up.
    /// Automatic messages that were given up do not count, because such a notice would cause the
    /// next one.
    pub fn of_given_up(
        &self,
        list: &List,
        message: &[u8],
        failures: Vec<(String, FailedAddress)>,
    ) -> Result<Option<Output>, StoreError> {
        let (tx, now) = (self.ledger.store, Timestamp::now());
        let mut members = Vec::new();
        for failure in failures {
            if tx.read().is_member(list.id, &failure.0)? {
                members.push(failure);
            }
        }
        let message = Message::parse_header_of(message);
        if members.is_empty() || message.has("Auto-Submitted") {
            return Ok(None);
        }
        // An entry that is processed again after a crash must repeat the notice.
        let told = tx.read().outcome(self.ledger.entry)?.is_some();
        if !told
            && !tx.mark_done(GIVEN_UP_JOB, list.id, date::local_day(Timestamp::now()).as_str())?
        {
            return Ok(None);
        }
        tx.keep_outcome(self.ledger.entry, GIVEN_UP_JOB.as_bytes(), now)?;
        Ok(Some(Notices { list, site: self.site }.given_up(&message, &members)))
    }
}

/// The name of the report about given up mail among the daily jobs.
const GIVEN_UP_JOB: &str = "given-up";
