//! The texts of the units. The purpose of each line is explained in the unit itself, where an
//! administrator sees it; the measurements are in `docs/waking.md`.

use super::sandbox::{self, Network};
use super::{LMTP_SOCKET, Manager, Plan, PlannedJob, Start, WEB_SOCKET, job_unit, quote};
use dormouse_spool::Queue;
use dormouse_store::Arrangement;
use dormouse_store::site::DIR_MODE;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Without a limit, a service could hang indefinitely, and with it its queues.
const TIMEOUT: &str = "TimeoutStartSec=2h\nTimeoutStopSec=30s\n";
/// For a service that reports that it has started.
const STARTS_SOON: &str = "TimeoutStartSec=1min\nTimeoutStopSec=30s\n";

pub fn target(plan: &Plan) -> String {
    let wanted_by = match plan.manager {
        Manager::System { .. } => "multi-user.target",
        Manager::User => "default.target",
    };
    format!(
        "\
[Unit]
Description=Mailing lists (stop this to pause everything)
Wants={units}
{once}
[Install]
WantedBy={wanted_by}
",
        units = plan.standing_units().join(" "),
        once = plan.started_once().map_or_else(String::new, |unit| format!("Wants={unit}\n")),
    )
}

pub fn queue_path(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing list queue: %i
PartOf=dormouse.target

[Path]
# True while an entry waits. systemd checks when this unit starts, when the directory changes and
# when the service has ended. PathChanged= would miss entries that arrive while the service runs.
{trigger}\
Unit=dormouse.service
# A path unit that reaches a limit fails permanently. The service limits its own rate (RestartSec=).
TriggerLimitIntervalSec=0
",
        trigger = entry_waits(plan, "%i"),
    )
}

/// The drain. It must not have a condition: if a condition fails, the path unit starts the service
/// again and again.
pub fn drain(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: process the queues
PartOf=dormouse.target
# If a service reaches its start limit, its path units fail as well.
StartLimitIntervalSec=0

[Service]
Type=oneshot
{exec}\
# The exit status is 0 only if the queues that start it are empty. Otherwise there is a pause here,
# during which the path units do not start it.
Restart=on-failure
RestartSec=15s
{TIMEOUT}\
{confined}",
        exec = exec(plan, &run(plan, plan.arranged(|how| how == Arrangement::OnDemand))),
        confined = confined(plan, Network::Needed),
    )
}

pub fn retry_path(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: arm the retry timer while something is deferred
PartOf=dormouse.target

[Path]
{trigger}\
Unit=dormouse-retry.timer
TriggerLimitIntervalSec=0
",
        trigger = entry_waits(plan, Queue::Retry.name()),
    )
}

pub fn retry_timer(plan: &Plan) -> String {
    // If runs start a timer for the exact time, this is only a fallback.
    let after = if plan.wakes_exactly() { "15min" } else { "60s" };
    format!(
        "\
[Unit]
Description=Mailing lists: check deferred mail once (armed by dormouse-retry.path)
PartOf=dormouse.target
StartLimitIntervalSec=0

[Timer]
OnActiveSec={after}
AccuracySec=1s
# After it has elapsed it is inactive, and the path unit checks again and arms it again.
RemainAfterElapse=no
Unit=dormouse-retry.service
"
    )
}

/// The template of timers that a run starts for when the next deferred entry is due. The instance
/// is that time.
pub fn wake_timer() -> String {
    "\
[Unit]
Description=Mailing lists: deferred mail is due at %i
PartOf=dormouse.target
StartLimitIntervalSec=0

[Timer]
OnCalendar=@%i
AccuracySec=1s
RemainAfterElapse=no
Unit=dormouse-retry.service
"
    .to_owned()
}

pub fn timer(queue: Queue, every: Duration) -> String {
    format!(
        "\
[Unit]
Description=Mailing list queue: check {queue} periodically
PartOf=dormouse.target

[Timer]
# Immediately, and then after each run has ended. No process is started if the queue is empty.
OnActiveSec=1s
OnUnitInactiveSec={}s
AccuracySec=1s
",
        every.as_secs()
    )
}

