//! A year of periodic jobs, with a hundred lists and a machine that is sometimes off: every job
//! runs once for each period in which there is something to do, and on no other day.

use dormouse_clock::Timestamp;
use dormouse_runners::cron::{self, Clock, Ran};
use dormouse_spool::{Queue, Spool};
use dormouse_store::{HeldPost, List, MemberOption, NewMember, Site, Store};
use dormouse_testkit::surroundings;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use std::collections::{BTreeMap, BTreeSet};

const LISTS: usize = 100;

/// A site, and the expected runs.
struct World {
    _home: tempfile::TempDir,
    site: Site,
    spool: Spool,
    store: Store,
    zone: TimeZone,
    lists: Vec<List>,
    /// Posts that wait for a digest, by list.
    waiting: BTreeMap<String, Vec<String>>,
    /// Lists with held posts.
    held: BTreeSet<String>,
    /// The periods that each job ran for.
    periods: BTreeMap<&'static str, Vec<String>>,
    /// The days on which each list had a digest, or its moderators a reminder.
    done: BTreeMap<(&'static str, String), Vec<String>>,
    /// The period that each timer has begun; none when a crontab calls `cron run`.
    timers: Option<BTreeMap<&'static str, String>>,
    posts: usize,
    digested: usize,
    random: u64,
    /// The day of the last reminder to moderators.
    reminded: Option<Date>,
}

fn moment(time: &Zoned) -> Timestamp {
    Timestamp::from_seconds(time.timestamp().as_second() as f64)
}

impl World {
    fn new(zone: TimeZone, timers: bool) -> World {
        let home = tempfile::tempdir_in(surroundings::in_memory()).unwrap();
        let site = Site::init(home.path(), "lists.example").unwrap();
        let spool = Spool::new(site.qfiles());
        spool.create().unwrap();
        let store = Store::open(&site).unwrap();
        let lists = store
            .write(|tx| {
                (0..LISTS)
                    .map(|number| {
                        let name = format!("list{number}");
                        let list = tx.create_list(
                            &name.parse().unwrap(),
                            "lists.example",
                            &["o@x.example".to_owned()],
                        )?;
                        // Every tenth list sends its digests by size alone.
                        let periodic = if number % 10 == 0 { "no" } else { "yes" };
                        tx.set_setting(&name, "digest_send_periodic", periodic)?;
                        let address = "reader@x.example".to_owned();
                        let reader = NewMember { address, real_name: String::new(), digest: true };
                        tx.add_member(&list, &reader, Timestamp::from_seconds(1.0), "")?;
                        let mut member = tx.read().member(list.id, "reader@x.example")?.unwrap();
                        member.options = member.options.with(MemberOption::DisableMime, false);
                        tx.update_member(list.id, &member, Timestamp::from_seconds(1.0))?;
                        Ok(tx.read().list(&name)?.unwrap())
                    })
                    .collect::<Result<Vec<List>, dormouse_store::StoreError>>()
            })
            .unwrap();
        World {
            _home: home,
            site,
            spool,
            store,
            zone,
            lists,
            waiting: BTreeMap::new(),
            held: BTreeSet::new(),
            periods: BTreeMap::new(),
            done: BTreeMap::new(),
            timers: timers.then(BTreeMap::new),
            posts: 0,
            digested: 0,
            random: 42,
            reminded: None,
        }
    }

    /// Returns a number below `below`; the sequence is always the same.
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % below
    }

    fn post(&mut self, at: Timestamp) {
        let number = self.random(LISTS as u64) as usize;
        let list = self.lists[number].clone();
        self.posts += 1;
        let entry = format!("{:?}+{}", at.seconds(), self.posts);
        let raw = format!("Subject: post {}\n\nx\n", self.posts);
        self.store.write(|tx| tx.add_to_digest(&list, &entry, at, raw.as_bytes())).unwrap();
        self.waiting.entry(list.name.into()).or_default().push(entry);
    }

    /// Holds a post for a moderator, or decides on all held ones. Only one list has held posts, so
    /// that there are days without any.
    fn moderate(&mut self, at: Timestamp) {
        let number = 7;
        let list = self.lists[number].clone();
        if self.held.remove(list.name.as_str()) {
            self.store
                .write(|tx| {
                    for held in tx.read().held_posts(list.id)? {
                        tx.release_held(held.id)?;
                    }
                    Ok::<(), dormouse_store::StoreError>(())
                })
                .unwrap();
            return;
        }
        let post = HeldPost {
            list_id: list.id,
            entry: format!("{:?}+{}", at.seconds(), list.name),
            sender: "s@x.example".to_owned(),
            subject: "x".to_owned(),
            reason: "x".to_owned(),
            setting: String::new(),
            cookie: format!("{}{}", at.seconds(), list.name),
            held_at: at,
        };
        self.store.write(|tx| tx.hold(&post, b"")).unwrap();
        self.held.insert(list.name.into());
    }

