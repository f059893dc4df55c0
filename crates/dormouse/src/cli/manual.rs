//! `manual`, `completions`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

// Which pages, and where to write them.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// Write all pages into this directory, which is created if necessary, as `man1/…`, `man5/…`;
    /// MANPATH may name it.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["topic", "list"])]
    pub output: Option<PathBuf>,
    /// Print one page as text: `run`, `list create`, `dormouse.toml`, `list-settings`, `qfiles` …
    #[arg(value_name = "TOPIC", conflicts_with = "output")]
    pub topic: Vec<String>,
    /// Print the names of all pages.
    #[arg(long, conflicts_with_all = ["output", "topic"])]
    pub list: bool,
}

/// Shells with completions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// Fish.
    Fish,
}
