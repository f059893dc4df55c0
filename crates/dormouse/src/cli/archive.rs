//! `archive`: what lists have said.

use clap::{Args, Subcommand};
use std::path::PathBuf;

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
        /// The mbox.
        file: PathBuf,
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
