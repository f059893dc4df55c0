//! `units`: the systemd units that wake dormouse.

use super::mailman2;
use crate::cli::{ManagerArgs, OtherManager, UnitsCommand};
use crate::failure::Failure;
use crate::output::{self, BAD, GOOD, styled};
use dormouse_activation::{self as activation, Job, Manager, Plan, Start, UnitFile, UnitState};
use dormouse_runners::arrangement;
use dormouse_runners::cron::{JOBS, Schedule};
use dormouse_store::Site;
use std::path::Path;
use std::time::Duration;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: UnitsCommand) -> Result<ExitCode, Failure> {
    if let UnitsCommand::Print { manager, into, mailman2, .. } = &command
        && let Some(prefix) = &mailman2.mailman2
    {
        let qfiles = mailman2.mailman2_qfiles.as_deref();
        put(&mailman2::units(prefix, qfiles, manager_of(manager.clone()))?, into.as_deref())?;
        return Ok(ExitCode::Ok);
    }
    let site = Site::open(dir)?;
    match command {
        UnitsCommand::Print { manager, other: Some(other), .. } => {
            let binary = std::env::current_exe()?;
            let dir = site.dir().canonicalize()?;
            output::line(match other {
                OtherManager::Openrc => {
                    activation::openrc(&binary, &dir, &manager.run_as, &manager.group)?
                }
                OtherManager::Runit => {
                    activation::runit(&binary, &dir, &manager.run_as, &manager.group)?
                }
            })?;
            Ok(ExitCode::Ok)
        }
        UnitsCommand::Print { manager, into, .. } => {
            put(&activation::generate(&plan(&site, manager_of(manager))?), into.as_deref())?;
            Ok(ExitCode::Ok)
        }
        UnitsCommand::Install { manager, no_start } => {
            let plan = plan(&site, manager_of(manager))?;
            let installed = activation::install(&plan, !no_start)?;
            for path in &installed.written {
                output::line(format_args!("wrote {}", path.display()))?;
            }
            for path in &installed.removed {
                output::line(format_args!("removed {}", path.display()))?;
            }
            output::line(if no_start {
                "installed; start them with `systemctl start dormouse.target`"
            } else {
                "installed and started: from now on mail wakes dormouse"
            })?;
            Ok(ExitCode::Ok)
        }
        UnitsCommand::Check { manager, fix, json } => {
            let plan = plan(&site, manager_of(manager))?;
            if fix {
                for command in activation::fix(&plan)? {
                    anstream::eprintln!("mended with: {command}");
                }
            }
            let states = activation::check(&plan)?;
            if json {
                output::json(&states)?;
            } else {
                print(&states)?;
            }
            let well = states.iter().all(UnitState::is_well);
            Ok(if well { ExitCode::Ok } else { ExitCode::Config })
        }
    }
}

/// Writes files into a directory, or prints them.
fn put(files: &[UnitFile], into: Option<&Path>) -> Result<(), Failure> {
    if let Some(into) = into {
        activation::write_into(files, into)?;
        return output::line(format_args!("wrote {} files into {}", files.len(), into.display()));
    }
    let print = |file: &UnitFile| output::line(format_args!("# {}\n{}", file.name, file.contents));
    files.iter().try_for_each(print)
}

/// What the units of a site are made from.
pub fn plan(site: &Site, manager: Manager) -> Result<Plan, Failure> {
    let plan = Plan {
        site: site.dir().canonicalize()?,
        binary: std::env::current_exe()?,
        qfiles: site.qfiles().canonicalize()?,
        queues: arrangement::all(site.config()),
        jobs: jobs(site)?,
        manager,
        linger: site.config().run_linger.duration(),
        web: site.config().web_listen.clone(),
        web_group: site.config().web_group.trim().to_owned(),
        lmtp: site.config().lmtp_listen.clone(),
        metrics: site.metrics_file(),
    };
    plan.validate()?;
    Ok(plan)
}

/// The clock's jobs that a timer starts.
fn jobs(site: &Site) -> Result<Vec<Job>, Failure> {
    let (dir, qfiles) = (site.dir().canonicalize()?, site.qfiles().canonicalize()?);
    let jobs = JOBS.iter().filter_map(|job| {
        let signs = job.signs(&dir, &qfiles).into_iter();
        let start = match job.timer()? {
            Schedule::Daily { hour, minute } => Start::At {
                calendar: format!("*-*-* {hour:02}:{minute:02}:00"),
                signs: signs.map(|sign| (sign.dir, sign.pattern.to_owned())).collect(),
            },
            Schedule::Every { minutes } => Start::While {
                marker: job.marker(&dir)?,
                every: Duration::from_secs(u64::from(minutes) * 60),
            },
        };
        let (name, about) = (job.name.to_owned(), job.about.to_owned());
        Some(Job { name, about, start, network: job.network })
    });
    Ok(jobs.collect())
}

fn manager_of(args: ManagerArgs) -> Manager {
    if args.user { Manager::User } else { Manager::System { user: args.run_as, group: args.group } }
}

fn print(states: &[UnitState]) -> Result<(), Failure> {
    for unit in states {
        let style = if unit.is_well() { GOOD } else { BAD };
        output::line(format_args!("{:32} {}", unit.name, styled(style, unit.summary())))?;
        if let Some(mend) = &unit.mend {
            output::line(format_args!("{:32} mend it with: {mend}", ""))?;
        }
    }
    Ok(())
}
