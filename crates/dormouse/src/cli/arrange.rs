//! Arguments of the commands that process queues, or start and watch processes that do.

use super::mailman2::Mailman2Args;
use clap::{Args, Subcommand};
use dormouse_spool::{Queue, Slice};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Print a summary as JSON.
    #[arg(long)]
    pub json: bool,
    /// Print only problems, for crontabs.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// How long to wait for more entries before exiting, in milliseconds. The default is 10 if mail
    /// has arrived meanwhile, otherwise 0.
    #[arg(long, value_name = "MS")]
    pub linger: Option<u64>,
    /// Only this queue; may be repeated. The default is every queue that is not off.
    #[arg(long = "queue", value_name = "QUEUE")]
    pub queues: Vec<Queue>,
    /// Only move what is due from retry back to out.
    #[arg(long, conflicts_with_all = ["linger", "queues"])]
    pub retry_only: bool,
    /// Let systemd start a timer for the time when the next deferred entry is due.
    #[arg(long)]
    pub arm: bool,
    #[command(flatten)]
    pub mailman2: Mailman2Args,
}

#[derive(Debug, Args)]
pub struct LmtpArgs {
    /// Listen at ADDRESS:PORT or at the path of a socket instead, until stopped.
    #[arg(long, value_name = "PLACE")]
    pub listen: Option<String>,
    /// Only accept mail; other processes work on it.
    #[arg(long)]
    pub intake_only: bool,
}

#[derive(Debug, Args)]
pub struct RunnerArgs {
    /// The queue.
    pub queue: Queue,
    /// Divide the queue into this many parallel shares.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slices: u32,
    /// Process only one share, such as 0/2 or 1/2.
    #[arg(long, value_name = "I/N", value_parser = slice, conflicts_with = "slices")]
    pub slice: Option<Slice>,
}

/// `0/2` → the first of two shares.
fn slice(text: &str) -> Result<Slice, String> {
    let parts = text.split_once('/').and_then(|(index, count)| {
        Slice::new(index.trim().parse().ok()?, count.trim().parse().ok()?)
    });
    parts.ok_or_else(|| format!("{text:?} is not a share; the shares of two are 0/2 and 1/2"))
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum MasterCommand {
    /// Start the master in the background.
    Start,
    /// Run the master in the foreground, until stopped.
    Run,
    /// Stop the master and the processes that it keeps running.
    Stop,
    /// Restart the processes with the current settings.
    Restart,
    /// Reopen the log file, after it was rotated.
    Reopen,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Repeat every SECONDS seconds, until interrupted.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", conflicts_with = "json")]
    pub watch: Option<u64>,
    /// Write metrics for Prometheus into this file (by default metrics.file), for node_exporter's
    /// textfile collector.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["watch", "json"])]
    pub prometheus: Option<Option<std::path::PathBuf>>,
}
