//! Service files for hosts without systemd. Each keeps `dormouse master run` running, which starts
//! the processes according to the settings' `[runners]`.

use crate::ActivationError;
use std::path::Path;

/// Returns a file for `/etc/init.d`.
///
/// # Errors
/// If a path or name cannot be written in a shell script.
pub fn openrc(
    binary: &Path,
    site: &Path,
    user: &str,
    group: &str,
) -> Result<String, ActivationError> {
    let (binary, site) = (quoted("the program", binary)?, quoted("the site", site)?);
    Ok(format!(
        "\
#!/sbin/openrc-run
# Mailing lists: save as /etc/init.d/dormouse, make it executable, and `rc-update add dormouse`.

name=\"mailing lists\"
supervisor=supervise-daemon
command={binary}
command_args=\"--site {site} master run\"
command_user={user}:{group}
umask=007
respawn_delay=5
respawn_max=0
retry=\"TERM/35/KILL/5\"

depend() {{
    need localmount
    use net mta
    after bootmisc
}}
"
    ))
}

/// Returns the `run` file of a runit service directory.
///
/// # Errors
/// If a path or name cannot be written in a shell script.
pub fn runit(
    binary: &Path,
    site: &Path,
    user: &str,
    group: &str,
) -> Result<String, ActivationError> {
    let (binary, site) = (quoted("the program", binary)?, quoted("the site", site)?);
    Ok(format!(
        "\
#!/bin/sh
# Mailing lists: save as /etc/sv/dormouse/run, make it executable, and link it into /etc/service.
exec 2>&1
umask 007
exec chpst -u {user}:{group} {binary} --site {site} master run
"
    ))
}

/// Quotes a path as a word of a shell script.
fn quoted(what: &'static str, path: &Path) -> Result<String, ActivationError> {
    let wrong =
        |problem| ActivationError::ServiceFile { what, value: path.display().to_string(), problem };
    let text = path.to_str().ok_or_else(|| wrong("it is not UTF-8, as service files must be"))?;
    if text.chars().any(|c| c.is_control() || matches!(c, '\'' | '"' | '$' | '`' | '\\')) {
        return Err(wrong("it must not contain quotes, backslashes, $ or `"));
    }
    Ok(format!("'{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn they_are_shell_scripts_that_run_the_master() {
        let (binary, site) = (Path::new("/usr/bin/dormouse"), Path::new("/var/lib/my lists"));
        for made in [openrc(binary, site, "list", "list"), runit(binary, site, "list", "list")] {
            let script = made.unwrap();
            assert!(script.contains("master run"), "{script}");
            let mut shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(shell.wait().unwrap().success(), "{script}");
        }
        assert!(runit(Path::new("/bin/it's"), site, "list", "list").is_err());
    }
}
