//! From a plan to unit files.

pub(crate) mod quote;
mod sandbox;
pub(crate) mod text;

use crate::ActivationError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The unit that starts and stops everything.
pub const TARGET: &str = "dormouse.target";
/// The drain.
pub(crate) const SERVICE: &str = "dormouse.service";
/// Waits for those who want to see a page.
pub(crate) const WEB_SOCKET: &str = "dormouse-web.socket";
/// How the units of the clock's jobs begin.
pub(crate) const JOB_PREFIX: &str = "dormouse-cron@";
/// The template of the units that watch a queue each.
pub(crate) const QUEUE_TEMPLATE: &str = "dormouse-queue@.path";

/// What the units of a site are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The site's directory, absolute.
    pub site: PathBuf,
    /// The program that drains it, absolute.
    pub binary: PathBuf,
    /// The directory of the queues, absolute.
    pub qfiles: PathBuf,
    /// The queues whose entries wake a drain, by directory name.
    pub waking: Vec<String>,
    /// What the clock starts.
    pub jobs: Vec<Job>,
    /// For whom the units are.
    pub manager: Manager,
    /// How long a drain waits for one more entry before it ends.
    pub linger: Duration,
    /// Where systemd listens for web pages, as `ListenStream=` has it; empty for none.
    pub web: String,
}

/// A job that the clock starts, if there may be something for it to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name, as `dormouse cron` knows it.
    pub name: String,
    /// What it does, in one sentence.
    pub about: String,
    /// When, as `OnCalendar=` has it.
    pub calendar: String,
    /// Directories, absolute, and what a file in one of them must be called for there to be
    /// something to do: a name, or a pattern.
    pub signs: Vec<(PathBuf, String)>,
}

/// The systemd manager that runs the units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// The system's: the drain runs as this user and group, in a sandbox.
    System {
        /// The user that owns the site.
        user: String,
        /// The group of the site's files.
        group: String,
    },
    /// A user's own: no other user, and only the sandboxing that needs no privileges.
    User,
}

/// A file for systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// Its name; one that is no unit has its directory with it (`tmpfiles.d/dormouse.conf`).
    pub name: String,
    /// Its text.
    pub contents: String,
    /// Which part of systemd reads it.
    pub kind: Kind,
}

/// Which part of systemd reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The manager.
    Unit,
    /// systemd-tmpfiles, which makes the directories.
    Tmpfiles,
    /// systemd-sysusers, which makes the user.
    Sysusers,
}

/// The files of a plan. One that does not pass [`Plan::validate`] yields files that systemd
/// misreads.
pub fn generate(plan: &Plan) -> Vec<UnitFile> {
    let unit =
        |name: &str, contents| UnitFile { name: name.to_owned(), contents, kind: Kind::Unit };
    let mut files = vec![
        unit(TARGET, text::target(plan)),
        unit(QUEUE_TEMPLATE, text::queue_path(plan)),
        unit(SERVICE, text::drain(plan)),
        unit("dormouse-retry.path", text::retry_path(plan)),
        unit("dormouse-retry.timer", text::retry_timer()),
        unit("dormouse-retry.service", text::retry(plan)),
        unit("dormouse-sweep.timer", text::sweep_timer()),
        unit("dormouse-sweep.service", text::sweep(plan)),
    ];
    for job in &plan.jobs {
        files.push(unit(&job_timer(&job.name), text::job_timer(job)));
        files.push(unit(&format!("dormouse-cron@{}.service", job.name), text::job(plan, job)));
    }
    if !plan.web.is_empty() {
        files.push(unit(WEB_SOCKET, text::web_socket(plan)));
        files.push(unit("dormouse-web.service", text::web(plan)));
    }
    if let Manager::System { user, group } = &plan.manager {
        files.push(UnitFile {
            name: "tmpfiles.d/dormouse.conf".to_owned(),
            contents: text::tmpfiles(plan, user, group),
            kind: Kind::Tmpfiles,
        });
        files.push(UnitFile {
            name: "sysusers.d/dormouse.conf".to_owned(),
            contents: text::sysusers(plan, user, group),
            kind: Kind::Sysusers,
        });
    }
    files
}

