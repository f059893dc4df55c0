//! An entry's file: the message's pickle, the metadata's pickle, and the journal
//! (docs/spec/queue.md §3).
//!
//! The journal is ours: lines appended to the file while its entry is claimed. It starts with a
//! line feed after the second pickle, where Mailman stops reading.

use crate::{Metadata, Queue, SpoolError, label, message_object};
use dormouse_pickle::{Graph, Limits, Protocol};
use std::path::Path;

/// The journal line of an entry given back after a process died that had written [`ALONE`].
pub(crate) const RECOVERED: &str = "\"recovered\"";
/// The journal line of an entry given back after the death of a process that held others, too: any
/// of them, or none, may have killed it.
pub(crate) const RECOVERED_WITH_OTHERS: &str = "\"recovered with others\"";
/// The journal line written before a suspect is claimed, with no other entry claimed.
pub(crate) const ALONE: &str = "\"alone\"";
/// The journal line written before a suspect is claimed together with other suspects.
pub(crate) const TOGETHER: &str = "\"together\"";
/// The journal line of a suspect that was given back: no process died this time.
pub(crate) const RETURNED: &str = "\"returned\"";
/// The start of the journal line that records the queue from which an entry went to `bad`.
const KEPT_FROM: &str = "\"kept from ";

/// What a journal's last lines say about deaths of processes that held the entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suspicion {
    /// How many processes that held nothing else died since it made progress.
    pub alone: u32,
    /// How many that held others, too, died.
    pub together: u32,
}

impl Suspicion {
    /// Reads lines backwards from the last one, up to one that records progress.
    pub fn of<'l>(lines_backwards: impl Iterator<Item = &'l str>) -> Suspicion {
        let mut suspicion = Suspicion::default();
        for line in lines_backwards {
            match line {
                RECOVERED => suspicion.alone += 1,
                RECOVERED_WITH_OTHERS => suspicion.together += 1,
                ALONE | TOGETHER | RETURNED => {}
                _ => break,
            }
        }
        suspicion
    }

    /// Whether any process died.
    pub fn is_any(self) -> bool {
        self != Suspicion::default()
    }
}

/// The journal line that records the queue from which an entry went to `bad`.
pub(crate) fn kept_from(queue: Queue) -> String {
    format!("{KEPT_FROM}{queue}\"")
}

/// A message with its metadata, as read from or written to a queue.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The message's bytes as received; may start with an mbox `From ` line.
    pub message: Vec<u8>,
    /// The metadata.
    pub metadata: Metadata,
    /// What has happened since it was enqueued: one line for each record, without line ends.
    pub journal: Vec<String>,
}

impl Entry {
    /// A new entry without a journal.
    pub fn new(message: Vec<u8>, metadata: Metadata) -> Entry {
        Entry { message, metadata, journal: Vec::new() }
    }

    /// The two pickles and the journal. The message is a byte string and `_parsemsg` is true, so that
    /// Mailman 2.1 reads it and the bytes stay as received.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = encode(&self.message, &self.metadata);
        for line in &self.journal {
            bytes.push(b'\n');
            bytes.extend_from_slice(line.as_bytes());
        }
        if !self.journal.is_empty() {
            bytes.push(b'\n');
        }
        bytes
    }

    /// Parses an entry. `path` is used only in messages.
    ///
    /// # Errors
    /// [`SpoolError::Pickle`] and [`SpoolError::NotAnEntry`] if the file is not an entry.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Entry, SpoolError> {
        let limits = Limits::default();
        let unreadable =
            |part| move |source| SpoolError::Pickle { path: path.to_owned(), part, source };
        let not_an_entry =
            |problem: String| SpoolError::NotAnEntry { path: path.to_owned(), problem };
        let (first, used) = dormouse_pickle::load(bytes, &limits).map_err(unreadable("message"))?;
        let rest = &bytes[used..];
        let (second, used) =
            dormouse_pickle::load(rest, &limits).map_err(unreadable("metadata"))?;
        let metadata = Metadata::from_graph(second.into_owned())
            .ok_or_else(|| not_an_entry("the second pickle is not a dictionary".to_owned()))?;
        let message = match first.root().raw_bytes() {
            Some(text) => text.into_owned(),
            None => message_object::to_bytes(first.root()).map_err(not_an_entry)?,
        };
        Ok(Entry { message, metadata, journal: journal(&rest[used..]) })
    }

    /// The processes that died while they held this entry since it last made progress, Mailman's
    /// count included. It may have killed them.
    pub fn suspicion(&self) -> Suspicion {
        let lines = self.journal.iter().rev().map(String::as_str);
        let Suspicion { alone, together } = Suspicion::of(lines);
        Suspicion { alone: alone.saturating_add(self.mailmans_recoveries()), together }
    }

    /// The queue from which it went to `bad`, for an entry that can be read.
    pub fn kept_from(&self) -> Option<Queue> {
        let line = self.journal.iter().rev().find_map(|line| line.strip_prefix(KEPT_FROM))?;
        line.strip_suffix('"')?.parse().ok()
    }

    /// Removes recorded deaths and origins, because a person has looked at the entry. Records of
    /// progress stay.
    pub fn forget_deaths(&mut self) {
        let is_ours = |line: &str| {
            [RECOVERED, RECOVERED_WITH_OTHERS, ALONE, TOGETHER, RETURNED].contains(&line)
                || line.starts_with(KEPT_FROM)
        };
        self.journal.retain(|line| !is_ours(line));
        self.metadata.remove("_bak_count");
    }

    fn mailmans_recoveries(&self) -> u32 {
        self.metadata.int("_bak_count").unwrap_or(0).clamp(0, 1000) as u32
    }
}

