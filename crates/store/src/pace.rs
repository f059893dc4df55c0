//! The pace of mail to receiving domains: domains that defer mail, and the recent counts for the
//! groups of `delivery.limits`.

use crate::db::{self, Row, params};
use crate::limits::Rate;
use crate::{Read, StoreError, Tx};
use dormouse_clock::Timestamp;

/// A receiving domain that defers mail.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SlowDomain {
    /// The domain, in lower case.
    pub domain: String,
    /// How many times in a row it has deferred all mail.
    pub failures: u32,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// Whether no mail is sent there before.
    pub is_held: bool,
    /// When it began to defer mail.
    pub since: Timestamp,
    /// Its last reply.
    pub reply: String,
}

/// How long to wait before a domain that defers mail is tried again, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct BackOff {
    /// The first wait; each further one is twice as long.
    pub first: f64,
    /// The longest wait.
    pub longest: f64,
}

impl BackOff {
    /// Returns the wait after a number of failures.
    pub fn after(self, failures: u32) -> f64 {
        let doubled = self.first * f64::from(failures.saturating_sub(1).min(30)).exp2();
        doubled.min(self.longest).max(self.first)
    }
}

/// The result of asking for permission to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Granted {
    /// Mail for this many recipients may be sent now.
    Some(u64),
    /// No mail may be sent before this time.
    NoneUntil(Timestamp),
}

/// The number of parts of a period. With constant demand, a group gets at most one part less than
/// its rate.
const PARTS: f64 = 10.0;

/// How long a refusal is valid while others may still give back part of their grants, in seconds.
const REPORTED_WITHIN: f64 = 15.0;

/// How much earlier than planned a domain may be tried again, in seconds.
const SLACK: f64 = 1.0;

/// The maximum difference between the clocks of two hosts, in seconds. Times further in the future are due to
/// a clock that was set back.
const SKEW: f64 = 60.0;

const COLUMNS: &str = "domain, failures, next_at, is_held, since, reply";

fn read(row: &Row<'_>) -> db::Result<SlowDomain> {
    Ok(SlowDomain {
        domain: row.get(0)?,
        failures: u32::try_from(row.get::<i64>(1)?).unwrap_or(u32::MAX),
        next_at: row.get(2)?,
        is_held: row.get::<i64>(3)? != 0,
        since: row.get(4)?,
        reply: row.get(5)?,
    })
}

impl Read {
    /// Returns the domains that defer mail, those with the most failures first.
    pub fn slow_domains(&self) -> Result<Vec<SlowDomain>, StoreError> {
        let sql = format!("select {COLUMNS} from slow_domain order by failures desc, domain");
        self.rows(&sql, params![], read)
    }
}

