//! How fast an entry may go to each receiving domain: the limits of `delivery.limits`, and back-off from
//! domains that put mail off.
//!
//! Nobody waits here. A recipient who may not be sent to now is passed over, with the time at which it
//! is tried again; all others go on.

use super::feed::Feed;
use dormouse_delivery::{Outcome, Reply, Report, Stage};
use dormouse_mail::address::domain_key;
use dormouse_membership::RunError;
use dormouse_pipeline::progress::Hold;
use dormouse_pipeline::recipients::Next;
use dormouse_spool::{EntryName, clock};
use dormouse_store::{BackOff, Config, Granted, Limit, SlowDomain, Store, StoreError};
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A domain that puts off so many recipients of a message, one after the other, is left alone.
const ENOUGH: u32 = 3;
/// To so many recipients, one after the other, the MTA may say goodbye before the entry waits.
const MOST_GOODBYES: u32 = 3;
/// So long a recipient waits at least and at most for a connection that others have, in seconds; in between
/// the wait grows with the age of the mail.
const SLOT_WAIT: (f64, f64) = (5.0, 60.0);
/// For so many recipients at most leave is asked in one go: what one has and does not use others lack.
const FEW: u64 = 20;
/// Domains that nobody has tried for so long are forgotten, in seconds.
const FORGOTTEN: f64 = 30.0 * 86_400.0;

/// Whether a recipient may be sent to now.
pub(super) enum Leave {
    Go(Option<Capped>),
    Wait(Hold, String),
}

/// A group of domains of which a transaction has a limited number of recipients.
#[derive(Debug, Clone)]
pub(super) struct Capped {
    pub name: String,
    pub most: u64,
}

/// What a domain did with this entry.
#[derive(Debug, Default)]
struct Tried {
    /// How many it put off since it took one.
    in_a_row: u32,
    takes_mail: bool,
    refuses: bool,
    reply: String,
}

/// Leave to send to a group.
#[derive(Debug, Default)]
struct Budget {
    granted: u64,
    /// When, in seconds since the epoch.
    granted_at: f64,
    left: u64,
    /// There is no more before this time.
    none_until: Option<f64>,
}

