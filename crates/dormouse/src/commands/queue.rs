//! `queue`: looking at the queues' entries and deciding on them.

use crate::cli::QueueCommand;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_runners::queue::waiting::{self, WaitingEntry, metadata};
use dormouse_spool::{Entry, Queue, QueueFile, Spool};
use dormouse_store::Site;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: QueueCommand) -> Result<ExitCode, Failure> {
    let spool = Spool::new(Site::open(dir)?.qfiles());
    match command {
        QueueCommand::Ls { queue, json } => ls(&spool, queue.as_deref(), json),
        QueueCommand::Show { entry, raw, json } => show(&spool, &entry, raw, json),
        QueueCommand::Retry { entry, all } => match (entry, all) {
            (Some(entry), _) => {
                let (queue, found) = find(&spool, &entry)?;
                take_back(&spool, queue, &found)?;
                Ok(ExitCode::Ok)
            }
            (None, Some(all)) => {
                let queue = parse_queue(&all)?;
                for found in spool.list(queue)? {
                    take_back(&spool, queue, &found)?;
                }
                Ok(ExitCode::Ok)
            }
            (None, None) => Err(Failure::usage("name an entry, or --all QUEUE")),
        },
        QueueCommand::Rm { entry } => {
            let (queue, found) = find(&spool, &entry)?;
            waiting::remove(&spool, queue, &found)?;
            output::line(format_args!("removed {queue}/{}", found.name))?;
            Ok(ExitCode::Ok)
        }
    }
}

fn parse_queue(text: &str) -> Result<Queue, Failure> {
    text.parse()
        .map_err(|error: dormouse_spool::queue::UnknownQueue| Failure::usage(error.to_string()))
}

fn ls(spool: &Spool, queue: Option<&str>, json: bool) -> Result<ExitCode, Failure> {
    let queues = match queue {
        Some(queue) => vec![parse_queue(queue)?],
        None => Queue::ALL.to_vec(),
    };
    // An entry is read when it is printed: a queue may have very many.
    let listed: Vec<(Queue, Vec<QueueFile>)> = queues
        .into_iter()
        .map(|queue| spool.list(queue).map(|found| (queue, found)))
        .collect::<Result<_, _>>()?;
    if json {
        output::json_each(listed.iter().flat_map(|(queue, found)| {
            found.iter().filter_map(|found| WaitingEntry::of(spool, *queue, found))
        }))?;
        return Ok(ExitCode::Ok);
    }
    let mut table =
        Table::new(&["Entry", "State", "Age", "Size", "List", "From", "Subject", "Why it waits"]);
    for (queue, found) in &listed {
        let uses = short_names(found);
        for found in found {
            let Some(row) = WaitingEntry::of(spool, *queue, found) else { continue };
            let name = Some(short_name(&row.name)).filter(|name| uses.get(name) == Some(&1));
            let state = match row.due_in {
                Some(left) if left > 0.0 => format!("in {}", output::span(left)),
                Some(_) => "due".to_owned(),
                None => row.state.to_owned(),
            };
            table.row([
                format!("{}/{}", row.queue, name.unwrap_or(&row.name)),
                state,
                row.age.map_or_else(|| "-".to_owned(), output::span),
                output::size(row.size),
                row.list.unwrap_or_default(),
                row.sender.unwrap_or_default(),
                row.subject.unwrap_or_default(),
                row.reason.unwrap_or_default(),
            ]);
        }
    }
    table.print()?;
    Ok(ExitCode::Ok)
}

/// How many entries of a queue have each short name.
fn short_names(found: &[QueueFile]) -> BTreeMap<&str, usize> {
    let mut uses = BTreeMap::new();
    for found in found {
        *uses.entry(short_name(found.name.as_str())).or_insert(0) += 1;
    }
    uses
}

/// A name as short as it can be given, if no other entry of its queue begins with it: the time and the first
/// letters after it.
fn short_name(name: &str) -> &str {
    const LETTERS: usize = 6;
    let length = name.find('+').map_or(name.len(), |plus| plus + 1 + LETTERS);
    name.get(..length).unwrap_or(name)
}

/// Finds an entry by `queue/name`, by its name, or by the beginning of one.
fn find(spool: &Spool, text: &str) -> Result<(Queue, QueueFile), Failure> {
    let (queues, prefix) = match text.split_once('/') {
        Some((queue, prefix)) => (vec![parse_queue(queue)?], prefix),
        None => (Queue::ALL.to_vec(), text),
    };
    let prefix = prefix.trim_end_matches(".pck").trim_end_matches(".bak").trim_end_matches(".psv");
    let mut found = Vec::new();
    for queue in queues {
        let entries = spool.list(queue)?;
        found.extend(
            entries
                .into_iter()
                .filter(|entry| entry.name.as_str().starts_with(prefix))
                .map(|entry| (queue, entry)),
        );
    }
    if let Some(exact) = found.iter().position(|(_, entry)| entry.name.as_str() == prefix) {
        return Ok(found.swap_remove(exact));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::new(ExitCode::DataErr, format!("there is no entry {text}"))),
        several => Err(Failure::usage(format!(
            "{several} entries begin with {text}; give more of the name"
        ))),
    }
}

fn show(spool: &Spool, text: &str, raw: bool, json: bool) -> Result<ExitCode, Failure> {
    let (queue, found) = find(spool, text)?;
    let entry = spool.peek(queue, &found.name)?.ok_or_else(|| {
        Failure::new(ExitCode::TempFail, format!("{queue}/{} is gone", found.name))
    })?;
    if raw {
        output::bytes(&entry.message)?;
    } else if json {
        output::json(&describe(queue, &found, &entry))?;
    } else {
        output::line(format_args!("# {queue}/{}", found.name))?;
        for (key, value) in metadata(&entry) {
            output::line(format_args!("# {key}: {value}"))?;
        }
        for line in &entry.journal {
            output::line(format_args!("# journal: {line}"))?;
        }
        output::line("")?;
        output::bytes(&entry.message)?;
    }
    Ok(ExitCode::Ok)
}

#[derive(Serialize)]
struct Shown {
    queue: &'static str,
    name: String,
    metadata: BTreeMap<String, String>,
    journal: Vec<String>,
    message: String,
}

fn describe(queue: Queue, found: &QueueFile, entry: &Entry) -> Shown {
    Shown {
        queue: queue.name(),
        name: found.name.to_string(),
        metadata: metadata(entry).into_iter().collect(),
        journal: entry.journal.clone(),
        message: String::from_utf8_lossy(&entry.message).into_owned(),
    }
}

fn take_back(spool: &Spool, queue: Queue, found: &QueueFile) -> Result<(), Failure> {
    let target = waiting::put_back(spool, queue, found)?;
    output::line(format_args!("{queue}/{} was moved back to {target}", found.name))
}