impl Tx<'_> {
    /// Records that a domain deferred mail, and returns when it is tried again. Deferrals before
    /// that time count as one failure, however many entries there are. If `is_held`, no mail is
    /// sent there before.
    pub fn put_off(
        &self,
        domain: &str,
        reply: &str,
        is_held: bool,
        now: Timestamp,
        back_off: BackOff,
    ) -> Result<Timestamp, StoreError> {
        let sql = format!("select {COLUMNS} from slow_domain where domain = ?1");
        let known = self.read().first(&sql, params![domain], read)?;
        let (failures, since) =
            known.as_ref().map_or((0, now), |known| (known.failures, known.since));
        let is_repeated = known.as_ref().is_some_and(|known| {
            // A time further in the future is due to a wrong clock.
            now < known.next_at - SLACK && known.next_at <= now + back_off.after(failures)
        });
        let failures = if is_repeated { failures } else { failures.saturating_add(1) };
        let next_at = match &known {
            Some(known) if is_repeated => known.next_at,
            _ => now + back_off.after(failures),
        };
        let is_held = is_held || is_repeated && known.is_some_and(|known| known.is_held);
        self.execute(
            "insert into slow_domain (domain, failures, next_at, is_held, since, reply)
             values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (domain) do update set failures = excluded.failures,
                 next_at = excluded.next_at, is_held = excluded.is_held, reply = excluded.reply",
            params![domain, i64::from(failures), next_at, i64::from(is_held), since, reply],
        )?;
        Ok(next_at)
    }

    /// Records that a domain accepts mail again.
    pub fn takes_mail(&self, domain: &str) -> Result<(), StoreError> {
        self.execute("delete from slow_domain where domain = ?1", params![domain])?;
        Ok(())
    }

    /// Deletes domains that should have been tried again before a time, and returns how many there
    /// were.
    pub fn forget_slow_domains(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.execute("delete from slow_domain where next_at < ?1", params![before])
    }

    /// Asks for permission to send to `wanted` recipients of a group. The grant counts as sent: if
    /// the process dies, too little is sent, but never too much.
    ///
    /// In every interval of the period's length, no more than the rate is sent: the mail of a part
    /// counts until the period has passed since the last of it was sent.
    pub fn ask_to_send(
        &self,
        name: &str,
        wanted: u64,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Granted, StoreError> {
        let period = rate.period.as_secs_f64();
        self.execute(
            "delete from paced_part where name = ?1 and (last_at <= ?2 or last_at > ?3)",
            params![name, now - period, now + SKEW],
        )?;
        let parts = self.read().rows(
            "select began, sent, unreported, last_at from paced_part where name = ?1 order by last_at",
            params![name],
            |row| {
                let count = |count: i64| u64::try_from(count).unwrap_or(0);
                Ok(Part {
                    began: row.get(0)?,
                    sent: count(row.get(1)?),
                    unreported: count(row.get(2)?),
                    last_at: row.get(3)?,
                })
            },
        )?;
        let sent: u64 = parts.iter().map(|part| part.sent).sum();
        let free = rate.count.saturating_sub(sent);
        let granted = wanted.min(free);
        if granted == 0 {
            return Ok(Granted::NoneUntil(none_until(&parts, wanted, rate, now)));
        }
        let began = parts.last().map(|part| part.began);
        let began = began.filter(|began| (now - period / PARTS..=now).contains(began));
        self.execute(
            "insert into paced_part (name, began, sent, unreported, last_at) values (?1, ?2, ?3, ?3, ?4)
             on conflict (name, began) do update set sent = paced_part.sent + excluded.sent,
                 unreported = paced_part.unreported + excluded.unreported,
                 last_at = excluded.last_at",
            params![name, began.unwrap_or(now), i64::try_from(granted).unwrap_or(i64::MAX), now],
        )?;
        Ok(Granted::Some(granted))
    }

    /// Reports that `granted` recipients are done, of which `unused` got no mail. The others were
    /// sent mail until `now`.
    pub fn give_back(
        &self,
        name: &str,
        (granted, unused): (u64, u64),
        granted_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let changed = self.execute(
            "update paced_part set sent = case when sent > ?2 then sent - ?2 else 0 end,
                 unreported = case when unreported > ?3 then unreported - ?3 else 0 end,
                 last_at = case when last_at > ?5 then last_at else ?5 end
             where name = ?1 and began =
                 (select max(began) from paced_part where name = ?1 and began <= ?4)",
            params![name, count(unused), count(granted), granted_at, now],
        )?;
        if changed == 0 && granted > unused {
            // Sending took longer than the period, and the part was deleted.
            self.execute(
                "insert into paced_part (name, began, sent, unreported, last_at)
                 values (?1, ?2, ?3, 0, ?4)",
                params![name, granted_at, count(granted - unused), now],
            )?;
        }
        Ok(())
    }
}

/// The mail of a group in a part of the period.
struct Part {
    began: Timestamp,
    sent: u64,
    unreported: u64,
    last_at: Timestamp,
}

