//! Unit files from a plan.

pub(crate) mod quote;
mod sandbox;
pub(crate) mod text;

use crate::ActivationError;
use dormouse_spool::Queue;
use dormouse_store::Arrangement;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The unit that starts and stops everything.
pub const TARGET: &str = "dormouse.target";
/// The drain.
pub(crate) const SERVICE: &str = "dormouse.service";
/// The socket for web pages.
pub(crate) const WEB_SOCKET: &str = "dormouse-web.socket";
/// The socket for mail over LMTP.
pub(crate) const LMTP_SOCKET: &str = "dormouse-lmtp.socket";
/// The template of timers for an exact time, which is the instance's name.
pub(crate) const WAKE_TEMPLATE: &str = "dormouse-wake@.timer";
/// The timer of checks for the remains of killed runs.
pub(crate) const SWEEP_TIMER: &str = "dormouse-sweep.timer";
/// The prefix of the units of periodic jobs.
pub(crate) const JOB_PREFIX: &str = "dormouse-cron@";
/// The template of the path units of queues.
pub(crate) const QUEUE_TEMPLATE: &str = "dormouse-queue@.path";

/// The parameters of a site's units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The absolute path of the site's directory.
    pub site: PathBuf,
    /// The absolute path of the program.
    pub binary: PathBuf,
    /// The absolute path of the queues' directory.
    pub qfiles: PathBuf,
    /// The queues with a runner, in data-flow order, and what starts their processing.
    pub queues: Vec<(Queue, Arrangement)>,
    /// The periodic jobs.
    pub jobs: Vec<PlannedJob>,
    /// The manager of the units.
    pub manager: Manager,
    /// How long a drain waits for one more entry before it ends.
    pub linger: Duration,
    /// Where systemd listens for web pages, in the syntax of `ListenStream=`; empty for none.
    pub web: String,
    /// The group that may connect there, if that is a path; empty for none.
    pub web_group: String,
    /// Where systemd listens for mail over LMTP; empty for none.
    pub lmtp: String,
    /// The group that may connect there, if that is a path; empty for none.
    pub lmtp_group: String,
    /// The absolute path of a file that runs write for Prometheus.
    pub metrics: Option<PathBuf>,
}

/// A periodic job, which is only started if it may have something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedJob {
    /// The job's name for `dormouse cron`.
    pub name: String,
    /// A description in one sentence.
    pub about: String,
    /// When it is started.
    pub start: Start,
    /// Whether it connects to other hosts.
    pub network: bool,
}

/// When a job is started, and which files indicate that it has something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At a calendar time.
    At {
        /// The time, in the syntax of `OnCalendar=`.
        calendar: String,
        /// Absolute paths of directories, each with the name or pattern of a file that indicates
        /// that there is something to do.
        signs: Vec<(PathBuf, String)>,
    },
    /// Repeatedly while a file exists. Without it, the timer is not armed.
    While {
        /// The absolute path of the file.
        marker: PathBuf,
        /// The interval.
        every: Duration,
    },
}

/// The systemd manager that runs the units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// The system's manager: the drain runs as this user and group, in a sandbox.
    System {
        /// The user that owns the site.
        user: String,
        /// The group of the site's files.
        group: String,
    },
    /// A user's own manager: the drain runs as that user, with only the sandboxing that needs no
    /// privileges.
    User,
}

/// A file for systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// The file's name; if it is not a unit, with its directory (`tmpfiles.d/dormouse.conf`).
    pub name: String,
    /// The text.
    pub contents: String,
    /// The part of systemd that reads it.
    pub kind: UnitFileKind,
}

/// The parts of systemd that read files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitFileKind {
    /// The manager.
    Unit,
    /// systemd-tmpfiles, which creates the directories.
    Tmpfiles,
    /// systemd-sysusers, which creates the user.
    Sysusers,
}

/// Returns the files of a plan. If it does not pass [`Plan::validate`], systemd will misread them.
///
/// There are none if every queue is off and there are no sockets.
pub fn generate(plan: &Plan) -> Vec<UnitFile> {
    let mut files = Vec::new();
    if plan.is_off() && plan.web.is_empty() && plan.lmtp.is_empty() {
        return files;
    }
    let mut unit = |name: &str, contents| {
        files.push(UnitFile { name: name.to_owned(), contents, kind: UnitFileKind::Unit });
    };
    unit(TARGET, text::target(plan));
    put_queues(plan, &mut unit);
    put_jobs(plan, &mut unit);
    put_sockets(plan, &mut unit);
    if let Manager::System { user, group } = &plan.manager {
        put_account(plan, user, group, &mut files);
    }
    files
}

