//! `queue`: looking at the queues' entries and deciding on them.

use crate::cli::QueueCommand;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_runners::queue::waiting::{self, Waiting, metadata};
use dormouse_spool::{Entry, Found, Queue, Spool};
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
    let mut rows = Vec::new();
    for queue in queues {
        for found in spool.list(queue)? {
            rows.push(Waiting::of(spool, queue, &found));
        }
    }
    if json {
        output::json(&rows)?;
        return Ok(ExitCode::Ok);
    }
    let mut table =
        Table::new(&["Entry", "State", "Age", "Size", "List", "From", "Subject", "Why it waits"]);
    let names = short_names(&rows);
    for (row, name) in rows.into_iter().zip(names) {
        let state = match row.due_in {
            Some(left) if left > 0.0 => format!("in {}", output::span(left)),
            Some(_) => "due".to_owned(),
            None => row.state.to_owned(),
        };
        table.row([
            format!("{}/{name}", row.queue),
            state,
            row.age.map_or_else(|| "-".to_owned(), output::span),
            output::size(row.size),
            row.list.unwrap_or_default(),
            row.sender.unwrap_or_default(),
            row.subject.unwrap_or_default(),
            row.reason.unwrap_or_default(),
        ]);
    }
    table.print()?;
    Ok(ExitCode::Ok)
}

/// Names as short as they can be given: the time and the first letters after it, if no other
/// entry begins with them.
fn short_names(rows: &[Waiting]) -> Vec<String> {
    const LETTERS: usize = 6;
    let short = |row: &Waiting| -> String {
        let length = row.name.find('+').map_or(row.name.len(), |plus| plus + 1 + LETTERS);
        row.name.chars().take(length).collect()
    };
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        *uses.entry(short(row)).or_insert(0) += 1;
    }
    rows.iter()
        .map(|row| Some(short(row)).filter(|name| uses[name] == 1).unwrap_or(row.name.clone()))
        .collect()
}

/// Finds an entry by `queue/name`, by its name, or by the beginning of one.
fn find(spool: &Spool, text: &str) -> Result<(Queue, Found), Failure> {
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

fn describe(queue: Queue, found: &Found, entry: &Entry) -> Shown {
    Shown {
        queue: queue.name(),
        name: found.name.to_string(),
        metadata: metadata(entry).into_iter().collect(),
        journal: entry.journal.clone(),
        message: String::from_utf8_lossy(&entry.message).into_owned(),
    }
}

fn take_back(spool: &Spool, queue: Queue, found: &Found) -> Result<(), Failure> {
    let target = waiting::put_back(spool, queue, found)?;
    output::line(format_args!("{queue}/{} was moved back to {target}", found.name))
}
