//! How fast an entry may be sent to each receiving domain: the limits of `delivery.limits`, and
//! back-off from domains that defer mail.
//!
//! Nothing waits here. A recipient who must wait is skipped, with the time of the next attempt; all
//! others are sent to.

use super::feed::Feed;
use crate::lock_file::LockFile;
use dormouse_clock::Timestamp;
use dormouse_delivery::{Addresses, RecipientOutcome, Reply, Stage, TransactionReport};
use dormouse_mail::address::domain_key;
use dormouse_membership::RunError;
use dormouse_pipeline::progress::Hold;
use dormouse_spool::EntryName;
use dormouse_store::{BackOff, Config, Granted, Limit, SlowDomain, Store, StoreError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// After a domain has deferred this many recipients of a message in a row, it is left alone.
const ENOUGH: u32 = 3;
/// For this many recipients in a row the MTA may end the session before the whole entry waits.
const MOST_GOODBYES: u32 = 3;
/// The shortest and longest wait for a connection that others use, in seconds; in between the wait
/// grows with the age of the mail.
const SLOT_WAIT: (f64, f64) = (5.0, 60.0);
/// The maximum number of recipients to reserve at a time: others lack what is reserved and not
/// used.
const FEW: u64 = 20;
/// How long a domain is remembered after the last attempt, in seconds.
const FORGOTTEN: f64 = 30.0 * 86_400.0;

/// Whether a recipient may be sent to now.
pub(super) enum Leave {
    Go(Option<Capped>),
    Wait(Hold, String),
}

/// A group of domains with a limited number of recipients in a transaction.
#[derive(Debug, Clone)]
pub(super) struct Capped {
    pub name: String,
    pub most: u64,
}

/// The replies of a domain for this entry.
#[derive(Debug, Default)]
struct Tried {
    /// How many recipients it has deferred since it last accepted one.
    in_a_row: u32,
    takes_mail: bool,
    refuses: bool,
    reply: String,
}

/// A reservation to send to a group.
#[derive(Debug, Default)]
struct Budget {
    granted: u64,
    /// Its time.
    granted_at: Timestamp,
    left: u64,
    /// Nothing more can be reserved before this time.
    none_until: Option<Timestamp>,
}

/// The pace of one entry.
pub(super) struct Pace<'p> {
    store: &'p Store,
    config: &'p Config,
    queues: PathBuf,
    slow: HashMap<String, SlowDomain>,
    tried: HashMap<String, Tried>,
    /// How often the MTA has ended the session since the last transaction with a result.
    goodbyes: u32,
    /// Domains of recipients for whom the MTA ended the session before it had accepted others in
    /// the transaction: it may have meant everybody.
    doubtful: Vec<String>,
    budgets: HashMap<String, Budget>,
    /// A connection slot of each group with limited connections.
    slots: HashMap<String, Slot>,
    /// How long a recipient waits for a connection that others use, in seconds.
    slot_wait: f64,
}