fn put_queues(plan: &Plan, unit: &mut impl FnMut(&str, String)) {
    if plan.has_drain() {
        unit(QUEUE_TEMPLATE, text::queue_path(plan));
        unit(SERVICE, text::drain(plan));
    }
    for (queue, arrangement) in &plan.queues {
        let name = |kind| format!("dormouse-{queue}.{kind}");
        match arrangement {
            Arrangement::OnDemand if *queue == Queue::Retry => {
                unit(&name("path"), text::retry_path(plan));
                unit(&name("timer"), text::retry_timer(plan));
                unit(&name("service"), text::on_timer(plan, *queue));
                if plan.wakes_exactly() {
                    unit(WAKE_TEMPLATE, text::wake_timer());
                }
            }
            Arrangement::Timer(every) => {
                unit(&name("timer"), text::timer(*queue, every.duration()));
                unit(&name("service"), text::on_timer(plan, *queue));
            }
            Arrangement::Resident(shares) => {
                unit(&name("service"), text::resident(plan, *queue, *shares));
            }
            // The template serves all others.
            Arrangement::OnDemand | Arrangement::Off => {}
        }
    }
    if plan.has_sweep() {
        unit(SWEEP_TIMER, text::sweep_timer());
        unit("dormouse-sweep.service", text::sweep(plan));
    }
}

fn put_jobs(plan: &Plan, unit: &mut impl FnMut(&str, String)) {
    for job in plan.wanted_jobs() {
        let name = |kind| job_unit(&job.name, kind);
        match &job.start {
            Start::At { calendar, .. } => unit(&name("timer"), text::job_timer(job, calendar)),
            Start::While { marker, every } => {
                unit(&name("path"), text::job_path(job, marker));
                unit(&name("timer"), text::job_interval(job, *every));
            }
        }
        unit(&name("service"), text::job(plan, job));
    }
}

fn put_sockets(plan: &Plan, unit: &mut impl FnMut(&str, String)) {
    if !plan.web.is_empty() {
        unit(WEB_SOCKET, text::web_socket(plan));
        unit("dormouse-web.service", text::web(plan));
    }
    if !plan.lmtp.is_empty() {
        unit(LMTP_SOCKET, text::lmtp_socket(plan));
        unit("dormouse-lmtp.service", text::lmtp(plan));
    }
}

/// The directories belong to the user, which must be created first.
fn put_account(plan: &Plan, user: &str, group: &str, files: &mut Vec<UnitFile>) {
    files.push(UnitFile {
        name: "sysusers.d/dormouse.conf".to_owned(),
        contents: text::sysusers(plan, user, group),
        kind: UnitFileKind::Sysusers,
    });
    files.push(UnitFile {
        name: "tmpfiles.d/dormouse.conf".to_owned(),
        contents: text::tmpfiles(plan, user, group),
        kind: UnitFileKind::Tmpfiles,
    });
}

/// Whether any plan can have a unit file with this name. Instances of templates do not count.
pub(crate) fn is_ours(file: &str) -> bool {
    let fixed = [
        TARGET,
        QUEUE_TEMPLATE,
        SERVICE,
        WAKE_TEMPLATE,
        SWEEP_TIMER,
        "dormouse-sweep.service",
        WEB_SOCKET,
        "dormouse-web.service",
        LMTP_SOCKET,
        "dormouse-lmtp.service",
    ];
    let kinds = ["path", "timer", "service"];
    let stem = file.rsplit_once('.').filter(|(_, kind)| kinds.contains(kind)).map(|(stem, _)| stem);
    let is_queue = |name: &str| Queue::ALL.iter().any(|queue| queue.name() == name);
    fixed.contains(&file)
        || stem.and_then(|stem| stem.strip_prefix("dormouse-")).is_some_and(is_queue)
        // Including jobs that no longer exist.
        || stem.and_then(|stem| stem.strip_prefix(JOB_PREFIX)).is_some_and(|job| !job.is_empty())
}

/// Returns the name of a queue's path unit.
pub(crate) fn queue_unit(queue: Queue) -> String {
    QUEUE_TEMPLATE.replace("@.", &format!("@{queue}."))
}

/// Returns the name of the timer for a time, in seconds since the epoch.
pub fn wake_unit(epoch: u64) -> String {
    WAKE_TEMPLATE.replace("@.", &format!("@{epoch}."))
}

/// Returns the name of a job's unit.
pub(crate) fn job_unit(job: &str, kind: &str) -> String {
    format!("{JOB_PREFIX}{job}.{kind}")
}

impl Plan {
    /// Returns the queues with an arrangement.
    pub(crate) fn arranged(
        &self,
        fits: impl Fn(Arrangement) -> bool,
    ) -> impl Iterator<Item = Queue> {
        self.queues
            .iter()
            .filter(move |(_, arrangement)| fits(*arrangement))
            .map(|(queue, _)| *queue)
    }

    /// Returns the queues whose entries start a drain.
    pub(crate) fn waking(&self) -> impl Iterator<Item = Queue> {
        self.arranged(|arrangement| arrangement == Arrangement::OnDemand)
            .filter(|queue| *queue != Queue::Retry)
    }

    /// Whether no queue is processed.
    fn is_off(&self) -> bool {
        self.queues.iter().all(|(_, arrangement)| *arrangement == Arrangement::Off)
    }

    /// Returns the periodic jobs; none if nothing would process their mail.
    fn wanted_jobs(&self) -> &[PlannedJob] {
        if self.is_off() { &[] } else { &self.jobs }
    }

    fn has_drain(&self) -> bool {
        self.waking().next().is_some()
    }

