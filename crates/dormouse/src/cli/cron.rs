//! `cron`.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use dormouse_runners::cron::JOBS;

#[derive(Debug, Args)]
pub struct CronArgs {
    /// The job; `run` is every job whose time has come, for hosts that have only a crontab; `ls`
    /// prints the jobs.
    #[arg(value_parser = jobs())]
    pub job: String,
    /// Only these lists, where the job is about lists.
    pub lists: Vec<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

fn jobs() -> PossibleValuesParser {
    let own = [
        PossibleValue::new("run").help("Every job whose time has come"),
        PossibleValue::new("ls").help("Print the jobs"),
    ];
    let jobs = JOBS.iter().map(|job| PossibleValue::new(job.name).help(job.about));
    PossibleValuesParser::new(jobs.chain(own))
}
