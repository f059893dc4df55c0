//! Entries that wait, for people who look at them and decide on them.

use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_spool::{Entry, Envelope, KEY, Queue, QueueFile, QueueFileState, Spool, SpoolError};
use serde::Serialize;
use sysexits::ExitCode;

/// Why an entry could not be put back or removed.
#[derive(Debug, thiserror::Error)]
pub enum WaitingError {
    /// Its queue is processed automatically.
    #[error("entries of {0} are processed automatically")]
    NotSetAside(Queue),
    /// A process has claimed it.
    #[error("{0} is being processed; try again later")]
    Busy(String),
    /// It cannot be read, or does not say where it came from; the text says where it stays.
    #[error("{0}")]
    Unreadable(String),
    /// The queues failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl WaitingError {
    /// Returns the exit code.
    pub fn sysexit(&self) -> ExitCode {
        match self {
            WaitingError::NotSetAside(_) => ExitCode::Usage,
            WaitingError::Busy(_) => ExitCode::TempFail,
            WaitingError::Unreadable(_) => ExitCode::DataErr,
            WaitingError::Spool(error) => error.sysexit(),
        }
    }
}

/// An entry as shown to a person.
#[derive(Debug, Serialize)]
pub struct WaitingEntry {
    /// Its queue.
    pub queue: &'static str,
    /// Its name.
    pub name: String,
    /// `ready`, `claimed` or `preserved`.
    pub state: &'static str,
    /// Its size in bytes.
    pub size: u64,
    /// Seconds since it was received.
    pub age: Option<f64>,
    /// The list that it is for.
    pub list: Option<String>,
    /// Its sender.
    pub sender: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// The number of recipients in it.
    pub recipients: Option<usize>,
    /// Seconds until it is due (`retry`).
    pub due_in: Option<f64>,
    /// Why it waits here, or cannot be read.
    pub reason: Option<String>,
}

impl WaitingEntry {
    /// Describes an entry; `None` if it has been finished or removed since it was listed.
    pub fn of(spool: &Spool, queue: Queue, found: &QueueFile) -> Option<WaitingEntry> {
        let mut row = WaitingEntry {
            queue: queue.name(),
            name: found.name.to_string(),
            state: match found.state {
                QueueFileState::Ready => "ready",
                QueueFileState::Claimed => "claimed",
                QueueFileState::Preserved => "preserved",
            },
            size: found.size,
            age: found.name.received().map(|received| (Timestamp::now() - received).max(0.0)),
            list: None,
            sender: None,
            subject: None,
            recipients: None,
            due_in: (queue == Queue::Retry && found.state == QueueFileState::Ready).then(|| {
                let left = found.modified.duration_since(dormouse_clock::now());
                left.map_or(0.0, |left| left.as_secs_f64())
            }),
            reason: None,
        };
        match spool.peek(queue, &found.name) {
            Ok(Some(entry)) => {
                if let Some(time) = entry.metadata.envelope().scheduled_for()
                    && let Some(due) = &mut row.due_in
                {
                    *due = (time - Timestamp::now()).max(0.0);
                }
                let wrong = Envelope::read(&entry.metadata).err().map(|wrong| wrong.to_string());
                row.reason = why(queue, &entry).or(wrong);
                let message = Message::parse(entry.message);
                row.list = entry.metadata.text(KEY.listname).map(Into::into);
                row.sender = message.sender().map(String::from);
                row.subject = message.text("Subject");
                row.recipients =
                    entry.metadata.texts(KEY.recips).map(|recipients| recipients.len());
            }
            Ok(None) => return None,
            Err(error) => {
                // The directory is shown already.
                let place = format!("{}/", spool.dir(queue).display());
                row.reason = Some(error.to_string().replace(&place, ""));
            }
        }
        Some(row)
    }
}

/// Returns why an entry waits in its queue.
fn why(queue: Queue, entry: &Entry) -> Option<String> {
    let text = |key| entry.metadata.text(key).map(Into::into);
    match queue {
        Queue::Retry => {
            let unreachable = entry.journal.iter().any(|line| line.contains("unreachable"));
            if unreachable {
                Some("the MTA could not be reached".to_owned())
            } else {
                text(KEY.retry_reason)
            }
        }
        // An article that was tried before has the reason of an earlier failure, too.
        Queue::Shunt => text(KEY.shunt_reason),
        Queue::Bad => {
            let from = entry.kept_from().map(|from| format!("it killed processes in {from}"));
            from.or_else(|| text(KEY.shunt_reason))
        }
        _ => text(KEY.shunt_reason).or_else(|| text(KEY.retry_reason)),
    }
}

