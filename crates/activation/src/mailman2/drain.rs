//! Runs of Mailman's `qrunner` until every queue is empty.
//!
//! One `qrunner -o` handles at most one entry for each runner, and runs Outgoing before Virgin
//! (docs/spec/queue.md §6). But a runner can be given several times, and they run in the given
//! order. Therefore each run has every runner once for each waiting entry, in data-flow order, so
//! that a backlog takes few starts of Python.

use super::{Mailman2, RUNNERS};
use crate::ActivationError;
use dormouse_clock::Timestamp;
use dormouse_spool::{Entry, EntryName, Queue};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

/// The maximum number of runners in one run.
const MOST_RUNNERS: usize = 200;

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainOutcome {
    /// Every queue is empty.
    Empty,
    /// Entries are left, and another run would not change that now. The reason.
    Left(String),
    /// Another run is active.
    Busy,
    /// Mailman's own master process, with this ID, is running, and processes the queues.
    Master(u32),
}

/// The waiting entries, by queue and the part of the name that an entry keeps when it is put back.
type Waiting = BTreeSet<(Queue, String)>;

/// Processes all queues. `stopping` is called before each run of `qrunner`, and `linger` before the
/// end; it returns whether to continue.
pub fn run(
    mailman: &Mailman2,
    stopping: &dyn Fn() -> bool,
    linger: &dyn Fn() -> bool,
) -> Result<DrainOutcome, ActivationError> {
    if let Some(master) = mailman.master() {
        return Ok(DrainOutcome::Master(master));
    }
    let Some(_lock) = lock(&mailman.qfiles)? else { return Ok(DrainOutcome::Busy) };
    let mut worked = false;
    loop {
        let mut waiting = waiting(mailman)?;
        // A runner recovers the entries of a killed one, but only if it is started.
        let orphans = waiting.is_empty() && !worked && has_orphans(mailman)?;
        while !waiting.is_empty() || (orphans && !worked) {
            if stopping() {
                return Ok(DrainOutcome::Left("stopped on request".to_owned()));
            }
            let ran = run_once(mailman, &waiting)?;
            worked = true;
            let left = self::waiting(mailman)?;
            if let Some(problem) = ran {
                return Ok(DrainOutcome::Left(problem));
            }
            if !left.is_empty() && left == waiting {
                return Ok(DrainOutcome::Left(describe(&left)));
            }
            waiting = left;
        }
        if !(worked && linger()) {
            return Ok(DrainOutcome::Empty);
        }
    }
}

/// Moves due entries from `retry` to `out`, as Mailman's RetryRunner does, and returns how many
/// there were. That runner rewrites every entry that is not due, and with `-o` handles only the
/// first one.
pub fn put_back_due(mailman: &Mailman2) -> Result<u64, ActivationError> {
    if mailman.master().is_some() {
        return Ok(0);
    }
    let Some(_lock) = lock(&mailman.qfiles)? else { return Ok(0) };
    let mut moved = 0;
    for name in entries(&mailman.queue(Queue::Retry), ".pck")? {
        let path = mailman.queue(Queue::Retry).join(format!("{name}.pck"));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(ActivationError::io("read", &path)(error)),
        };
        // An invalid entry is left to Mailman, which sets it aside.
        let due = Entry::from_bytes(&bytes, &path).map_or(Timestamp::EPOCH, |entry| {
            entry.metadata.time("deliver_after").unwrap_or_default()
        });
        if due <= Timestamp::now() {
            let target = mailman.queue(Queue::Out).join(format!("{name}.pck"));
            fs::rename(&path, &target).map_err(ActivationError::io("move", &path))?;
            moved += 1;
        }
    }
    if moved > 0 {
        for queue in [Queue::Out, Queue::Retry] {
            let dir = mailman.queue(queue);
            let sync = File::open(&dir).and_then(|dir| dir.sync_all());
            sync.map_err(ActivationError::io("write", &dir))?;
        }
    }
    Ok(moved)
}

/// Acquires the lock of runs; `None` if another run has it.
fn lock(qfiles: &Path) -> Result<Option<File>, ActivationError> {
    let dir = File::open(qfiles).map_err(ActivationError::io("open", qfiles))?;
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(dir)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(ActivationError::io("lock", qfiles)(error.into())),
    }
}

