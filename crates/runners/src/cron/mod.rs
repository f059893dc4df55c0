//! The periodic jobs: Mailman's crontab (docs/spec/cli.md §3) as one table.
//!
//! A job does its work once for each list and period, however often it is started, and may run in
//! parallel with drains. Its condition is a file that exists only while there may be something to
//! do; systemd and [`Clock::run_due`] check it before they start anything.

mod jobs;
mod schedule;

pub use schedule::Schedule;

use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_spool::{Queue, Spool};
use dormouse_store::{Due, Period, Site, Store, due};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A periodic job.
pub struct Job {
    /// Its name: that of Mailman's script, if there is one.
    pub name: &'static str,
    /// When it is started; jobs without a schedule are started by people.
    pub when: Option<Schedule>,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Whether it can be limited to some lists.
    pub per_list: bool,
    /// Whether it needs the network.
    pub network: bool,
    work: Work,
    conditions: Conditions,
}

enum Work {
    /// It has work to do.
    Does(fn(&Clock<'_>, &Period) -> Result<JobOutcome, RunError>),
    /// It does nothing here, for this reason.
    Nothing(&'static str),
}

enum Conditions {
    /// Only people start it.
    None,
    /// This marker exists.
    Marker(Due),
    /// One of these queues has a file.
    Queues(&'static [Queue]),
    /// This directory of the site has a file with a name like this.
    Files(&'static str, &'static str),
}

/// All jobs.
pub const JOBS: &[Job] = &[
    Job {
        name: "checkdbs",
        when: Some(Schedule::Daily { hour: 8, minute: 0 }),
        about: "Remind moderators of held posts and requests, and discard those that have waited too long",
        per_list: false,
        network: false,
        work: Work::Does(jobs::checkdbs),
        conditions: Conditions::Marker(Due::Checkdbs),
    },
    Job {
        name: "disabled",
        when: Some(Schedule::Daily { hour: 9, minute: 0 }),
        about: "Remind members whose delivery is off because of bounces, and finally remove them",
        per_list: true,
        network: false,
        work: Work::Does(jobs::disabled),
        conditions: Conditions::Marker(Due::Disabled),
    },
    Job {
        name: "senddigests",
        when: Some(Schedule::Daily { hour: 12, minute: 0 }),
        about: "Send the digests of lists that send one every day",
        per_list: true,
        network: false,
        work: Work::Does(jobs::senddigests),
        conditions: Conditions::Marker(Due::Senddigests),
    },
    Job {
        name: "bumpdigests",
        when: None,
        about: "Start a new volume of digests",
        per_list: true,
        network: false,
        work: Work::Does(jobs::bumpdigests),
        conditions: Conditions::None,
    },
    Job {
        name: "mailpasswds",
        when: None,
        about: "Nothing: no password is ever sent by mail",
        per_list: false,
        network: false,
        work: Work::Nothing("passwords are no longer sent by mail; members get a link to sign in"),
        conditions: Conditions::None,
    },
    Job {
        name: "gate_news",
        when: Some(Schedule::Every { minutes: 5 }),
        about: "Pass new articles of newsgroups on to their lists",
        per_list: false,
        network: true,
        work: Work::Does(jobs::gate_news),
        conditions: Conditions::Marker(Due::GateNews),
    },
    Job {
        name: "nightly_gzip",
        when: Some(Schedule::Daily { hour: 3, minute: 27 }),
        about: "Compress the texts of archives",
        per_list: true,
        network: false,
        work: Work::Does(jobs::nightly_gzip),
        conditions: Conditions::Files("archives/index", "*.changed"),
    },
    Job {
        name: "cull_bad_shunt",
        when: Some(Schedule::Daily { hour: 4, minute: 30 }),
        about: "Move old entries out of bad and shunt",
        per_list: false,
        network: false,
        work: Work::Does(jobs::cull_bad_shunt),
        conditions: Conditions::Queues(&[Queue::Bad, Queue::Shunt]),
    },
    Job {
        name: "trim-trace",
        when: Some(Schedule::Daily { hour: 4, minute: 0 }),
        about: "Remove traces that are older than trace.keep",
        per_list: false,
        network: false,
        work: Work::Does(jobs::trim_trace),
        conditions: Conditions::Files("logs", "trace-*.jsonl"),
    },
];

/// Returns the job of that name.
pub fn job(name: &str) -> Option<&'static Job> {
    JOBS.iter().find(|job| job.name == name)
}

/// Files that exist while a job may have something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The directory.
    pub dir: PathBuf,
    /// The file's name, with at most one `*`, which does not match names that begin with a dot.
    pub pattern: &'static str,
}

impl Sign {
    /// Whether such a file exists. A directory that cannot be read has none.
    fn is_seen(&self) -> bool {
        let Some((start, end)) = self.pattern.split_once('*') else {
            return self.dir.join(self.pattern).exists();
        };
        let fits =
            |name: &str| !name.starts_with('.') && name.starts_with(start) && name.ends_with(end);
        std::fs::read_dir(&self.dir).is_ok_and(|entries| {
            entries.flatten().any(|entry| fits(&entry.file_name().to_string_lossy()))
        })
    }
}

impl Job {
    /// Returns why the job does nothing here, if so.
    pub fn absence(&self) -> Option<&'static str> {
        match self.work {
            Work::Does(_) => None,
            Work::Nothing(why) => Some(why),
        }
    }

    /// Returns when a timer starts it; a job that does nothing needs no timer.
    pub fn timer(&self) -> Option<Schedule> {
        self.when.filter(|_| self.absence().is_none())
    }

    /// Returns its conditions; one of them is enough to start it.
    pub fn signs(&self, site_dir: &Path, qfiles: &Path) -> Vec<Sign> {
        match self.conditions {
            Conditions::None => Vec::new(),
            Conditions::Marker(due) => {
                vec![Sign { dir: site_dir.join(due::DIRECTORY), pattern: due.name() }]
            }
            Conditions::Queues(queues) => {
                let sign = |queue: &Queue| Sign { dir: qfiles.join(queue.name()), pattern: "*" };
                queues.iter().map(sign).collect()
            }
            Conditions::Files(dir, pattern) => vec![Sign { dir: site_dir.join(dir), pattern }],
        }
    }

    /// Returns the marker that exists while it may have something to do, if it has one.
    pub fn marker(&self, site_dir: &Path) -> Option<PathBuf> {
        match self.conditions {
            Conditions::Marker(due) => Some(due.marker(site_dir)),
            _ => None,
        }
    }

    /// Whether it may have something to do.
    pub fn is_due(&self, site: &Site) -> bool {
        self.signs(site.dir(), &site.qfiles()).iter().any(Sign::is_seen)
    }
}

/// The result of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobOutcome {
    /// The amount of work done; 0 means none.
    pub count: u64,
    /// A sentence about it.
    pub said: String,
    /// The details.
    pub details: serde_json::Value,
}

