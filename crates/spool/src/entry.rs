//! An entry's file: the message's pickle, the metadata's pickle, and the journal
//! (spec/queue.md §3).
//!
//! The journal is ours: lines appended to the file while its entry is claimed. It starts with a
//! line feed behind the second pickle, where Mailman stops reading.

use crate::{Metadata, SpoolError, message_object};
use dormouse_pickle::{Graph, Limits, Protocol};
use std::path::Path;

/// The journal line of an entry given back after its process died with no other in hand.
pub(crate) const RECOVERED: &str = "\"recovered\"";
/// The journal line of an entry given back together with others: any of them, or none, may have
/// killed the process.
pub(crate) const RECOVERED_WITH_OTHERS: &str = "\"recovered with others\"";

/// A message with its metadata, as read from or written to a queue.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The message's bytes as received; may start with an mbox `From ` line.
    pub message: Vec<u8>,
    /// What the runners know about it.
    pub metadata: Metadata,
    /// What happened to it since it was enqueued: one line a record, without line ends. Never
    /// written by [`Entry::to_bytes`].
    pub journal: Vec<String>,
}

impl Entry {
    /// A new entry without a journal.
    pub fn new(message: Vec<u8>, metadata: Metadata) -> Entry {
        Entry { message, metadata, journal: Vec::new() }
    }

    /// The two pickles. The message is a byte string and `_parsemsg` is true, so that Mailman 2.1
    /// reads it and the bytes stay as received.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.message, &self.metadata)
    }

    /// Reads an entry. `path` is only for messages.
    ///
    /// # Errors
    /// [`SpoolError::Pickle`] and [`SpoolError::NotAnEntry`] when the file is no entry.
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

    /// Whether a dead process left this entry behind and it has made no progress since. It may be
    /// what killed the process, and so is best processed with no other in hand.
    pub fn is_suspect(&self) -> bool {
        self.recovery_lines().next().is_some() || self.mailmans_recoveries() > 0
    }

    /// How often a process died with this entry alone in hand since the entry last made progress:
    /// Mailman's own count and ours.
    pub fn recoveries(&self) -> u32 {
        let ours = self.recovery_lines().filter(|line| *line == RECOVERED).count();
        u32::try_from(ours).unwrap_or(u32::MAX).saturating_add(self.mailmans_recoveries())
    }

    fn recovery_lines(&self) -> impl Iterator<Item = &String> {
        let is_recovery = |line: &&String| *line == RECOVERED || *line == RECOVERED_WITH_OTHERS;
        self.journal.iter().rev().take_while(is_recovery)
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

/// Complete lines only: one that a crash cut short has no line feed yet.
fn journal(tail: &[u8]) -> Vec<String> {
    let Some(end) = memchr_last(b'\n', tail) else { return Vec::new() };
    tail[..end]
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
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
        assert_eq!(read(&bytes).unwrap().recoveries(), 2);
        bytes.extend_from_slice(b"{\"done\":500}\n");
        assert!(!read(&bytes).unwrap().is_suspect());
        bytes.extend_from_slice(b"\"recovered with others\"\n\"recovered\"\n");
        assert!(read(&bytes).unwrap().is_suspect());
        assert_eq!(read(&bytes).unwrap().recoveries(), 1);
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
