//! Installing and starting units, and removing them.

use crate::units::{JOB_PREFIX, QUEUE_TEMPLATE, TARGET, is_ours, quote};
use crate::{ActivationError, Manager, Plan, UnitFile, UnitFileKind, generate, systemctl};
use dormouse_store::{UnixAccount, owner};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What an installation changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// The files that were missing or different.
    pub written: Vec<PathBuf>,
    /// The files that were already correct.
    pub unchanged: Vec<PathBuf>,
    /// The removed files of another plan.
    pub removed: Vec<PathBuf>,
    /// Whether the site was root's, and was given to the user of the units.
    pub given: bool,
}

/// Returns what [`install`] would change.
///
/// # Errors
/// If a value of the plan cannot be written in a unit file, the manager has the units of another
/// site, or a file cannot be read.
pub fn rehearse(plan: &Plan) -> Result<Installed, ActivationError> {
    plan.validate()?;
    refuse_another_site(&plan.manager, &plan.site)?;
    let mut installed = Installed { removed: leftovers(plan)?, ..Installed::default() };
    for file in generate(plan) {
        let path = place(&plan.manager, &file)?;
        let is_right = is_written(&path, &file.contents)?;
        if is_right { &mut installed.unchanged } else { &mut installed.written }.push(path);
    }
    Ok(installed)
}

/// Writes the units of a plan where its manager looks for them, creates the user and the
/// directories (system only), gives a site of root to that user, and with `start` enables and
/// starts the target. Correct files are not changed, so it can be repeated. A plan without units,
/// because every queue is off, uninstalls them.
///
/// # Errors
/// If a value of the plan cannot be written in a unit file, the manager has the units of another
/// site, systemd is older than 246, there is no manager to start units, a file cannot be written,
/// or a command of systemd fails. Files written before the error remain; repeating the installation
/// completes it.
pub fn install(plan: &Plan, start: bool) -> Result<Installed, ActivationError> {
    plan.validate()?;
    refuse_another_site(&plan.manager, &plan.site)?;
    if generate(plan).is_empty() {
        let given = give_site(plan)?;
        let removed = uninstall(&plan.manager, &plan.site)?.removed;
        return Ok(Installed { removed, given, ..Installed::default() });
    }
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
            UnitFileKind::Unit => {}
            UnitFileKind::Tmpfiles | UnitFileKind::Sysusers if !start => {}
            UnitFileKind::Sysusers => systemctl::run_on("systemd-sysusers", &[], &path)?,
            UnitFileKind::Tmpfiles => {
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
        // While their files exist, because a timer without its service would fail permanently.
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
        // An active target does not start units that are new in it.
        let standing = plan.standing_units();
        if !standing.is_empty() {
            let start = std::iter::once("start").chain(standing.iter().map(String::as_str));
            systemctl::run(&plan.manager, start)?;
        }
    }
    Ok(installed)
}

/// Gives a site of root to the user of the units. Returns whether this was necessary.
fn give_site(plan: &Plan) -> Result<bool, ActivationError> {
    let Manager::System { user, group } = &plan.manager else { return Ok(false) };
    let Some(account) = UnixAccount::named(user, group) else {
        // If only files are written, the user may be created later.
        tracing::warn!(
            "there is no user {user} or no group {group} yet: the site still belongs to root"
        );
        return Ok(false);
    };
    // The queues may be elsewhere, behind a link.
    let queues = owner::give(&plan.qfiles, &account)?;
    Ok(owner::give(&plan.site, &account)? || queues)
}

/// Returns our installed unit files that are not part of this plan.
pub(crate) fn leftovers(plan: &Plan) -> Result<Vec<PathBuf>, ActivationError> {
    let wanted: Vec<_> = generate(plan).into_iter().map(|file| file.name).collect();
    let dir = unit_dir(&plan.manager)?;
    let names = names_in(&dir)?;
    let is_left = |name: &String| is_ours(name) && !wanted.contains(name);
    Ok(names.into_iter().filter(is_left).map(|name| dir.join(name)).collect())
}

/// Returns the directory in which units are installed.
fn unit_dir(manager: &Manager) -> Result<PathBuf, ActivationError> {
    Ok(match manager {
        Manager::System { .. } => PathBuf::from("/etc/systemd/system"),
        Manager::User => user_configuration()?.join("systemd/user"),
    })
}

/// Returns the sorted names in a directory; none if it is missing.
fn names_in(dir: &Path) -> Result<Vec<String>, ActivationError> {
    let look = || ActivationError::io("look into", dir);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(look())?,
    };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry.map_err(look())?.file_name().to_string_lossy().into_owned())
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>, ActivationError>>()?;
    names.sort();
    Ok(names)
}

