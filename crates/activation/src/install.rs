//! Where the files go, and starting them.

use crate::units::{JOB_PREFIX, QUEUE_TEMPLATE, TARGET, is_ours};
use crate::{ActivationError, Kind, Manager, Plan, UnitFile, generate, systemctl};
use dormouse_store::{Account, owner};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What an installation changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Files that were missing or different.
    pub written: Vec<PathBuf>,
    /// Files that were as they should be.
    pub unchanged: Vec<PathBuf>,
    /// Files of another plan, for which this one has no use.
    pub removed: Vec<PathBuf>,
    /// The site was root's, and is the units' user's now.
    pub given: bool,
}

/// What [`install`] would change.
///
/// # Errors
/// When a unit file cannot say what the plan wants, or a file cannot be read.
pub fn rehearse(plan: &Plan) -> Result<Installed, ActivationError> {
    plan.validate()?;
    let mut installed = Installed { removed: leftovers(plan)?, ..Installed::default() };
    for file in generate(plan) {
        let path = place(&plan.manager, &file)?;
        let is_right = is_written(&path, &file.contents)?;
        if is_right { &mut installed.unchanged } else { &mut installed.written }.push(path);
    }
    Ok(installed)
}

/// Writes the units of a plan where its manager looks for them, makes the user and the directories
/// (system only), gives a site of root's to that user, and with `start` enables and starts the
/// target. What is right already is left alone, so doing it again does no harm.
///
/// # Errors
/// When a unit file cannot say what the plan wants, systemd is older than 246, there is no manager
/// that could start anything, a file cannot be written, or a command of systemd fails. What was
/// written by then stays; doing it again mends it.
pub fn install(plan: &Plan, start: bool) -> Result<Installed, ActivationError> {
    plan.validate()?;
    systemctl::require_version()?;
    if start {
        systemctl::require_manager(&plan.manager)?;
    }
    let mut installed = Installed::default();
    for file in generate(plan) {
        let path = place(&plan.manager, &file)?;
        if write_if_different(&path, &file.contents)? {
            installed.written.push(path.clone());
        } else {
            installed.unchanged.push(path.clone());
        }
        match file.kind {
            Kind::Unit => {}
            Kind::Tmpfiles | Kind::Sysusers if !start => {}
            Kind::Sysusers => systemctl::run_on("systemd-sysusers", &[], &path)?,
            Kind::Tmpfiles => {
                installed.given = give_site(plan)?;
                systemctl::run_on("systemd-tmpfiles", &["--create"], &path)?;
            }
        }
    }
    if !start {
        installed.given = give_site(plan)?;
    }
    installed.removed = leftovers(plan)?;
    let reload = || systemctl::run(&plan.manager, ["daemon-reload"]).map(drop);
    if start {
        reload()?;
        let changed = !(installed.written.is_empty() && installed.removed.is_empty());
        // While their files are there: a timer that finds no service to start has failed for good.
        stop_what_is_not_wanted(plan, changed)?;
    }
    for path in &installed.removed {
        fs::remove_file(path).map_err(ActivationError::io("remove", path))?;
    }
    if start || systemctl::is_booted() {
        reload()?;
    }
    if start {
        systemctl::run(&plan.manager, ["enable", "--now", TARGET])?;
        // A target that is active already does not start what is new in it.
        let standing = plan.standing_units();
        if !standing.is_empty() {
            let start = std::iter::once("start").chain(standing.iter().map(String::as_str));
            systemctl::run(&plan.manager, start)?;
        }
    }
    Ok(installed)
}

/// Gives a site that root made to the user that the units run as. Whether that was necessary.
fn give_site(plan: &Plan) -> Result<bool, ActivationError> {
    let Manager::System { user, group } = &plan.manager else { return Ok(false) };
    let Some(account) = Account::named(user, group) else {
        // Where only files are written it may be made later.
        tracing::warn!("there is no user {user} or no group {group} yet: the site is still root's");
        return Ok(false);
    };
    // They may be elsewhere, behind a link.
    let queues = owner::give(&plan.qfiles, &account)?;
    Ok(owner::give(&plan.site, &account)? || queues)
}

