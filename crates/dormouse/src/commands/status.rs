//! `status`: how the queues are processed, what waits in them, the last runs and the units.

mod prometheus;

use super::bounces;
use super::run::{last_run, write_atomically};
use super::waker::Wakers;
use crate::cli::StatusArgs;
use crate::failure::Failure;
use crate::output::{self, BAD, DIM, HEAD, Table, WARN, styled};
use dormouse_activation::process::Present;
use dormouse_activation::{Manager, UnitState};
use dormouse_clock::Timestamp;
use dormouse_runners::arrangement::{self, Scope};
use dormouse_runners::drain::Summary;
use dormouse_spool::{KEY, Queue, QueueFile, QueueFileState, Spool};
use dormouse_store::{Arrangement, Site, SlowDomain, Store};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use sysexits::ExitCode;

/// The maximum number of entries of `shunt` that are opened for their reasons.
const MOST_REASONS: usize = 1000;

#[derive(Serialize)]
struct Status {
    site: String,
    queues: Vec<QueueStatus>,
    /// Why entries wait in `shunt`, and how many for each reason.
    shunted: BTreeMap<String, usize>,
    /// Receiving domains that defer mail.
    slow_domains: Vec<SlowDomain>,
    last_run: Option<Summary>,
    /// Whether `dormouse master` is running.
    master: bool,
    /// Whether it was started with other settings.
    master_is_outdated: bool,
    /// Resident processes.
    processes: Vec<Process>,
    /// The crontab that starts runs.
    crontab: Option<String>,
    /// Seconds since a run looked at all queues, as started by a crontab.
    last_look: Option<f64>,
    units: Units,
}

#[derive(Serialize)]
struct Process {
    #[serde(flatten)]
    process: Present,
    /// Whether it still uses older settings.
    is_outdated: bool,
}

#[derive(Serialize)]
struct QueueStatus {
    queue: &'static str,
    /// Its arrangement; absent if only a person empties it.
    arrangement: Option<String>,
    /// Entries that are ready, or wait for a person.
    waiting: usize,
    /// Entries in work, or left by a dead process.
    claimed: usize,
    /// Entries that wait for a person: all in `shunt` and `bad`, elsewhere those that cannot be opened.
    set_aside: usize,
    /// Seconds since the oldest was received.
    oldest: Option<f64>,
    /// Seconds until the next one is due (`retry`).
    next_due: Option<f64>,
    /// Whether an entry here starts a drain.
    wakes: bool,
    /// What it waits for, in words.
    next_wake_up: String,
    /// The last run that had work in it.
    last_run: Option<LastRun>,
}

#[derive(Serialize, Clone)]
struct LastRun {
    /// In seconds since the epoch.
    started_at: Timestamp,
    took_ms: f64,
    peak_memory_kb: Option<u64>,
}

#[derive(Serialize)]
struct Units {
    /// `system`, `user`, or none if nothing is installed.
    installed_for: Option<&'static str>,
    units: Vec<UnitState>,
    /// Why some could not be checked.
    problems: Vec<String>,
}

pub fn run(dir: &Path, args: &StatusArgs) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    if let Some(file) = &args.prometheus {
        let unset = || Failure::usage("name a file, or set metrics.file");
        let file = file.clone().or_else(|| site.metrics_file()).ok_or_else(unset)?;
        write_metrics(&site, &file)?;
        return Ok(ExitCode::Ok);
    }
    let Some(every) = args.watch else {
        let status = look(&site)?;
        if args.json {
            output::json(&status)?;
        } else {
            print(&status)?;
        }
        return Ok(ExitCode::Ok);
    };
    loop {
        let status = look(&Site::open(dir)?)?;
        // Clears the terminal and moves to its top.
        output::line("\x1b[H\x1b[2J")?;
        print(&status)?;
        std::thread::sleep(Duration::from_secs(every.max(1)));
    }
}

/// Writes metrics for Prometheus atomically, readable for its account.
pub fn write_metrics(site: &Site, file: &Path) -> Result<(), Failure> {
    let spool = Spool::new(site.qfiles());
    let queues: Result<Vec<_>, _> =
        Queue::ALL.into_iter().map(|queue| queue_status(site, &spool, None, queue)).collect();
    let text = prometheus::text(&queues?, Timestamp::now());
    write_atomically(file, text.as_bytes(), 0o644).map_err(|error| {
        Failure::new(ExitCode::CantCreat, format!("cannot write {}: {error}", file.display()))
    })
}

fn look(site: &Site) -> Result<Status, Failure> {
    let spool = Spool::new(site.qfiles());
    let wakers = Wakers::of(site, &spool);
    let queues = Queue::ALL
        .into_iter()
        .map(|queue| queue_status(site, &spool, Some(&wakers), queue))
        .collect::<Result<_, _>>()?;
    let processes = wakers.processes.iter().map(|process| Process {
        process: process.clone(),
        is_outdated: process.settings != site.mark(),
    });
    let crontab = wakers.crontab.as_ref().filter(|crontab| crontab.runs);
    Ok(Status {
        site: site.dir().display().to_string(),
        queues,
        shunted: reasons(&spool)?,
        // If the database cannot be read, `doctor` says so.
        slow_domains: Store::open_read_only(site)
            .and_then(|store| store.read().slow_domains())
            .unwrap_or_default(),
        last_run: read_run(&last_run(site, &[]))?,
        master: wakers.master,
        master_is_outdated: wakers.master && super::master::is_outdated(site)?,
        processes: processes.collect(),
        crontab: crontab.map(|crontab| crontab.place.clone()),
        last_look: wakers.last_look.map(|ago| ago.as_secs_f64()),
        units: units(wakers),
    })
}