/// The pace of one entry.
pub(super) struct Pace<'p> {
    store: &'p Store,
    config: &'p Config,
    queues: PathBuf,
    slow: HashMap<String, SlowDomain>,
    tried: HashMap<String, Tried>,
    /// How many goodbyes there were since a transaction was last answered.
    goodbyes: u32,
    /// Domains of recipients to whom the MTA said goodbye before it heard of others.
    doubtful: Vec<String>,
    budgets: HashMap<String, Budget>,
    /// A connection of each group that has a limited number.
    slots: HashMap<String, Slot>,
    /// How long a recipient waits for a connection that others have, in seconds.
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
            slot_wait: slot_wait(mail.received(), clock::seconds()),
        })
    }

    fn back_off(&self) -> BackOff {
        BackOff {
            first: self.config.delivery_retry_wait.seconds_f64(),
            longest: self.config.delivery_retry_longest.seconds_f64(),
        }
    }

    /// Whether everybody may be sent to, whatever the MTA says to the next ones.
    pub fn is_quiet(&self) -> bool {
        self.config.delivery_limits.is_empty() && self.slow.is_empty() && self.tried.is_empty()
    }

    /// Whether a recipient may be sent to now, of whom and of those behind there are `left` at most. Leave
    /// counts as used.
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
        let (now, longest) = (clock::seconds(), self.config.longest_retry_wait().as_secs_f64());
        let slow = self.slow.get(domain).filter(|slow| slow.is_held)?;
        // A time further away was set by a clock that was wrong.
        (now < slow.next_at && slow.next_at <= now + longest).then_some(&slow.reply)
    }

    fn ask_limit(&mut self, domain: &str, limit: &Limit, left: u64) -> Result<Leave, StoreError> {
        let name = limit.name(domain).into_owned();
        let now = clock::seconds();
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
                let why = format!("not tried: {name} has got {rate} already (delivery.limits)");
                let latest = now + self.config.longest_retry_wait().as_secs_f64();
                return Ok(Leave::Wait(Hold::Limit(time.min(latest)), why));
            }
            budget.left -= 1;
        }
        Ok(Leave::Go(limit.recipients.map(|most| Capped { name, most })))
    }

    /// Notes what a transaction shows of the domains of its recipients.
    pub fn note(&mut self, group: &[Next], report: &Report) {
        self.goodbyes = 0;
        self.doubtful.clear();
        let is_quiet = self.tried.is_empty() && self.slow.is_empty();
        if is_quiet && report.outcomes.iter().all(|outcome| *outcome == Outcome::Accepted) {
            return;
        }
        let is_one = is_one_domain(group);
        for (recipient, outcome) in group.iter().zip(&report.outcomes) {
            match outcome {
                Outcome::Accepted => {
                    let domain = domain_key(&recipient.address);
                    if self.slow.contains_key(&domain) || self.tried.contains_key(&domain) {
                        let takes_mail = Tried { takes_mail: true, ..Tried::default() };
                        self.tried.insert(domain, takes_mail);
                    }
                }
                Outcome::Deferred(reply) if is_of_domain(reply, is_one) => {
                    self.put_off(&recipient.address, reply);
                }
                Outcome::Deferred(_) | Outcome::Refused(_) => {}
            }
        }
    }

    /// Notes that the MTA ended the session over a recipient at this place of the transaction, and passes
    /// over all of that domain. Returns whether others may still be welcome.
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

    /// Forgets the goodbyes that may as well have been to everybody.
    pub fn forget_doubtful(&mut self) {
        for domain in self.doubtful.drain(..) {
            self.tried.remove(&domain);
        }
    }

    /// Notes that a recipient was put off.
    fn put_off(&mut self, address: &str, reply: &Reply) {
        let tried = self.tried.entry(domain_key(address)).or_default();
        tried.in_a_row += 1;
        tried.refuses |= reply.code == 421 || tried.in_a_row >= ENOUGH;
        tried.reply = reply.to_string();
    }

    /// Stores what was learned and gives back what was not used. Returns when the domains that put mail
    /// off are tried next.
    pub fn finish(self) -> Result<HashMap<String, f64>, RunError> {
        let (now, back_off) = (clock::seconds(), self.back_off());
        let mut waits: HashMap<String, f64> =
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

/// What is noted of a recipient whose domain is left alone.
pub(super) fn why_held(domain: &str, reply: &str) -> String {
    format!("not tried: {domain} puts mail off: {reply}")
}

/// Whether all recipients are of one domain: then what is said of the message may be said of that.
pub(super) fn is_one_domain(group: &[Next]) -> bool {
    let mut domains = group.iter().map(|next| domain_key(&next.address));
    domains.next().is_some_and(|first| domains.all(|domain| domain == first))
}

/// Whether a reply says something of the domain, and not of one mailbox or of the MTA in between.
fn is_of_domain(reply: &Reply, is_one_domain: bool) -> bool {
    let is_heard = match reply.stage {
        Stage::Rcpt => true,
        Stage::Data | Stage::Dot => is_one_domain,
        Stage::Connect | Stage::Mail => false,
    };
    let text = reply.text.to_ascii_lowercase();
    // Greylisting is over soon if each recipient is tried.
    let is_of_one = ["greylist", "graylist", "grey-list", "gray-list", "postgrey"]
        .iter()
        .any(|word| text.contains(word))
        || reply.enhanced.as_deref() == Some("4.2.2");
    is_heard && reply.code / 100 == 4 && !is_of_one
}

/// One of the connections that carry mail for a group at once, as a locked file: the lock ends with the
/// process.
#[derive(Debug)]
enum Slot {
    Ours(#[expect(dead_code, reason = "held for its lock")] File),
    /// Others have them all.
    Taken,
    /// Nobody can tell; mail must not wait for a disk that is full or files of somebody else.
    Unknown,
}

fn slot(queues: &Path, name: &str, most: u64) -> Slot {
    let plain =
        |one: char| if one.is_ascii_alphanumeric() || ".-".contains(one) { one } else { '_' };
    let name: String = name.chars().map(plain).take(150).collect();
    for number in 0..most.min(1000) {
        let path = queues.join(format!(".slot-{name}-{number}"));
        let file = OpenOptions::new().create(true).append(true).mode(0o660).open(&path);
        let locked = file.map_err(TryLockError::Error).and_then(|file| {
            file.try_lock()?;
            Ok(file)
        });
        match locked {
            Ok(file) => return Slot::Ours(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
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

/// How long mail of this age waits for a connection.
fn slot_wait(received: Option<f64>, now: f64) -> f64 {
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
            assert_eq!(slot_wait(Some(1000.0), 1000.0 + age), expected);
        }
        assert_eq!(slot_wait(None, 1000.0), 5.0);
    }
}
