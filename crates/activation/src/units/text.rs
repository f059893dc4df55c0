//! The text of every unit. What each line is for stands in the unit itself, because that is where
//! an administrator meets it; the measurements behind it are in `docs/waking.md`.

use super::sandbox::{self, Network};
use super::{Job, Manager, Plan, WEB_SOCKET, quote};
use dormouse_spool::Queue;
use std::path::Path;

/// A service without a limit of its own may hang for ever and with it its queues.
const TIMEOUT: &str = "TimeoutStartSec=2h\nTimeoutStopSec=30s\n";

pub fn target(plan: &Plan) -> String {
    let wanted_by = match plan.manager {
        Manager::System { .. } => "multi-user.target",
        Manager::User => "default.target",
    };
    format!(
        "\
[Unit]
Description=Mailing lists (stop this to pause everything)
Wants={paths}
Wants=dormouse-sweep.timer{jobs}{web}

[Install]
WantedBy={wanted_by}
",
        paths = plan.path_units().join(" "),
        jobs = plan
            .jobs
            .iter()
            .map(|job| format!(" {}", super::job_timer(&job.name)))
            .collect::<String>(),
        web = if plan.web.is_empty() { String::new() } else { format!(" {WEB_SOCKET}") },
    )
}

pub fn queue_path(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing list queue: %i
PartOf=dormouse.target

[Path]
# True while an entry waits. systemd looks when this unit starts, when the directory changes and
# when the service has ended. PathChanged= would forget what comes while the service runs.
{trigger}\
Unit=dormouse.service
# A path unit that reaches a limit is dead for good. The service paces itself (RestartSec=).
TriggerLimitIntervalSec=0
",
        trigger = entry_waits(plan, "%i"),
    )
}