impl<'p> Pace<'p> {
    pub fn new(
        store: &'p Store,
        config: &'p Config,
        (queues, mail): (&Path, &EntryName),
    ) -> Result<Pace<'p>, StoreError> {
        let slow = store.read().slow_domains()?.into_iter().map(|slow| (slow.domain.clone(), slow));
        Ok(Pace {
            store,
            config,
            queues: queues.to_owned(),
            slow: slow.collect(),
            tried: HashMap::new(),
            goodbyes: 0,
            doubtful: Vec::new(),
            budgets: HashMap::new(),
            slots: HashMap::new(),
            slot_wait: slot_wait(mail.received(), Timestamp::now()),
        })
    }

    fn back_off(&self) -> BackOff {
        BackOff {
            first: self.config.delivery_retry_wait.seconds_f64(),
            longest: self.config.delivery_retry_longest.seconds_f64(),
        }
    }

    /// Whether there are no limits and no domain has deferred mail, so that everybody may be sent
    /// to.
    pub fn is_quiet(&self) -> bool {
        self.config.delivery_limits.is_empty() && self.slow.is_empty() && self.tried.is_empty()
    }

    /// Decides whether a recipient may be sent to now. If so, that uses up a part of the
    /// reservation. `left` is an upper limit of this and the following recipients.
    pub fn ask(&mut self, address: &str, left: u64) -> Result<Leave, StoreError> {
        if self.is_quiet() {
            return Ok(Leave::Go(None));
        }
        let limits = &self.config.delivery_limits;
        let domain = domain_key(address);
        if let Some(reply) = self.reply_of_held(&domain) {
            return Ok(Leave::Wait(Hold::Domain, why_held(&domain, reply)));
        }
        match limits.of(&domain) {
            Some(limit) => self.ask_limit(&domain, limit, left),
            None => Ok(Leave::Go(None)),
        }
    }

    fn reply_of_held(&self, domain: &str) -> Option<&str> {
        if let Some(tried) = self.tried.get(domain) {
            return tried.refuses.then_some(&tried.reply);
        }
        let (now, longest) = (Timestamp::now(), self.config.longest_retry_wait().as_secs_f64());
        let slow = self.slow.get(domain).filter(|slow| slow.is_held)?;
        // A later time was stored while the clock was wrong.
        (now < slow.next_at && slow.next_at <= now + longest).then_some(&slow.reply)
    }

    fn ask_limit(&mut self, domain: &str, limit: &Limit, left: u64) -> Result<Leave, StoreError> {
        let name = limit.name(domain).into_owned();
        let now = Timestamp::now();
        if let Some(most) = limit.connections {
            let queues = &self.queues;
            let slot = self.slots.entry(name.clone()).or_insert_with(|| slot(queues, &name, most));
            if let Slot::Taken = slot {
                let why = format!("not tried: {most} connections carry mail for {name} already");
                return Ok(Leave::Wait(Hold::Limit(now + self.slot_wait), why));
            }
        }
        if let Some(rate) = limit.rate {
            let budget = self.budgets.entry(name.clone()).or_default();
            if budget.left == 0 && budget.none_until.is_none() {
                let before = (budget.granted, budget.left);
                let asked = self.store.write(|tx| {
                    if before.0 > 0 {
                        tx.give_back(&name, before, budget.granted_at, now)?;
                    }
                    tx.ask_to_send(&name, FEW.min(left), rate, now)
                })?;
                budget.granted = 0;
                match asked {
                    Granted::Some(granted) => {
                        *budget =
                            Budget { granted, granted_at: now, left: granted, none_until: None };
                    }
                    Granted::NoneUntil(time) => budget.none_until = Some(time),
                }
            }
            if let Some(time) = budget.none_until {
                let why = format!("not tried: {name} has reached {rate} (delivery.limits)");
                let latest = now + self.config.longest_retry_wait();
                return Ok(Leave::Wait(Hold::Limit(time.min(latest)), why));
            }
            budget.left -= 1;
        }
        Ok(Leave::Go(limit.recipients.map(|most| Capped { name, most })))
    }

    /// Records what the results of a transaction say about the domains of its recipients.
    pub fn note(&mut self, group: &Addresses, report: &TransactionReport) {
        self.goodbyes = 0;
        self.doubtful.clear();
        let is_quiet = self.tried.is_empty() && self.slow.is_empty();
        if is_quiet && report.outcomes.iter().all(|outcome| *outcome == RecipientOutcome::Accepted)
        {
            return;
        }
        let is_one = is_one_domain(group);
        for (recipient, outcome) in group.iter().zip(&report.outcomes) {
            match outcome {
                RecipientOutcome::Accepted => {
                    let domain = domain_key(recipient);
                    if self.slow.contains_key(&domain) || self.tried.contains_key(&domain) {
                        let takes_mail = Tried { takes_mail: true, ..Tried::default() };
                        self.tried.insert(domain, takes_mail);
                    }
                }
                RecipientOutcome::Deferred(reply) if is_of_domain(reply, is_one) => {
                    self.put_off(recipient, reply);
                }
                RecipientOutcome::Deferred(_) | RecipientOutcome::Refused(_) => {}
            }
        }
    }

    /// Records that the MTA ended the session because of the recipient at this position of the
    /// transaction, and skips its domain. Returns whether to try the others.
    pub fn say_goodbye(&mut self, place: usize, reply: &Reply, feed: &mut Feed<'_>) -> bool {
        let Some(address) = feed.named(place).map(str::to_owned) else { return false };
        if self.goodbyes == MOST_GOODBYES {
            return false;
        }
        self.goodbyes += 1;
        if place == 0 {
            self.doubtful.push(domain_key(&address));
        }
        self.put_off(&address, reply);
        feed.pass_over(&address, reply);
        true
    }

    /// Forgets the ended sessions that the MTA may have meant for everybody.
    pub fn forget_doubtful(&mut self) {
        for domain in self.doubtful.drain(..) {
            self.tried.remove(&domain);
        }
    }

    /// Records that a recipient was deferred.
    fn put_off(&mut self, address: &str, reply: &Reply) {
        let tried = self.tried.entry(domain_key(address)).or_default();
        tried.in_a_row += 1;
        tried.refuses |= reply.code == 421 || tried.in_a_row >= ENOUGH;
        tried.reply = reply.to_string();
    }

    /// Stores what was learned, and returns unused reservations to the store. Returns when the
    /// domains that defer mail are tried next.
    pub fn finish(self) -> Result<HashMap<String, Timestamp>, RunError> {
        let (now, back_off) = (Timestamp::now(), self.back_off());
        let mut waits: HashMap<String, Timestamp> =
            self.slow.iter().map(|(domain, slow)| (domain.clone(), slow.next_at)).collect();
        waits.retain(|_, next_at| now < *next_at && *next_at <= now + back_off.longest);
        if self.tried.is_empty() && self.budgets.is_empty() {
            return Ok(waits);
        }
        self.store.write(|tx| {
            for (domain, tried) in &self.tried {
                if tried.takes_mail {
                    tx.takes_mail(domain)?;
                    waits.remove(domain);
                }
                if tried.in_a_row > 0 {
                    let next = tx.put_off(domain, &tried.reply, tried.refuses, now, back_off)?;
                    waits.insert(domain.clone(), next);
                }
            }
            for (name, budget) in self.budgets.iter().filter(|(_, budget)| budget.granted > 0) {
                tx.give_back(name, (budget.granted, budget.left), budget.granted_at, now)?;
            }
            tx.forget_slow_domains(now - FORGOTTEN)?;
            Ok::<(), StoreError>(())
        })?;
        Ok(waits)
    }
}