/// Returns when `wanted` recipients will be allowed again, given the parts in the order of their
/// ends.
fn none_until(parts: &[Part], wanted: u64, rate: Rate, now: Timestamp) -> Timestamp {
    let mut over = parts.iter().map(|part| part.sent).sum::<u64>() + wanted.min(rate.count);
    let last = parts.iter().find(|part| {
        over = over.saturating_sub(part.sent);
        over <= rate.count
    });
    let ends = last.map_or(now, |part| part.last_at) + rate.period.as_secs_f64();
    // Others may not use their whole grants.
    let is_final = parts.iter().all(|part| part.unreported == 0);
    if is_final { ends } else { ends.min(now + REPORTED_WITHIN) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::testing::time;
    use std::time::Duration;

    const BACK_OFF: BackOff = BackOff { first: 60.0, longest: 400.0 };

    fn with_store<T>(work: impl Fn(&Store) -> T) -> T {
        let home = tempfile::tempdir().unwrap();
        let site = crate::testing::site(home.path(), "l.example").unwrap();
        work(&Store::open(&site).unwrap())
    }

    #[test]
    fn waits_double_up_to_the_longest_and_end_when_the_domain_takes_mail() {
        with_store(|store| {
            let put_off = |now| {
                let tried =
                    |tx: &Tx<'_>| tx.put_off("slow.example", "4.7.0 no", false, now, BACK_OFF);
                store.write(tried).unwrap() - now
            };
            assert_eq!(put_off(time(0.0)), 60.0);
            // The same again, before its time.
            assert_eq!(put_off(time(10.0)), 50.0);
            assert_eq!(put_off(time(60.0)), 120.0);
            assert_eq!(put_off(time(180.0)), 240.0);
            assert_eq!(put_off(time(420.0)), 400.0);
            assert_eq!(put_off(time(820.0)), 400.0);
            let known = store.read().slow_domains().unwrap();
            assert_eq!((known[0].failures, known[0].since), (5, time(0.0)));
            // The clock went back by a year.
            assert_eq!(put_off(time(-3e7)), 400.0);
            store.write(|tx| tx.takes_mail("slow.example")).unwrap();
            assert_eq!(put_off(time(5000.0)), 60.0);
            assert_eq!(store.write(|tx| tx.forget_slow_domains(time(9000.0))).unwrap(), 1);
            assert_eq!(store.read().slow_domains().unwrap(), []);
        });
    }

    const RATE: Rate = Rate { count: 10, period: Duration::from_secs(60) };

    #[test]
    fn no_more_than_the_rate_is_granted_in_any_period() {
        with_store(|store| {
            let ask =
                |wanted, now| store.write(|tx| tx.ask_to_send("g", wanted, RATE, now)).unwrap();
            let give_back = |grant, at, now| {
                store.write(|tx| tx.give_back("g", grant, at, now)).unwrap();
            };
            assert_eq!(ask(4, time(0.0)), Granted::Some(4));
            assert_eq!(ask(8, time(30.0)), Granted::Some(6));
            assert_eq!(
                ask(1, time(31.0)),
                Granted::NoneUntil(time(46.0)),
                "some may be given back"
            );
            give_back((4, 0), time(0.0), time(5.0));
            give_back((6, 0), time(30.0), time(33.0));
            assert_eq!(
                ask(1, time(61.0)),
                Granted::NoneUntil(time(65.0)),
                "the last was sent at 5"
            );
            assert_eq!(
                ask(5, time(61.0)),
                Granted::NoneUntil(time(93.0)),
                "so many are not free before"
            );
            assert_eq!(ask(4, time(65.0)), Granted::Some(4));
            give_back((4, 2), time(65.0), time(66.0));
            assert_eq!(ask(9, time(67.0)), Granted::Some(2));
            give_back((2, 0), time(67.0), time(67.0));
            assert_eq!(ask(1, time(92.0)), Granted::NoneUntil(time(93.0)));
            assert_eq!(ask(99, time(93.0)), Granted::Some(6));
            give_back((6, 0), time(93.0), time(93.0));
            assert_eq!(ask(99, time(127.0)), Granted::Some(4));
            assert_eq!(ask(1, time(50.0)), Granted::Some(1), "the clock went back");
        });
    }

    #[test]
    fn what_a_host_whose_clock_is_ahead_has_sent_counts() {
        with_store(|store| {
            let ask =
                |wanted, now| store.write(|tx| tx.ask_to_send("g", wanted, RATE, now)).unwrap();
            assert_eq!(ask(8, time(130.0)), Granted::Some(8));
            assert_eq!(ask(9, time(100.0)), Granted::Some(2), "30 seconds behind");
            assert!(matches!(ask(9, time(131.0)), Granted::NoneUntil(_)));
            assert!(matches!(ask(9, time(101.0)), Granted::NoneUntil(_)));
        });
    }

    #[test]
    fn what_was_sent_slowly_counts_from_its_end() {
        with_store(|store| {
            let ask =
                |wanted, now| store.write(|tx| tx.ask_to_send("g", wanted, RATE, now)).unwrap();
            assert_eq!(ask(4, time(0.0)), Granted::Some(4));
            assert_eq!(ask(6, time(61.0)), Granted::Some(6));
            store.write(|tx| tx.give_back("g", (4, 1), time(0.0), time(70.0))).unwrap();
            assert_eq!(ask(9, time(71.0)), Granted::Some(1));
            store.write(|tx| tx.give_back("g", (6, 0), time(61.0), time(61.0))).unwrap();
            store.write(|tx| tx.give_back("g", (1, 0), time(71.0), time(71.0))).unwrap();
            assert_eq!(ask(9, time(121.5)), Granted::Some(6));
            assert_eq!(ask(9, time(130.5)), Granted::Some(3));
        });
    }

    #[test]
    fn a_group_below_the_rate_never_waits() {
        with_store(|store| {
            // Nine tenths of the rate, in ones, for fifty periods.
            for number in 0..450 {
                let now = time(f64::from(number) * 60.0 / 9.0);
                let granted = store.write(|tx| tx.ask_to_send("g", 1, RATE, now)).unwrap();
                assert_eq!(granted, Granted::Some(1), "at {now:?}");
                store.write(|tx| tx.give_back("g", (1, 0), now, now)).unwrap();
            }
        });
    }

    #[test]
    fn constant_demand_gets_nearly_the_rate_and_never_more() {
        for wanted in [1, 3, 4, 50] {
            with_store(|store| {
                let mut sent: Vec<Timestamp> = Vec::new();
                for second in 0..1200 {
                    let now = time(f64::from(second));
                    let asked = store.write(|tx| tx.ask_to_send("g", wanted, RATE, now)).unwrap();
                    match asked {
                        Granted::Some(granted) => {
                            sent.extend((0..granted).map(|_| now));
                            let grant = (granted, 0);
                            store.write(|tx| tx.give_back("g", grant, now, now)).unwrap();
                        }
                        Granted::NoneUntil(time) => assert!(now < time && time <= now + 60.0),
                    }
                }
                for first in &sent {
                    let span = *first..*first + 60.0;
                    let within = sent.iter().filter(|time| span.contains(time)).count();
                    assert!(within <= 10, "{within} from {first:?} on, by {wanted}");
                }
                assert!(sent.len() >= 170, "{} by {wanted}", sent.len());
            });
        }
    }
}
