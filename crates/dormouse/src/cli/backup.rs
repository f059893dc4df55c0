//! `backup`, `restore`.

use clap::Args;
use std::path::PathBuf;

// What to back up, and where to.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file; `-` is standard output, for a pipe to a compressor or another host.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Leave out files of archives that have not changed since this backup, or since a time such as
    /// 2026-11-26T08:00:00Z or 2026-11-26. Database, queues, keys and settings are always whole.
    #[arg(long, value_name = "FILE|TIME")]
    pub since: Option<String>,
    /// Print the result as JSON.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print nothing.
    #[arg(short, long)]
    pub quiet: bool,
}

// What to restore.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A whole backup, and incremental ones after it in their order; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
