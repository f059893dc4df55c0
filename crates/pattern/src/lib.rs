//! Python 2's regular expressions (its `re` module), with bounds on what they may cost.
//!
//! List owners wrote their patterns for Mailman, and those must mean what they meant. A pattern is
//! translated into the syntax of `fancy_regex`; one that cannot be translated faithfully is an
//! error. No pattern and no text can take more than a fraction of a second.
//!
//! # Layout
//! - `translate`: from one syntax to the other. `class`: what stands in square brackets.

mod class;
mod translate;

use fancy_regex::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// How a pattern is read, as Python's flags of the same names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Capitals do not matter.
    pub ignore_case: bool,
    /// `^` and `$` match at every line.
    pub multiline: bool,
    /// `\w`, `\d`, `\s` and `\b` know all letters, not only those of ASCII.
    pub unicode: bool,
    /// `.` matches a line feed, too.
    pub dot_all: bool,
    /// Blanks and comments in the pattern do not count.
    pub verbose: bool,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression of Python's, or one that cannot be translated.
    #[error("{problem} (at character {at})")]
    Syntax {
        /// What is wrong.
        problem: String,
        /// Where, counted from 1.
        at: usize,
    },
    /// It would take too much to run it.
    #[error("{0}")]
    TooLarge(String),
    /// It took too many steps on a text.
    #[error("it takes too long on some texts; repetitions inside repetitions are often the cause")]
    GaveUp,
}

/// Longer patterns are refused.
const LONGEST: usize = 64 * 1024;
/// Steps on a short text.
const STEPS: usize = 1_000_000;
/// Steps on a long one, each of which may look at all of it.
const STEPS_LONG: usize = 20_000;
/// From this many bytes on a text is long.
const LONG: usize = 4096;
/// A compiled pattern may take so many bytes.
const SIZE: usize = 4 * 1024 * 1024;

/// A pattern, ready to be used.
#[derive(Debug)]
pub struct Pattern {
    translated: String,
    ignore_case: bool,
    short: Regex,
    long: OnceLock<Regex>,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(pattern: &str, flags: Flags) -> Result<Pattern, PatternError> {
        if pattern.len() > LONGEST {
            return Err(PatternError::TooLarge(format!("it is longer than {LONGEST} characters")));
        }
        let (translated, flags) = translate::translate(pattern, flags)?;
        let short = compile(&translated, flags.ignore_case, STEPS)?;
        Ok(Pattern { translated, ignore_case: flags.ignore_case, short, long: OnceLock::new() })
    }

    /// Whether it is found anywhere in a text, as Python's `search`.
    pub fn search(&self, text: &str) -> Result<bool, PatternError> {
        self.regex(text)?.is_match(text).map_err(|_| PatternError::GaveUp)
    }

    /// Whether it matches at the very start of a text, as Python's `match`.
    pub fn match_start(&self, text: &str) -> Result<bool, PatternError> {
        let found = self.regex(text)?.find(text).map_err(|_| PatternError::GaveUp)?;
        match found {
            None => Ok(false),
            Some(found) if found.start() == 0 => Ok(true),
            // The first match starts later, so none starts here.
            Some(_) => Ok(false),
        }
    }

    fn regex(&self, text: &str) -> Result<&Regex, PatternError> {
        if text.len() < LONG {
            return Ok(&self.short);
        }
        if let Some(long) = self.long.get() {
            return Ok(long);
        }
        let long = compile(&self.translated, self.ignore_case, STEPS_LONG)?;
        Ok(self.long.get_or_init(|| long))
    }
}

fn compile(translated: &str, ignore_case: bool, steps: usize) -> Result<Regex, PatternError> {
    RegexBuilder::new(translated)
        .case_insensitive(ignore_case)
        .backtrack_limit(steps)
        .delegate_size_limit(SIZE)
        .delegate_dfa_size_limit(SIZE)
        .build()
        .map_err(|error| PatternError::Syntax { problem: error.to_string(), at: 1 })
}
