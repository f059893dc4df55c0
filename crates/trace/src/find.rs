//! Reads the trace.

use super::{Event, files};
use dormouse_store::Site;
use memchr::memmem::Finder;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// What the trace knows about a message.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Story {
    /// Every step, in the order it was written.
    pub events: Vec<Event>,
    /// Lines that could not be read, as `file:line: problem`.
    pub damaged: Vec<String>,
}

impl Story {
    /// Keeps what happened on a list, by its names, and to the entries that resulted there. A
    /// message's steps on other lists must not be shown to this list's owners.
    #[must_use]
    pub fn of_list(mut self, names: &[String]) -> Story {
        let mut entries = std::collections::HashSet::new();
        self.events.retain(|event| {
            let is_here = match event.list.as_str() {
                "" => entries.contains(&event.entry),
                list => names.iter().any(|name| name == list),
            };
            if is_here {
                entries.insert(event.entry.clone());
                entries.extend(event.outputs.iter().map(|place| place.entry.clone()));
            }
            is_here
        });
        // These lines may belong to any list.
        self.damaged.clear();
        self
    }
}

/// Everything that happened to the message with that Message-ID (angle brackets may be missing) or
/// queue entry, and to the entries that resulted from it.
///
/// # Errors
/// When a file of the trace cannot be read.
pub fn find(site: &Site, what: &str) -> io::Result<Story> {
    let mut search = Search::new(what);
    let mut story = Story::default();
    for path in files(site)? {
        let mut reader = BufReader::with_capacity(256 * 1024, File::open(&path)?);
        let mut line = Vec::new();
        let mut number = 0u64;
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            number += 1;
            if !search.may_be_meant(&line) {
                continue;
            }
            match serde_json::from_slice::<Event>(&line) {
                Ok(event) if search.is_meant(&event) => story.events.push(event),
                Ok(_) => {}
                // A full disk or a power failure may leave half a line.
                Err(error) => {
                    story.damaged.push(format!("{}:{number}: {error}", path.display()));
                }
            }
        }
    }
    Ok(story)
}

/// The search terms: the entries that result from the message are added. Their lines are written
/// after the step that created them, so one pass finds all.
struct Search {
    id: String,
    entries: Vec<String>,
    finders: Vec<Finder<'static>>,
}

impl Search {
    fn new(what: &str) -> Search {
        let bare = what.trim().trim_start_matches('<').trim_end_matches('>');
        // As JSON has it, without the quotes around it.
        let quoted = serde_json::Value::from(bare).to_string();
        let needle = &quoted.as_bytes()[1..quoted.len() - 1];
        Search {
            id: format!("<{bare}>"),
            entries: vec![bare.to_owned()],
            finders: vec![Finder::new(needle).into_owned()],
        }
    }

    /// A fast check without false negatives.
    fn may_be_meant(&self, line: &[u8]) -> bool {
        self.finders.iter().any(|finder| finder.find(line).is_some())
    }

    fn is_meant(&mut self, event: &Event) -> bool {
        let meant = event.id.trim() == self.id || self.entries.contains(&event.entry);
        if meant {
            let new =
                std::iter::once(&event.entry).chain(event.outputs.iter().map(|place| &place.entry));
            for entry in new {
                if !self.entries.contains(entry) {
                    self.entries.push(entry.clone());
                    self.finders.push(Finder::new(entry.as_bytes()).into_owned());
                }
            }
        }
        meant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryPlace, Step, Trace};
    use dormouse_spool::{EntryName, Queue};

    fn event(step: Step, entry: &str, id: &str, outputs: &[&str]) -> Event {
        let place = |name: &&str| EntryPlace::new(Queue::Out, &EntryName::from_base(name));
        Event {
            id: id.to_owned(),
            outputs: outputs.iter().map(place).collect(),
            ..Event::new(step, &EntryName::from_base(entry))
        }
    }

    #[test]
    fn of_a_message_to_two_lists_each_sees_its_own_part() {
        let at = |list: &str, step, entry: &str, outputs: &[&str]| Event {
            list: list.to_owned(),
            ..event(step, entry, "<x@x.example>", outputs)
        };
        let events = vec![
            at("dev", Step::Received, "1.0+a", &[]),
            at("ops", Step::Received, "1.0+b", &[]),
            at("dev", Step::Passed, "1.0+a", &["1.0+c"]),
            at("ops", Step::Passed, "1.0+b", &["1.0+d"]),
            at("", Step::Accepted, "1.0+c", &[]),
            at("", Step::Refused, "1.0+d", &[]),
            at("", Step::Accepted, "1.0+e", &[]),
        ];
        let story = Story { events, damaged: vec!["a secret".to_owned()] };
        let seen = |name: &str| {
            let story = story.clone().of_list(&[name.to_owned()]);
            assert!(story.damaged.is_empty());
            story.events.into_iter().map(|event| event.entry).collect::<Vec<_>>()
        };
        assert_eq!(seen("dev"), ["1.0+a", "1.0+a", "1.0+c"]);
        assert_eq!(seen("ops"), ["1.0+b", "1.0+b", "1.0+d"]);
        assert!(seen("other").is_empty());
    }

    #[test]
    fn a_message_is_followed_through_all_its_entries() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let mut trace = Trace::of(&site);
        let id = "<odd\"\\id@x.example>";
        let mine = [
            event(Step::Received, "1.0+a", id, &[]),
            event(Step::Passed, "1.0+a", id, &["1.0+b"]),
            event(Step::Deferred, "1.0+b", "", &["1.0+c"]),
            event(Step::Accepted, "1.0+c", "", &[]),
        ];
        let other = event(Step::Passed, "2.0+x", "<odd@x.example>", &["2.0+y"]);
        for event in mine.iter().flat_map(|event| [event, &other]) {
            trace.add(event);
        }
        trace.flush();
        for what in [id, "odd\"\\id@x.example", "1.0+a"] {
            assert_eq!(find(&site, what).unwrap().events, mine, "{what}");
        }
        assert_eq!(find(&site, "1.0+c").unwrap().events.len(), 1);
        assert!(find(&site, "<nobody@x.example>").unwrap().events.is_empty());
    }

    #[test]
    fn a_damaged_line_is_named_and_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        Trace::of(&site).add(&event(Step::Received, "1.0+a", "<i@x>", &[]));
        let path = files(&site).unwrap().remove(0);
        let whole = std::fs::read(&path).unwrap();
        let damaged = [&whole[..whole.len() / 2], b" 1.0+a\n", &whole[..]].concat();
        std::fs::write(&path, damaged).unwrap();
        let story = find(&site, "1.0+a").unwrap();
        assert_eq!(story.events.len(), 1);
        assert!(story.damaged[0].contains(":1: "), "{:?}", story.damaged);
    }
}
