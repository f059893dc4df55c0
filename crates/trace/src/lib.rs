//! Where is my message? Every step a message takes leaves a line, and `dormouse trace` reads them.
//!
//! The lines are JSON, appended to one file a day, `logs/trace-DATE.jsonl` in the site's directory,
//! so that they outlive every process and old ones can be removed by day. A step is written just
//! before it takes effect: a process killed in between repeats the step, and then it is recorded
//! twice. Writing the trace must never stop mail: a file that cannot be written is reported once,
//! and mail continues.
//!
//! # Layout
//! - [`Event`]: a step; [`Trace`]: writes steps. [`find()`]: the steps of a message. `journal`: steps as
//!   events of the log. `words`: steps for people.
//!
//! # Limits
//! There is no index: the steps of a message are found by reading the files of all days.
//!
//! # Example
//! ```
//! use dormouse_spool::EntryName;
//! use dormouse_trace::{Event, Step};
//!
//! let event = Event::new(Step::Held, &EntryName::from_base("1.0+a"));
//! assert_eq!(event.step.to_string(), "held");
//! ```

mod find;
mod journal;
mod names;
mod words;

pub use find::{Story, find};
pub use names::LineNames;

use dormouse_clock::Timestamp;
use dormouse_mail::{Message, date};
use dormouse_spool::{EntryName, Queue};
use dormouse_store::Site;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// It was received and is on the disk.
    #[default]
    Received,
    /// It went through the pipeline and is queued for the MTA.
    Passed,
    /// It is in the archive.
    Archived,
    /// It waits for a moderator.
    Held,
    /// It went back to its sender.
    Rejected,
    /// It was discarded.
    Discarded,
    /// It was set aside for a person.
    Shunted,
    /// A moderator let it through.
    Approved,
    /// Its sender cancelled it.
    Cancelled,
    /// The MTA accepted it for these recipients.
    Accepted,
    /// The MTA refused these recipients for now.
    Deferred,
    /// The MTA refused these recipients for good.
    Refused,
    /// The MTA refused these recipients for now until the time was up.
    Abandoned,
    /// The MTA could not be reached.
    Postponed,
    /// A run continues where another was killed.
    Resumed,
    /// It had no recipients, and is finished.
    Unaddressed,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// One line of the trace.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub step: Step,
    /// The queue entry it happened to.
    pub entry: String,
    /// The Message-ID, if the step knows it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The list.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub list: String,
    /// The sender.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sender: String,
    /// The subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The handler that decided.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub handler: String,
    /// The setting that decided.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub setting: String,
    /// The reason, or the MTA's reply.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The message's size in bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    /// The number of recipients.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u64,
    /// Who they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// The entries that resulted, with their queues.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<EntryPlace>,
}

/// An entry in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPlace {
    /// The queue.
    pub queue: String,
    /// The entry.
    pub entry: String,
}

impl EntryPlace {
    /// An entry in a queue.
    pub fn new(queue: Queue, entry: &EntryName) -> EntryPlace {
        EntryPlace { queue: queue.to_string(), entry: entry.as_str().to_owned() }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Event {
    /// A step of an entry, happening now.
    pub fn new(step: Step, entry: &EntryName) -> Event {
        Event {
            // Milliseconds are enough for people.
            at: Timestamp::from_seconds((Timestamp::now().seconds() * 1e3).round() / 1e3),
            step,
            entry: entry.as_str().to_owned(),
            ..Event::default()
        }
    }

    /// Adds the message's sender and its identifying fields.
    pub fn of_message(mut self, list: &str, message: &Message) -> Event {
        self.list = list.to_owned();
        self.id = message.text("Message-ID").unwrap_or_default();
        self.sender = message.sender().unwrap_or_default().into();
        self.subject = message.text("Subject").unwrap_or_default();
        self
    }
}

/// Lines are collected up to this many bytes before they are written.
const BUFFER: usize = 64 * 1024;

/// Writes lines.
#[derive(Debug)]
pub struct Trace {
    dir: PathBuf,
    names_recipients: bool,
    lines: Vec<u8>,
    failed: bool,
    queue: Option<Queue>,
}

impl Trace {
    /// A site's trace.
    pub fn of(site: &Site) -> Trace {
        let mut trace = Trace::below(site.dir());
        trace.names_recipients = site.config().trace_recipients;
        trace
    }

    /// The trace in a site's directory, for steps that have no recipients.
    pub fn below(site_dir: &Path) -> Trace {
        let dir = directory(site_dir);
        Trace { dir, names_recipients: false, lines: Vec::new(), failed: false, queue: None }
    }

    /// Sets the queue to whose entries the following steps belong.
    pub fn at(mut self, queue: Queue) -> Trace {
        self.queue = Some(queue);
        self
    }

    /// Whether recipients are named, or only counted.
    pub fn names_recipients(&self) -> bool {
        self.names_recipients
    }

    /// Adds a line; it is written at the latest with [`Trace::flush`].
    pub fn add(&mut self, event: &Event) {
        self.add_for(event, &LineNames::default());
    }

    /// Adds a line for these recipients; the event itself has none.
    pub fn add_for(&mut self, event: &Event, names: &LineNames) {
        journal::log(event, self.queue);
        let before = self.lines.len();
        match serde_json::to_writer(&mut self.lines, event) {
            Ok(()) => {
                names.add_to(&mut self.lines);
                self.lines.push(b'\n');
            }
            Err(error) => {
                self.lines.truncate(before);
                tracing::error!("the trace of {} is not written: {error}", event.entry);
            }
        }
        if self.lines.len() >= BUFFER {
            self.flush();
        }
    }

    /// Writes the added lines, each in one piece, so that several processes may write.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let path = self.dir.join(file_name(Timestamp::now()));
        if let Err(error) = append(&path, &self.lines)
            && !self.failed
        {
            self.failed = true;
            tracing::error!("the trace in {} cannot be written: {error}", self.dir.display());
        }
        self.lines.clear();
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Appends whole lines to a log file, which is opened each time, so that it may be renamed or
/// removed at any time. The file and its directory are created if necessary.
///
/// # Errors
/// The system's.
pub fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let open = || OpenOptions::new().append(true).create(true).mode(0o660).open(path);
    let mut file: File = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            open()?
        }
        other => other?,
    };
    file.write_all(lines)
}