/// Returns the reason for a recipient whose domain is left alone.
pub(super) fn why_held(domain: &str, reply: &str) -> String {
    format!("not tried: {domain} defers mail: {reply}")
}

/// Whether all recipients are of one domain: then a reply to the message may be about the domain.
pub(super) fn is_one_domain(group: &Addresses) -> bool {
    let mut domains = group.iter().map(domain_key);
    domains.next().is_some_and(|first| domains.all(|domain| domain == first))
}

/// Whether a reply is about the domain, and not about one mailbox or the MTA in between.
fn is_of_domain(reply: &Reply, is_one_domain: bool) -> bool {
    let is_heard = match reply.stage {
        Stage::Rcpt => true,
        Stage::Data | Stage::Dot => is_one_domain,
        Stage::Connect | Stage::Mail => false,
    };
    let text = reply.text.to_ascii_lowercase();
    // Greylisting ends sooner if each recipient is tried, and 4.2.2 is about one full mailbox.
    let is_of_one = ["greylist", "graylist", "grey-list", "gray-list", "postgrey"]
        .iter()
        .any(|word| text.contains(word))
        || reply.enhanced.as_deref() == Some("4.2.2");
    is_heard && reply.code / 100 == 4 && !is_of_one
}

/// One of a group's connections, as a locked file: the lock ends with the process.
#[derive(Debug)]
enum Slot {
    Ours(#[expect(dead_code, reason = "held for its lock")] LockFile),
    /// Others use all of them.
    Taken,
    /// They cannot be counted. Mail must not wait because the disk is full or a file belongs to
    /// another user.
    Unknown,
}

fn slot(queues: &Path, name: &str, most: u64) -> Slot {
    let plain =
        |one: char| if one.is_ascii_alphanumeric() || ".-".contains(one) { one } else { '_' };
    let name: String = name.chars().map(plain).take(150).collect();
    for number in 0..most.min(1000) {
        let path = queues.join(format!(".slot-{name}-{number}"));
        match LockFile::take(&path) {
            Ok(Some(lock)) => return Slot::Ours(lock),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    "{}: {error}; the number of connections for {name} is not limited meanwhile",
                    path.display()
                );
                return Slot::Unknown;
            }
        }
    }
    Slot::Taken
}