    /// Runs everything that is due, at a job's time or after the machine was off.
    fn tick(&mut self, now: &Zoned) {
        let at = moment(now);
        let clock = Clock {
            site: &self.site,
            spool: &self.spool,
            store: &self.store,
            now: at,
            zone: &self.zone,
            lists: &[],
        };
        let all = match &mut self.timers {
            Some(timers) => elapsed(&clock, timers),
            None => clock.run_due().unwrap(),
        };
        for ran in all {
            let done = ran.result.unwrap();
            // Reminders that were sent late, after a pause, count for the whole day.
            let is_reminded = ran.job.name == "checkdbs" && self.reminded == Some(now.date());
            assert!(
                done.count > 0 || is_reminded,
                "{} was started for nothing at {now}",
                ran.job.name
            );
            if ran.job.name == "checkdbs" {
                self.reminded = Some(now.date());
            }
            self.periods.entry(ran.job.name).or_default().push(ran.period.clone());
            if ran.job.name == "senddigests" {
                self.digests(&done.details, &ran.period);
            }
        }
        for name in self.spool.ready(Queue::Virgin).unwrap() {
            self.spool.remove(Queue::Virgin, &name).unwrap();
        }
    }

    fn digests(&mut self, details: &serde_json::Value, period: &str) {
        for report in details.as_array().unwrap() {
            let list = report["list"].as_str().unwrap().to_owned();
            let posts = self.waiting.remove(&list).unwrap();
            assert_eq!(report["posts"], posts.len(), "{list}: every post is in one digest");
            self.digested += posts.len();
            self.done.entry(("senddigests", list)).or_default().push(period.to_owned());
        }
    }

    fn is_periodic(&self, name: &str) -> bool {
        self.lists.iter().any(|list| list.name == name && list.settings.digest_send_periodic)
    }
}

/// Does what systemd does: a timer that has elapsed starts its service, unless its condition is
/// false.
fn elapsed(clock: &Clock<'_>, timers: &mut BTreeMap<&'static str, String>) -> Vec<Ran> {
    let mut ran = Vec::new();
    for job in cron::JOBS {
        let Some(when) = job.timer() else { continue };
        let period = when.period(clock.now, clock.zone);
        let before = timers.insert(job.name, period.clone());
        if before.is_none_or(|before| before < period) && job.is_due(clock.site) {
            ran.push(Ran { job, result: clock.run(job), period });
        }
    }
    ran
}

/// Days on which the machine is off.
fn is_off(day: Date) -> bool {
    let weekend = date(2026, 3, 28)..date(2026, 3, 31); // the clocks go forward
    let holidays = date(2026, 7, 20)..date(2026, 8, 9);
    let evening = date(2026, 10, 24)..date(2026, 10, 26); // the clocks go back
    weekend.contains(&day) || holidays.contains(&day) || evening.contains(&day)
}

#[test]
fn in_a_year_no_job_runs_twice_for_a_period_none_is_missed_and_nothing_starts_for_nothing() {
    for timers in [true, false] {
        a_year(timers);
    }
}

fn a_year(timers: bool) {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let mut world = World::new(zone.clone(), timers);
    let mut day = date(2026, 1, 1);
    let mut quiet_days = 0;
    while day.year() == 2026 {
        // Nothing happens in February and on every other pair of days.
        let quiet = day.month() == 2 || day.day() % 4 < 2;
        // After a day off, yesterday's run takes place before today's.
        let made_up = is_off(day.saturating_sub(1.day()));
        let had_digests = world.waiting.keys().any(|list| world.is_periodic(list));
        let had_held = !world.held.is_empty();
        if !is_off(day) {
            for hour in [0, 1, 2, 4, 7, 8, 9, 11, 12, 13, 18, 23] {
                let now = day.at(hour, 30, 0, 0).to_zoned(zone.clone()).unwrap();
                if !quiet && [2, 18].contains(&hour) {
                    world.post(moment(&now));
                    if world.random(4) == 0 {
                        world.moderate(moment(&now));
                    }
                }
                world.tick(&now);
            }
            let today = day.to_string();
            let ran = |job: &str| world.periods.get(job).is_some_and(|all| all.contains(&today));
            let waits = world.waiting.keys().any(|list| world.is_periodic(list));
            if quiet {
                assert_eq!(ran("senddigests"), had_digests && !made_up, "{day}");
                assert_eq!(ran("checkdbs"), had_held, "{day}");
                assert!(!waits, "{day}: no digest is missed");
                quiet_days += usize::from(!had_digests && !had_held);
            } else if had_digests && !made_up {
                assert!(ran("senddigests"), "{day}: no digest is missed");
            }
        }
        day = day.saturating_add(1.day());
    }
    assert!(quiet_days > 20, "{quiet_days} days with nothing to do");
    for (job, periods) in &world.periods {
        let different: BTreeSet<_> = periods.iter().collect();
        assert_eq!(different.len(), periods.len(), "{job} ran twice for a period");
        assert!(periods.is_sorted(), "{job}");
    }
    for ((job, list), periods) in &world.done {
        assert!(periods.windows(2).all(|pair| pair[0] < pair[1]), "{job} {list}: {periods:?}");
    }
    let left: usize = world.waiting.values().map(Vec::len).sum();
    assert_eq!(world.digested + left, world.posts);
    assert!(world.digested > 250, "{} of {} posts", world.digested, world.posts);
    assert!(world.waiting.keys().filter(|list| world.is_periodic(list)).count() <= 2);
    for name in ["checkdbs", "senddigests"] {
        assert!(cron::job(name).is_some_and(|job| job.timer().is_some()));
    }
}