/// The path unit of a queue.
pub(crate) fn queue_unit(queue: &str) -> String {
    QUEUE_TEMPLATE.replace("@.", &format!("@{queue}."))
}

/// The timer of a job.
pub(crate) fn job_timer(job: &str) -> String {
    format!("{JOB_PREFIX}{job}.timer")
}

impl Plan {
    /// The path units that must be active for mail to wake somebody.
    pub(crate) fn path_units(&self) -> Vec<String> {
        let queues = self.waking.iter().map(|queue| queue_unit(queue));
        queues.chain(["dormouse-retry.path".to_owned()]).collect()
    }

    /// Whether unit files can say all this.
    ///
    /// # Errors
    /// Names the first value that cannot be written in one, and why.
    pub fn validate(&self) -> Result<(), ActivationError> {
        check_paths(
            &[
                ("the site", &self.site),
                ("the program", &self.binary),
                ("the queues", &self.qfiles),
            ],
            &self.binary,
        )?;
        for queue in &self.waking {
            if !is_name(queue) {
                return wrong("the queue", queue, "use lower-case letters, digits and _ only");
            }
        }
        for job in &self.jobs {
            if !is_name(&job.name.replace('-', "_")) || job.about.contains(char::is_control) {
                return wrong("the job", &job.name, "use lower-case letters, digits, - and _ only");
            }
            for (dir, _) in &job.signs {
                if let Some(problem) = problem_of(dir) {
                    return wrong("a directory of the clock", &dir.display(), problem);
                }
            }
        }
        let in_a_socket = |c: char| c.is_ascii_alphanumeric() || "/.:-_[]@%".contains(c);
        if !self.web.chars().all(in_a_socket) {
            return wrong("web.listen", &self.web, "use HOST:PORT or the path of a socket");
        }
        self.manager.validate()
    }
}

impl Manager {
    /// Whether systemd takes the names of its account.
    pub(crate) fn validate(&self) -> Result<(), ActivationError> {
        if let Manager::System { user, group } = self {
            for (what, name) in [("the user", user), ("the group", group)] {
                if !is_account(name) {
                    return wrong(what, name, "use letters, digits, - and _, a letter first");
                }
            }
        }
        Ok(())
    }
}

/// Whether unit files can name these paths, and start this program.
pub(crate) fn check_paths(
    paths: &[(&'static str, &PathBuf)],
    binary: &Path,
) -> Result<(), ActivationError> {
    for (what, path) in paths {
        if let Some(problem) = problem_of(path) {
            return wrong(what, &path.display(), problem);
        }
    }
    if binary.to_string_lossy().contains(['"', '\'', '\\']) {
        return wrong("the program", &binary.display(), "systemd refuses quotes and \\ in it");
    }
    Ok(())
}

fn wrong(
    what: &'static str,
    value: &dyn std::fmt::Display,
    problem: &'static str,
) -> Result<(), ActivationError> {
    Err(ActivationError::Plan { what, value: value.to_string(), problem })
}

fn problem_of(path: &Path) -> Option<&'static str> {
    let Some(text) = path.to_str() else {
        return Some("unit files are UTF-8, and it is not");
    };
    if !path.is_absolute() {
        Some("it must be an absolute path")
    } else if text.chars().any(char::is_control) {
        Some("it has control characters, which a unit file cannot hold")
    } else if text.ends_with(char::is_whitespace) {
        Some("it ends with white space, which systemd cuts off")
    } else {
        None
    }
}

/// A queue's name: then it is its own instance name, without escapes.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The account names that systemd takes without complaint (systemd.io/USER_NAMES, strict).
fn is_account(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 31
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests;