/// A service that a timer starts. Only such a service can have a condition.
pub fn on_timer(plan: &Plan, queue: Queue) -> String {
    let (what, run) = match queue {
        Queue::Retry => {
            let arm = if plan.wakes_exactly() { " --arm" } else { "" };
            ("move deferred mail that is due back to its queue", format!("run --retry-only{arm}"))
        }
        _ => ("process a queue", format!("run --queue {queue}")),
    };
    let network = if queue == Queue::Retry { Network::Unused } else { Network::Needed };
    format!(
        "\
[Unit]
Description=Mailing lists: {what}
PartOf=dormouse.target
StartLimitIntervalSec=0
ConditionPathExistsGlob={dir}/*.pck

[Service]
Type=oneshot
{exec}\
{TIMEOUT}\
{confined}",
        dir = directory(plan, queue.name()),
        exec = exec(plan, &run),
        confined = confined(plan, network),
    )
}

pub fn resident(plan: &Plan, queue: Queue, shares: u32) -> String {
    format!(
        "\
[Unit]
Description=Mailing list queue: {queue}, processed by a resident process
PartOf=dormouse.target
StartLimitIntervalSec=0

[Service]
Type=notify
{exec}\
# It is restarted whenever it exits. It notifies the watchdog with every step of its work.
Restart=always
RestartSec=5s
WatchdogSec=15min
{STARTS_SOON}\
{confined}",
        exec = exec(plan, &format!("runner {queue} --slices {shares}")),
        confined = confined(plan, Network::Needed),
    )
}

pub fn web_socket(plan: &Plan) -> String {
    // Clients of the socket are trusted with X-Forwarded-For.
    socket(plan, "web pages", &plan.web, ("the web server in front", &plan.web_group))
}

pub fn web(plan: &Plan) -> String {
    on_connection(plan, "serve web pages until idle", WEB_SOCKET, "simple", "serve")
}

pub fn lmtp_socket(plan: &Plan) -> String {
    // The MTA's checks are not repeated, so nobody else may connect.
    socket(plan, "mail over LMTP", &plan.lmtp, ("the MTA", &plan.lmtp_group))
}

pub fn lmtp(plan: &Plan) -> String {
    on_connection(plan, "accept mail until idle", LMTP_SOCKET, "notify", "lmtp")
}

/// A socket unit: connections wait in it until a process accepts them. Members of a group can
/// connect.
fn socket(plan: &Plan, what: &str, listen: &str, (who, group): (&str, &str)) -> String {
    let access = match &plan.manager {
        Manager::System { .. } if !group.is_empty() => {
            format!("# Only for {who}.\nSocketMode=0660\nSocketGroup={group}\n")
        }
        // A user's own manager cannot change groups.
        _ => "# Only for this user.\nSocketMode=0660\n".to_owned(),
    };
    format!(
        "\
[Unit]
Description=Mailing lists: {what}
PartOf=dormouse.target

[Socket]
ListenStream={listen}
{access}\
Backlog=512
# A socket that reaches a limit fails permanently.
TriggerLimitIntervalSec=0
",
        listen = quote::plain(listen),
    )
}

/// A service that a socket starts. If it dies before it accepts a connection, the connection waits
/// for the restart.
fn on_connection(plan: &Plan, what: &str, socket: &str, kind: &str, command: &str) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: {what}
PartOf=dormouse.target
Requires={socket}
After={socket}
StartLimitIntervalSec=0

[Service]
Type={kind}
{exec}\
Restart=on-failure
RestartSec=2s
{STARTS_SOON}\
{confined}",
        exec = exec(plan, command),
        confined = confined(plan, Network::Needed),
    )
}

pub fn sweep_timer() -> String {
    "\
[Unit]
Description=Mailing lists: check for the remains of killed runs
PartOf=dormouse.target

[Timer]
# Not since the boot, which may be long ago when this is installed.
OnActiveSec=2min
OnUnitInactiveSec=15min
AccuracySec=1min
"
    .to_owned()
}

pub fn sweep(plan: &Plan) -> String {
    let claims: String = plan
        .swept()
        .map(|queue| format!("ConditionPathExistsGlob=|{}/*.bak\n", directory(plan, queue.name())))
        .collect();
    format!(
        "\
[Unit]
Description=Mailing lists: recover the remains of killed runs
PartOf=dormouse.target
StartLimitIntervalSec=0
# Even if the conditions are false, this starts units that have failed.
Wants={units}
# Claims, committed but unfinished handovers, and staged files of uncommitted ones.
# Without any of these, no process is started.
{claims}\
ConditionPathExistsGlob=|{handover}/*
ConditionPathExistsGlob=|{staged}/*

[Service]
Type=oneshot
{exec}\
{TIMEOUT}\
{confined}",
        units = plan.standing_units().join(" "),
        handover = directory(plan, ".handover"),
        staged = directory(plan, ".staged"),
        exec = exec(plan, &run(plan, plan.swept())),
        confined = confined(plan, Network::Needed),
    )
}

pub fn job_timer(job: &PlannedJob, calendar: &str) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: {about}
PartOf=dormouse.target

[Timer]
OnCalendar={calendar}
# Caught up on if the machine was off.
Persistent=true
AccuracySec=1min
",
        about = quote::plain(&job.about),
    )
}

pub fn job_path(job: &PlannedJob, marker: &Path) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: arm the timer of {name} while there is something to do
PartOf=dormouse.target

[Path]
PathExists={marker}
Unit={timer}
TriggerLimitIntervalSec=0
",
        name = job.name,
        marker = quote::plain(&marker.to_string_lossy()),
        timer = job_unit(&job.name, "timer"),
    )
}

pub fn job_interval(job: &PlannedJob, every: Duration) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: {about} (armed by {path})
PartOf=dormouse.target
StartLimitIntervalSec=0

[Timer]
OnActiveSec={every}s
# After it has elapsed it is inactive, and the path unit checks again and arms it again.
RemainAfterElapse=no
",
        about = quote::plain(&job.about),
        path = job_unit(&job.name, "path"),
        every = every.as_secs(),
    )
}

pub fn job(plan: &Plan, job: &PlannedJob) -> String {
    let sign = |(dir, pattern): &(PathBuf, String)| {
        let dir = quote::literal_in_glob(&dir.to_string_lossy());
        format!("ConditionPathExistsGlob=|{dir}/{}\n", quote::plain(pattern))
    };
    let signs: String = match &job.start {
        Start::At { signs, .. } => signs.iter().map(sign).collect(),
        Start::While { marker, .. } => {
            format!("ConditionPathExists={}\n", quote::plain(&marker.to_string_lossy()))
        }
    };
    let network = if job.network { Network::Needed } else { Network::Unused };
    format!(
        "\
[Unit]
Description=Mailing lists: {about}
PartOf=dormouse.target
StartLimitIntervalSec=0
# These exist only while there may be something to do. Without them, no process is started.
{signs}
[Service]
Type=oneshot
{exec}\
# Completed work is not repeated.
Restart=on-failure
RestartSec=15min
{TIMEOUT}\
{confined}",
        about = quote::plain(&job.about),
        exec = exec(plan, &format!("cron {}", job.name)),
        confined = confined(plan, network),
    )
}

/// The directories. They are not created by path units, because these would be root's, nor by the
/// service, because the sandbox forbids the set-group-ID bit.
pub fn tmpfiles(plan: &Plan, user: &str, group: &str) -> String {
    let mut dirs = vec![plan.qfiles.clone()];
    dirs.extend(Queue::ALL.into_iter().map(|queue| plan.qfiles.join(queue.name())));
    dirs.extend([".staged", ".handover", ".spare"].map(|hidden| plan.qfiles.join(hidden)));
    dirs.push(plan.site.join("due"));
    let mut text = "# The directories of the mailing lists.\n".to_owned();
    let mut line = |dir: &Path, mode: u32| {
        let dir = quote::word(&dir.to_string_lossy());
        text.push_str(&format!("d {dir} {mode:o} {user} {group}\n"));
    };
    line(&plan.site, DIR_MODE);
    dirs.iter().for_each(|dir| line(dir, 0o2770));
    text
}

/// The user. systemd-sysusers does not change an existing one.
pub fn sysusers(plan: &Plan, user: &str, group: &str) -> String {
    let home = quote::word(&plan.site.to_string_lossy());
    format!(
        "\
# The account of the mailing lists.
g {group} -
u {user} -:{group} \"Mailing lists\" {home}
"
    )
}

/// Returns the trigger: an entry in this queue.
fn entry_waits(plan: &Plan, queue: &str) -> String {
    entry_waits_in(&plan.qfiles, queue)
}

/// Returns the trigger: an entry in a queue below this directory.
pub fn entry_waits_in(qfiles: &Path, queue: &str) -> String {
    let mut trigger = format!("PathExistsGlob={}/*.pck\n", directory_in(qfiles, queue));
    let qfiles = qfiles.to_string_lossy();
    if qfiles.contains(quote::is_glob_special) {
        // systemd watches the pattern's directory under its quoted name, which does not exist. This
        // second trigger is never true, but makes systemd watch the directory.
        let never = quote::plain(&qfiles);
        trigger.push_str(&format!("PathExists={never}/{queue}/.watched\n"));
    }
    trigger
}

/// Returns a queue's directory, quoted for patterns.
fn directory(plan: &Plan, queue: &str) -> String {
    directory_in(&plan.qfiles, queue)
}

/// Returns a queue's directory below this one, quoted for patterns.
pub fn directory_in(qfiles: &Path, queue: &str) -> String {
    format!("{}/{queue}", quote::literal_in_glob(&qfiles.to_string_lossy()))
}

/// Returns the arguments of a run over some queues. They are in the unit and not only in the
/// settings, because a run must process all watched queues: otherwise the path unit of a missing
/// queue would start it again and again.
fn run(plan: &Plan, queues: impl Iterator<Item = Queue>) -> String {
    let mut run = format!("run --linger {}", plan.linger.as_millis());
    queues.for_each(|queue| run.push_str(&format!(" --queue {queue}")));
    if plan.wakes_exactly() {
        run.push_str(" --arm");
    }
    run
}

/// Returns the command line. `:` keeps systemd from expanding `$` in a path.
fn exec(plan: &Plan, arguments: &str) -> String {
    format!(
        "ExecStart=:{} --site {} {arguments}\n",
        quote::word(&plan.binary.to_string_lossy()),
        quote::word(&plan.site.to_string_lossy()),
    )
}

/// Returns the account and the sandbox.
fn confined(plan: &Plan, network: Network) -> String {
    let account = match &plan.manager {
        Manager::System { user, group } => format!("User={user}\nGroup={group}\n"),
        Manager::User => String::new(),
    };
    format!(
        "\
# Only the program gets the first SIGTERM, and exits after the current transaction.
KillMode=mixed
{account}\
UMask=0007
{}",
        sandbox::lines(plan, network)
    )
}
