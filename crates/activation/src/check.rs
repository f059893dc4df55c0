//! Is what is installed what should be, and is it alive?
//!
//! A path unit that died wakes nobody, and neither a start of the service nor a reload revives it;
//! so somebody has to look.

use crate::install;
use crate::units::{QUEUE_TEMPLATE, TARGET, WAKE_TEMPLATE, queue_unit};
use crate::{ActivationError, Kind, Manager, Plan, UnitFile, generate, systemctl};
use serde::Serialize;
use std::collections::HashMap;
use std::fs;
use std::io;

/// What is known about a unit, or about a file for systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// The unit's name; a template is listed by its instances.
    pub name: String,
    /// How its file is.
    pub file: FileState,
    /// How it is; absent for files that are no units.
    pub live: Option<Live>,
    /// What to do when something is wrong with it.
    pub mend: Option<String>,
}

/// How an installed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// It is not there.
    Missing,
    /// It is not what the plan asks for.
    Differs,
    /// It is as it should be.
    Installed,
    /// It is there, and the plan has no use for it.
    Leftover,
}

/// How a unit is, as the manager says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Live {
    /// No manager could be asked, or it was not worth asking.
    Unknown {
        /// Why.
        reason: String,
    },
    /// systemd's words for it.
    Known {
        /// `active`, `inactive`, `failed`, `activating`, …
        active: String,
        /// The finer state: `waiting`, `running`, `dead`, `auto-restart`, …
        sub: String,
        /// `success`, or why it failed.
        result: String,
        /// Whether its file changed since the manager read it.
        outdated: bool,
        /// `enabled` when it starts at boot or login; `masked` when it must not be started at all.
        enablement: String,
        /// Files by which an administrator changes it.
        drop_ins: Vec<String>,
    },
}

impl UnitState {
    /// Whether there is nothing to mend.
    pub fn is_well(&self) -> bool {
        self.mend.is_none()
    }

    /// Whether its file is there, as it should be or not.
    pub fn is_installed(&self) -> bool {
        self.file != FileState::Missing
    }

    /// How its file is, in a few words.
    pub fn file_summary(&self) -> &'static str {
        match self.file {
            FileState::Missing => "not installed",
            FileState::Differs => "installed, but different from what it should be",
            FileState::Leftover => "no longer needed",
            FileState::Installed => "installed",
        }
    }

    /// Files by which an administrator changes it.
    pub fn drop_ins(&self) -> &[String] {
        match &self.live {
            Some(Live::Known { drop_ins, .. }) => drop_ins,
            _ => &[],
        }
    }

    /// Its state in a few words.
    pub fn summary(&self) -> String {
        let file = self.file_summary();
        match &self.live {
            None => file.to_owned(),
            Some(live) if live.is_masked() => "masked: it cannot be started".to_owned(),
            _ if self.file == FileState::Missing => file.to_owned(),
            Some(Live::Unknown { reason }) => format!("{file}; {reason}"),
            Some(Live::Known { active, sub, result, outdated, drop_ins, .. }) => {
                let mut text = format!("{active} ({sub})");
                if !matches!(result.as_str(), "" | "success") {
                    text.push_str(&format!(", {result}"));
                }
                if *outdated {
                    text.push_str(", changed since systemd read it");
                }
                if self.file == FileState::Differs {
                    text.push_str(", different from what it should be");
                }
                if self.file == FileState::Leftover {
                    text.push_str(", no longer needed");
                }
                if !drop_ins.is_empty() {
                    text.push_str(&format!(", changed by {}", drop_ins.join(" and ")));
                }
                text
            }
        }
    }
}

/// Why the manager could not be asked about any of these, if it could not.
pub fn unreachable(states: &[UnitState]) -> Option<&str> {
    let mut asked = states.iter().filter_map(|state| state.live.as_ref());
    let reason = match asked.next() {
        Some(Live::Unknown { reason }) if states.iter().any(UnitState::is_installed) => reason,
        _ => return None,
    };
    let same = |live: &Live| matches!(live, Live::Unknown { reason: other } if other == reason);
    asked.all(same).then_some(reason)
}

/// Looks at every unit of a plan.
///
/// # Errors
/// If the manager has the units of another site, or an installed file cannot be read. A manager
/// that cannot be asked is no error but a finding.
pub fn check(plan: &Plan) -> Result<Vec<UnitState>, ActivationError> {
    Ok(examine(plan)?.into_iter().map(|(state, _)| state).collect())
}