/// Returns how long mail of this age waits for a connection, in seconds.
fn slot_wait(received: Option<Timestamp>, now: Timestamp) -> f64 {
    let (least, most) = SLOT_WAIT;
    ((now - received.unwrap_or(now)) / 4.0).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, enhanced: &str, text: &str, stage: Stage) -> Reply {
        let enhanced = Some(enhanced.to_owned()).filter(|text| !text.is_empty());
        Reply { code, enhanced, text: text.to_owned(), stage }
    }

    #[test]
    fn what_is_said_of_one_mailbox_or_by_the_mta_says_nothing_of_the_domain() {
        for (reply, is_one, expected) in [
            (reply(451, "4.7.1", "try again later", Stage::Rcpt), false, true),
            (reply(450, "", "busy", Stage::Rcpt), false, true),
            (reply(421, "4.7.0", "too many", Stage::Rcpt), false, true),
            (reply(452, "4.2.2", "mailbox full", Stage::Rcpt), false, false),
            (reply(450, "4.2.0", "Greylisted, see there", Stage::Rcpt), false, false),
            (reply(451, "4.7.1", "Greylisting in action", Stage::Rcpt), false, false),
            (reply(451, "4.3.0", "no space", Stage::Mail), true, false),
            (reply(451, "4.7.1", "later", Stage::Dot), true, true),
            (reply(451, "4.7.1", "later", Stage::Dot), false, false),
            (reply(552, "", "too much", Stage::Rcpt), false, false),
            (reply(0, "4.4.2", "lost", Stage::Dot), true, false),
        ] {
            assert_eq!(is_of_domain(&reply, is_one), expected, "{reply:?}");
        }
    }

    #[test]
    fn a_group_has_so_many_connections_and_no_more() {
        let home = tempfile::tempdir().unwrap();
        let group = |most| slot(home.path(), "*.example.net example.net", most);
        let (first, second) = (group(2), group(2));
        assert!(matches!((&first, &second), (Slot::Ours(_), Slot::Ours(_))));
        assert!(matches!(group(2), Slot::Taken));
        assert!(matches!(slot(home.path(), "other.example", 2), Slot::Ours(_)));
        drop((first, second));
        assert!(matches!(group(1), Slot::Ours(_)));
    }

    #[test]
    fn connections_that_cannot_be_counted_hold_nobody_back() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(slot(&home.path().join("missing"), "a.example", 1), Slot::Unknown));
        std::fs::create_dir(home.path().join(".slot-a.example-0")).unwrap();
        assert!(matches!(slot(home.path(), "a.example", 1), Slot::Unknown));
    }

    #[test]
    fn mail_that_waits_long_for_a_connection_is_looked_at_seldom() {
        for (age, expected) in [(-9.0, 5.0), (0.0, 5.0), (40.0, 10.0), (200.0, 50.0), (1e6, 60.0)] {
            assert_eq!(
                slot_wait(
                    Some(Timestamp::from_seconds(1000.0)),
                    Timestamp::from_seconds(1000.0 + age)
                ),
                expected
            );
        }
        assert_eq!(slot_wait(None, Timestamp::from_seconds(1000.0)), 5.0);
    }
}
