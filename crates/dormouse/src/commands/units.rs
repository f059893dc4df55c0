//! `units`: the systemd units that start dormouse.

use super::mailman2;
use crate::cli::{ManagerArgs, OtherManager, UnitsCommand};
use crate::failure::Failure;
use crate::output::{self, BAD, GOOD, styled};
use dormouse_activation::{
    self as activation, ActivationError, FileState, Manager, Plan, PlannedJob, Start, UnitFile,
    UnitState,
};
use dormouse_membership::moderation::vouch;
use dormouse_runners::arrangement;
use dormouse_runners::cron::{JOBS, Schedule};
use dormouse_store::{Site, UnixAccount};
use std::path::Path;
use std::time::Duration;
use sysexits::ExitCode;

/// Debian's user for mailing lists.
const USER: &str = "list";

pub fn run(dir: &Path, command: UnitsCommand) -> Result<ExitCode, Failure> {
    if let UnitsCommand::Print { manager, into, mailman2, .. } = &command
        && let Some(prefix) = &mailman2.mailman2
    {
        let qfiles = mailman2.mailman2_qfiles.as_deref();
        let usual = Manager::System { user: USER.to_owned(), group: USER.to_owned() };
        let manager = manager_of(manager.clone(), usual);
        put(&mailman2::units(prefix, qfiles, manager)?, into.as_deref())?;
        return Ok(ExitCode::Ok);
    }
    if let UnitsCommand::Uninstall { manager } = command {
        return uninstall(dir, manager);
    }
    let site = Site::open(dir)?;
    let manager_of = |args| manager_of(args, system(&site));
    match command {
        UnitsCommand::Print { manager, other: Some(other), .. } => {
            print_for(other, &site, manager_of(manager))
        }
        UnitsCommand::Print { manager, into, .. } => {
            put(&activation::generate(&plan(&site, manager_of(manager))?), into.as_deref())?;
            Ok(ExitCode::Ok)
        }
        UnitsCommand::Install { manager, dry_run: true, .. } => {
            rehearse(&site, manager_of(manager))
        }
        UnitsCommand::Install { manager, no_start, dry_run: false } => {
            install(&site, manager_of(manager), no_start)
        }
        UnitsCommand::Uninstall { .. } => unreachable!("it needs no site"),
        UnitsCommand::Check { manager, fix, json } => {
            let manager = manager_that_has(&site, manager)?;
            check(&site, manager, fix, json)
        }
    }
}

/// Prints the service file for a manager other than systemd.
fn print_for(other: OtherManager, site: &Site, manager: Manager) -> Result<ExitCode, Failure> {
    let binary = crate::program::own()?;
    let dir = site.dir().canonicalize()?;
    let Manager::System { user, group } = manager else {
        return Err(Failure::usage("--for is only for system services, not for --user"));
    };
    output::line(match other {
        OtherManager::Openrc => activation::openrc(&binary, &dir, &user, &group)?,
        OtherManager::Runit => activation::runit(&binary, &dir, &user, &group)?,
    })?;
    Ok(ExitCode::Ok)
}

/// Prints which files an installation would change.
fn rehearse(site: &Site, manager: Manager) -> Result<ExitCode, Failure> {
    let plan = plan(site, manager)?;
    require_owner(site, &plan.manager)?;
    let would = activation::rehearse(&plan)?;
    for path in &would.written {
        output::line(format_args!("would write {}", path.display()))?;
    }
    for path in &would.removed {
        output::line(format_args!("would remove {}", path.display()))?;
    }
    let right = would.unchanged.len() as u64;
    output::line(format_args!(
        "{}; `dormouse units print` prints all of them",
        output::count(right, "file is up to date", "files are up to date")
    ))?;
    Ok(ExitCode::Ok)
}

fn install(site: &Site, manager: Manager, no_start: bool) -> Result<ExitCode, Failure> {
    let plan = plan(site, manager)?;
    require_owner(site, &plan.manager)?;
    let installed = activation::install(&plan, !no_start)?;
    for path in &installed.written {
        output::line(format_args!("wrote {}", path.display()))?;
    }
    for path in &installed.removed {
        output::line(format_args!("removed {}", path.display()))?;
    }
    if let (true, Manager::System { user, .. }) = (installed.given, &plan.manager) {
        output::line(format_args!("gave {} to {user}", site.dir().display()))?;
    }
    if installed.written.is_empty() && installed.unchanged.is_empty() {
        output::line(
            "every queue is off and nothing may connect: no units are needed, and none are left",
        )?;
        return Ok(ExitCode::Ok);
    }
    output::line(if no_start {
        "installed; start them with `systemctl start dormouse.target`"
    } else {
        "installed and started: from now on, mail starts dormouse"
    })?;
    if let Some(silence) = vouch::silence(site.config()) {
        output::line(format_args!("about posts that wait for a moderator: {silence}"))?;
    }
    if let Some(closed) = closed_socket(site, &plan) {
        output::line(closed)?;
    }
    Ok(ExitCode::Ok)
}

