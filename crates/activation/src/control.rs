//! Starting and stopping a unit.

use crate::{ActivationError, Manager, systemctl};

/// Returns the manager that knows a unit: the system's, or else the user's. `None` if neither does,
/// or there is no systemd.
pub fn manager_with(unit: &str) -> Result<Option<Manager>, ActivationError> {
    if !systemctl::is_booted() {
        return Ok(None);
    }
    // The account of the system's units does not matter for starting them.
    let system = Manager::System { user: String::new(), group: String::new() };
    for manager in [system, Manager::User] {
        // A user without a session has no manager, which is like one that does not know the unit.
        let state = systemctl::run(&manager, ["show", "--value", "--property", "LoadState", unit]);
        if state.is_ok_and(|state| state.trim() == "loaded") {
            return Ok(Some(manager));
        }
    }
    Ok(None)
}

/// Starts, stops or restarts a unit.
pub fn tell(manager: &Manager, verb: &str, unit: &str) -> Result<(), ActivationError> {
    systemctl::run(manager, [verb, unit]).map(drop)
}
