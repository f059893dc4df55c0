//! Checks that the right units are installed and active, and repairs them.
//!
//! A path unit that has failed triggers nothing, and neither a start of the service nor a reload
//! revives it. Therefore a check is necessary.

use crate::install;
use crate::units::{QUEUE_TEMPLATE, TARGET, WAKE_TEMPLATE, queue_unit};
use crate::{ActivationError, Manager, Plan, UnitFile, UnitFileKind, generate, systemctl};
use serde::Serialize;
use std::collections::HashMap;
use std::fs;
use std::io;

/// The state of a unit, or of another file for systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// The unit's name. For a template, its instances are listed instead.
    pub name: String,
    /// The state of its file.
    pub file: FileState,
    /// The state of the unit; `None` for files that are not units.
    pub live: Option<Live>,
    /// The command that repairs it; `None` if nothing is wrong.
    pub mend: Option<String>,
}

/// The state of an installed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// It is missing.
    Missing,
    /// It differs from the plan's file.
    Differs,
    /// It is the plan's file.
    Installed,
    /// It is not part of the plan.
    Leftover,
}

/// The state of a unit according to the manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Live {
    /// The manager could not be queried, or did not need to be.
    Unknown {
        /// The reason.
        reason: String,
    },
    /// The state in systemd's words.
    Known {
        /// `active`, `inactive`, `failed`, `activating`, …
        active: String,
        /// The finer state: `waiting`, `running`, `dead`, `auto-restart`, …
        sub: String,
        /// `success`, or why it failed.
        result: String,
        /// Whether its file changed since the manager read it.
        outdated: bool,
        /// `enabled` if it starts at boot or login; `masked` if it cannot be started.
        enablement: String,
        /// The drop-ins with which an administrator has changed it.
        drop_ins: Vec<String>,
    },
}

impl UnitState {
    /// Whether there is nothing to repair.
    pub fn is_well(&self) -> bool {
        self.mend.is_none()
    }

    /// Whether its file exists, even if it differs.
    pub fn is_installed(&self) -> bool {
        self.file != FileState::Missing
    }

    /// Returns the state of its file in a few words.
    pub fn file_summary(&self) -> &'static str {
        match self.file {
            FileState::Missing => "not installed",
            FileState::Differs => "installed, but different from what it should be",
            FileState::Leftover => "no longer needed",
            FileState::Installed => "installed",
        }
    }

    /// The drop-ins with which an administrator has changed it.
    pub fn drop_ins(&self) -> &[String] {
        match &self.live {
            Some(Live::Known { drop_ins, .. }) => drop_ins,
            _ => &[],
        }
    }

    /// Returns its state in a few words.
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

/// Returns why the manager could not be queried, if it could not be for any of these units.
pub fn unreachable(states: &[UnitState]) -> Option<&str> {
    let mut asked = states.iter().filter_map(|state| state.live.as_ref());
    let reason = match asked.next() {
        Some(Live::Unknown { reason }) if states.iter().any(UnitState::is_installed) => reason,
        _ => return None,
    };
    let same = |live: &Live| matches!(live, Live::Unknown { reason: other } if other == reason);
    asked.all(same).then_some(reason)
}

/// Checks every unit of a plan.
///
/// # Errors
/// If the manager has the units of another site, or an installed file cannot be read. A manager
/// that cannot be queried is a finding, not an error.
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
            // Runs start and stop the instances of this template.
            let is_unit = file.kind == UnitFileKind::Unit && file.name != WAKE_TEMPLATE;
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

/// The result of repairing units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mended {
    /// The equivalent commands.
    pub done: Vec<String>,
    /// The errors of failed repairs.
    pub failed: Vec<String>,
}

/// Repairs units: unmasks them, installs missing and different files, removes files that are not
/// part of the plan, and starts units that have failed. A failed repair does not prevent the
/// others.
///
/// # Errors
/// As for [`check`].
pub fn fix(plan: &Plan) -> Result<Mended, ActivationError> {
    let mut mended = Mended::default();
    let mut tried = Vec::new();
    // A repair may reveal or make another one unnecessary: a unit that was masked is also dead, and
    // installing starts the units.
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

/// A repair of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Remedy {
    /// Unmask this unit.
    Unmask {
        /// The unit.
        unit: String,
        /// Whether it is only masked until the next boot.
        for_now: bool,
    },
    /// Install all files.
    Install,
    /// Make the manager read the files again.
    Reload,
    /// Start all units, now and at boot.
    Enable,
    /// Revive this unit.
    Revive(String),
    /// Read the log of this unit, which only a person can do.
    ReadLog(String),
    /// Query the manager about this unit.
    Ask(String),
}

impl Remedy {
    /// Returns the order: an earlier repair may make later ones unnecessary.
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

    /// Returns the commands for an administrator.
    fn in_words(&self, manager: &Manager) -> String {
        let flag = manager.flag();
        match self {
            Remedy::Unmask { unit, for_now: false } => format!("systemctl{flag} unmask {unit}"),
            // systemd may report either kind of mask as the other.
            Remedy::Unmask { unit, for_now: true } => {
                format!("systemctl{flag} unmask --runtime {unit}; systemctl{flag} unmask {unit}")
            }
            Remedy::Install => install::command(manager),
            Remedy::Reload => format!("systemctl{flag} daemon-reload"),
            Remedy::Enable => format!("systemctl{flag} enable --now {TARGET}"),
            // A failed path unit needs both commands.
            Remedy::Revive(unit) => {
                format!("systemctl{flag} reset-failed {unit}; systemctl{flag} restart {unit}")
            }
            Remedy::ReadLog(unit) => {
                format!("journalctl{flag} --unit={unit} --lines=50 (shows what failed)")
            }
            Remedy::Ask(unit) => format!("systemctl{flag} status {unit}"),
        }
    }

    /// Carries it out, if this is possible without a person. Returns whether it was.
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

/// Parses the output of `systemctl show`: `Property=value` lines, with an empty line between units.
fn parse_show(text: &str) -> HashMap<String, Live> {
    let unit = |block: &str| {
        let properties: HashMap<_, _> =
            block.lines().filter_map(|line| line.split_once('=')).collect();
        let get = |name| properties.get(name).copied().unwrap_or_default().to_owned();
        let id = get("Id");
        // Drop-ins for all units, such as a distribution's `service.d`, do not matter.
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
    /// Whether an administrator has masked it.
    pub fn is_masked(&self) -> bool {
        matches!(self, Live::Known { enablement, .. } if enablement.starts_with("masked"))
    }
}

fn is_active(live: &Live) -> bool {
    matches!(live, Live::Known { active, .. } if active == "active")
}

/// Returns the repair of a unit; `None` if nothing is wrong.
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
            // Other units are rightly inactive until they are needed, and a unit that systemd will
            // restart need not be revived.
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
