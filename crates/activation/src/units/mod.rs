//! From a plan to unit files.

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
/// Waits for those who want to see a page.
pub(crate) const WEB_SOCKET: &str = "dormouse-web.socket";
/// Waits for the MTA.
pub(crate) const LMTP_SOCKET: &str = "dormouse-lmtp.socket";
/// The template of the timers that wake at an exact moment; the instance is the moment.
pub(crate) const WAKE_TEMPLATE: &str = "dormouse-wake@.timer";
/// Looks for what killed runs left behind.
pub(crate) const SWEEP_TIMER: &str = "dormouse-sweep.timer";
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
    /// The queues that have a runner, in data-flow order, and what makes them be worked off.
    pub queues: Vec<(Queue, Arrangement)>,
    /// What the clock starts.
    pub jobs: Vec<Job>,
    /// For whom the units are.
    pub manager: Manager,
    /// How long a drain waits for one more entry before it ends.
    pub linger: Duration,
    /// Where systemd listens for web pages, as `ListenStream=` has it; empty for none.
    pub web: String,
    /// The group that may connect there, if that is a path; empty for none.
    pub web_group: String,
    /// Where systemd listens for mail over LMTP; empty for none.
    pub lmtp: String,
    /// The group that may connect there, if that is a path; empty for none.
    pub lmtp_group: String,
    /// A file, absolute, that runs write for Prometheus.
    pub metrics: Option<PathBuf>,
}

/// A job that the clock starts, if there may be something for it to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name, as `dormouse cron` knows it.
    pub name: String,
    /// What it does, in one sentence.
    pub about: String,
    /// When.
    pub start: Start,
    /// It talks to other hosts.
    pub network: bool,
}

/// When a job is started, and what must be there for it to be worth a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At a time of the calendar.
    At {
        /// As `OnCalendar=` has it.
        calendar: String,
        /// Directories, absolute, and what a file in one of them must be called for there to be
        /// something to do: a name, or a pattern.
        signs: Vec<(PathBuf, String)>,
    },
    /// So long after the last time, while a file is there. Without it no timer is armed.
    While {
        /// The file, absolute.
        marker: PathBuf,
        /// How long.
        every: Duration,
    },
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
///
/// There are none when every queue is off and nobody may connect: then nothing is to wake anybody.
pub fn generate(plan: &Plan) -> Vec<UnitFile> {
    let mut files = Vec::new();
    if plan.is_off() && plan.web.is_empty() && plan.lmtp.is_empty() {
        return files;
    }
    let mut unit = |name: &str, contents| {
        files.push(UnitFile { name: name.to_owned(), contents, kind: Kind::Unit });
    };
    unit(TARGET, text::target(plan));
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
            // The template does for all others.
            Arrangement::OnDemand | Arrangement::Off => {}
        }
    }
    if plan.has_sweep() {
        unit(SWEEP_TIMER, text::sweep_timer());
        unit("dormouse-sweep.service", text::sweep(plan));
    }
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
    if !plan.web.is_empty() {
        unit(WEB_SOCKET, text::web_socket(plan));
        unit("dormouse-web.service", text::web(plan));
    }
    if !plan.lmtp.is_empty() {
        unit(LMTP_SOCKET, text::lmtp_socket(plan));
        unit("dormouse-lmtp.service", text::lmtp(plan));
    }
    if let Manager::System { user, group } = &plan.manager {
        // The directories are the user's.
        files.push(UnitFile {
            name: "sysusers.d/dormouse.conf".to_owned(),
            contents: text::sysusers(plan, user, group),
            kind: Kind::Sysusers,
        });
        files.push(UnitFile {
            name: "tmpfiles.d/dormouse.conf".to_owned(),
            contents: text::tmpfiles(plan, user, group),
            kind: Kind::Tmpfiles,
        });
    }
    files
}