fn examine(plan: &Plan) -> Result<Vec<(UnitState, Option<Remedy>)>, ActivationError> {
    plan.validate()?;
    install::refuse_another_site(&plan.manager, &plan.site)?;
    let mut rows = Vec::new();
    for file in generate(plan) {
        let state = file_state(&plan.manager, &file)?;
        if file.name == QUEUE_TEMPLATE {
            rows.extend(plan.waking().map(|queue| (queue_unit(queue), state, true)));
        } else {
            // The instances of that template come and go.
            let is_unit = file.kind == Kind::Unit && file.name != WAKE_TEMPLATE;
            rows.push((file.name, state, is_unit));
        }
    }
    for path in install::leftovers(plan)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        rows.push((name, FileState::Leftover, false));
    }
    let units: Vec<&str> = rows.iter().filter(|row| row.2).map(|row| row.0.as_str()).collect();
    let installed = rows.iter().any(|row| row.1 != FileState::Missing);
    let shown = if installed {
        show(&plan.manager, &units).map_err(|error| error.in_short())
    } else {
        Err("not installed".to_owned())
    };
    let paused =
        shown.as_ref().is_ok_and(|shown| shown.get(TARGET).is_some_and(|live| !is_active(live)));
    let standing = plan.standing_units();
    let states = rows.into_iter().map(|(name, file, is_unit)| {
        let live = is_unit.then(|| match &shown {
            Ok(shown) => shown
                .get(&name)
                .cloned()
                .unwrap_or_else(|| Live::Unknown { reason: "systemd does not list it".to_owned() }),
            Err(reason) => Live::Unknown { reason: reason.clone() },
        });
        let stands = name == TARGET || standing.contains(&name);
        let remedy = remedy(&name, file, live.as_ref(), stands, paused);
        let mend = remedy.as_ref().map(|remedy| remedy.in_words(&plan.manager));
        (UnitState { name, file, live, mend }, remedy)
    });
    Ok(states.collect())
}

/// What was done about units that were not well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mended {
    /// The commands with which an administrator would have done it.
    pub done: Vec<String>,
    /// Those that failed, and how.
    pub failed: Vec<String>,
}

/// Mends what can be mended: has masked units started again, installs what is missing or different,
/// takes away what is left over, and starts what has died. What fails keeps nothing else from being
/// mended.
///
/// # Errors
/// As for [`check`].
pub fn fix(plan: &Plan) -> Result<Mended, ActivationError> {
    let mut mended = Mended::default();
    let mut tried = Vec::new();
    // One thing may come to light behind another: what was masked is dead, and what is installed is
    // started with it.
    loop {
        let remedies = examine(plan)?.into_iter().filter_map(|(_, remedy)| remedy);
        let untried = remedies.filter(|remedy| !tried.contains(remedy));
        let Some(remedy) = untried.min_by_key(Remedy::turn) else { break };
        match remedy.carry_out(plan) {
            Ok(true) => mended.done.push(remedy.in_words(&plan.manager)),
            Ok(false) => {}
            Err(error) => mended.failed.push(error.to_string()),
        }
        tried.push(remedy);
    }
    Ok(mended)
}

/// What to do about a unit that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Remedy {
    /// Let this one be started again.
    Unmask {
        /// Which.
        unit: String,
        /// It is masked until the next boot only.
        for_now: bool,
    },
    /// Install everything.
    Install,
    /// Have the manager read the files again.
    Reload,
    /// Start everything, now and at boot.
    Enable,
    /// Bring this one back.
    Revive(String),
    /// Read what this one said; only a person can judge.
    ReadLog(String),
    /// Ask the manager about this one.
    Ask(String),
}

impl Remedy {
    /// Which comes first, as it may make others needless.
    fn turn(&self) -> u8 {
        match self {
            Remedy::Unmask { .. } => 0,
            Remedy::Install => 1,
            Remedy::Reload => 2,
            Remedy::Enable => 3,
            Remedy::Revive(_) => 4,
            Remedy::ReadLog(_) | Remedy::Ask(_) => 5,
        }
    }

    /// As the commands of an administrator.
    fn in_words(&self, manager: &Manager) -> String {
        let flag = manager.flag();
        match self {
            Remedy::Unmask { unit, for_now: false } => format!("systemctl{flag} unmask {unit}"),
            // What systemd takes for one of these may be the other.
            Remedy::Unmask { unit, for_now: true } => {
                format!("systemctl{flag} unmask --runtime {unit}; systemctl{flag} unmask {unit}")
            }
            Remedy::Install => install::command(manager),
            Remedy::Reload => format!("systemctl{flag} daemon-reload"),
            Remedy::Enable => format!("systemctl{flag} enable --now {TARGET}"),
            // Nothing less revives a path unit that has failed.
            Remedy::Revive(unit) => {
                format!("systemctl{flag} reset-failed {unit}; systemctl{flag} restart {unit}")
            }
            Remedy::ReadLog(unit) => {
                format!("journalctl{flag} --unit={unit} --lines=50 (shows what failed)")
            }
            Remedy::Ask(unit) => format!("systemctl{flag} status {unit}"),
        }
    }

