//! The unit files for a Mailman 2.1. `docs/waking.md` has the reasons.

use super::{Mailman2Plan, RUNNERS};
use crate::units::{check_paths, quote, text};
use crate::{ActivationError, Manager, UnitFile, UnitFileKind};
use dormouse_spool::Queue;
use std::fmt::Write as _;

const TARGET: &str = "mailman2.target";
const TIMEOUT: &str = "TimeoutStartSec=2h\nTimeoutStopSec=2min\n";

/// Mailman's crontab (docs/spec/cli.md §3): script, time, and whether a missed run is caught up on.
const CRON: [(&str, &str, bool); 7] = [
    ("checkdbs", "*-*-* 08:00:00", true),
    ("disabled", "*-*-* 09:00:00", true),
    ("senddigests", "*-*-* 12:00:00", true),
    ("mailpasswds", "*-*-01 05:00:00", true),
    ("gate_news", "*-*-* *:00/5:00", false),
    ("nightly_gzip", "*-*-* 03:27:00", true),
    ("cull_bad_shunt", "*-*-* 04:30:00", true),
];

/// Returns the unit files of a plan.
///
/// # Errors
/// If a path cannot be written in a unit file.
pub fn generate(plan: &Mailman2Plan) -> Result<Vec<UnitFile>, ActivationError> {
    let Mailman2Plan { mailman, binary, manager, .. } = plan;
    let paths =
        [("Mailman", &mailman.prefix), ("the queues", &mailman.qfiles), ("the program", binary)];
    check_paths(&paths, binary)?;
    // Its scripts are started, too.
    check_paths(&[], &mailman.prefix)?;
    manager.validate()?;
    let mut files = Vec::new();
    let mut unit = |name: &str, contents: String| {
        files.push(UnitFile { name: name.to_owned(), contents, kind: UnitFileKind::Unit });
    };
    unit(TARGET, target(plan));
    unit("mailman2-queue@.path", queue_path(plan));
    unit("mailman2.service", drain(plan));
    unit("mailman2-retry.path", retry_path(plan));
    unit("mailman2-retry.timer", retry_timer());
    unit("mailman2-retry.service", retry(plan));
    unit("mailman2-sweep.timer", sweep_timer());
    unit("mailman2-sweep.service", sweep(plan));
    unit("mailman2-cron@.service", cron(plan));
    for (script, when, catch_up) in CRON {
        unit(&cron_timer(script), cron_timer_text(script, when, catch_up));
    }
    Ok(files)
}

fn cron_timer(script: &str) -> String {
    format!("mailman2-cron-{script}.timer")
}

fn path_units() -> String {
    let mut units: Vec<String> =
        RUNNERS.iter().map(|(queue, _)| format!("mailman2-queue@{queue}.path")).collect();
    units.push("mailman2-retry.path".to_owned());
    units.join(" ")
}

fn target(plan: &Mailman2Plan) -> String {
    let (wanted_by, conflicts) = match plan.manager {
        Manager::System { .. } => (
            "multi-user.target",
            "# Mailman's own master. Two would take each other's entries for those of a dead one.\n\
             Conflicts=mailman.service\n",
        ),
        Manager::User => ("default.target", ""),
    };
    let timers: Vec<String> = CRON.iter().map(|(script, ..)| cron_timer(script)).collect();
    format!(
        "\
[Unit]
Description=Mailman 2.1, started by its mail (stop this to pause everything)
{conflicts}\
Wants={paths}
Wants=mailman2-sweep.timer
# These replace Mailman's crontab, which must be removed. gate_news is only for lists with a newsgroup; without
# any, remove it, so that no process is started every five minutes.
Wants={timers}

[Install]
WantedBy={wanted_by}
",
        paths = path_units(),
        timers = timers.join(" "),
    )
}

fn queue_path(plan: &Mailman2Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailman 2.1 queue: %i
PartOf={TARGET}

[Path]
# True while an entry waits. systemd checks when this unit starts, when the directory changes and
# when the service has ended. PathChanged= would miss entries that arrive while the service runs, and
# DirectoryNotEmpty= would match the .tmp file of a mail that is still being written.
{trigger}\
Unit=mailman2.service
# A path unit that reaches a limit fails permanently. The service limits its own rate (RestartSec=).
TriggerLimitIntervalSec=0
",
        trigger = entry_waits(plan, "%i"),
    )
}

fn drain(plan: &Mailman2Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailman 2.1: process the queues
PartOf={TARGET}
# If a service reaches its start limit, its path units fail as well.
StartLimitIntervalSec=0

[Service]
Type=oneshot
# Runs bin/qrunner until every queue is empty: one qrunner -o takes at most one entry for each runner.
{exec}\
# The exit status is 0 only if all queues are empty. Otherwise there is a pause here, during which the
# path units do not start it.
Restart=on-failure
RestartSec=60s
{TIMEOUT}\
{account}",
        exec = exec(plan, &format!(" --linger {}", plan.linger.as_millis())),
        account = account(plan),
    )
}

