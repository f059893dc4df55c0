//! `cron`: what the clock does.

use super::{bounces, open};
use crate::cli::CronCommand;
use crate::failure::Failure;
use crate::output;
use dormouse_mail::date;
use dormouse_runners::moderation::desk::Desk;
use dormouse_runners::moderation::jobs;
use dormouse_runners::trace;
use dormouse_spool::{Spool, clock};
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: CronCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        CronCommand::Checkdbs { json } => {
            let spool = Spool::new(site.qfiles());
            let desk = Desk { site: &site, spool: &spool, store: &store };
            let today = date::day(clock::now());
            let tally = jobs::check(&desk, &today, dormouse_spool::clock::seconds())?;
            if json {
                output::json(&tally)?;
            } else {
                output::line(format_args!(
                    "the moderators of {} reminded, {} dropped",
                    output::count(tally.reminded, "list", "lists"),
                    output::count(tally.expired, "post", "posts")
                ))?;
            }
        }
        CronCommand::Disabled(args) => bounces::disabled(&site, &store, &args)?,
        CronCommand::TrimTrace => {
            let removed = trace::trim(&site, clock::now())?;
            let days = output::count(removed, "day", "days");
            output::line(format_args!("the trace of {days} removed"))?;
        }
    }
    Ok(ExitCode::Ok)
}