    /// Does it, if it can be done without a person. Whether it was.
    fn carry_out(&self, plan: &Plan) -> Result<bool, ActivationError> {
        let run = |arguments: &[&str]| {
            systemctl::run(&plan.manager, arguments.iter().copied()).map(|_said| true)
        };
        match self {
            Remedy::Unmask { unit, for_now: true } => {
                run(&["unmask", "--runtime", unit])?;
                run(&["unmask", unit])
            }
            Remedy::Unmask { unit, for_now: false } => run(&["unmask", unit]),
            Remedy::Install => install::install(plan, true).map(|_installed| true),
            Remedy::Reload => run(&["daemon-reload"]),
            Remedy::Enable => run(&["enable", "--now", TARGET]),
            Remedy::Revive(unit) => {
                run(&["reset-failed", unit])?;
                run(&["restart", unit])
            }
            Remedy::ReadLog(_) | Remedy::Ask(_) => Ok(false),
        }
    }
}

fn file_state(manager: &Manager, file: &UnitFile) -> Result<FileState, ActivationError> {
    for path in install::places(manager, file)? {
        match fs::read(&path) {
            Ok(found) if found == file.contents.as_bytes() => return Ok(FileState::Installed),
            Ok(_) => return Ok(FileState::Differs),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ActivationError::io("read", &path)(error)),
        }
    }
    Ok(FileState::Missing)
}

fn show(manager: &Manager, units: &[&str]) -> Result<HashMap<String, Live>, ActivationError> {
    let properties =
        "--property=Id,ActiveState,SubState,Result,NeedDaemonReload,UnitFileState,DropInPaths";
    let arguments = ["show", properties].into_iter().chain(units.iter().copied());
    Ok(parse_show(&systemctl::run(manager, arguments)?))
}

/// `systemctl show` prints `Property=value` lines, units parted by an empty line.
fn parse_show(text: &str) -> HashMap<String, Live> {
    let unit = |block: &str| {
        let properties: HashMap<_, _> =
            block.lines().filter_map(|line| line.split_once('=')).collect();
        let get = |name| properties.get(name).copied().unwrap_or_default().to_owned();
        let id = get("Id");
        // Those of all units, such as a distribution's `service.d`, are nobody's concern.
        let own =
            |path: &&str| path.rsplit('/').nth(1).is_some_and(|dir| dir.starts_with("dormouse"));
        let drop_ins =
            get("DropInPaths").split_whitespace().filter(own).map(str::to_owned).collect();
        let live = Live::Known {
            active: get("ActiveState"),
            sub: get("SubState"),
            result: get("Result"),
            outdated: get("NeedDaemonReload") == "yes",
            enablement: get("UnitFileState"),
            drop_ins,
        };
        (id, live)
    };
    text.split("\n\n").map(unit).filter(|(id, _)| !id.is_empty()).collect()
}

impl Live {
    /// Whether an administrator has said that it must not be started.
    pub fn is_masked(&self) -> bool {
        matches!(self, Live::Known { enablement, .. } if enablement.starts_with("masked"))
    }
}

fn is_active(live: &Live) -> bool {
    matches!(live, Live::Known { active, .. } if active == "active")
}

/// What to do about a unit; `None` when it is well.
fn remedy(
    name: &str,
    file: FileState,
    live: Option<&Live>,
    must_be_active: bool,
    paused: bool,
) -> Option<Remedy> {
    match live {
        Some(Live::Known { enablement, .. }) if enablement.starts_with("masked") => {
            let for_now = enablement == "masked-runtime";
            return Some(Remedy::Unmask { unit: name.to_owned(), for_now });
        }
        _ if file != FileState::Installed => return Some(Remedy::Install),
        _ => {}
    }
    match live? {
        Live::Unknown { .. } => Some(Remedy::Ask(name.to_owned())),
        Live::Known { outdated: true, .. } => Some(Remedy::Reload),
        Live::Known { active, sub, enablement, .. } => {
            // The others are off, as they should be, until there is something for them; and one
            // that is about to be started again need not be revived.
            let is_dead = must_be_active && !matches!(active.as_str(), "active" | "activating");
            if name == TARGET {
                let off = active != "active" || enablement == "disabled";
                off.then_some(Remedy::Enable)
            } else if is_dead && paused {
                Some(Remedy::Enable)
            } else if is_dead {
                Some(Remedy::Revive(name.to_owned()))
            } else if active == "failed" || sub == "auto-restart" {
                Some(Remedy::ReadLog(name.to_owned()))
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