/// Returns an entry's metadata, by key.
pub fn metadata(entry: &Entry) -> Vec<(String, String)> {
    entry.metadata.entries().map(|(key, value)| (key, value.to_string())).collect()
}

/// Moves an entry back to the queue it came from, and removes the reason why it was set aside. Its
/// journal stays, so that nothing is sent twice.
pub fn put_back(spool: &Spool, queue: Queue, found: &QueueFile) -> Result<Queue, WaitingError> {
    let is_for_people = matches!(queue, Queue::Shunt | Queue::Bad);
    if !is_for_people && queue != Queue::Retry && found.state != QueueFileState::Preserved {
        return Err(WaitingError::NotSetAside(queue));
    }
    let busy = || WaitingError::Busy(format!("{queue}/{}", found.name));
    let mut claim = spool.claim_any(queue, &found.name)?.ok_or_else(busy)?;
    if !is_for_people && queue != Queue::Retry {
        // It was renamed in its own queue, because it could not be opened.
        claim.release()?;
        return Ok(queue);
    }
    let mut entry = match claim.read() {
        Ok(entry) => entry,
        Err(error) => {
            let kept = claim.preserve()?;
            let stays = format!("{error}; it stays as {}", kept.display());
            return Err(WaitingError::Unreadable(stays));
        }
    };
    let target = match came_from(queue, &entry) {
        Ok(target) => target,
        Err(problem) => {
            let stays = format!("{problem}; {queue}/{} stays", found.name);
            claim.release()?;
            return Err(WaitingError::Unreadable(stays));
        }
    };
    let is_scheduled = entry.metadata.has(KEY.scheduled_for);
    if queue == Queue::Retry && !is_scheduled {
        // The whole file is moved, with the journal and the data about earlier attempts.
        claim.move_to(target)?;
        return Ok(target);
    }
    entry.forget_deaths();
    let left_behind: &[&str] = match is_scheduled {
        // It is sent now.
        true => &[KEY.retry_for, KEY.retry_reason, KEY.deliver_after],
        false => &[KEY.which_queue, KEY.shunt_reason],
    };
    left_behind.iter().for_each(|key| entry.metadata.remove(key));
    if is_scheduled {
        entry.metadata.edit().scheduled_for(Timestamp::now());
    }
    let mut batch = spool.batch();
    batch.enqueue(target, &found.name, &entry)?;
    batch.finish(claim);
    batch.commit()?;
    Ok(target)
}

/// Removes an entry for good.
pub fn remove(spool: &Spool, queue: Queue, found: &QueueFile) -> Result<(), WaitingError> {
    match spool.remove(queue, &found.name)? {
        true => Ok(()),
        false => Err(WaitingError::Busy(format!("{queue}/{}", found.name))),
    }
}

/// Returns the queue that an entry was in before; `in` if it is not recorded.
fn came_from(queue: Queue, entry: &Entry) -> Result<Queue, String> {
    let envelope = Envelope::read(&entry.metadata);
    if queue == Queue::Retry {
        let envelope = envelope.map_err(|wrong| wrong.to_string())?;
        return Ok(envelope.retry_for().unwrap_or(Queue::Out));
    }
    if let Some(from) = entry.kept_from() {
        return Ok(from);
    }
    // Mailman's `whichq` is the path of a directory. Other problems are reported by the queue's
    // runner.
    match entry.metadata.text(KEY.which_queue) {
        None => Ok(Queue::In),
        Some(path) => path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| format!("it came from {path:?}, which is not a queue")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_spool::Metadata;

    #[test]
    fn an_entry_that_was_finished_since_it_was_listed_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().join("qfiles"));
        spool.create().unwrap();
        let mut metadata = Metadata::new();
        metadata.set_text("listname", "dev");
        for text in ["first", "second"] {
            let message = format!("Subject: {text}\n\n{text}\n");
            spool.enqueue(Queue::In, message.as_bytes(), &metadata).unwrap();
        }
        let listed = spool.list(Queue::In).unwrap();
        spool.claim(Queue::In, &listed[0].name).unwrap().unwrap().finish().unwrap();
        let shown: Vec<WaitingEntry> =
            listed.iter().filter_map(|found| WaitingEntry::of(&spool, Queue::In, found)).collect();
        let [second] = shown.as_slice() else { panic!("{shown:?}") };
        assert_eq!(second.name, listed[1].name.as_str());
        assert_eq!(second.list.as_deref(), Some("dev"));
    }
}
