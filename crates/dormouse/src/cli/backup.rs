//! `backup`, `restore`.

use clap::Args;
use std::path::PathBuf;

// What to back up, and where to.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; `-` is standard output, for a pipe to a compressor or another host.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Leave out archive files that have not changed since this backup, or since a time such as
    /// 2026-11-26T08:00:00Z or 2026-11-26. Database, queues, keys and settings are always included.
    #[arg(long, value_name = "FILE|TIME")]
    pub since: Option<String>,
    /// Print JSON.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print nothing.
    #[arg(short, long)]
    pub quiet: bool,
}

// What to restore.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A full backup, followed by incremental ones in their order; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
