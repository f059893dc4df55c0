//! Is what is installed what should be, and is it alive?
//!
//! A path unit that died wakes nobody, and neither a start of the service nor a reload revives it;
//! so somebody has to look.

use crate::install;
use crate::units::{JOB_PREFIX, QUEUE_TEMPLATE, TARGET, queue_unit};
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
        /// `enabled` when it starts at boot or login; empty when that is not asked of it.
        enablement: String,
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

    /// Its state in a few words.
    pub fn summary(&self) -> String {
        let file = match self.file {
            FileState::Missing => return "not installed".to_owned(),
            FileState::Differs => "installed, but not as it should be",
            FileState::Installed => "installed",
        };
        match &self.live {
            None => file.to_owned(),
            Some(Live::Unknown { reason }) => format!("{file}; {reason}"),
            Some(Live::Known { active, sub, result, outdated, .. }) => {
                let mut text = format!("{active} ({sub})");
                if !matches!(result.as_str(), "" | "success") {
                    text.push_str(&format!(", {result}"));
                }
                if *outdated {
                    text.push_str(", changed since systemd read it");
                }
                if self.file == FileState::Differs {
                    text.push_str(", not as it should be");
                }
                text
            }
        }
    }
}

/// Looks at every unit of a plan.
///
/// # Errors
/// When an installed file cannot be read. A manager that cannot be asked is no error but a finding.
pub fn check(plan: &Plan) -> Result<Vec<UnitState>, ActivationError> {
    plan.validate()?;
    let mut rows = Vec::new();
    for file in generate(plan) {
        let state = file_state(&plan.manager, &file)?;
        if file.name == QUEUE_TEMPLATE {
            rows.extend(plan.waking.iter().map(|queue| (queue_unit(queue), state, true)));
        } else {
            rows.push((file.name, state, file.kind == Kind::Unit));
        }
    }
    let units: Vec<&str> = rows.iter().filter(|row| row.2).map(|row| row.0.as_str()).collect();
    let installed = rows.iter().any(|row| row.1 != FileState::Missing);
    let shown = if installed {
        show(&plan.manager, &units).map_err(|error| error.to_string())
    } else {
        Err("not installed".to_owned())
    };
    let paused =
        shown.as_ref().is_ok_and(|shown| shown.get(TARGET).is_some_and(|live| !is_active(live)));
    let states = rows.into_iter().map(|(name, file, is_unit)| {
        let live = is_unit.then(|| match &shown {
            Ok(shown) => shown
                .get(&name)
                .cloned()
                .unwrap_or_else(|| Live::Unknown { reason: "systemd does not name it".to_owned() }),
            Err(reason) => Live::Unknown { reason: format!("no manager reachable: {reason}") },
        });
        let mend = mend(&plan.manager, &name, file, live.as_ref(), paused);
        UnitState { name, file, live, mend }
    });
    Ok(states.collect())
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
    let properties = "--property=Id,ActiveState,SubState,Result,NeedDaemonReload,UnitFileState";
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
        let enablement = if id == TARGET { get("UnitFileState") } else { String::new() };
        let live = Live::Known {
            active: get("ActiveState"),
            sub: get("SubState"),
            result: get("Result"),
            outdated: get("NeedDaemonReload") == "yes",
            enablement,
        };
        (id, live)
    };
    text.split("\n\n").map(unit).filter(|(id, _)| !id.is_empty()).collect()
}

fn is_active(live: &Live) -> bool {
    matches!(live, Live::Known { active, .. } if active == "active")
}

/// What to do about a unit; `None` when it is well.
fn mend(
    manager: &Manager,
    name: &str,
    file: FileState,
    live: Option<&Live>,
    paused: bool,
) -> Option<String> {
    if file != FileState::Installed {
        return Some(install::command(manager));
    }
    let flag = if *manager == Manager::User { " --user" } else { "" };
    match live? {
        Live::Unknown { .. } => Some(format!("systemctl{flag} status {name}")),
        Live::Known { outdated: true, .. } => Some(format!("systemctl{flag} daemon-reload")),
        Live::Known { active, sub, enablement, .. } => {
            // The others are off, as they should be, until there is something for them.
            let is_job = name.starts_with(JOB_PREFIX) && name.ends_with(".timer");
            let must_be_active = name == TARGET
                || name.ends_with(".path")
                || name == "dormouse-sweep.timer"
                || is_job;
            if name == TARGET {
                let off = active != "active" || enablement == "disabled";
                off.then(|| format!("systemctl{flag} enable --now {TARGET}"))
            } else if must_be_active && active != "active" && paused {
                Some(format!("systemctl{flag} enable --now {TARGET}"))
            } else if must_be_active && active != "active" {
                // Nothing less revives a path unit that has failed.
                Some(format!("systemctl{flag} reset-failed {name}; systemctl{flag} restart {name}"))
            } else if active == "failed" || sub == "auto-restart" {
                Some(format!("journalctl{flag} --unit={name} --lines=50 (it says what failed)"))
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
