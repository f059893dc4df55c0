//! `cron`: the periodic jobs.

use super::{bounces, find_list, open};
use crate::cli::CronCommand;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_clock::Timestamp;
use dormouse_runners::cron::{self, Clock, JOBS, Schedule};
use dormouse_spool::Spool;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: CronCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    let spool = Spool::new(site.qfiles());
    let clock = Clock {
        site: &site,
        spool: &spool,
        store: &store,
        now: Timestamp::now(),
        zone: &TimeZone::system(),
        lists: &[],
    };
    match command {
        CronCommand::Run { quiet, json } => return run_due(&clock, quiet, json),
        CronCommand::Ls { json } => ls(&clock, json)?,
        CronCommand::Job(args) => {
            let unknown = || Failure::usage(format!("there is no job {}", args.name));
            let job = cron::job(&args.name).ok_or_else(unknown)?;
            for name in &args.lists {
                find_list(store.read(), name)?;
            }
            let done = Clock { lists: &args.lists, ..clock }.run(job)?;
            if args.json {
                output::json(&done.details)?;
            } else {
                output::line(done.said)?;
            }
        }
        CronCommand::Disabled(args) => {
            bounces::disabled(&site, &store, &args)?;
            if let Some(job) = cron::job("disabled").filter(|_| args.lists.is_empty()) {
                clock.note_run(job)?;
            }
        }
    }
    Ok(ExitCode::Ok)
}

/// Runs all jobs that are due, even if some of them fail.
fn run_due(clock: &Clock<'_>, quiet: bool, json: bool) -> Result<ExitCode, Failure> {
    let mut said = Vec::new();
    let mut code = ExitCode::Ok;
    for ran in clock.run_due()? {
        match ran.result {
            Ok(done) if json => said.push(serde_json::json!({
                "job": ran.job.name, "period": ran.period, "done": done.details,
            })),
            Ok(_) if quiet => {}
            Ok(done) => output::line(format_args!("{}: {}", ran.job.name, done.said))?,
            Err(error) => {
                crate::output::note!("dormouse: {}: {error}", ran.job.name);
                code = error.sysexit();
            }
        }
    }
    if json {
        output::json(&said)?;
    }
    Ok(code)
}

#[derive(Serialize)]
struct Row {
    job: &'static str,
    /// The time of day, or the interval.
    when: Option<String>,
    /// Whether there may be something to do that was not yet done for this period.
    due: bool,
    /// The period for which it last ran.
    last: Option<String>,
    /// Whether that period is in the future: then the clock was wrong, and it is ignored.
    last_is_impossible: bool,
    /// What it does, or why it does nothing.
    about: &'static str,
}

fn ls(clock: &Clock<'_>, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for job in JOBS {
        rows.push(Row {
            job: job.name,
            when: job.timer().map(Schedule::in_words),
            due: job.is_due(clock.site) && !clock.is_over(job)?,
            last: clock.store.read().last_run(job.name)?,
            last_is_impossible: clock.impossible_run(job)?.is_some(),
            about: job.absence().unwrap_or(job.about),
        });
    }
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["Job", "When", "Due", "Last run for", "What it does"]);
    for row in rows {
        table.row([
            row.job.to_owned(),
            row.when.unwrap_or_else(|| "-".to_owned()),
            if row.due { "yes" } else { "" }.to_owned(),
            match row.last {
                Some(last) if row.last_is_impossible => {
                    format!("{last} (in the future: ignored)")
                }
                last => last.unwrap_or_default(),
            },
            row.about.to_owned(),
        ]);
    }
    table.print()
}