/// The directory of log files in a site's directory.
pub fn directory(site_dir: &Path) -> PathBuf {
    site_dir.join("logs")
}

const PREFIX: &str = "trace-";
const SUFFIX: &str = ".jsonl";

fn file_name(day: Timestamp) -> String {
    format!("{PREFIX}{}{SUFFIX}", date::day(day))
}

/// The trace's files, the oldest first.
fn files(site: &Site) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(directory(site.dir())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            files.push(path);
        }
    }
    // ISO 8601 dates sort chronologically.
    files.sort();
    Ok(files)
}

/// Erases an address, which is in lower case: lines about its mail are blanked, and elsewhere only
/// the address is. Returns the number of lines changed. Every line keeps its position and length,
/// so that other processes may continue writing meanwhile.
pub fn forget(site: &Site, address: &str) -> io::Result<u64> {
    let mut changed = 0;
    for path in files(site)? {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut reader = io::BufReader::new(&file);
        let (mut at, mut line) = (0u64, Vec::new());
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let start = at;
            at += line.len() as u64;
            let length = line.strip_suffix(b"\n").unwrap_or(&line).len();
            let lower = line[..length].to_ascii_lowercase();
            if memchr::memmem::find(&lower, address.as_bytes()).is_none() {
                continue;
            }
            let is_from = serde_json::from_slice::<Event>(&line[..length])
                .is_ok_and(|event| event.sender.eq_ignore_ascii_case(address));
            if is_from {
                line[..length].fill(b' ');
            } else {
                for place in memchr::memmem::find_iter(&lower, address.as_bytes()) {
                    line[place..place + address.len()].fill(b'-');
                }
            }
            file.write_all_at(&line[..length], start)?;
            changed += 1;
        }
        file.sync_data()?;
    }
    Ok(changed)
}

/// Removes the files of days that are longer ago than the site's `trace.keep`. Returns how many it
/// removed.
pub fn trim(site: &Site, now: Timestamp) -> io::Result<u64> {
    let keep = site.config().trace_keep.duration() + Duration::from_secs(86_400);
    let last = file_name(now - keep);
    let mut removed = 0;
    for path in files(site)? {
        if *path.file_name().unwrap_or_default() <= *last.as_str() {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_longer_ago_than_the_site_keeps_them_go() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        Trace::of(&site).add(&Event::new(Step::Received, &EntryName::from_base("1.0+a")));
        let now = Timestamp::now();
        for age in [1, 29, 32, 400] {
            let day = now - Duration::from_secs(age * 86_400);
            fs::write(directory(site.dir()).join(file_name(day)), "").unwrap();
        }
        fs::write(directory(site.dir()).join("other.log"), "").unwrap();
        assert_eq!(files(&site).unwrap().len(), 5);
        assert_eq!(trim(&site, now).unwrap(), 2);
        assert_eq!(files(&site).unwrap().len(), 3);
    }

    #[test]
    fn the_recipients_of_a_line_are_read_back_as_they_were() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let odd = ["a@b", "\"q \\ q\"@c", "grün@x\u{1f}", "", "{}", "a,b@c"];
        let mut expected = Vec::new();
        for count in 0..=odd.len() {
            let mut names = LineNames::default();
            odd[..count].iter().for_each(|name| names.push(name));
            assert_eq!((names.len(), names.is_empty()), (count, count == 0));
            let mut event = Event::new(Step::Accepted, &EntryName::from_base("1.0+a"));
            event.count = count as u64;
            Trace::of(&site).add_for(&event, &names);
            event.recipients = odd[..count].iter().map(ToString::to_string).collect();
            expected.push(event);
        }
        let text = fs::read_to_string(&files(&site).unwrap()[0]).unwrap();
        let read: Vec<Event> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nothing() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        fs::write(directory(site.dir()), "a file where the directory should be").unwrap();
        let mut trace = Trace::of(&site);
        trace.add(&Event::new(Step::Received, &EntryName::from_base("1.0+a")));
        trace.flush();
        assert!(trace.failed);
    }
}