impl JobOutcome {
    fn new(count: u64, said: String, details: &impl Serialize) -> JobOutcome {
        // These are our own counts, numbers and names, which can always be serialized.
        let details = serde_json::to_value(details).unwrap_or_default();
        JobOutcome { count, said, details }
    }
}

/// A job that ran, with its result.
pub struct Ran {
    /// The job.
    pub job: &'static Job,
    /// The period for which it ran.
    pub period: String,
    /// Its result.
    pub result: Result<JobOutcome, RunError>,
}

/// How far ahead a recorded period is still believed, in seconds: clocks are set back, for example
/// at the end of summer time.
const SLACK: f64 = 2.0 * 3600.0;

/// A moment at which jobs run.
pub struct Clock<'c> {
    /// The site.
    pub site: &'c Site,
    /// Its queues.
    pub spool: &'c Spool,
    /// Its store.
    pub store: &'c Store,
    /// The time.
    pub now: Timestamp,
    /// The time zone of the calendar.
    pub zone: &'c TimeZone,
    /// Only these lists, for jobs that can be limited; all if it is empty.
    pub lists: &'c [String],
}

impl Clock<'_> {
    /// Runs a job now. It does not repeat what it has already done for this period.
    pub fn run(&self, job: &Job) -> Result<JobOutcome, RunError> {
        let period = self.period(job);
        let work = match job.work {
            Work::Does(work) => work,
            Work::Nothing(why) => return Ok(JobOutcome::new(0, why.to_owned(), &why)),
        };
        let done = work(self, &period)?;
        self.note_run(job)?;
        Ok(done)
    }

    /// Records that a job has run, and updates its marker.
    pub fn note_run(&self, job: &Job) -> Result<(), RunError> {
        if self.lists.is_empty() && job.when.is_some() {
            self.store.write(|tx| tx.mark_run(job.name, self.period(job)))?;
        }
        if let Conditions::Marker(due) = job.conditions {
            self.store.settle_due(due)?;
        }
        // A list's newsgroup settings may have been changed on another host.
        if self.site.is_shared() && job.name != "gate_news" {
            self.store.settle_due(Due::GateNews)?;
        }
        Ok(())
    }

    /// Runs every job whose period has begun, if it may have something to do. If not, the period
    /// counts as done, and new work waits for the next one. It replaces systemd's timers on hosts
    /// that have only a crontab.
    pub fn run_due(&self) -> Result<Vec<Ran>, RunError> {
        let mut ran = Vec::new();
        let timed = JOBS.iter().filter_map(|job| Some((job, job.timer()?)));
        for (job, when) in timed {
            if self.is_over(job)? {
                continue;
            }
            let period = self.period(job);
            if job.is_due(self.site) {
                ran.push(Ran { job, result: self.run(job), period: period.name });
            } else if matches!(when, Schedule::Daily { .. }) {
                self.store.write(|tx| tx.mark_run(job.name, &period))?;
            }
        }
        Ok(ran)
    }

    /// Whether a job has already been done for its period.
    pub fn is_over(&self, job: &Job) -> Result<bool, RunError> {
        let last = self.store.read().last_run(job.name)?;
        Ok(job.when.is_some() && last.is_some_and(|last| self.period(job).is_over(&last)))
    }

    /// Returns the period for which a job was last done, if it is in the future, because the clock
    /// was wrong.
    pub fn impossible_run(&self, job: &Job) -> Result<Option<String>, RunError> {
        let last = self.store.read().last_run(job.name)?;
        Ok(last.filter(|last| job.when.is_some() && !self.period(job).is_believed(last)))
    }

    fn period(&self, job: &Job) -> Period {
        self.period_of(job.when)
    }

    /// Returns the calendar day, which begins at midnight.
    fn today(&self) -> Period {
        self.period_of(Some(Schedule::Daily { hour: 0, minute: 0 }))
    }

    fn period_of(&self, when: Option<Schedule>) -> Period {
        let at = |now| when.map(|when| when.period(now, self.zone)).unwrap_or_default();
        Period { name: at(self.now), latest: at(self.now + SLACK) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_of_mailmans_crontab_has_its_place() {
        for name in [
            "checkdbs",
            "disabled",
            "senddigests",
            "mailpasswds",
            "gate_news",
            "nightly_gzip",
            "cull_bad_shunt",
            "bumpdigests",
        ] {
            assert!(job(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_a_timer_starts_has_a_condition() {
        for job in JOBS.iter().filter(|job| job.timer().is_some()) {
            assert!(!job.signs(Path::new("/s"), Path::new("/q")).is_empty(), "{}", job.name);
            let is_often = matches!(job.timer(), Some(Schedule::Every { .. }));
            assert!(!is_often || job.marker(Path::new("/s")).is_some(), "{}", job.name);
        }
    }
}