    /// Returns the queues to check for the remains of killed runs. A resident process recovers its
    /// entries when it is restarted.
    pub(crate) fn swept(&self) -> impl Iterator<Item = Queue> {
        self.arranged(|arrangement| {
            matches!(arrangement, Arrangement::OnDemand | Arrangement::Timer(_))
        })
    }

    fn has_sweep(&self) -> bool {
        self.swept().next().is_some()
    }

    /// Whether runs can start a timer for the exact time at which the next deferred entry is due.
    /// The system's manager allows this only to root, and a rule that allows it to others would
    /// allow them more.
    pub fn wakes_exactly(&self) -> bool {
        self.manager == Manager::User
            && self.queues.contains(&(Queue::Retry, Arrangement::OnDemand))
    }

    /// Returns the path units that must be active for mail to be processed.
    pub(crate) fn path_units(&self) -> Vec<String> {
        let retry = self.queues.contains(&(Queue::Retry, Arrangement::OnDemand));
        let retry = retry.then(|| "dormouse-retry.path".to_owned());
        self.waking().map(queue_unit).chain(retry).collect()
    }

    /// Returns the unit that the target starts once, so that mail that became due while no manager
    /// was running is tried immediately.
    pub(crate) fn started_once(&self) -> Option<String> {
        let retry = self.queues.contains(&(Queue::Retry, Arrangement::OnDemand));
        retry.then(|| "dormouse-retry.service".to_owned())
    }

    /// Returns the units that the target starts, and that must stay active.
    pub(crate) fn standing_units(&self) -> Vec<String> {
        let mut units = self.path_units();
        for (queue, arrangement) in &self.queues {
            match arrangement {
                Arrangement::Timer(_) => units.push(format!("dormouse-{queue}.timer")),
                Arrangement::Resident(_) => units.push(format!("dormouse-{queue}.service")),
                Arrangement::OnDemand | Arrangement::Off => {}
            }
        }
        units.extend(self.has_sweep().then(|| SWEEP_TIMER.to_owned()));
        units.extend(self.wanted_jobs().iter().map(|job| match job.start {
            Start::At { .. } => job_unit(&job.name, "timer"),
            // The path unit starts the timer.
            Start::While { .. } => job_unit(&job.name, "path"),
        }));
        for (listen, socket) in [(&self.web, WEB_SOCKET), (&self.lmtp, LMTP_SOCKET)] {
            units.extend((!listen.is_empty()).then(|| socket.to_owned()));
        }
        units
    }

    /// Checks that all values can be written in unit files.
    ///
    /// # Errors
    /// If a value cannot. The error names the first one and the reason.
    pub fn validate(&self) -> Result<(), ActivationError> {
        check_paths(
            &[
                ("the site", &self.site),
                ("the program", &self.binary),
                ("the queues", &self.qfiles),
            ],
            &self.binary,
        )?;
        if let Some(file) = &self.metrics
            && let Some(problem) = problem_of(file)
        {
            return wrong("metrics.file", &file.display(), problem);
        }
        for job in &self.jobs {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
            let is_name = !job.name.is_empty() && job.name.chars().all(plain);
            if !is_name || job.about.contains(char::is_control) {
                return wrong("the job", &job.name, "use lower-case letters, digits, - and _ only");
            }
            let paths: Vec<&PathBuf> = match &job.start {
                Start::At { signs, .. } => signs.iter().map(|(dir, _)| dir).collect(),
                Start::While { marker, .. } => vec![marker],
            };
            for path in paths {
                if let Some(problem) = problem_of(path) {
                    return wrong("a directory of a periodic job", &path.display(), problem);
                }
            }
        }
        let in_a_socket = |c: char| c.is_ascii_alphanumeric() || "/.:-_[]@%".contains(c);
        for (what, listen) in [("web.listen", &self.web), ("lmtp.listen", &self.lmtp)] {
            if !listen.chars().all(in_a_socket) {
                return wrong(what, listen, "use HOST:PORT or the path of a socket");
            }
        }
        for (what, group) in [("web.group", &self.web_group), ("lmtp.group", &self.lmtp_group)] {
            if !group.is_empty() && !is_account(group) {
                return wrong(what, group, "use letters, digits, - and _, a letter first");
            }
        }
        self.manager.validate()
    }
}

impl Manager {
    /// Returns the option for commands, with a space before it.
    pub fn flag(&self) -> &'static str {
        match self {
            Manager::System { .. } => "",
            Manager::User => " --user",
        }
    }

    /// Checks that systemd accepts the names of the account.
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

/// Checks that paths can be written in unit files, and that they can start a program.
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
        return Some("it is not UTF-8, as unit files must be");
    };
    if !path.is_absolute() {
        Some("it must be an absolute path")
    } else if text.chars().any(char::is_control) {
        Some("it has control characters, which are invalid in a unit file")
    } else if text.ends_with(char::is_whitespace) {
        Some("it ends with white space, which systemd removes")
    } else {
        None
    }
}

/// Whether systemd accepts an account name without a warning (systemd.io/USER_NAMES, strict).
fn is_account(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 31
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests;
