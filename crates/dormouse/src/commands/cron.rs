//! `cron`: what the clock does.

use super::open;
use crate::cli::CronCommand;
use crate::failure::Failure;
use crate::output;
use dormouse_mail::date;
use dormouse_runners::moderation::desk::Desk;
use dormouse_runners::moderation::jobs;
use dormouse_runners::news;
use dormouse_runners::trace;
use dormouse_spool::{Spool, clock};
use dormouse_store::{Site, Store};
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
        CronCommand::GateNews { json } => return gate_news(&site, &store, json),
        CronCommand::TrimTrace => {
            let removed = trace::trim(&site, clock::now())?;
            let days = output::count(removed, "day", "days");
            output::line(format_args!("the trace of {days} removed"))?;
        }
    }
    Ok(ExitCode::Ok)
}

/// One at a time: a second would pass the same articles on.
fn gate_news(site: &Site, store: &Store, json: bool) -> Result<ExitCode, Failure> {
    let lock = std::fs::File::create(site.dir().join("gate-news.lock"))?;
    if lock.try_lock().is_err() {
        tracing::info!("another process is at it");
        return Ok(ExitCode::Ok);
    }
    let tally = news::gate(site, store, &Spool::new(site.qfiles()))?;
    if json {
        output::json(&tally)?;
    } else {
        for error in &tally.errors {
            anstream::eprintln!("dormouse: {error}");
        }
        output::line(format_args!(
            "{} of {} passed on",
            output::count(tally.gated, "article", "articles"),
            output::count(tally.groups, "newsgroup", "newsgroups")
        ))?;
    }
    Ok(if tally.errors.is_empty() { ExitCode::Ok } else { ExitCode::TempFail })
}
