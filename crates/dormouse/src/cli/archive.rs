//! `archive`: what lists have said.

use super::Input;
use clap::{Args, Subcommand};
use std::ffi::OsString;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ArchiveCommand {
    /// The archives, with how much is in them.
    Ls {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Find messages, the newest first.
    ///
    /// All words must be there. "two words" is a phrase, word* a beginning, -word must not be there.
    /// from:anna and subject:tea look there alone; after:2024-03-01 and before:2025 say when.
    Search(SearchArgs),
    /// Make index and pages of an archive again from its mbox. Every message keeps its address.
    ///
    /// Posts may come in meanwhile. A rebuild that was interrupted goes on where it was.
    Rebuild {
        /// The list's name; every list's without one.
        list: Option<String>,
    },
    /// Add the messages of an mbox to an archive. Those whose Message-ID is there are left out.
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
    /// Print a message as it is kept.
    Show {
        /// The list's name.
        list: String,
        /// Its Message-ID.
        message_id: String,
    },
    /// Remove a message for good. Its address says so, and no other address moves.
    Rm {
        /// The list's name.
        list: String,
        /// Its Message-ID.
        message_id: String,
    },
}

/// The command line with the words of a search that must not be there (`-black`) behind a `--`,
/// where they are no options. Their place among the others means nothing.
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
    /// What is searched for.
    #[arg(required_unless_present = "all")]
    pub query: Vec<String>,
    /// Search the archives of all lists.
    #[arg(long)]
    pub all: bool,
    /// How many are shown at the most.
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    pub limit: u64,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_must_not_be_there_are_no_options() {
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
