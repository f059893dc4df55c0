//! `archive`.

use super::Input;
use clap::{Args, Subcommand};
use std::ffi::OsString;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ArchiveCommand {
    /// Print the archives and their sizes.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Search for messages; the newest come first.
    ///
    /// All words must occur. "two words" is a phrase, word* a prefix, and -word must not occur.
    /// from:anna and subject:tea search only there; after:2024-03-01 and before:2025 limit the date.
    Search(SearchArgs),
    /// Rebuild index and pages of an archive from its mbox. Every message keeps its address.
    ///
    /// Posts may arrive meanwhile. An interrupted rebuild continues where it stopped.
    Rebuild {
        /// The list's name; the default is all lists.
        list: Option<String>,
    },
    /// Add the messages of an mbox to an archive, except those it already has.
    Import {
        /// The list's name.
        list: String,
        /// The mbox; - is standard input.
        #[arg(value_parser = Input::parser())]
        file: Input,
    },
    /// Print an archive as an mbox.
    Export {
        /// The list's name.
        list: String,
    },
    /// Print a message as it is stored.
    Show {
        /// The list's name.
        list: String,
        /// The message's Message-ID.
        message_id: String,
    },
    /// Mask words in a message for good: in its texts, attached texts, and the search.
    Redact {
        /// The list's name.
        list: String,
        /// The message's Message-ID.
        message_id: String,
        /// The words or sentences, each as one argument.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Remove a message for good. A page at its address says so; other addresses stay the same.
    Rm {
        /// The list's name.
        list: String,
        /// The message's Message-ID.
        message_id: String,
    },
}

/// Moves the excluded words of a search (`-black`) after a `--`, so that they are not read as
/// options. The order of the words does not matter.
pub fn with_unwanted_words(arguments: Vec<OsString>) -> Vec<OsString> {
    let is_search = |pair: &[OsString]| pair[0] == "archive" && pair[1] == "search";
    let Some(at) = arguments.windows(2).position(is_search) else { return arguments };
    let is_unwanted = |word: &OsString| {
        let rest = word.to_str().and_then(|word| word.strip_prefix('-'));
        rest.is_some_and(|rest| !rest.starts_with('-') && !matches!(rest, "" | "h" | "V"))
    };
    let (mut kept, search) = (arguments[..at + 2].to_vec(), &arguments[at + 2..]);
    let end = search.iter().position(|word| word == "--").unwrap_or(search.len());
    let (unwanted, others): (Vec<_>, Vec<_>) = search[..end].iter().cloned().partition(is_unwanted);
    kept.extend(others);
    if !unwanted.is_empty() || end < search.len() {
        kept.push("--".into());
    }
    kept.extend(unwanted);
    kept.extend(search.iter().skip(end + 1).cloned());
    kept
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The list's name, unless --all.
    #[arg(required_unless_present = "all")]
    pub list: Option<String>,
    /// The words to search for.
    #[arg(required_unless_present = "all")]
    pub query: Vec<String>,
    /// Search the archives of all lists.
    #[arg(long)]
    pub all: bool,
    /// The maximum number of results.
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    pub limit: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_words_are_not_options() {
        let line = |text: &str| -> Vec<OsString> { text.split(' ').map(Into::into).collect() };
        for (given, read) in [
            ("d archive search l tea -black --json", "d archive search l tea --json -- -black"),
            ("d archive search l -a -- -b", "d archive search l -- -a -b"),
            ("d archive search l tea", "d archive search l tea"),
            ("d archive search -h", "d archive search -h"),
            ("d run -q", "d run -q"),
        ] {
            assert_eq!(with_unwanted_words(line(given)), line(read), "{given}");
        }
    }
}
