//! `cron`: the jobs come from their table.

use super::bounces::DisabledArgs;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand};
use dormouse_runners::cron::{JOBS, Job};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum CronCommand {
    /// Run every job that is due, for hosts that have only a crontab.
    Run {
        /// Print only problems, for crontabs.
        #[arg(long, short, conflicts_with = "json")]
        quiet: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the jobs: when each is run, and whether it is due.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remind members whose delivery is off, remove those who got the last reminder, and delete old
    /// bounces.
    Disabled(DisabledArgs),
    #[command(flatten)]
    Job(JobCommand),
}

/// A job of the table, started now.
#[derive(Debug)]
pub struct JobCommand {
    /// The job's name.
    pub name: String,
    /// Only these lists; all when empty.
    pub lists: Vec<String>,
    /// Print JSON.
    pub json: bool,
}

/// Returns the jobs without special arguments.
fn jobs() -> impl Iterator<Item = &'static Job> {
    JOBS.iter().filter(|job| job.name != "disabled")
}

impl Subcommand for JobCommand {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(jobs().map(|job| {
            let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON");
            let lists = Arg::new("lists")
                .value_name("LIST")
                .action(ArgAction::Append)
                .help("Only these lists");
            let command = Command::new(job.name).about(job.about).arg(json);
            if job.per_list { command.arg(lists) } else { command }
        }))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        JobCommand::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        jobs().any(|job| job.name == name)
    }
}

impl FromArgMatches for JobCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<JobCommand, clap::Error> {
        let (name, matches) =
            matches.subcommand().ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))?;
        let lists = matches.try_get_many::<String>("lists").ok().flatten();
        Ok(JobCommand {
            name: name.to_owned(),
            lists: lists.into_iter().flatten().cloned().collect(),
            json: matches.get_flag("json"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = JobCommand::from_arg_matches(matches)?;
        Ok(())
    }
}