fn queue_status(
    site: &Site,
    spool: &Spool,
    wakers: Option<&Wakers>,
    queue: Queue,
) -> Result<QueueStatus, Failure> {
    let found = spool.list(queue)?;
    let in_state = |state| found.iter().filter(|entry| entry.state == state).count();
    let claimed = in_state(QueueFileState::Claimed);
    let is_for_people = matches!(queue, Queue::Shunt | Queue::Bad);
    let set_aside = if is_for_people { found.len() } else { in_state(QueueFileState::Preserved) };
    let now = dormouse_clock::now();
    let next_due = match queue {
        Queue::Retry => spool.next_due(site.config().longest_retry_wait())?,
        _ => None,
    };
    let next_due =
        next_due.map(|due| due.duration_since(now).map_or(0.0, |left| left.as_secs_f64()));
    let has_runner = !Scope::of(&[queue]).queues().is_empty();
    let arrangement = arrangement::of(site.config(), queue).filter(|_| has_runner);
    let own_run = !matches!(arrangement, Some(Arrangement::OnDemand));
    let file = last_run(site, if own_run { std::slice::from_ref(&queue) } else { &[] });
    let last_run = if arrangement.is_some() { read_run(&file)? } else { None };
    let last_run = last_run.filter(|run| run.worked_off(queue) > 0);
    Ok(QueueStatus {
        queue: queue.name(),
        waiting: if is_for_people { set_aside } else { found.len() - claimed - set_aside },
        claimed,
        set_aside,
        oldest: found.iter().map(|entry| age(entry, now.into())).reduce(f64::max),
        next_due,
        wakes: dormouse_runners::queue::waking().any(|waking| waking == queue)
            && arrangement == Some(Arrangement::OnDemand),
        next_wake_up: match (wakers, arrangement) {
            (Some(wakers), Some(how)) if !is_worked_off(wakers, queue, how) => "nobody".to_owned(),
            _ => next_wake_up(queue, arrangement, next_due),
        },
        arrangement: arrangement.map(|arrangement| arrangement.to_string()),
        last_run: last_run.map(|run| LastRun {
            started_at: run.started_at,
            took_ms: run.took_ms,
            peak_memory_kb: run.peak_memory_kb,
        }),
    })
}

/// Whether something processes a queue.
fn is_worked_off(wakers: &Wakers, queue: Queue, how: Arrangement) -> bool {
    match how {
        // A crontab's runs process everything that is not off.
        Arrangement::Resident(_) => {
            wakers.master || wakers.has_looked() || wakers.stays_for(queue.name())
        }
        Arrangement::OnDemand | Arrangement::Timer(_) => wakers.is_awake(),
        Arrangement::Off => true,
    }
}

fn next_wake_up(queue: Queue, how: Option<Arrangement>, next_due: Option<f64>) -> String {
    match (queue, how) {
        (Queue::Shunt | Queue::Bad, _) => "a person".to_owned(),
        (_, None) => "a runner".to_owned(),
        (_, Some(Arrangement::Off)) => "nobody".to_owned(),
        (_, Some(Arrangement::Timer(every))) => format!("within {every}"),
        (Queue::Retry, Some(_)) => {
            next_due.map_or_else(|| "-".to_owned(), |left| format!("in {}", output::span(left)))
        }
        (_, Some(Arrangement::OnDemand | Arrangement::Resident(_))) => "the next entry".to_owned(),
    }
}

fn age(entry: &QueueFile, now: Timestamp) -> f64 {
    entry.name.received().map_or(0.0, |received| (now - received).max(0.0))
}

/// Returns the reasons why entries are in `shunt`.
fn reasons(spool: &Spool) -> Result<BTreeMap<String, usize>, Failure> {
    let mut reasons = BTreeMap::new();
    for found in spool.list(Queue::Shunt)?.iter().take(MOST_REASONS) {
        let reason = match spool.peek(Queue::Shunt, &found.name) {
            Ok(Some(entry)) => entry
                .metadata
                .text(KEY.shunt_reason)
                .map_or_else(|| "no reason given".to_owned(), |reason| reason.into_owned()),
            Ok(None) => continue,
            Err(error) => error.to_string(),
        };
        *reasons.entry(reason).or_insert(0) += 1;
    }
    Ok(reasons)
}