/// Checks that a manager does not have another site's units. One manager can serve only one site,
/// because all sites have the same unit names.
///
/// # Errors
/// [`ActivationError::OtherSite`] names the other site.
pub(crate) fn refuse_another_site(manager: &Manager, site: &Path) -> Result<(), ActivationError> {
    for dir in unit_places(manager)? {
        for name in names_in(&dir)?.into_iter().filter(|name| is_ours(name)) {
            let file = dir.join(name);
            // The file may have disappeared meanwhile.
            let Ok(text) = fs::read_to_string(&file) else { continue };
            if let Some(other) = site_of(&text).filter(|other| other != site) {
                return Err(ActivationError::OtherSite { file, other, manager: manager.clone() });
            }
        }
    }
    Ok(())
}

/// Returns the site of one of our services.
fn site_of(unit: &str) -> Option<PathBuf> {
    let start = unit.lines().find(|line| line.starts_with("ExecStart="))?;
    let (_, rest) = start.split_once(" --site \"")?;
    quote::unquoted(rest).map(PathBuf::from)
}

/// Stops units of another plan and, if units have changed, all running services: they complete the
/// current transaction, and are started again by us or by their triggers. Periodic jobs are not
/// stopped, because nothing would start them again before their time.
fn stop_what_is_not_wanted(plan: &Plan, changed: bool) -> Result<(), ActivationError> {
    let wanted: Vec<_> = generate(plan).into_iter().map(|file| file.name).collect();
    let standing = plan.standing_units();
    stop(&plan.manager, |unit, file| {
        let stands = standing.iter().any(|name| name == unit);
        let is_other_path = file == QUEUE_TEMPLATE && !stands;
        let is_other_plans = !wanted.iter().any(|name| name == file) || is_other_path;
        let runs = unit.ends_with(".service") && !unit.starts_with(JOB_PREFIX);
        is_ours(file) && (is_other_plans || changed && runs)
    })
}

/// Stops the running units that are chosen by their name and the name of their file.
fn stop(manager: &Manager, is_chosen: impl Fn(&str, &str) -> bool) -> Result<(), ActivationError> {
    // A oneshot service is `activating` until it ends.
    let states = "--state=active,activating";
    let list = ["list-units", "--plain", "--no-legend", states, "dormouse*"];
    let running = systemctl::run(manager, list)?;
    let units: Vec<&str> = running
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|unit| is_chosen(unit, &file_of(unit)))
        .collect();
    if !units.is_empty() {
        systemctl::run(manager, std::iter::once("stop").chain(units))?;
    }
    Ok(())
}

/// Returns the file of a unit: `a@b.path` → `a@.path`. Jobs have no template.
fn file_of(unit: &str) -> String {
    match unit.split_once('@').zip(unit.rsplit_once('.')) {
        Some(_) if unit.starts_with(JOB_PREFIX) => unit.to_owned(),
        Some(((stem, _), (_, kind))) => format!("{stem}@.{kind}"),
        None => unit.to_owned(),
    }
}

/// What an uninstallation changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uninstalled {
    /// The removed files.
    pub removed: Vec<PathBuf>,
    /// Drop-ins of an administrator, which are kept.
    pub kept: Vec<PathBuf>,
}

/// Stops and disables the units of a site and removes their files; mail then waits in the queues.
/// The user, the directories and drop-ins of an administrator are kept. The site need not exist any
/// more.
///
/// # Errors
/// If the manager has the units of another site, a file cannot be removed, or a command of systemd
/// fails.
pub fn uninstall(manager: &Manager, site: &Path) -> Result<Uninstalled, ActivationError> {
    refuse_another_site(manager, site)?;
    let dir = unit_dir(manager)?;
    let mut done = Uninstalled::default();
    for name in names_in(&dir)? {
        // A masked instance has its own file.
        if is_ours(&file_of(&name)) {
            done.removed.push(dir.join(name));
        } else if name.strip_suffix(".d").is_some_and(|unit| is_ours(&file_of(unit))) {
            done.kept.push(dir.join(name));
        }
    }
    if let Manager::System { .. } = manager {
        let beside = ["sysusers.d/dormouse.conf", "tmpfiles.d/dormouse.conf"];
        let beside = beside.map(|name| Path::new("/etc").join(name));
        done.removed.extend(beside.into_iter().filter(|path| path.exists()));
    }
    if done.removed.is_empty() {
        return Ok(done);
    }
    let is_there = systemctl::require_manager(manager).is_ok();
    if is_there {
        if dir.join(TARGET).exists() {
            systemctl::run(manager, ["disable", "--now", TARGET])?;
        }
        stop(manager, |_unit, file| is_ours(file))?;
    }
    for wants in ["multi-user.target.wants", "default.target.wants"] {
        let link = dir.join(wants).join(TARGET);
        if fs::symlink_metadata(&link).is_ok() {
            done.removed.push(link);
        }
    }
    for path in &done.removed {
        fs::remove_file(path).map_err(ActivationError::io("remove", path))?;
    }
    if is_there {
        systemctl::run(manager, ["daemon-reload"])?;
        // Removed units must not be listed as failed.
        if let Err(error) = systemctl::run(manager, ["reset-failed", "dormouse*"]) {
            tracing::debug!("{error}");
        }
    }
    Ok(done)
}