fn waiting(mailman: &Mailman2) -> Result<Waiting, ActivationError> {
    let mut waiting = Waiting::new();
    for (queue, _) in RUNNERS {
        for name in entries(&mailman.queue(queue), ".pck")? {
            // An entry that is put back gets another digest, but keeps its time.
            let entry = EntryName::from_base(&name);
            waiting
                .insert((queue, entry.received().map_or(name, |time| time.seconds().to_string())));
        }
    }
    Ok(waiting)
}

fn has_orphans(mailman: &Mailman2) -> Result<bool, ActivationError> {
    for (queue, _) in RUNNERS {
        if !entries(&mailman.queue(queue), ".bak")?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the names of a directory's files with this ending, without it; none if the directory is
/// missing.
fn entries(dir: &Path, ending: &str) -> Result<Vec<String>, ActivationError> {
    let listing = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(ActivationError::io("list", dir))?,
    };
    let mut names = Vec::new();
    for file in listing {
        let name = file.map_err(ActivationError::io("list", dir))?.file_name();
        if let Some(base) = name.to_str().and_then(|name| name.strip_suffix(ending))
            && !base.starts_with('.')
        {
            names.push(base.to_owned());
        }
    }
    Ok(names)
}

/// Runs `qrunner` once, and returns the problem, if there was one.
fn run_once(mailman: &Mailman2, waiting: &Waiting) -> Result<Option<String>, ActivationError> {
    let qrunner = mailman.qrunner();
    let status = Command::new(&qrunner)
        .args(arguments(waiting))
        .current_dir(&mailman.prefix)
        .status()
        .map_err(ActivationError::io("run", &qrunner))?;
    Ok((!status.success()).then(|| format!("{} exited with {status}", qrunner.display())))
}

/// Returns the arguments: every runner as often as entries wait for it, or will come from earlier
/// runners.
fn arguments(waiting: &Waiting) -> Vec<String> {
    let here = |queue| waiting.iter().filter(|(waits, _)| *waits == queue).count();
    let posts = here(Queue::In);
    let answered = posts + here(Queue::Commands) + here(Queue::Bounces);
    let mut arguments = Vec::new();
    let mut room = MOST_RUNNERS;
    for (queue, runner) in RUNNERS {
        let wanted = here(queue)
            + match queue {
                Queue::Virgin => answered,
                Queue::Archive | Queue::News => posts,
                Queue::Out => here(Queue::Virgin) + answered + posts,
                _ => 0,
            };
        // At most half of the rest, so that late queues get a share.
        let count = wanted.min(room / 2).max(usize::from(waiting.is_empty()));
        room -= count.min(room);
        for _ in 0..count {
            arguments.push(format!("--runner={runner}"));
        }
    }
    arguments.push("--once".to_owned());
    arguments
}

fn describe(left: &Waiting) -> String {
    let count = |queue| left.iter().filter(|(waits, _)| *waits == queue).count();
    let queues: Vec<String> = RUNNERS
        .iter()
        .map(|(queue, _)| (queue, count(*queue)))
        .filter(|(_, count)| *count > 0)
        .map(|(queue, count)| format!("{count} in {queue}"))
        .collect();
    format!("left unchanged: {}", queues.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_names_the_runners_in_data_flow_order_as_often_as_there_is_work() {
        let waiting: Waiting = [(Queue::In, "1"), (Queue::In, "2"), (Queue::Out, "3")]
            .map(|(queue, name)| (queue, name.to_owned()))
            .into();
        let arguments = arguments(&waiting);
        let of = |runner: &str| {
            arguments.iter().filter(|argument| *argument == &format!("--runner={runner}")).count()
        };
        assert_eq!((of("Incoming"), of("Command"), of("Virgin")), (2, 0, 2));
        assert!(of("Outgoing") >= 3, "{arguments:?}");
        let at = |runner: &str| arguments.iter().position(|argument| argument.ends_with(runner));
        assert!(at("Incoming") < at("Virgin") && at("Virgin") < at("Outgoing"));
        assert_eq!(arguments.last().map(String::as_str), Some("--once"));
    }

    #[test]
    fn a_backlog_is_taken_in_portions() {
        let waiting: Waiting = (0..5000).map(|number| (Queue::In, number.to_string())).collect();
        let arguments = arguments(&waiting);
        assert!(arguments.len() <= MOST_RUNNERS + RUNNERS.len() + 1, "{}", arguments.len());
        assert!(arguments.contains(&"--runner=Outgoing".to_owned()));
    }

    #[test]
    fn with_only_orphans_each_runner_looks_once() {
        assert_eq!(arguments(&Waiting::new()).len(), RUNNERS.len() + 1);
    }
}