fn check(site: &Site, manager: Manager, fix: bool, json: bool) -> Result<ExitCode, Failure> {
    let plan = plan(site, manager)?;
    if fix {
        let mended = activation::fix(&plan)?;
        for command in mended.done {
            crate::output::note!("repaired with: {command}");
        }
        for problem in mended.failed {
            crate::output::note!("dormouse: {problem}");
        }
    }
    let states = activation::check(&plan)?;
    if json {
        output::json(&states)?;
    } else if states.is_empty() {
        output::line("every queue is off and nothing may connect: no units are needed")?;
    } else {
        print(&states)?;
    }
    let well = states.iter().all(UnitState::is_well);
    Ok(if well { ExitCode::Ok } else { ExitCode::Config })
}

fn uninstall(dir: &Path, args: ManagerArgs) -> Result<ExitCode, Failure> {
    // A removed site keeps its name.
    let dir = dir.canonicalize().or_else(|_| std::path::absolute(dir))?;
    let is_named = args.user || args.run_as.is_some() || args.group.is_some();
    // Only root can remove system units.
    let usual = match rustix::process::geteuid().is_root() {
        true => Manager::System { user: USER.to_owned(), group: USER.to_owned() },
        false => Manager::User,
    };
    let manager = if is_named { manager_of(args, usual) } else { usual };
    let mut gone = activation::uninstall(&manager, &dir)?;
    if gone.removed.is_empty() && !is_named {
        gone = match activation::uninstall(&Manager::User, &dir) {
            Err(ActivationError::NoHome) => gone,
            other => other?,
        };
    }
    for path in &gone.removed {
        output::line(format_args!("removed {}", path.display()))?;
    }
    for path in &gone.kept {
        output::line(format_args!("kept {}, which is yours", path.display()))?;
    }
    let site = dir.display();
    output::line(if gone.removed.is_empty() {
        format!("there are no units of {site} to remove")
    } else {
        format!("nothing starts runs for {site} any more: mail waits in its queues")
    })?;
    Ok(ExitCode::Ok)
}

/// Returns a warning about an LMTP socket to which no MTA may connect.
fn closed_socket(site: &Site, plan: &Plan) -> Option<String> {
    let is_closed =
        plan.lmtp.starts_with('/') && (plan.lmtp_group.is_empty() || plan.manager == Manager::User);
    let owner = UnixAccount::of(site.dir()).map_or_else(|_| USER.to_owned(), |owner| owner.user);
    is_closed.then(|| {
        format!(
            "only root and {owner} may connect to {}: for an MTA that runs as another user, set lmtp.group \
             and install the units of the system",
            plan.lmtp
        )
    })
}

/// Returns the named manager, or else the one that has this site's units, or else the system's, if
/// neither has any.
fn manager_that_has(site: &Site, args: ManagerArgs) -> Result<Manager, Failure> {
    let is_named = args.user || args.run_as.is_some() || args.group.is_some();
    let named = manager_of(args, system(site));
    if is_named || has(site, &named) || !has(site, &Manager::User) {
        return Ok(named);
    }
    Ok(Manager::User)
}

/// Whether a manager has units of this site.
fn has(site: &Site, manager: &Manager) -> bool {
    let states = plan(site, manager.clone())
        .and_then(|plan| activation::check(&plan).map_err(Failure::from));
    states.is_ok_and(|states| states.iter().any(UnitState::is_installed))
}

