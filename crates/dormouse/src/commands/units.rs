//! `units`: the systemd units that wake dormouse.

use super::mailman2;
use crate::cli::{ManagerArgs, UnitsCommand};
use crate::failure::Failure;
use crate::output::{self, BAD, GOOD, styled};
use dormouse_activation::{self as activation, Job, Manager, Plan, UnitFile, UnitState};
use dormouse_runners::cron::JOBS;
use dormouse_runners::drain::WAKING;
use dormouse_store::Site;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: UnitsCommand) -> Result<ExitCode, Failure> {
    if let UnitsCommand::Print { manager, into, mailman2 } = &command
        && let Some(prefix) = &mailman2.mailman2
    {
        let qfiles = mailman2.mailman2_qfiles.as_deref();
        put(&mailman2::units(prefix, qfiles, manager_of(manager.clone()))?, into.as_deref())?;
        return Ok(ExitCode::Ok);
    }
    let site = Site::open(dir)?;
    match command {
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
            output::line(if no_start {
                "installed; start them with `systemctl start dormouse.target`"
            } else {
                "installed and started: from now on mail wakes dormouse"
            })?;
            Ok(ExitCode::Ok)
        }
        UnitsCommand::Check { manager, json } => {
            let states = activation::check(&plan(&site, manager_of(manager))?)?;
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
        waking: WAKING.iter().map(ToString::to_string).collect(),
        jobs: jobs(site)?,
        manager,
        linger: site.config().run_linger.duration(),
        web: site.config().web_listen.clone(),
    };
    plan.validate()?;
    Ok(plan)
}

/// The clock's jobs that a timer starts.
fn jobs(site: &Site) -> Result<Vec<Job>, Failure> {
    let (dir, qfiles) = (site.dir().canonicalize()?, site.qfiles().canonicalize()?);
    let timed = JOBS.iter().filter_map(|job| Some((job, job.timer()?)));
    Ok(timed
        .map(|(job, daily)| Job {
            name: job.name.to_owned(),
            about: job.about.to_owned(),
            calendar: daily.calendar(),
            signs: job
                .signs(&dir, &qfiles)
                .into_iter()
                .map(|sign| (sign.dir, sign.pattern.to_owned()))
                .collect(),
        })
        .collect())
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