/// [`Entry::to_bytes`] for a borrowed message.
pub(crate) fn encode(message: &[u8], metadata: &Metadata) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 512);
    let mut text = Graph::new();
    let root = text.bytes(message);
    text.set_root(root);
    for graph in [&text, metadata.sealed().graph()] {
        dormouse_pickle::dump(graph, Protocol::One, &mut out)
            .expect("strings, numbers and what was read from a pickle can be pickled");
    }
    out
}

/// Complete lines only: a truncated line has no line feed.
fn journal(tail: &[u8]) -> Vec<String> {
    let Some(end) = memchr_last(b'\n', tail) else { return Vec::new() };
    // It begins with many line feeds.
    let start = tail[..end].iter().position(|byte| *byte != b'\n').unwrap_or(end);
    tail[start..end]
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty() && !label::is_label(line))
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

fn memchr_last(needle: u8, haystack: &[u8]) -> Option<usize> {
    haystack.iter().rposition(|&byte| byte == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Entry, SpoolError> {
        Entry::from_bytes(bytes, Path::new("in/test.pck"))
    }

    #[test]
    fn a_journal_line_that_a_crash_cut_short_is_no_line() {
        let mut bytes = Entry::new(b"x".to_vec(), Metadata::new()).to_bytes();
        bytes.extend_from_slice(b"\n{\"done\":500}\n{\"done\":10");
        assert_eq!(read(&bytes).unwrap().journal, ["{\"done\":500}"]);
    }

    #[test]
    fn recoveries_count_from_the_last_progress() {
        let mut bytes = Entry::new(b"x".to_vec(), Metadata::new()).to_bytes();
        bytes.extend_from_slice(b"\n\"recovered\"\n\"recovered\"\n");
        assert_eq!(read(&bytes).unwrap().suspicion().alone, 2);
        bytes.extend_from_slice(b"{\"done\":500}\n");
        assert!(!read(&bytes).unwrap().suspicion().is_any());
        bytes.extend_from_slice(b"\"recovered with others\"\n\"alone\"\n\"recovered\"\n");
        assert!(read(&bytes).unwrap().suspicion().is_any());
        assert_eq!(read(&bytes).unwrap().suspicion().alone, 1);
    }

    #[test]
    fn a_suspect_that_was_given_back_is_one_still() {
        let lines = [RECOVERED, ALONE, RETURNED, RECOVERED_WITH_OTHERS, TOGETHER, RETURNED, ALONE];
        let suspicion = Suspicion::of(lines.into_iter().rev());
        assert_eq!(suspicion, Suspicion { alone: 1, together: 1 });
        assert!(!Suspicion::of([ALONE, TOGETHER].into_iter()).is_any());
    }

    #[test]
    fn a_journal_is_written_as_it_was_read_and_forgets_only_deaths() {
        let mut entry = Entry::new(b"x".to_vec(), Metadata::new());
        let lines = ["{\"done\":500}", RECOVERED, &kept_from(Queue::Out)];
        entry.journal = lines.map(str::to_owned).to_vec();
        let mut again = read(&entry.to_bytes()).unwrap();
        assert_eq!(again.journal, lines);
        assert_eq!(again.kept_from(), Some(Queue::Out));
        again.forget_deaths();
        assert_eq!(again.journal, ["{\"done\":500}"]);
    }

    #[test]
    fn the_error_names_the_file_and_which_pickle() {
        let error = read(b"garbage").unwrap_err();
        assert!(error.to_string().contains("in/test.pck"), "{error}");
        assert!(error.to_string().contains("message pickle"), "{error}");
        assert!(error.is_bad_entry());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(message: Vec<u8>, list in "[a-z]{1,12}", recips in prop::collection::vec("[a-z]{1,9}@[a-z]{1,9}", 0..9)) {
            let mut metadata = Metadata::new();
            metadata.set_text("listname", &list);
            metadata.set_texts("recips", recips.iter().map(String::as_str));
            let entry = read(&Entry::new(message.clone(), metadata).to_bytes()).unwrap();
            prop_assert_eq!(entry.message, message);
            prop_assert_eq!(entry.metadata.text("listname").unwrap(), list);
            prop_assert_eq!(entry.metadata.texts("recips").unwrap(), recips);
        }

        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes: Vec<u8>) {
            let _either = read(&bytes).is_ok();
        }
    }
}
