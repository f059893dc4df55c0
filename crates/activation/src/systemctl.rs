//! The only place that runs systemd's commands.

use crate::{ActivationError, Manager};
use dormouse_store::owner;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first version that checks a pattern again when the service has ended (pull request 15697).
const OLDEST: u32 = 246;

/// Whether the machine was booted with systemd (sd_booted(3)).
pub fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Checks that there is a manager to start units.
pub fn require_manager(manager: &Manager) -> Result<(), ActivationError> {
    let reason = match manager {
        Manager::System { .. } if is_booted() => return Ok(()),
        Manager::System { .. } => "this machine was not booted with systemd".to_owned(),
        Manager::User => match run(manager, ["show", "--property=Version"]) {
            Ok(_) => return Ok(()),
            Err(error) => error.in_short(),
        },
    };
    Err(ActivationError::NoManager { reason })
}

/// Runs `systemctl` for a manager, and returns what it printed.
pub fn run<'a>(
    manager: &Manager,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<String, ActivationError> {
    let mut command = Command::new("systemctl");
    if *manager == Manager::User {
        command.arg("--user");
        find_own_manager(&mut command);
    } else {
        command.arg("--system");
    }
    output(command.arg("--no-pager").args(arguments))
}

/// Sets the environment for the user's own manager: root that has become the site's owner still has
/// root's environment, and would query root's manager.
fn find_own_manager(command: &mut Command) {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = Path::new("/run/user").join(rustix::process::geteuid().as_raw().to_string());
    let is_anothers = named.is_none_or(|dir| owner::is_closed_to_us(&dir));
    if is_anothers && own.is_dir() {
        command.env("XDG_RUNTIME_DIR", own).env_remove("DBUS_SESSION_BUS_ADDRESS");
    }
}

/// Starts a unit of the user's own manager, without waiting for it.
pub fn start(unit: &str) -> Result<(), ActivationError> {
    run(&Manager::User, ["start", "--no-block", unit]).map(drop)
}

/// Runs one of systemd's other programs on a file.
pub fn run_on(program: &str, flags: &[&str], file: &Path) -> Result<(), ActivationError> {
    output(Command::new(program).args(flags).arg(file)).map(drop)
}

/// Checks that systemd is new enough.
pub fn require_version() -> Result<(), ActivationError> {
    let text = output(Command::new("systemctl").arg("--version"))?;
    match version(&text) {
        Some(found) if found < OLDEST => Err(ActivationError::TooOld { found, needed: OLDEST }),
        _ => Ok(()),
    }
}

/// `systemd 252 (252.38-1~deb12u1)` → 252.
fn version(text: &str) -> Option<u32> {
    let word = text.strip_prefix("systemd ")?;
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    word[..digits].parse().ok()
}

fn output(command: &mut Command) -> Result<String, ActivationError> {
    // The output is shown to people and compared by tests, so it needs no colours or translation.
    command.env("LC_ALL", "C").env("SYSTEMD_COLORS", "0");
    let named = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    let name = named();
    let output = command
        .output()
        .map_err(|source| ActivationError::NoCommand { command: name.clone(), source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let said = if said.is_empty() { output.status.to_string() } else { said };
        return Err(ActivationError::Command { command: name, said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_is_the_first_number() {
        assert_eq!(version("systemd 252 (252.38-1~deb12u1)\n+PAM"), Some(252));
        assert_eq!(version("systemd 257~rc1 (257)"), Some(257));
        assert_eq!(version("systemd 245"), Some(245));
        assert_eq!(version("busybox"), None);
    }
}
