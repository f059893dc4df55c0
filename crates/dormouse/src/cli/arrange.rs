//! What makes queues be worked off, and what looks after it: arguments.

use super::mailman2::Mailman2Args;
use clap::{Args, Subcommand};
use dormouse_spool::{Queue, Slice};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Print what was done as JSON.
    #[arg(long)]
    pub json: bool,
    /// Print only what is wrong, as a crontab wants it.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// How long to wait for more before ending, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub linger: u64,
    /// Only this queue; may be repeated. Without it, every queue that is not switched off.
    #[arg(long = "queue", value_name = "QUEUE")]
    pub queues: Vec<Queue>,
    /// Only put what is due from retry back into out.
    #[arg(long, conflicts_with_all = ["linger", "queues"])]
    pub retry_only: bool,
    /// Have your systemd manager start a timer for when the next deferred entry is due.
    #[arg(long)]
    pub arm: bool,
    #[command(flatten)]
    pub mailman2: Mailman2Args,
}

#[derive(Debug, Args)]
pub struct LmtpArgs {
    /// Listen here instead of on a passed socket, until stopped: at ADDRESS:PORT, or at a path.
    #[arg(long, value_name = "PLACE")]
    pub listen: Option<String>,
    /// Leave what was taken in to others.
    #[arg(long)]
    pub intake_only: bool,
}

#[derive(Debug, Args)]
pub struct RunnerArgs {
    /// The queue.
    pub queue: Queue,
    /// Work in so many shares side by side.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slices: u32,
    /// Work on one share only, such as 0/2 and 1/2.
    #[arg(long, value_name = "I/N", value_parser = slice, conflicts_with = "slices")]
    pub slice: Option<Slice>,
}

/// `0/2` → the first of two shares.
fn slice(text: &str) -> Result<Slice, String> {
    let parts = text.split_once('/').and_then(|(index, count)| {
        Slice::new(index.trim().parse().ok()?, count.trim().parse().ok()?)
    });
    parts.ok_or_else(|| format!("{text:?} is no share; of two they are 0/2 and 1/2"))
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum MasterCommand {
    /// Start it in the background.
    Start,
    /// Be it, until stopped.
    Run,
    /// Have it end, and everything that it keeps running.
    Stop,
    /// Have it start everything anew.
    Restart,
    /// Have it open its log anew.
    Reopen,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Show it again every so many seconds, until interrupted.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", conflicts_with = "json")]
    pub watch: Option<u64>,
    /// Write it for Prometheus into this file, or that of metrics.file, which node_exporter's textfile
    /// collector reads.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["watch", "json"])]
    pub prometheus: Option<Option<std::path::PathBuf>>,
}
