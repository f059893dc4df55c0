//! Whether Mailman is running (docs/spec/queue.md §10, §11).

use crate::TakeoverError;
use crate::layout::OldSite;
use crate::source;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Refuses a site on which Mailman is running, because it would change while it is read.
///
/// # Errors
/// [`TakeoverError::Running`] says what shows it.
pub fn check(site: &OldSite) -> Result<(), TakeoverError> {
    if let Some(bytes) = source::read(&site.pid_file)?
        && let Ok(pid) = String::from_utf8_lossy(&bytes).trim().parse::<u32>()
        && lives(pid)
        && is_mailmans(pid)
    {
        return Err(TakeoverError::Running(format!(
            "process {pid} of {}; stop it with `mailmanctl stop` or `systemctl stop mailman`, and \
             turn its cron jobs off",
            site.pid_file.display()
        )));
    }
    for name in source::names(&site.locks)? {
        let path = site.locks.join(&name);
        if let Some(owner) = live_lock(&path)? {
            return Err(TakeoverError::Running(format!(
                "{} is locked by {owner}; wait for it, or remove the lock if that process no longer exists",
                path.display()
            )));
        }
    }
    Ok(())
}

fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether a process may be Mailman's master: after a restart of the machine its number may belong to
/// another process. If that cannot be found out, it may be.
fn is_mailmans(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| {
        let line = String::from_utf8_lossy(&line);
        ["mailman", "qrunner", "python"].iter().any(|word| line.contains(word))
    })
}

/// Returns the holder of a lock. The file's time is when it expires, and its content the path of
/// the claim: `<lock>.<host>.<pid>.<count>`.
fn live_lock(path: &Path) -> Result<Option<String>, TakeoverError> {
    let Ok(about) = fs::metadata(path) else { return Ok(None) };
    let expires = about.modified().map_err(TakeoverError::io("look at", path))?;
    if !about.is_file() || expires <= SystemTime::now() {
        return Ok(None);
    }
    let Some(bytes) = source::read(path)? else { return Ok(None) };
    let claim = String::from_utf8_lossy(&bytes).trim().to_owned();
    let mut parts = claim.rsplitn(3, '.');
    let (Some(_count), Some(pid), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let Ok(pid) = pid.parse::<u32>() else { return Ok(None) };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_here = rest.ends_with(&format!(".{host}"));
    Ok(match is_here {
        true if !lives(pid) => None,
        true => Some(format!("process {pid}")),
        // The file system may be shared.
        false => Some(format!("process {pid} on another host ({claim})")),
    })
}
