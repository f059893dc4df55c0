//! Mail in progress: the entries of all queues, and bounces that were not registered yet.

use super::Import;
use super::files::copy_for_owner;
use super::list::named;
use crate::report::ItemFate;
use crate::requests::{self, OldBounce};
use crate::{TakeoverError, source};
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_runners::bounces::{self, Noted};
use dormouse_spool::{Entry, EntryName, Queue};
use dormouse_trace::{Event, Step, Trace};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many entries are handed over together: each keeps a file open meanwhile.
const TOGETHER: usize = 100;

/// An entry to import.
struct Bringing {
    queue: Queue,
    name: EntryName,
    source: String,
    bytes: Vec<u8>,
    due: Option<Timestamp>,
}

impl Import<'_> {
    /// Imports the entries of all queues, with their names, byte for byte. Those that a Mailman process
    /// left unfinished come first (docs/spec/queue.md §14).
    pub(super) fn queues(&mut self) -> Result<(), TakeoverError> {
        let mut sources = BTreeSet::new();
        let mut found = Vec::new();
        for ending in [".bak", ".pck"] {
            for queue in Queue::ALL {
                self.entries(queue, ending, &mut sources, &mut found)?;
            }
        }
        for dir in source::names(&self.old.qfiles)? {
            if dir.parse::<Queue>().is_err() {
                let number = source::names(&self.old.qfiles.join(&dir))?.len();
                let note =
                    "not a queue of this program; deliver its entries with `dormouse deliver`";
                self.report.item(
                    "qfiles/",
                    &dir,
                    ItemFate::Dropped,
                    note,
                    &format!("{number} files"),
                );
            }
        }
        self.remove_delivered(&sources)?;
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(TOGETHER));
            self.hand_over(&found)?;
            found = rest;
        }
        self.preserved()
    }

    fn entries(
        &mut self,
        queue: Queue,
        ending: &str,
        sources: &mut BTreeSet<String>,
        found: &mut Vec<Bringing>,
    ) -> Result<(), TakeoverError> {
        let dir = self.old.qfiles.join(queue.name());
        for file in source::names(&dir)? {
            let path = dir.join(&file);
            let Some(base) = file.strip_suffix(ending) else {
                if ending == ".pck" {
                    self.no_entry(&path, &file);
                }
                continue;
            };
            // If the same entry is in both states, it was about to be taken.
            let source = format!("qfiles/{}/{base}", queue.name());
            if !sources.insert(source.clone()) {
                continue;
            }
            if self.target.store.read().imported(&source)?.is_some() {
                self.report.unchanged("queue entries", 1);
                continue;
            }
            let read = source::read(&path).and_then(|bytes| {
                let bytes = bytes.unwrap_or_default();
                let entry = Entry::from_bytes(&bytes, &path)?;
                Ok((bytes, entry.metadata.time("deliver_after")))
            });
            match read {
                Ok((bytes, due)) => found.push(Bringing {
                    queue,
                    name: EntryName::from_base(base),
                    source,
                    bytes,
                    due: due.filter(|_| queue == Queue::Retry),
                }),
                Err(TakeoverError::Spool(error)) if error.is_bad_entry() => {
                    let to = self.preserve(&path, &format!("{base}.psv"))?;
                    let text = format!("{error}; it is kept as {}", to.display());
                    self.report.problem(self.old.name_of(&path), text);
                }
                Err(error) => self.failed(&path, error)?,
            }
        }
        Ok(())
    }

    /// Reports a file that this program does not read.
    fn no_entry(&mut self, path: &Path, file: &str) {
        let known = [".bak", ".pck", ".psv", ".tmp", ".db", ".msg"];
        let about = self.old.name_of(path);
        if !known.iter().any(|ending| file.ends_with(ending)) {
            self.report.item("qfiles/", "*", ItemFate::Unknown, "not a queue entry", &about);
        } else if file.ends_with(".db") || file.ends_with(".msg") {
            let text = "an entry of Mailman before 2.1.5; let its bin/update read it";
            self.report.problem(about, text);
        }
    }

    fn hand_over(&mut self, entries: &[Bringing]) -> Result<(), TakeoverError> {
        if !self.options.dry_run {
            let target = self.target;
            let now = self.now;
            // As with decisions on held posts: if we die between the two, the same entries are
            // handed over again under the same names.
            target.store.write(|tx| -> Result<(), TakeoverError> {
                let mut batch = target.spool.batch();
                for entry in entries {
                    batch.put(entry.queue, &entry.name, &entry.bytes, entry.due)?;
                    tx.note_imported(&entry.source, "", entry.name.as_str(), now)?;
                }
                Ok(batch.commit()?)
            })?;
        }
        if !self.options.dry_run {
            self.trace(entries);
        }
        for entry in entries {
            self.report.brought("queue entries", 1);
            self.report.item(
                "qfiles/",
                &format!("{}/*.pck", entry.queue.name()),
                ItemFate::Taken,
                "the queue of that name, under the same names",
                entry.name.as_str(),
            );
        }
        Ok(())
    }

    /// Records the entries in the trace, which shows from now on where their mail is.
    fn trace(&self, entries: &[Bringing]) {
        let mut trace = Trace::of(self.target.site);
        for Bringing { queue, name, source, bytes, .. } in entries {
            let Ok(entry) = Entry::from_bytes(bytes, Path::new(source)) else { continue };
            let list = entry.metadata.text("listname").unwrap_or_default().into_owned();
            let message = Message::parse_header_of(&entry.message);
            let mut event = Event::new(Step::Received, name).of_message(&list, &message);
            event.text = format!("imported into {queue}, where Mailman had it");
            trace.add(&event);
        }
        trace.flush();
    }

    /// Removes mail that Mailman has delivered since an earlier import, so that it is not delivered
    /// again.
    fn remove_delivered(&mut self, sources: &BTreeSet<String>) -> Result<(), TakeoverError> {
        for queue in Queue::ALL {
            for name in self.target.spool.ready(queue)? {
                let source = format!("qfiles/{}/{name}", queue.name());
                if sources.contains(&source)
                    || self.target.store.read().imported(&source)?.is_none()
                {
                    continue;
                }
                if !self.options.dry_run {
                    self.target.spool.remove(queue, &name)?;
                }
                self.report.brought("removed because Mailman no longer has them", 1);
            }
        }
        Ok(())
    }

    /// Copies unreadable entries to where they wait for a person.
    fn preserve(&self, from: &Path, file: &str) -> Result<PathBuf, TakeoverError> {
        let to = self.target.spool.dir(Queue::Bad).join(file);
        if !self.options.dry_run && !to.exists() {
            copy_for_owner(from, &to)?;
        }
        Ok(to)
    }

    /// Entries that Mailman could not read are kept for a person.
    fn preserved(&mut self) -> Result<(), TakeoverError> {
        for queue in Queue::ALL {
            let dir = self.old.qfiles.join(queue.name());
            for file in source::names(&dir)?.iter().filter(|file| file.ends_with(".psv")) {
                self.preserve(&dir.join(file), file)?;
                let note = "the queue bad, for a person";
                self.report.item("qfiles/", "bad/*.psv", ItemFate::Taken, note, file);
            }
        }
        Ok(())
    }

    /// Bounces that Mailman's processes had recorded and not registered (docs/spec/queue.md §8).
    pub(super) fn bounce_events(&mut self) -> Result<(), TakeoverError> {
        for file in source::names(&self.old.data)? {
            if !(file.starts_with("bounce-events-") && file.ends_with(".pck")) {
                continue;
            }
            let path = self.old.data.join(&file);
            if let Err(error) = self.bounce_file(&path, &file) {
                self.failed(&path, error)?;
            }
        }
        Ok(())
    }

    /// Remarks on bounces of a file that do not count here.
    fn remark_dropped_bounces(&mut self, path: &Path, stale: u64, lost: BTreeSet<String>) {
        if stale > 0 {
            let text = format!(
                "{stale} of its bounces are too old to count (bounce_info_stale_after) and are not imported"
            );
            self.report.remark(self.old.name_of(path), text);
        }
        for list in lost {
            self.report.remark(
                self.old.name_of(path),
                format!("bounces of the list {list}, which is not here, are not imported"),
            );
        }
    }

    fn bounce_file(&mut self, path: &Path, file: &str) -> Result<(), TakeoverError> {
        let bytes = source::read(path)?.unwrap_or_default();
        let source = format!("data/{file}");
        let fingerprint = source::fingerprint(&bytes);
        if self.is_unchanged(&source, &fingerprint)? {
            self.report.unchanged("bounces", 1);
            return Ok(());
        }
        let events = bounces_in(path, &bytes)?;
        let mut lost = BTreeSet::new();
        let target = self.target;
        let (number, stale) = self.write(|tx| {
            let mut batch = target.spool.batch();
            let (mut number, mut stale) = (0, 0);
            for (index, event) in events.iter().enumerate() {
                let Some(list) = tx.read().list(&event.list)? else {
                    // A dry run has rolled back its lists.
                    if self.old.lists.join(&event.list).is_dir() {
                        number += 1;
                    } else {
                        lost.insert(event.list.clone());
                    }
                    continue;
                };
                let at = crate::text::midnight(&event.day).unwrap_or(self.now);
                let entry = named(at, &["bounce", file, &index.to_string()]);
                let text = format!("Mailman recorded a bounce on {}", event.day);
                let noted =
                    Noted { entry: entry.as_str(), address: &event.address, text: &text, at };
                let Some(outputs) = bounces::register(target.site, tx, &list, noted)? else {
                    stale += 1;
                    continue;
                };
                for output in outputs.iter().filter(|_| !self.options.dry_run) {
                    batch.enqueue(output.queue, &entry.derive(&output.label), &output.entry)?;
                }
                number += 1;
            }
            tx.note_imported(&source, &fingerprint, "", self.now)?;
            batch.commit()?;
            Ok((number, stale))
        })?;
        self.report.brought("bounces", number);
        self.remark_dropped_bounces(path, stale, lost);
        self.report.item(
            "data/",
            "bounce-events-*.pck",
            ItemFate::Taken,
            "the members' bounces, counted at their own dates",
            file,
        );
        Ok(())
    }
}

/// Reads the records of a file of bounces.
fn bounces_in(path: &Path, bytes: &[u8]) -> Result<Vec<OldBounce>, TakeoverError> {
    let mut events = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (graph, used) = source::unpickle(path, rest)?;
        let event = requests::bounce(graph.root()).ok_or_else(|| {
            TakeoverError::content(path, "a record in it is not a bounce of a member")
        })?;
        events.push(event);
        rest = &rest[used..];
    }
    Ok(events)
}
