//! Python 2's regular expressions (its `re` module), with bounded cost.
//!
//! List owners wrote their patterns for Mailman, and the patterns must keep their meaning. A
//! pattern is translated into the syntax of `fancy_regex`; one that cannot be translated faithfully
//! is an error. No pattern and no text can take more than a fraction of a second.
//!
//! # Layout
//! - `translate`: from one syntax to the other. `class`: the content of square brackets.
//!
//! # Limits
//! A pattern may have 64 KiB. Its compiled size and the number of steps on a text are limited; a pattern
//! that needs more is an error.
//!
//! # Example
//! ```
//! use dormouse_pattern::{Flags, Pattern};
//!
//! let pattern = Pattern::new(r"^.*@spam\.example$", Flags::default())?;
//! assert!(pattern.search("anna@spam.example")?);
//! assert!(Pattern::new("(unclosed", Flags::default()).is_err());
//! # Ok::<(), dormouse_pattern::PatternError>(())
//! ```

mod class;
mod translate;

use fancy_regex::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// The options of a pattern, with the names of Python's flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Ignores case.
    pub ignore_case: bool,
    /// `^` and `$` match at every line.
    pub multiline: bool,
    /// `\w`, `\d`, `\s` and `\b` include all letters, not only those of ASCII.
    pub unicode: bool,
    /// `.` matches a line feed, too.
    pub dot_all: bool,
    /// Blanks and comments in the pattern are ignored.
    pub verbose: bool,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is not a regular expression of Python, or cannot be translated.
    #[error("{problem} (at character {at})")]
    Syntax {
        /// The problem.
        problem: String,
        /// The position, counted from 1.
        at: usize,
    },
    /// Running it would cost too much.
    #[error("{0}")]
    TooLarge(String),
    /// It took too many steps on a text.
    #[error("it takes too long on some texts; repetitions inside repetitions are often the cause")]
    GaveUp,
}

/// Longer patterns are refused.
const LONGEST: usize = 64 * 1024;
/// Maximum steps on a short text.
const STEPS: usize = 1_000_000;
/// Maximum steps on a long text, each of which may examine all of it.
const STEPS_LONG: usize = 20_000;
/// The length in bytes from which a text is long.
const LONG: usize = 4096;
/// The maximum size of a compiled pattern in bytes.
const SIZE: usize = 4 * 1024 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    translated: String,
    ignore_case: bool,
    short: Regex,
    long: OnceLock<Regex>,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(pattern: &str, flags: Flags) -> Result<Pattern, PatternError> {
        if pattern.len() > LONGEST {
            return Err(PatternError::TooLarge(format!("it is longer than {LONGEST} characters")));
        }
        let (translated, flags) = translate::translate(pattern, flags)?;
        let short = compile(&translated, flags.ignore_case, STEPS)?;
        Ok(Pattern { translated, ignore_case: flags.ignore_case, short, long: OnceLock::new() })
    }

    /// Whether it matches anywhere in a text, like Python's `search`.
    pub fn search(&self, text: &str) -> Result<bool, PatternError> {
        self.regex(text)?.is_match(text).map_err(|_| PatternError::GaveUp)
    }

    /// Whether it matches at the start of a text, like Python's `match`.
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
