//! `status`: how the queues, the last run and the units are.

use super::run::LAST_RUN;
use crate::failure::Failure;
use crate::output::{self, BAD, DIM, GOOD, HEAD, Table, WARN, styled};
use dormouse_activation::{Manager, UnitState};
use dormouse_runners::drain::{Summary, WAKING};
use dormouse_spool::{Found, FoundState, Queue, Spool, clock};
use dormouse_store::Site;
use serde::Serialize;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use sysexits::ExitCode;

#[derive(Serialize)]
struct Status {
    site: String,
    queues: Vec<QueueStatus>,
    last_run: Option<Summary>,
    units: Units,
}

#[derive(Serialize)]
struct QueueStatus {
    queue: &'static str,
    /// Takeable entries, or entries kept for a person.
    waiting: usize,
    /// Being worked on, or left by a dead process.
    claimed: usize,
    /// Seconds since the oldest was received.
    oldest: Option<f64>,
    /// Seconds until the next one is due (`retry`).
    next_due: Option<f64>,
    /// Whether an entry here wakes a drain.
    wakes: bool,
}

#[derive(Serialize)]
struct Units {
    /// `system`, `user`, or none when nothing is installed.
    installed_for: Option<&'static str>,
    units: Vec<UnitState>,
}

pub fn run(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let spool = Spool::new(site.qfiles());
    let queues = Queue::ALL
        .into_iter()
        .map(|queue| queue_status(&spool, queue))
        .collect::<Result<_, _>>()?;
    let status = Status {
        site: site.dir().display().to_string(),
        queues,
        last_run: last_run(&site)?,
        units: units(&site)?,
    };
    if json {
        output::json(&status)?;
    } else {
        print(&status)?;
    }
    Ok(ExitCode::Ok)
}

fn queue_status(spool: &Spool, queue: Queue) -> Result<QueueStatus, Failure> {
    let found = spool.list(queue)?;
    let claimed = found.iter().filter(|entry| entry.state == FoundState::Claimed).count();
    let now = clock::now();
    let next_due = (queue == Queue::Retry)
        .then(|| {
            found
                .iter()
                .filter(|entry| entry.state == FoundState::Ready)
                .map(|entry| entry.modified)
                .min()
        })
        .flatten()
        .map(|due| due.duration_since(now).map_or(0.0, |left| left.as_secs_f64()));
    Ok(QueueStatus {
        queue: queue.name(),
        waiting: found.len() - claimed,
        claimed,
        oldest: found.iter().map(|entry| age(entry, now)).reduce(f64::max),
        next_due,
        wakes: WAKING.contains(&queue),
    })
}

fn age(entry: &Found, now: SystemTime) -> f64 {
    let now = now.duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    entry.name.received().map_or(0.0, |received| (now - received).max(0.0))
}

fn last_run(site: &Site) -> Result<Option<Summary>, Failure> {
    match std::fs::read(site.dir().join(LAST_RUN)) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The units of whichever manager has them; the system's first.
fn units(site: &Site) -> Result<Units, Failure> {
    let managers = [
        ("system", Manager::System { user: "list".to_owned(), group: "list".to_owned() }),
        ("user", Manager::User),
    ];
    for (name, manager) in managers {
        let plan = super::units::plan(site, manager)?;
        let states = dormouse_activation::check(&plan)?;
        if states.iter().any(UnitState::is_installed) {
            return Ok(Units { installed_for: Some(name), units: states });
        }
    }
    Ok(Units { installed_for: None, units: Vec::new() })
}

fn print(status: &Status) -> Result<(), Failure> {
    output::line(format_args!("{}  {}", styled(HEAD, "Site"), status.site))?;
    output::line("")?;
    let mut table = Table::new(&["Queue", "Waiting", "Claimed", "Oldest", "Next due"]);
    for queue in &status.queues {
        let waiting = match queue.waiting {
            0 => DIM,
            _ if matches!(queue.queue, "shunt" | "bad") => BAD,
            _ => WARN,
        };
        let some = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), output::span);
        table.styled_row([
            (queue.queue.to_owned(), anstyle::Style::new()),
            (queue.waiting.to_string(), waiting),
            (queue.claimed.to_string(), if queue.claimed == 0 { DIM } else { WARN }),
            (some(queue.oldest), anstyle::Style::new()),
            (some(queue.next_due), anstyle::Style::new()),
        ]);
    }
    table.print()?;
    output::line("")?;
    output::line(match &status.last_run {
        None => format!("{}  none that had anything to do", styled(HEAD, "Last run")),
        Some(run) => {
            let ago = dormouse_spool::clock::seconds() - run.started_at;
            format!(
                "{}  {} ago, took {}: {}, {} accepted",
                styled(HEAD, "Last run"),
                output::span(ago),
                output::span(run.took_ms / 1e3),
                output::count(run.incoming.entries, "post", "posts"),
                output::count(run.outgoing.accepted, "recipient", "recipients"),
            )
        }
    })?;
    let head = styled(HEAD, "Units");
    match status.units.installed_for {
        None => output::line(format_args!(
            "{head}     none installed; `dormouse units install` makes mail wake us"
        )),
        Some(manager) => {
            output::line(format_args!("{head}     of the {manager} manager"))?;
            for unit in &status.units.units {
                let style = if unit.is_well() { GOOD } else { BAD };
                output::line(format_args!("  {:32} {}", unit.name, styled(style, unit.summary())))?;
            }
            Ok(())
        }
    }
}
