//! Lists of addresses as Mailman's settings hold them (docs/spec/commands.md §5): plain addresses,
//! `^regular expressions` and `@other-list`.

use dormouse_pattern::{Flags, Pattern, PatternError};
use dormouse_store::{List, Read, StoreError};
use std::cell::RefCell;
use std::collections::HashMap;

/// A pattern in a list's settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternProblem {
    /// The setting.
    pub setting: String,
    /// The pattern.
    pub pattern: String,
    /// The error.
    pub problem: String,
}

/// The list that owns the patterns, and where unusable ones are reported.
#[derive(Clone, Copy)]
pub struct Owner<'o> {
    /// The list.
    pub list: &'o List,
    /// The store, for the members of other lists.
    pub store: &'o Read,
    /// Collects patterns that could not be used.
    pub problems: &'o RefCell<Vec<PatternProblem>>,
}

/// Returns the entry of `list` that matches `address`: plain addresses are tried first, then patterns
/// and other lists' members in order.
pub fn matching<'l, 'o>(
    owner: impl Into<Owner<'o>>,
    setting: &str,
    list: &'l [String],
    address: &str,
) -> Result<Option<&'l str>, StoreError> {
    let owner = owner.into();
    if let Some(entry) = plain(list, address) {
        return Ok(Some(entry));
    }
    for entry in list {
        let hit = if entry.starts_with('^') {
            search(owner, setting, entry, address)
        } else if let Some(other) = entry.strip_prefix('@') {
            is_member_of(owner, setting, other, address)?
        } else {
            false
        };
        if hit {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The same for settings in which `@other-list` has no meaning.
pub fn matching_alone<'l, 'o>(
    owner: impl Into<Owner<'o>>,
    setting: &str,
    list: &'l [String],
    address: &str,
) -> Option<&'l str> {
    let owner = owner.into();
    plain(list, address).or_else(|| {
        let mut patterns = list.iter().filter(|entry| entry.starts_with('^'));
        patterns.find(|entry| search(owner, setting, entry, address)).map(String::as_str)
    })
}

/// The plain address in `list` that equals `address`.
fn plain<'l>(list: &'l [String], address: &str) -> Option<&'l str> {
    let mut plain = list.iter().filter(|entry| !entry.starts_with(['^', '@']));
    plain.find(|entry| entry.trim().eq_ignore_ascii_case(address)).map(String::as_str)
}

fn is_member_of(
    owner: Owner<'_>,
    setting: &str,
    other: &str,
    address: &str,
) -> Result<bool, StoreError> {
    let other = other.trim().to_lowercase();
    match owner.store.list(&other)? {
        Some(list) if list.id != owner.list.id => owner.store.is_member(list.id, address),
        _ => {
            tracing::warn!(
                "{}: {setting}: @{other} is not another list of this site",
                owner.list.name
            );
            Ok(false)
        }
    }
}

/// Whether a pattern occurs in a text, ignoring case. A malformed pattern matches nothing, and is
/// reported to the owners.
pub fn search<'o>(owner: impl Into<Owner<'o>>, setting: &str, pattern: &str, text: &str) -> bool {
    search_with(owner, setting, pattern, text, Flags { ignore_case: true, ..Flags::default() })
}

/// The same with other flags.
pub fn search_with<'o>(
    owner: impl Into<Owner<'o>>,
    setting: &str,
    pattern: &str,
    text: &str,
    flags: Flags,
) -> bool {
    let found = with(pattern, flags, |compiled| compiled.search(text));
    found.unwrap_or_else(|problem| note(owner.into(), setting, pattern, problem))
}

/// Whether a pattern matches at the start of a text, ignoring case, like Python's `match`. A malformed
/// pattern is taken literally (docs/spec/pipeline.md §2.5).
pub fn matches_start<'o>(
    owner: impl Into<Owner<'o>>,
    setting: &str,
    pattern: &str,
    text: &str,
) -> bool {
    let flags = Flags { ignore_case: true, ..Flags::default() };
    match with(pattern, flags, |compiled| compiled.match_start(text)) {
        Ok(matches) => matches,
        Err(problem @ PatternError::GaveUp) => note(owner.into(), setting, pattern, problem),
        Err(_) => text.to_lowercase().starts_with(&pattern.to_lowercase()),
    }
}

fn note(owner: Owner<'_>, setting: &str, pattern: &str, problem: PatternError) -> bool {
    tracing::warn!("{}: {setting}: {pattern:?}: {problem}", owner.list.name);
    owner.problems.borrow_mut().push(PatternProblem {
        setting: setting.to_owned(),
        pattern: pattern.to_owned(),
        problem: problem.to_string(),
    });
    false
}

/// The number of compiled patterns that a thread keeps.
const KEPT: usize = 512;

type Compiled = HashMap<(String, Flags), Result<Pattern, PatternError>>;

thread_local! {
    static COMPILED: RefCell<Compiled> = RefCell::default();
}

/// Calls `f` with a compiled pattern, from the cache if it is there.
fn with(
    pattern: &str,
    flags: Flags,
    work: impl FnOnce(&Pattern) -> Result<bool, PatternError>,
) -> Result<bool, PatternError> {
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        let known = compiled
            .entry((pattern.to_owned(), flags))
            .or_insert_with(|| Pattern::new(pattern, flags));
        known.as_ref().map_err(Clone::clone).and_then(work)
    })
}