fn retry_path(plan: &Mailman2Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailman 2.1: arm the retry timer while something is deferred
PartOf={TARGET}

[Path]
{trigger}\
Unit=mailman2-retry.timer
TriggerLimitIntervalSec=0
",
        trigger = entry_waits(plan, Queue::Retry.name()),
    )
}

fn retry_timer() -> String {
    format!(
        "\
[Unit]
Description=Mailman 2.1: check deferred mail once (armed by mailman2-retry.path)
PartOf={TARGET}
StartLimitIntervalSec=0

[Timer]
OnActiveSec=5min
AccuracySec=30s
# After it has elapsed it is inactive, and the path unit checks again and arms it again.
RemainAfterElapse=no
Unit=mailman2-retry.service
"
    )
}

fn retry(plan: &Mailman2Plan) -> String {
    format!(
        "\
[Unit]
Description=Mailman 2.1: put deferred mail that is due back into its queue
PartOf={TARGET}
StartLimitIntervalSec=0
ConditionPathExistsGlob={retry}/*.pck

[Service]
Type=oneshot
# Moves due entries without starting Python.
{exec}\
{TIMEOUT}\
{account}",
        retry = directory(plan, Queue::Retry.name()),
        exec = exec(plan, " --retry-only"),
        account = account(plan),
    )
}

fn sweep_timer() -> String {
    format!(
        "\
[Unit]
Description=Mailman 2.1: check for entries of killed runs
PartOf={TARGET}

[Timer]
OnBootSec=2min
OnUnitInactiveSec=15min
AccuracySec=1min
"
    )
}

fn sweep(plan: &Mailman2Plan) -> String {
    let mut claims = String::new();
    for (queue, _) in RUNNERS {
        let _ =
            writeln!(claims, "ConditionPathExistsGlob=|{}/*.bak", directory(plan, queue.name()));
    }
    format!(
        "\
[Unit]
Description=Mailman 2.1: process entries of killed runs
PartOf={TARGET}
StartLimitIntervalSec=0
# Even if the conditions are false, this starts path units that have failed.
Wants={paths}
{claims}
[Service]
Type=oneshot
{exec}\
{TIMEOUT}\
{account}",
        paths = path_units(),
        exec = exec(plan, ""),
        account = account(plan),
    )
}

fn cron(plan: &Mailman2Plan) -> String {
    let mut script = plan.mailman.prefix.join("cron").to_string_lossy().into_owned();
    script.push('/');
    let script = quote::word(&script);
    // systemd inserts the instance's name, inside the quotes.
    let script = format!("{}%i\"", script.trim_end_matches('"'));
    format!(
        "\
[Unit]
Description=Mailman 2.1: cron/%i

[Service]
Type=oneshot
ExecStart=:{script}
{TIMEOUT}\
{account}",
        account = account(plan),
    )
}

fn cron_timer_text(script: &str, when: &str, catch_up: bool) -> String {
    let persistent =
        if catch_up { "# Run it later if the machine was off.\nPersistent=true\n" } else { "" };
    format!(
        "\
[Unit]
Description=Mailman 2.1: when cron/{script} is due
PartOf={TARGET}

[Timer]
OnCalendar={when}
{persistent}\
Unit=mailman2-cron@{script}.service
"
    )
}

/// Returns the trigger: an entry in this queue.
fn entry_waits(plan: &Mailman2Plan, queue: &str) -> String {
    text::entry_waits_in(&plan.mailman.qfiles, queue)
}

/// Returns a queue's directory, quoted for patterns.
fn directory(plan: &Mailman2Plan, queue: &str) -> String {
    text::directory_in(&plan.mailman.qfiles, queue)
}

fn exec(plan: &Mailman2Plan, arguments: &str) -> String {
    let word = |path: &std::path::Path| quote::word(&path.to_string_lossy());
    let mailman = &plan.mailman;
    let qfiles = if mailman.qfiles == mailman.prefix.join("qfiles") {
        String::new()
    } else {
        format!(" --mailman2-qfiles {}", word(&mailman.qfiles))
    };
    format!(
        "ExecStart=:{} run --mailman2 {}{qfiles}{arguments}\n",
        word(&plan.binary),
        word(&mailman.prefix),
    )
}

/// Returns the account. There is no sandbox, because a site's Mailman may call any program.
fn account(plan: &Mailman2Plan) -> String {
    let account = match &plan.manager {
        Manager::System { user, group } => format!("User={user}\nGroup={group}\n"),
        Manager::User => String::new(),
    };
    format!("{account}UMask=0007\n")
}
