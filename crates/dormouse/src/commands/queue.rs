//! `queue`: the entries that wait, for a person to look at and decide on.

use crate::cli::QueueCommand;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_mail::Message;
use dormouse_runners::{retry, shunt};
use dormouse_spool::{Entry, Envelope, Found, FoundState, Queue, Spool};
use dormouse_store::Site;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row {
    queue: &'static str,
    name: String,
    state: &'static str,
    size: u64,
    age: Option<f64>,
    list: Option<String>,
    sender: Option<String>,
    subject: Option<String>,
    recipients: Option<usize>,
    /// Seconds until it is due (`retry`).
    due_in: Option<f64>,
    /// Why it waits here, or cannot be read.
    reason: Option<String>,
}

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
            if !spool.remove(queue, &found.name)? {
                return Err(Failure::new(
                    ExitCode::TempFail,
                    format!("{queue}/{} is being worked on", found.name),
                ));
            }
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
            rows.push(row(spool, queue, &found));
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

/// Names as short as they may be given: the time with the first letters behind it, where no other
/// entry's begins so.
fn short_names(rows: &[Row]) -> Vec<String> {
    const LETTERS: usize = 6;
    let short = |row: &Row| -> String {
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

/// Why an entry waits where it is.
fn why(queue: Queue, entry: &Entry) -> Option<String> {
    let text = |key| entry.metadata.text(key).map(Into::into);
    match queue {
        Queue::Retry => {
            let unreachable = entry.journal.iter().any(|line| line.contains("unreachable"));
            if unreachable {
                Some("the MTA could not be reached".to_owned())
            } else {
                text(retry::REASON)
            }
        }
        // An article that was tried before says what came of it.
        Queue::Shunt => text(shunt::REASON),
        Queue::Bad => {
            let from = entry.kept_from().map(|from| format!("processes died over it in {from}"));
            from.or_else(|| text(shunt::REASON))
        }
        _ => text(shunt::REASON).or_else(|| text(retry::REASON)),
    }
}

fn row(spool: &Spool, queue: Queue, found: &Found) -> Row {
    let mut row = Row {
        queue: queue.name(),
        name: found.name.to_string(),
        state: match found.state {
            FoundState::Ready => "ready",
            FoundState::Claimed => "claimed",
            FoundState::Preserved => "preserved",
        },
        size: found.size,
        age: found
            .name
            .received()
            .map(|received| (dormouse_spool::clock::seconds() - received).max(0.0)),
        list: None,
        sender: None,
        subject: None,
        recipients: None,
        due_in: (queue == Queue::Retry && found.state == FoundState::Ready).then(|| {
            let left = found.modified.duration_since(dormouse_spool::clock::now());
            left.map_or(0.0, |left| left.as_secs_f64())
        }),
        reason: None,
    };
    match spool.peek(queue, &found.name) {
        Ok(Some(entry)) => {
            let wrong = Envelope::read(&entry.metadata).err().map(|wrong| wrong.to_string());
            row.reason = why(queue, &entry).or(wrong);
            let message = Message::parse(entry.message);
            row.list = entry.metadata.text("listname").map(Into::into);
            row.sender = message.sender();
            row.subject = message.text("Subject");
            row.recipients = entry.metadata.texts("recips").map(|recipients| recipients.len());
        }
        Ok(None) => row.reason = Some("gone".to_owned()),
        Err(error) => {
            // Its place is said already.
            let place = format!("{}/", spool.dir(queue).display());
            row.reason = Some(error.to_string().replace(&place, ""));
        }
    }
    row
}

/// An entry by `queue/name`, by its name, or by the start of one.
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
        0 => Err(Failure::new(ExitCode::DataErr, format!("no entry is called {text}"))),
        several => Err(Failure::usage(format!(
            "{several} entries start with {text}; give more of the name"
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

fn metadata(entry: &Entry) -> Vec<(String, String)> {
    entry.metadata.entries().map(|(key, value)| (key, value.to_string())).collect()
}

fn take_back(spool: &Spool, queue: Queue, found: &Found) -> Result<(), Failure> {
    let target = put_back(spool, queue, found)?;
    output::line(format_args!("{queue}/{} is back in {target}", found.name))
}

/// Back to where it came from, without what was noted when it was set aside. What was sent of it
/// already stays noted.
pub fn put_back(spool: &Spool, queue: Queue, found: &Found) -> Result<Queue, Failure> {
    let is_for_people = matches!(queue, Queue::Shunt | Queue::Bad);
    if !is_for_people && queue != Queue::Retry && found.state != FoundState::Preserved {
        return Err(Failure::usage(format!("entries of {queue} are worked off by themselves")));
    }
    let busy =
        || Failure::new(ExitCode::TempFail, format!("{queue}/{} is being worked on", found.name));
    let mut claim = spool.claim_any(queue, &found.name)?.ok_or_else(busy)?;
    if !is_for_people && queue != Queue::Retry {
        // It was set aside where it is, because it could not be opened.
        claim.release()?;
        return Ok(queue);
    }
    let mut entry = match claim.read() {
        Ok(entry) => entry,
        Err(error) => {
            let kept = claim.preserve()?;
            return Err(Failure::new(
                ExitCode::DataErr,
                format!("{error}; it stays as {}", kept.display()),
            ));
        }
    };
    let target = match came_from(queue, &entry) {
        Ok(target) => target,
        Err(problem) => {
            let stays = format!("{problem}; {queue}/{} stays", found.name);
            claim.release()?;
            return Err(Failure::new(ExitCode::DataErr, stays));
        }
    };
    if queue == Queue::Retry {
        // Whole, with its journal and all that it says of earlier tries.
        claim.move_to(target)?;
        return Ok(target);
    }
    entry.forget_deaths();
    for key in [shunt::FROM, shunt::REASON] {
        entry.metadata.remove(key);
    }
    let mut batch = spool.batch();
    batch.enqueue(target, &found.name, &entry)?;
    batch.finish(claim);
    batch.commit()?;
    Ok(target)
}

/// The queue that an entry was in before; mail that does not know was coming in.
fn came_from(queue: Queue, entry: &Entry) -> Result<Queue, String> {
    let envelope = Envelope::read(&entry.metadata);
    if queue == Queue::Retry {
        let envelope = envelope.map_err(|wrong| wrong.to_string())?;
        return Ok(envelope.retry_for().unwrap_or(Queue::Out));
    }
    if let Some(from) = entry.kept_from() {
        return Ok(from);
    }
    // Mailman's `whichq` is a directory's path. Whatever else is wrong, the entry's queue will say.
    match entry.metadata.text(shunt::FROM) {
        None => Ok(Queue::In),
        Some(path) => path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| format!("it came from {path:?}, which is no queue")),
    }
}
