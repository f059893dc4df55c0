//! The result for everything: each attribute, each file, each problem.

use crate::mm_cfg::Unread;
use serde::Serialize;
use std::collections::BTreeMap;

/// The report of an import or an export.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TakeoverReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The number of imported things of each kind.
    pub brought: BTreeMap<&'static str, u64>,
    /// The number of things that had been imported before and are unchanged.
    pub unchanged: BTreeMap<&'static str, u64>,
    /// The results for attributes and files.
    pub items: Vec<Item>,
    /// Lines of `mm_cfg.py` that were not understood.
    pub unread: Vec<Unread>,
    /// Notes: where, and what.
    pub remarks: Vec<Remark>,
    /// Failures: where, and why.
    pub problems: Vec<Remark>,
    #[serde(skip)]
    index: BTreeMap<(String, String, ItemFate, String), usize>,
}

/// The result for an attribute or file, and others like it.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// The kind of file, such as `config.pck`.
    pub file: String,
    /// The attribute in it, or the file itself.
    pub name: String,
    /// The result.
    pub fate: ItemFate,
    /// Where to, or why.
    pub note: String,
    /// The number.
    pub count: u64,
    /// Some of the lists or files.
    pub seen_in: Vec<String>,
}

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemFate {
    /// It is here now.
    Taken,
    /// It has no use here, and is kept for the way back.
    Kept,
    /// It was left behind on purpose.
    Dropped,
    /// It is unknown.
    Unknown,
}

impl ItemFate {
    /// Returns its name for people.
    pub fn word(self) -> &'static str {
        match self {
            ItemFate::Taken => "taken",
            ItemFate::Kept => "kept",
            ItemFate::Dropped => "dropped",
            ItemFate::Unknown => "unknown",
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

/// How many places are named for an item; for unknown ones, all.
const NAMED: usize = 5;

impl TakeoverReport {
    /// Creates an empty report.
    pub fn new(dry_run: bool) -> TakeoverReport {
        TakeoverReport { dry_run, ..TakeoverReport::default() }
    }

    /// Counts imported things.
    pub fn brought(&mut self, what: &'static str, number: u64) {
        if number > 0 {
            *self.brought.entry(what).or_default() += number;
        }
    }

    /// Counts unchanged things.
    pub fn unchanged(&mut self, what: &'static str, number: u64) {
        if number > 0 {
            *self.unchanged.entry(what).or_default() += number;
        }
    }

    /// Records the result for an attribute or file.
    pub fn item(&mut self, file: &str, name: &str, fate: ItemFate, note: &str, seen_in: &str) {
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
        if item.seen_in.len() < NAMED || fate == ItemFate::Unknown {
            item.seen_in.push(seen_in.to_owned());
        }
    }

    /// Adds a note.
    pub fn remark(&mut self, about: impl Into<String>, text: impl Into<String>) {
        self.remarks.push(Remark { about: about.into(), text: text.into() });
    }

    /// Records a failure.
    pub fn problem(&mut self, about: impl Into<String>, text: impl ToString) {
        self.problems.push(Remark { about: about.into(), text: text.to_string() });
    }

    /// Returns the unknown items.
    pub fn unknown(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate == ItemFate::Unknown)
    }
}
