//! What processes the queues: units, a master, a watch, a crontab, and resident processes.

use super::run::last_look;
use super::units;
use dormouse_activation::master::PidFile;
use dormouse_activation::process::{Present, present};
use dormouse_activation::{ActivationError, FileState, Live, Manager, UnitState};
use dormouse_spool::Spool;
use dormouse_store::Site;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A crontab runs every minute; after this time without a run, it is considered inactive.
const LAST_LOOK: Duration = Duration::from_secs(15 * 60);

/// What is known about them.
pub struct Wakers {
    /// The units of this site, and the manager that has them.
    pub units: Option<(Manager, Vec<UnitState>)>,
    /// Problems with units, such as units of another site.
    pub problems: Vec<String>,
    /// Whether the master is running.
    pub master: bool,
    /// Resident processes.
    pub processes: Vec<Present>,
    /// A crontab's lines for this site.
    pub crontab: Option<Crontab>,
    /// The time since a run looked at everything.
    pub last_look: Option<Duration>,
}

/// Lines of a crontab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crontab {
    /// The place of the first one.
    pub place: String,
    /// Whether one processes the queues.
    pub runs: bool,
    /// Whether one runs the periodic jobs.
    pub does_jobs: bool,
}

impl Wakers {
    /// Looks for all of them.
    pub fn of(site: &Site, spool: &Spool) -> Wakers {
        let mut problems = Vec::new();
        let units = [units::system(site), Manager::User].into_iter().find_map(|manager| {
            let plan = match units::plan(site, manager) {
                Ok(plan) => plan,
                Err(failure) => {
                    problems.push(failure.message);
                    return None;
                }
            };
            match dormouse_activation::check(&plan) {
                Ok(states) if states.iter().any(UnitState::is_installed) => {
                    Some((plan.manager, states))
                }
                Ok(_) | Err(ActivationError::NoHome) => None,
                Err(error) => {
                    problems.push(error.to_string());
                    None
                }
            }
        });
        let master = matches!(PidFile::owner(&site.dir().join("master.pid")), Ok(Some(_)));
        let processes = present(site.dir()).unwrap_or_else(|error| {
            problems.push(error.to_string());
            Vec::new()
        });
        let looked = fs::metadata(last_look(spool)).and_then(|found| found.modified());
        let last_look = looked.ok().map(|at| at.elapsed().unwrap_or_default());
        Wakers { units, problems, master, processes, crontab: crontab(site.dir()), last_look }
    }

    /// Whether a watch is running.
    pub fn watch(&self) -> bool {
        self.processes.iter().any(|process| process.name == "watch")
    }

    /// Whether a run has looked at everything recently, as started by a crontab.
    pub fn has_looked(&self) -> bool {
        self.last_look.is_some_and(|ago| ago < LAST_LOOK)
    }

    /// Whether something processes the queues without a resident process.
    pub fn is_awake(&self) -> bool {
        self.master
            || self.watch()
            || self.crontab.as_ref().is_some_and(|crontab| crontab.runs)
            || self.has_looked()
            || self.units.as_ref().is_some_and(|(_, states)| is_alive(states))
    }

    /// Whether a queue has a resident process.
    pub fn stays_for(&self, queue: &str) -> bool {
        let name = format!("runner {queue}");
        let is_active = |state: &UnitState| {
            state.name == format!("dormouse-{queue}.service")
                && matches!(&state.live, Some(Live::Known { active, .. }) if active == "active")
        };
        self.processes.iter().any(|process| process.name == name)
            || self.units.iter().any(|(_, states)| states.iter().any(is_active))
    }

    /// Processes that still use older settings.
    pub fn outdated<'w>(&'w self, site: &'w Site) -> impl Iterator<Item = &'w Present> {
        self.processes.iter().filter(|process| process.settings != site.mark())
    }
}

/// Whether the target is active; if that cannot be found out, it may be.
fn is_alive(states: &[UnitState]) -> bool {
    let target = states.iter().find(|state| state.name == dormouse_activation::TARGET);
    target.is_some_and(|target| match &target.live {
        Some(Live::Known { active, .. }) => active == "active",
        _ => target.file == FileState::Installed,
    })
}

/// Returns the lines for a site in the crontabs of this machine and of this user.
fn crontab(site: &Path) -> Option<Crontab> {
    let site = site.canonicalize().unwrap_or_else(|_| site.to_owned());
    let mut files = vec![PathBuf::from("/etc/crontab")];
    files.extend(
        fs::read_dir("/etc/cron.d").into_iter().flatten().flatten().map(|file| file.path()),
    );
    let texts = files.into_iter().filter_map(|path| {
        // A crontab that we may not read does not concern us.
        Some((path.display().to_string(), fs::read_to_string(&path).ok()?))
    });
    let own = Command::new("crontab").arg("-l").output().ok();
    let own = own.filter(|output| output.status.success()).map(|output| {
        ("the crontab".to_owned(), String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let mut found: Option<Crontab> = None;
    for (place, text) in texts.chain(own) {
        let (runs, does_jobs) = read(&text, &site);
        if runs || does_jobs {
            let all = found.get_or_insert(Crontab { place, runs: false, does_jobs: false });
            all.runs |= runs;
            all.does_jobs |= does_jobs;
        }
    }
    found
}

/// Whether lines of a crontab process a site's queues, and run the periodic jobs.
fn read(text: &str, site: &Path) -> (bool, bool) {
    let mut found = (false, false);
    let mut usual = PathBuf::from("/var/lib/dormouse");
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(value) = line.strip_prefix("DORMOUSE_SITE=") {
            usual = PathBuf::from(value.trim_matches(['"', '\'']));
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_program = |word: &&str| Path::new(word).file_name().is_some_and(|n| n == "dormouse");
        let Some(program) = words.iter().position(is_program) else { continue };
        let before = words[..program].iter().find_map(|word| word.strip_prefix("DORMOUSE_SITE="));
        let mut named = before.map_or_else(|| usual.clone(), PathBuf::from);
        let mut rest = words[program + 1..].iter().copied();
        let mut command = Vec::new();
        while let Some(word) = rest.next() {
            if let Some(dir) = word.strip_prefix("--site=") {
                named = PathBuf::from(dir);
            } else if word == "--site" {
                named = rest.next().map_or(named, PathBuf::from);
            } else if word == "--log" {
                rest.next();
            } else if !word.starts_with('-') {
                command.push(word);
            }
        }
        if named.canonicalize().unwrap_or(named) != site {
            continue;
        }
        found.0 |= command.first() == Some(&"run");
        found.1 |= command.starts_with(&["cron", "run"]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crontab_is_read_for_its_site() {
        let site = Path::new("/var/lib/dormouse");
        let documented = "* * * * *  list  /usr/bin/dormouse run --quiet\n";
        assert_eq!(read(documented, site), (true, false));
        assert_eq!(read(documented, Path::new("/srv/lists")), (false, false));
        let named = "DORMOUSE_SITE=/srv/lists\n*/5 * * * * dormouse --log info cron run -q\n\
                     * * * * * dormouse --site /var/lib/dormouse run\n#* * * * * dormouse run\n";
        assert_eq!(read(named, Path::new("/srv/lists")), (false, true));
        assert_eq!(read(named, site), (true, false));
        assert_eq!(read("* * * * * root dormouse status; true\n", site), (false, false));
        let here = "* * * * * list DORMOUSE_SITE=/srv/x /opt/dormouse run\n";
        assert_eq!(read(here, Path::new("/srv/x")), (true, false));
    }
}