fn read_run(path: &Path) -> Result<Option<Summary>, Failure> {
    let read = || {
        let mut file = File::open(path)?;
        // A run may be writing it.
        file.lock_shared()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map(|_| text)
    };
    match read() {
        // The file of another version is ignored.
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn units(wakers: Wakers) -> Units {
    let (installed_for, units) = match wakers.units {
        Some((Manager::User, units)) => (Some("user"), units),
        Some((Manager::System { .. }, units)) => (Some("system"), units),
        None => (None, Vec::new()),
    };
    Units { installed_for, units, problems: wakers.problems }
}

fn print(status: &Status) -> Result<(), Failure> {
    output::line(format_args!("{}  {}", styled(HEAD, "Site"), status.site))?;
    output::line("")?;
    print_queues(status)?;
    output::line("")?;
    for (reason, count) in &status.shunted {
        let entries = output::count(*count as u64, "entry", "entries");
        output::line(format_args!("{}  {entries}: {reason}", styled(BAD, "Shunted")))?;
    }
    for slow in &status.slow_domains {
        let head = styled(WARN, "Put off");
        output::line(format_args!("{head}  {}", bounces::slow_domain(slow)))?;
    }
    print_last_run(status)?;
    print_wakers(status)?;
    print_units(&status.units, status.master || watches(status) || status.crontab.is_some())
}

/// Prints the table of queues.
fn print_queues(status: &Status) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "Queue",
        "Processed",
        "Waiting",
        "Claimed",
        "Oldest",
        "Last run",
        "Waits for",
    ]);
    let now = Timestamp::now();
    for queue in &status.queues {
        let plain = anstyle::Style::new();
        let waiting = match queue.waiting {
            0 => DIM,
            _ if matches!(queue.queue, "shunt" | "bad") => BAD,
            _ => WARN,
        };
        let last_run = queue.last_run.as_ref().map_or_else(
            || "-".to_owned(),
            |run| {
                let ago = output::span((now - run.started_at).max(0.0));
                let took = output::span(run.took_ms / 1e3);
                let memory = run.peak_memory_kb.map(|kb| format!(", {}", output::size(kb * 1024)));
                format!("{ago} ago, {took}{}", memory.unwrap_or_default())
            },
        );
        let waits_for = match queue.set_aside {
            count @ 1.. if queue.waiting != count => {
                format!("{}; {count} set aside, for a person", queue.next_wake_up)
            }
            _ => queue.next_wake_up.clone(),
        };
        let how = queue.arrangement.clone().unwrap_or_else(|| "-".to_owned());
        let how_style = if how == "off" { WARN } else { plain };
        table.styled_row([
            (queue.queue.to_owned(), plain),
            (how, how_style),
            (queue.waiting.to_string(), waiting),
            (queue.claimed.to_string(), if queue.claimed == 0 { DIM } else { WARN }),
            (queue.oldest.map_or_else(|| "-".to_owned(), output::span), plain),
            (last_run, plain),
            (waits_for, DIM),
        ]);
    }
    table.print()
}

fn print_last_run(status: &Status) -> Result<(), Failure> {
    let now = Timestamp::now();
    output::line(match &status.last_run {
        None => format!("{}  none that had work", styled(HEAD, "Last run")),
        Some(run) => format!(
            "{}  {} ago, took {}: {}, {} accepted",
            styled(HEAD, "Last run"),
            output::span((now - run.started_at).max(0.0)),
            output::span(run.took_ms / 1e3),
            output::count(run.worked_off(Queue::In), "post", "posts"),
            output::count(run.queues.of(Queue::Out).accepted, "recipient", "recipients"),
        ),
    })
}

fn watches(status: &Status) -> bool {
    status.processes.iter().any(|Process { process, .. }| process.name == "watch")
}

/// Prints what starts runs apart from units: the master, resident processes, a crontab.
fn print_wakers(status: &Status) -> Result<(), Failure> {
    if status.master {
        let text = if status.master_is_outdated {
            styled(WARN, "running, with older [runners] settings: dormouse master restart")
        } else {
            "running".to_owned()
        };
        output::line(format_args!("{}    {text}", styled(HEAD, "Master")))?;
    }
    for Process { process, is_outdated } in &status.processes {
        let mut text = format!("{}, process {}", process.name, process.process);
        if *is_outdated {
            text = styled(WARN, format!("{text}, still with older settings")).to_string();
        }
        output::line(format_args!("{}   {text}", styled(HEAD, "Process")))?;
    }
    if let Some(place) = &status.crontab {
        let ago =
            status.last_look.map(|ago| format!("; the last run was {} ago", output::span(ago)));
        output::line(format_args!(
            "{}   {place} starts runs{}",
            styled(HEAD, "Crontab"),
            ago.unwrap_or_default()
        ))?;
    }
    Ok(())
}

/// Prints the units; `is_woken` says that something else starts runs.
fn print_units(units: &Units, is_woken: bool) -> Result<(), Failure> {
    let head = styled(HEAD, "Units");
    for problem in &units.problems {
        output::line(format_args!("{head}     {}", styled(BAD, problem)))?;
    }
    match units.installed_for {
        None if is_woken => Ok(()),
        None => output::line(format_args!(
            "{head}     none installed; with `dormouse units install`, mail starts a run"
        )),
        Some(manager) => {
            output::line(format_args!("{head}     of the {manager} manager"))?;
            super::units::print_states(&units.units, "  ")
        }
    }
}