/// Whether some plan has a unit file of this name: one that a plan does not have is left over from
/// another. The instances of templates are not among them.
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
        // Those of jobs that are not there any more, too.
        || stem.and_then(|stem| stem.strip_prefix(JOB_PREFIX)).is_some_and(|job| !job.is_empty())
}

/// The path unit of a queue.
pub(crate) fn queue_unit(queue: Queue) -> String {
    QUEUE_TEMPLATE.replace("@.", &format!("@{queue}."))
}

/// The timer that wakes at a moment, in seconds since the epoch.
pub fn wake_unit(epoch: u64) -> String {
    WAKE_TEMPLATE.replace("@.", &format!("@{epoch}."))
}

/// A unit of a job.
pub(crate) fn job_unit(job: &str, kind: &str) -> String {
    format!("{JOB_PREFIX}{job}.{kind}")
}

impl Plan {
    /// The queues that are worked off in a way.
    pub(crate) fn arranged(
        &self,
        fits: impl Fn(Arrangement) -> bool,
    ) -> impl Iterator<Item = Queue> {
        self.queues
            .iter()
            .filter(move |(_, arrangement)| fits(*arrangement))
            .map(|(queue, _)| *queue)
    }

    /// The queues whose entries wake a drain.
    pub(crate) fn waking(&self) -> impl Iterator<Item = Queue> {
        self.arranged(|arrangement| arrangement == Arrangement::OnDemand)
            .filter(|queue| *queue != Queue::Retry)
    }

    /// Whether no queue is worked off.
    fn is_off(&self) -> bool {
        self.queues.iter().all(|(_, arrangement)| *arrangement == Arrangement::Off)
    }

    /// The clock's jobs, unless nobody would work off what they make.
    fn wanted_jobs(&self) -> &[Job] {
        if self.is_off() { &[] } else { &self.jobs }
    }

    fn has_drain(&self) -> bool {
        self.waking().next().is_some()
    }

    /// Only processes that come and go leave something behind: a resident one sees to it when it is
    /// started again.
    pub(crate) fn swept(&self) -> impl Iterator<Item = Queue> {
        self.arranged(|arrangement| {
            matches!(arrangement, Arrangement::OnDemand | Arrangement::Timer(_))
        })
    }

    fn has_sweep(&self) -> bool {
        self.swept().next().is_some()
    }

    /// Whether runs may start a timer for when the next deferred entry is due. The system's manager
    /// lets only root do so, and a rule that lets others would let them do more.
    pub fn wakes_exactly(&self) -> bool {
        self.manager == Manager::User
            && self.queues.contains(&(Queue::Retry, Arrangement::OnDemand))
    }

    /// The path units that must be active for mail to wake somebody.
    pub(crate) fn path_units(&self) -> Vec<String> {
        let retry = self.queues.contains(&(Queue::Retry, Arrangement::OnDemand));
        let retry = retry.then(|| "dormouse-retry.path".to_owned());
        self.waking().map(queue_unit).chain(retry).collect()
    }

    /// What the target starts once: what became due while no manager was there is tried at once, and
    /// does not wait for the timer.
    pub(crate) fn started_once(&self) -> Option<String> {
        let retry = self.queues.contains(&(Queue::Retry, Arrangement::OnDemand));
        retry.then(|| "dormouse-retry.service".to_owned())
    }

    /// Everything that the target starts, and that is to stay active with it.
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
            // It starts the timer.
            Start::While { .. } => job_unit(&job.name, "path"),
        }));
        for (listen, socket) in [(&self.web, WEB_SOCKET), (&self.lmtp, LMTP_SOCKET)] {
            units.extend((!listen.is_empty()).then(|| socket.to_owned()));
        }
        units
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
    /// What commands need to talk to it, with a space before it.
    pub fn flag(&self) -> &'static str {
        match self {
            Manager::System { .. } => "",
            Manager::User => " --user",
        }
    }

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

/// The account names that systemd takes without complaint (systemd.io/USER_NAMES, strict).
fn is_account(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 31
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests;
