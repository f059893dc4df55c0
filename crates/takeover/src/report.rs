//! What became of everything: each attribute, each file, each problem.

use crate::mm_cfg::Unread;
use serde::Serialize;
use std::collections::BTreeMap;

/// The report of an import or an export.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many of what were brought over.
    pub brought: BTreeMap<&'static str, u64>,
    /// How many of what had been brought over before and are unchanged.
    pub unchanged: BTreeMap<&'static str, u64>,
    /// What became of every attribute and file.
    pub items: Vec<Item>,
    /// Lines of `mm_cfg.py` that were not read.
    pub unread: Vec<Unread>,
    /// What somebody should know: where, and what.
    pub remarks: Vec<Remark>,
    /// What could not be brought over: where, and why.
    pub problems: Vec<Remark>,
    #[serde(skip)]
    index: BTreeMap<(String, String, Fate, String), usize>,
}

/// What became of an attribute or a file, wherever there is one like it.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// The kind of file, such as `config.pck`.
    pub file: String,
    /// The attribute in it, or the file itself.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
    /// Where to, or why.
    pub note: String,
    /// How often.
    pub count: u64,
    /// Some of the lists or files where it was.
    pub seen_in: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is here now.
    Taken,
    /// It has no use here, and is kept for the way back.
    Kept,
    /// It was left behind on purpose.
    Dropped,
    /// Nobody knows it.
    Unknown,
}

impl Fate {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Taken => "taken",
            Fate::Kept => "kept",
            Fate::Dropped => "dropped",
            Fate::Unknown => "unknown",
        }
    }
}

/// A sentence about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The file, or what else it is about.
    pub about: String,
    /// The sentence.
    pub text: String,
}

/// So many places are named for an item; of unknown ones, all.
const NAMED: usize = 5;

impl Report {
    /// An empty report.
    pub fn new(dry_run: bool) -> Report {
        Report { dry_run, ..Report::default() }
    }

    /// Counts what was brought over.
    pub fn brought(&mut self, what: &'static str, number: u64) {
        if number > 0 {
            *self.brought.entry(what).or_default() += number;
        }
    }

    /// Counts what is unchanged.
    pub fn unchanged(&mut self, what: &'static str, number: u64) {
        if number > 0 {
            *self.unchanged.entry(what).or_default() += number;
        }
    }

    /// Notes what became of an attribute or file.
    pub fn item(&mut self, file: &str, name: &str, fate: Fate, note: &str, seen_in: &str) {
        let key = (file.to_owned(), name.to_owned(), fate, note.to_owned());
        let at = *self.index.entry(key).or_insert_with(|| {
            self.items.push(Item {
                file: file.to_owned(),
                name: name.to_owned(),
                fate,
                note: note.to_owned(),
                count: 0,
                seen_in: Vec::new(),
            });
            self.items.len() - 1
        });
        let item = &mut self.items[at];
        item.count += 1;
        if item.seen_in.len() < NAMED || fate == Fate::Unknown {
            item.seen_in.push(seen_in.to_owned());
        }
    }

    /// Notes what somebody should know.
    pub fn remark(&mut self, about: impl Into<String>, text: impl Into<String>) {
        self.remarks.push(Remark { about: about.into(), text: text.into() });
    }

    /// Notes what could not be brought over.
    pub fn problem(&mut self, about: impl Into<String>, text: impl ToString) {
        self.problems.push(Remark { about: about.into(), text: text.to_string() });
    }

    /// What nobody knows.
    pub fn unknown(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate == Fate::Unknown)
    }
}