/// Writes files into any directory, for a package or for inspection.
pub fn write_into(files: &[UnitFile], dir: &Path) -> Result<(), ActivationError> {
    for file in files {
        write_if_different(&dir.join(&file.name), &file.contents)?;
    }
    Ok(())
}

/// Returns the path at which a file is installed.
fn place(manager: &Manager, file: &UnitFile) -> Result<PathBuf, ActivationError> {
    Ok(match (file.kind, manager) {
        (UnitFileKind::Unit, _) => unit_dir(manager)?.join(&file.name),
        // Their names include a directory.
        (UnitFileKind::Tmpfiles | UnitFileKind::Sysusers, _) => Path::new("/etc").join(&file.name),
    })
}

/// Returns the directories with units, in systemd's order: an administrator's, then a package's.
fn unit_places(manager: &Manager) -> Result<Vec<PathBuf>, ActivationError> {
    let mut places = vec![unit_dir(manager)?];
    let folder = match manager {
        Manager::System { .. } => "systemd/system",
        Manager::User => {
            places.push(PathBuf::from("/etc/systemd/user"));
            "systemd/user"
        }
    };
    places.extend(PACKAGES.map(|prefix| Path::new(prefix).join(folder)));
    Ok(places)
}

/// The prefixes of packages' files.
const PACKAGES: [&str; 3] = ["/usr/local/lib", "/usr/lib", "/lib"];

/// Returns the possible paths of a file, in this order.
pub(crate) fn places(manager: &Manager, file: &UnitFile) -> Result<Vec<PathBuf>, ActivationError> {
    let dirs = match file.kind {
        UnitFileKind::Unit => unit_places(manager)?,
        UnitFileKind::Tmpfiles | UnitFileKind::Sysusers => {
            let packages = PACKAGES.map(PathBuf::from);
            std::iter::once(PathBuf::from("/etc")).chain(packages).collect()
        }
    };
    Ok(dirs.into_iter().map(|dir| dir.join(&file.name)).collect())
}

/// Returns the user's configuration directory. Relative paths do not count, according to the XDG
/// base directory specification. Nor do inaccessible ones: after root has become the site's owner,
/// the environment is still root's.
fn user_configuration() -> Result<PathBuf, ActivationError> {
    let usable = |path: &PathBuf| path.is_absolute() && !owner::is_closed_to_us(path);
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(usable);
    named("XDG_CONFIG_HOME")
        .or_else(|| named("HOME").or_else(owner::home).map(|home| home.join(".config")))
        .ok_or(ActivationError::NoHome)
}

fn is_written(path: &Path, contents: &str) -> Result<bool, ActivationError> {
    match fs::read(path) {
        Ok(found) => Ok(found == contents.as_bytes()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ActivationError::io("read", path)(error)),
    }
}

/// Writes a file atomically if it differs. Returns whether it did.
fn write_if_different(path: &Path, contents: &str) -> Result<bool, ActivationError> {
    if is_written(path, contents)? {
        return Ok(false);
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(ActivationError::io("create the directory", dir))?;
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

/// Returns the command that installs the units of a manager.
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
            lmtp_group: String::new(),
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
        let file =
            UnitFile { name: TARGET.to_owned(), contents: String::new(), kind: UnitFileKind::Unit };
        let manager = Manager::System { user: "list".to_owned(), group: "list".to_owned() };
        let places = places(&manager, &file).unwrap();
        assert_eq!(places[0], Path::new("/etc/systemd/system/dormouse.target"));
        assert!(places.contains(&PathBuf::from("/usr/lib/systemd/system/dormouse.target")));
    }
}