/// The drain. It must not have a condition: a path unit whose service is refused by a condition
/// starts it again and again.
pub fn drain(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: work off the queues
PartOf=dormouse.target
# A service that reaches its start limit takes the path units down with it.
StartLimitIntervalSec=0

[Service]
Type=oneshot
{exec}\
# It ends with 0 only when no queue that wakes it has an entry left. Any other end pauses here, and
# meanwhile the path units leave it alone.
Restart=on-failure
RestartSec=15s
{TIMEOUT}\
{confined}",
        exec = exec(plan, &run(plan)),
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

pub fn retry_timer() -> String {
    "\
[Unit]
Description=Mailing lists: look after deferred mail once (armed by dormouse-retry.path)
PartOf=dormouse.target
StartLimitIntervalSec=0

[Timer]
OnActiveSec=60s
AccuracySec=1s
# When it has elapsed it is inactive; then the path unit looks again and arms it again.
RemainAfterElapse=no
Unit=dormouse-retry.service
"
    .to_owned()
}

pub fn retry(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: put deferred mail that is due back into its queue
PartOf=dormouse.target
StartLimitIntervalSec=0
ConditionPathExistsGlob={retry}/*.pck

[Service]
Type=oneshot
{exec}\
{TIMEOUT}\
{confined}",
        retry = directory(plan, Queue::Retry.name()),
        exec = exec(plan, "run --retry-only"),
        confined = confined(plan, Network::Unused),
    )
}

/// Its own waker: a connection waits in it until a process takes it.
pub fn web_socket(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: web pages
PartOf=dormouse.target

[Socket]
ListenStream={listen}
# For the web server in front.
SocketMode=0666
",
        listen = quote::plain(&plan.web),
    )
}

pub fn web(plan: &Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: serve web pages until nobody asks for one
PartOf=dormouse.target
StartLimitIntervalSec=0

[Service]
Type=simple
{exec}\
{TIMEOUT}\
{confined}",
        exec = exec(plan, "serve"),
        confined = confined(plan, Network::Needed),
    )
}

pub fn sweep_timer() -> String {
    "\
[Unit]
Description=Mailing lists: look for what killed runs left behind
PartOf=dormouse.target

[Timer]
OnBootSec=2min
OnUnitInactiveSec=15min
AccuracySec=1min
"
    .to_owned()
}

pub fn sweep(plan: &Plan) -> String {
    let claims: String = Queue::ALL
        .into_iter()
        .map(|queue| format!("ConditionPathExistsGlob=|{}/*.bak\n", directory(plan, queue.name())))
        .collect();
    format!(
        "\
[Unit]
Description=Mailing lists: finish what killed runs left behind
PartOf=dormouse.target
StartLimitIntervalSec=0
# Also when the conditions are false, this starts any path unit that has died.
Wants={paths}
# Claims, and hand-overs that were decided but not carried out. Without any no process is started.
{claims}\
ConditionPathExistsGlob=|{handover}/*

[Service]
Type=oneshot
{exec}\
{TIMEOUT}\
{confined}",
        paths = plan.path_units().join(" "),
        handover = directory(plan, ".handover"),
        exec = exec(plan, &run(plan)),
        confined = confined(plan, Network::Needed),
    )
}

pub fn job_timer(job: &Job) -> String {
    format!(
        "\
[Unit]
Description=Mailing lists: {about}
PartOf=dormouse.target

[Timer]
OnCalendar={calendar}
# Made up for when the machine was off.
Persistent=true
AccuracySec=1min
",
        about = quote::plain(&job.about),
        calendar = job.calendar,
    )
}

pub fn job(plan: &Plan, job: &Job) -> String {
    let signs: String = job
        .signs
        .iter()
        .map(|(dir, pattern)| {
            let dir = quote::literal_in_glob(&dir.to_string_lossy());
            format!("ConditionPathExistsGlob=|{dir}/{}\n", quote::plain(pattern))
        })
        .collect();
    format!(
        "\
[Unit]
Description=Mailing lists: {about}
PartOf=dormouse.target
StartLimitIntervalSec=0
# There only while there may be something to do. Without it no process is started.
{signs}
[Service]
Type=oneshot
{exec}\
# What it has done it does not do again.
Restart=on-failure
RestartSec=15min
{TIMEOUT}\
{confined}",
        about = quote::plain(&job.about),
        exec = exec(plan, &format!("cron {}", job.name)),
        confined = confined(plan, Network::Unused),
    )
}

/// The directories. Made here and not by path units, which would make them root's; and the
/// sandbox forbids the service the set-group-id bit.
pub fn tmpfiles(plan: &Plan, user: &str, group: &str) -> String {
    let mut dirs = vec![plan.site.clone(), plan.qfiles.clone()];
    dirs.extend(Queue::ALL.into_iter().map(|queue| plan.qfiles.join(queue.name())));
    dirs.extend([".staged", ".handover"].map(|hidden| plan.qfiles.join(hidden)));
    dirs.push(plan.site.join("due"));
    let mut text = "# The directories of the mailing lists.\n".to_owned();
    for dir in dirs {
        let dir = quote::word(&dir.to_string_lossy());
        text.push_str(&format!("d {dir} 2770 {user} {group}\n"));
    }
    text
}

/// The user. systemd-sysusers leaves one that exists as it is.
pub fn sysusers(plan: &Plan, user: &str, group: &str) -> String {
    let home = quote::word(&plan.site.to_string_lossy());
    format!(
        "\
# Who the mailing lists run as.
g {group} -
u {user} -:{group} \"Mailing lists\" {home}
"
    )
}

/// The trigger: an entry waits in this queue.
fn entry_waits(plan: &Plan, queue: &str) -> String {
    entry_waits_in(&plan.qfiles, queue)
}

/// The trigger: an entry waits in a queue below this directory.
pub fn entry_waits_in(qfiles: &Path, queue: &str) -> String {
    let mut trigger = format!("PathExistsGlob={}/*.pck\n", directory_in(qfiles, queue));
    let qfiles = qfiles.to_string_lossy();
    if qfiles.contains(quote::is_glob_special) {
        // systemd watches the pattern's directory under the name as written, with the escapes in
        // it, and so watches nothing. This one is never true, but has the directory watched.
        let never = quote::plain(&qfiles);
        trigger.push_str(&format!("PathExists={never}/{queue}/.watched\n"));
    }
    trigger
}

/// A directory of the queues, as patterns have to name it.
fn directory(plan: &Plan, queue: &str) -> String {
    directory_in(&plan.qfiles, queue)
}

/// A queue's directory below this one, as patterns have to name it.
pub fn directory_in(qfiles: &Path, queue: &str) -> String {
    format!("{}/{queue}", quote::literal_in_glob(&qfiles.to_string_lossy()))
}

fn run(plan: &Plan) -> String {
    format!("run --linger {}", plan.linger.as_millis())
}

/// `:` keeps systemd from reading `$` in a path as a variable.
fn exec(plan: &Plan, arguments: &str) -> String {
    format!(
        "ExecStart=:{} --site {} {arguments}\n",
        quote::word(&plan.binary.to_string_lossy()),
        quote::word(&plan.site.to_string_lossy()),
    )
}

/// Who the process is and what it may do.
fn confined(plan: &Plan, network: Network) -> String {
    let account = match &plan.manager {
        Manager::System { user, group } => format!("User={user}\nGroup={group}\n"),
        Manager::User => String::new(),
    };
    format!(
        "\
# The first SIGTERM goes to the program alone, which ends after the transaction in flight.
KillMode=mixed
{account}\
UMask=0007
{}",
        sandbox::lines(plan, network)
    )
}