/// Returns the command that installs this site's units into the manager that has, or will have,
/// them.
pub fn install_command(site: &Site) -> &'static str {
    if !has(site, &system(site)) && has(site, &Manager::User) {
        "dormouse units install --user"
    } else {
        "dormouse units install"
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

/// Returns the data for a site's units.
pub fn plan(site: &Site, manager: Manager) -> Result<Plan, Failure> {
    let plan = Plan {
        site: site.dir().canonicalize()?,
        binary: crate::program::own()?,
        qfiles: site.qfiles().canonicalize()?,
        queues: arrangement::all(site.config()),
        jobs: jobs(site)?,
        manager,
        linger: site.config().run_linger.duration(),
        web: site.config().web_listen.clone(),
        web_group: site.config().web_group.trim().to_owned(),
        lmtp: site.config().lmtp_listen.clone(),
        lmtp_group: site.config().lmtp_group(),
        metrics: site.metrics_file(),
    };
    plan.validate()?;
    Ok(plan)
}

/// Returns the periodic jobs that a timer starts.
fn jobs(site: &Site) -> Result<Vec<PlannedJob>, Failure> {
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
        Some(PlannedJob { name, about, start, network: job.network })
    });
    Ok(jobs.collect())
}

/// Returns the user of system units if none is given: the site's owner, and for a site owned by
/// root, the user to whom it will be given.
pub fn system(site: &Site) -> Manager {
    let owner = UnixAccount::of(site.dir()).ok().filter(|owner| !owner.is_root());
    let (user, group) =
        owner.map_or_else(|| (USER.to_owned(), USER.to_owned()), |owner| (owner.user, owner.group));
    Manager::System { user, group }
}

fn manager_of(args: ManagerArgs, usual: Manager) -> Manager {
    let (own_user, own_group) = match usual {
        _ if args.user => return Manager::User,
        Manager::System { user, group } => (user, group),
        Manager::User => (USER.to_owned(), USER.to_owned()),
    };
    let user = args.run_as.unwrap_or_else(|| own_user.clone());
    let group = args.group.unwrap_or(if user == own_user { own_group } else { user.clone() });
    Manager::System { user, group }
}

/// Fails if the units could not read the site because it belongs to a third user.
fn require_owner(site: &Site, manager: &Manager) -> Result<(), Failure> {
    let owner = UnixAccount::of(site.dir())?;
    match manager {
        Manager::System { user, group } if !owner.is_root() && owner.user != *user => {
            let (dir, owner) = (site.dir().display(), &owner.user);
            let text = format!(
                "{dir} belongs to {owner}, but the units would run as {user}: use --run-as {owner}, \
                 or change the owner: chown -R {user}:{group} {dir}"
            );
            Err(Failure::new(ExitCode::Config, text))
        }
        _ => Ok(()),
    }
}

/// Units with the same problem.
pub struct Ailing {
    /// The units and the problem.
    pub text: String,
    /// What to do about it.
    pub mend: String,
}

/// Returns the problems of units, each once for all units that have it, except that a manager
/// cannot be asked.
pub fn ailing(states: &[UnitState]) -> Vec<Ailing> {
    let unasked = activation::unreachable(states).is_some();
    let mut groups: Vec<(String, String, Vec<&str>)> = Vec::new();
    for state in states {
        let Some(mend) = state.mend.clone() else { continue };
        let summary = if unasked { state.file_summary().to_owned() } else { state.summary() };
        if unasked && state.file == FileState::Installed {
            continue;
        }
        match groups.iter_mut().find(|(m, s, _)| *m == mend && *s == summary) {
            Some((_, _, names)) => names.push(&state.name),
            None => groups.push((mend, summary, vec![&state.name])),
        }
    }
    let ailing = groups.into_iter().map(|(mend, summary, names)| {
        let which = match names.as_slice() {
            [name] => (*name).to_owned(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
            [] => String::new(),
        };
        Ailing { text: format!("{which}: {summary}"), mend }
    });
    ailing.collect()
}

/// Prints the state of units, indented.
pub fn print_states(states: &[UnitState], indent: &str) -> Result<(), Failure> {
    let unasked = activation::unreachable(states);
    if let Some(reason) = unasked {
        let text = format!("no manager can be asked about them: {reason}");
        output::line(format_args!("{indent}{}", styled(BAD, text)))?;
    }
    let width = states.iter().map(|unit| unit.name.len()).max().unwrap_or(0);
    for unit in states {
        let (summary, well) = match unasked {
            Some(_) => (unit.file_summary().to_owned(), unit.file == FileState::Installed),
            None => (unit.summary(), unit.is_well()),
        };
        let style = if well { GOOD } else { BAD };
        output::line(format_args!("{indent}{:width$}  {}", unit.name, styled(style, summary)))?;
    }
    Ok(())
}

fn print(states: &[UnitState]) -> Result<(), Failure> {
    print_states(states, "")?;
    for ailing in ailing(states) {
        output::line("")?;
        output::line(&ailing.text)?;
        output::line(format_args!("  repair with: {}", ailing.mend))?;
    }
    Ok(())
}