/// Unit files of ours, of other plans than this, where [`install`] puts them.
pub(crate) fn leftovers(plan: &Plan) -> Result<Vec<PathBuf>, ActivationError> {
    let wanted: Vec<_> = generate(plan).into_iter().map(|file| file.name).collect();
    let target = UnitFile { name: TARGET.to_owned(), contents: String::new(), kind: Kind::Unit };
    let target = place(&plan.manager, &target)?;
    let dir = target.parent().unwrap_or(Path::new("/"));
    let look = || ActivationError::io("look into", dir);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(look())?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(look())?.file_name().to_string_lossy().into_owned();
        if is_ours(&name) && !wanted.contains(&name) {
            found.push(dir.join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Stops what runs under another plan, and, when units have changed, what runs: it completes the
/// transaction in flight, and is started again as it should be, by us or by what waits for it. Jobs of
/// the clock are let be; nothing would start them again before their time.
fn stop_what_is_not_wanted(plan: &Plan, changed: bool) -> Result<(), ActivationError> {
    // A run is `activating` until it ends.
    let states = "--state=active,activating";
    let list = ["list-units", "--plain", "--no-legend", states, "dormouse*"];
    let running = systemctl::run(&plan.manager, list)?;
    let wanted: Vec<_> = generate(plan).into_iter().map(|file| file.name).collect();
    let standing = plan.standing_units();
    let is_to_stop = |unit: &&str| {
        let file = file_of(unit);
        let stands = standing.iter().any(|name| name == unit);
        let is_other_path = file == QUEUE_TEMPLATE && !stands;
        let is_other_plans = !wanted.contains(&file) || is_other_path;
        let runs = unit.ends_with(".service") && !unit.starts_with(JOB_PREFIX);
        is_ours(&file) && (is_other_plans || changed && runs)
    };
    let units: Vec<&str> = running
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(is_to_stop)
        .collect();
    if !units.is_empty() {
        systemctl::run(&plan.manager, std::iter::once("stop").chain(units))?;
    }
    Ok(())
}

/// The file that a unit is made from: `a@b.path` → `a@.path`. Jobs have no template.
fn file_of(unit: &str) -> String {
    match unit.split_once('@').zip(unit.rsplit_once('.')) {
        Some(_) if unit.starts_with(JOB_PREFIX) => unit.to_owned(),
        Some(((stem, _), (_, kind))) => format!("{stem}@.{kind}"),
        None => unit.to_owned(),
    }
}

/// Stops and disables the units of a plan and removes their files; mail then waits in the queues.
/// Returns what was removed. The user and the directories stay.
pub fn uninstall(plan: &Plan) -> Result<Vec<PathBuf>, ActivationError> {
    let mut found = leftovers(plan)?;
    for file in &generate(plan) {
        let path = place(&plan.manager, file)?;
        if path.try_exists().map_err(ActivationError::io("look at", &path))? {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Ok(found);
    }
    let booted = systemctl::is_booted();
    if booted {
        // Everything else is part of the target and stops with it.
        systemctl::run(&plan.manager, ["disable", "--now", TARGET])?;
    }
    for path in &found {
        fs::remove_file(path).map_err(ActivationError::io("remove", path))?;
    }
    if booted {
        systemctl::run(&plan.manager, ["daemon-reload"])?;
    }
    Ok(found)
}

/// Writes files into a directory of the caller's choice, for a package or for looking at them.
pub fn write_into(files: &[UnitFile], dir: &Path) -> Result<(), ActivationError> {
    for file in files {
        write_if_different(&dir.join(&file.name), &file.contents)?;
    }
    Ok(())
}

/// Where a file is installed.
fn place(manager: &Manager, file: &UnitFile) -> Result<PathBuf, ActivationError> {
    Ok(match (file.kind, manager) {
        (Kind::Unit, Manager::System { .. }) => Path::new("/etc/systemd/system").join(&file.name),
        (Kind::Unit, Manager::User) => user_configuration()?.join("systemd/user").join(&file.name),
        // Their names have their directory with them.
        (Kind::Tmpfiles | Kind::Sysusers, _) => Path::new("/etc").join(&file.name),
    })
}

/// Where a file may be found, in the order in which systemd looks: an administrator's, then a
/// package's.
pub(crate) fn places(manager: &Manager, file: &UnitFile) -> Result<Vec<PathBuf>, ActivationError> {
    let mut places = vec![place(manager, file)?];
    let folder = match (file.kind, manager) {
        (Kind::Unit, Manager::System { .. }) => "systemd/system",
        (Kind::Unit, Manager::User) => {
            places.push(Path::new("/etc/systemd/user").join(&file.name));
            "systemd/user"
        }
        (Kind::Tmpfiles | Kind::Sysusers, _) => "",
    };
    for prefix in ["/usr/local/lib", "/usr/lib", "/lib"] {
        places.push(Path::new(prefix).join(folder).join(&file.name));
    }
    Ok(places)
}

/// The XDG base directory specification's rule: a relative one does not count.
fn user_configuration() -> Result<PathBuf, ActivationError> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .ok_or(ActivationError::NoHome)
}

fn is_written(path: &Path, contents: &str) -> Result<bool, ActivationError> {
    match fs::read(path) {
        Ok(found) => Ok(found == contents.as_bytes()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ActivationError::io("read", path)(error)),
    }
}

/// Puts a file in place at once or not at all. Whether it was necessary.
fn write_if_different(path: &Path, contents: &str) -> Result<bool, ActivationError> {
    if is_written(path, contents)? {
        return Ok(false);
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(ActivationError::io("make the directory", dir))?;
    let write = || {
        let mut draft = tempfile::Builder::new().prefix(".dormouse-").tempfile_in(dir)?;
        draft.write_all(contents.as_bytes())?;
        draft.as_file().set_permissions(Permissions::from_mode(0o644))?;
        draft.as_file().sync_all()?;
        draft.persist(path).map_err(|error| error.error)
    };
    write().map_err(ActivationError::io("write", path))?;
    Ok(true)
}

/// The command that installs the units of a manager, for advice.
pub(crate) fn command(manager: &Manager) -> String {
    match manager {
        Manager::User => "dormouse units install --user".to_owned(),
        Manager::System { user, group } => {
            format!("dormouse units install --run-as {user} --group {group}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tempfile::TempDir;

    #[test]
    fn only_what_differs_is_written() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("units/a.service");
        assert!(write_if_different(&path, "one").unwrap());
        assert!(!write_if_different(&path, "one").unwrap());
        assert!(write_if_different(&path, "two").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        let left = fs::read_dir(home.path().join("units")).unwrap().count();
        assert_eq!(left, 1, "no draft is left behind");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a.service");
        fs::create_dir(&path).unwrap();
        let error = write_if_different(&path, "one").unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }

    #[test]
    fn an_unusable_plan_writes_nothing() {
        let plan = Plan {
            site: PathBuf::from("relative"),
            binary: PathBuf::from("/bin/true"),
            qfiles: PathBuf::from("/q"),
            queues: Vec::new(),
            jobs: Vec::new(),
            manager: Manager::User,
            linger: Duration::ZERO,
            web: String::new(),
            web_group: String::new(),
            lmtp: String::new(),
            metrics: None,
        };
        assert!(matches!(install(&plan, false), Err(ActivationError::Plan { .. })));
    }

    #[test]
    fn an_instance_is_made_from_its_template() {
        assert_eq!(file_of("dormouse-queue@in.path"), QUEUE_TEMPLATE);
        assert_eq!(file_of("dormouse-wake@17.timer"), "dormouse-wake@.timer");
        assert_eq!(file_of("dormouse.service"), "dormouse.service");
        assert_eq!(file_of("dormouse-cron@x.timer"), "dormouse-cron@x.timer");
    }

    #[test]
    fn a_package_s_files_count_as_installed() {
        let file = UnitFile { name: TARGET.to_owned(), contents: String::new(), kind: Kind::Unit };
        let manager = Manager::System { user: "list".to_owned(), group: "list".to_owned() };
        let places = places(&manager, &file).unwrap();
        assert_eq!(places[0], Path::new("/etc/systemd/system/dormouse.target"));
        assert!(places.contains(&PathBuf::from("/usr/lib/systemd/system/dormouse.target")));
    }
}
