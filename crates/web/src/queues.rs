//! The queues, for the site's administrators: the number of entries in each, those that need a decision
//! with the reasons, and the findings of `doctor`.

use crate::desk::{PageProblem, Sent};
use crate::page::{self, Frame};
use crate::preview::Preview;
use crate::seat::{Room, RunsSite, room_page};
use crate::server::{App, Finding};
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_archive::percent;
use dormouse_mail::Message;
use dormouse_membership::RunError;
use dormouse_runners::queue::waiting::{self, WaitingEntry, WaitingError, metadata};
use dormouse_spool::{Queue, QueueFile, QueueFileState, Spool, SpoolError};
use dormouse_words::say;
use std::sync::Arc;

/// The number of such entries shown.
const SHOWN: usize = 100;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(room_page("/queues", all, Some(act)))
        .merge(room_page("/queues/entry/{queue}/{name}", one, None))
        .merge(room_page("/queues/findings", findings, None))
}

#[derive(Template)]
#[template(path = "queues.html")]
struct QueuesPage {
    frame: Frame,
    action: String,
    findings: String,
    queues: Vec<(&'static str, usize, usize)>,
    waiting: Vec<Line>,
    more: usize,
    said: String,
}

/// An entry that needs a decision.
struct Line {
    key: String,
    url: String,
    reason: String,
    list: String,
    sender: String,
    subject: String,
}

#[derive(Template)]
#[template(path = "queue_entry.html")]
struct EntryPage {
    frame: Frame,
    action: String,
    key: String,
    reason: String,
    /// Its metadata and journal.
    known: Vec<(String, String)>,
    preview: Option<Preview>,
}

#[derive(Template)]
#[template(path = "findings.html")]
struct FindingsPage {
    frame: Frame,
    back: String,
    findings: Vec<Finding>,
}

impl From<SpoolError> for PageProblem {
    fn from(error: SpoolError) -> PageProblem {
        PageProblem::Broken(RunError::Spool(error))
    }
}

fn spool(room: &Room<RunsSite>) -> Spool {
    Spool::new(room.app.site.qfiles())
}

/// Whether an entry needs a person's decision.
fn is_set_aside(queue: Queue, found: &QueueFile) -> bool {
    matches!(queue, Queue::Shunt | Queue::Bad) || found.state == QueueFileState::Preserved
}

/// Finds such an entry by its name in forms and addresses.
fn find(spool: &Spool, queue: &str, name: &str) -> Result<Option<(Queue, QueueFile)>, SpoolError> {
    let Ok(queue) = queue.parse::<Queue>() else { return Ok(None) };
    let found = spool.list(queue)?.into_iter().find(|found| found.name.as_str() == name);
    Ok(found.filter(|found| is_set_aside(queue, found)).map(|found| (queue, found)))
}

fn all(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let spool = spool(room);
    let (mut queues, mut waiting, mut more) = (Vec::new(), Vec::new(), 0);
    for queue in Queue::ALL {
        let entries = spool.list(queue)?;
        let aside: Vec<&QueueFile> =
            entries.iter().filter(|found| is_set_aside(queue, found)).collect();
        queues.push((queue.name(), entries.len(), aside.len()));
        let left = SHOWN.saturating_sub(waiting.len());
        more += aside.len().saturating_sub(left);
        let shown = aside.into_iter().take(left);
        waiting.extend(shown.filter_map(|found| line(room, &spool, queue, found)));
    }
    let number = |name: &str| room.asked.query.get(name).parse::<usize>().unwrap_or(0);
    let frame = room.frame();
    let said = match (number("back"), number("gone")) {
        (0, 0) => String::new(),
        (0, _) => frame.say("The entry was deleted.").to_string(),
        (back, _) => frame
            .count(
                "{count} entry was put back into its queue.",
                "{count} entries were put back into their queues.",
                back,
            )
            .to_string(),
    };
    let page = QueuesPage {
        frame,
        action: room.place("queues"),
        findings: room.place("queues/findings"),
        queues,
        waiting,
        more,
        said,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// Returns an entry's line; `None` if it is gone.
fn line(room: &Room<RunsSite>, spool: &Spool, queue: Queue, found: &QueueFile) -> Option<Line> {
    let waiting = WaitingEntry::of(spool, queue, found)?;
    let name = percent(found.name.as_str());
    Some(Line {
        key: format!("{queue}/{}", found.name),
        url: room.place(&format!("queues/entry/{queue}/{name}")),
        reason: waiting
            .reason
            .unwrap_or_else(|| room.frame().say("No reason was recorded.").to_string()),
        list: waiting.list.unwrap_or_default(),
        sender: waiting.sender.unwrap_or_default(),
        subject: waiting.subject.unwrap_or_default(),
    })
}

fn one(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let spool = spool(room);
    let asked = &room.asked;
    let Some((queue, found)) = find(&spool, asked.part("queue"), asked.part("name"))? else {
        return Ok(gone());
    };
    let Some(line) = line(room, &spool, queue, &found) else { return Ok(gone()) };
    let entry = spool.peek(queue, &found.name).ok().flatten();
    let mut known = entry.as_ref().map(metadata).unwrap_or_default();
    let journal = entry.iter().flat_map(|entry| &entry.journal);
    known.extend(journal.map(|line| ("journal".to_owned(), line.clone())));
    let page = EntryPage {
        frame: room.frame(),
        action: room.place("queues"),
        key: line.key,
        reason: line.reason,
        known,
        preview: entry.map(|entry| Preview::of(&Message::parse(entry.message), &room.frame())),
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn gone() -> Response {
    page::message(
        StatusCode::GONE,
        say("Nothing is waiting here"),
        say("This entry no longer exists: it was put back or deleted in the meantime."),
    )
}

fn act(room: &Room<RunsSite>, sent: &Sent) -> Result<Response, PageProblem> {
    let (verb, key) = sent.get("do").split_once(':').unwrap_or_default();
    let spool = spool(room);
    if verb == "all" {
        return put_all_back(room, &spool, key);
    }
    let (queue, name) = key.split_once('/').unwrap_or_default();
    let Some((queue, found)) = find(&spool, queue, name)? else { return Ok(gone()) };
    let (done, said) = match verb {
        "retry" => (waiting::put_back(&spool, queue, &found).map(drop), "back=1"),
        "remove" => (waiting::remove(&spool, queue, &found), "gone=1"),
        _ => return Ok(page::not_found()),
    };
    match done {
        Ok(()) => {
            tracing::info!("{key}: {verb} on the web by {}", room.account.name());
            Ok(page::see_other(&format!("{}?{said}", room.place("queues"))))
        }
        Err(WaitingError::Spool(error)) => Err(error.into()),
        Err(error) => Ok(page::message(
            StatusCode::CONFLICT,
            say("This is not possible"),
            page::sentence(&error),
        )),
    }
}

/// Retries all such entries of a queue. Those that cannot be retried stay.
fn put_all_back(
    room: &Room<RunsSite>,
    spool: &Spool,
    queue: &str,
) -> Result<Response, PageProblem> {
    let Ok(queue) = queue.parse::<Queue>() else { return Ok(page::not_found()) };
    let mut back = 0;
    for found in spool.list(queue)?.into_iter().filter(|found| is_set_aside(queue, found)) {
        match waiting::put_back(spool, queue, &found) {
            Ok(_) => back += 1,
            Err(WaitingError::Spool(error)) => return Err(error.into()),
            Err(error) => tracing::warn!("{error}"),
        }
    }
    tracing::info!("{queue}: {back} entries put back on the web by {}", room.account.name());
    Ok(page::see_other(&format!("{}?back={back}", room.place("queues"))))
}

fn findings(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let findings = (room.app.program.findings)(&room.app.site);
    let page = FindingsPage { frame: room.frame(), back: room.place("queues"), findings };
    Ok(page::page(StatusCode::OK, &page))
}
