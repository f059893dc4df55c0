//! `queue`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum QueueCommand {
    /// Print the entries of a queue, or of all.
    Ls {
        /// The queue.
        queue: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print an entry: its metadata and the message.
    Show {
        /// The entry as `queue ls` prints it, or the beginning of its name.
        entry: String,
        /// Print only the message, byte for byte.
        #[arg(long)]
        raw: bool,
        /// Print JSON.
        #[arg(long, conflicts_with = "raw")]
        json: bool,
    },
    /// Move an entry of shunt, bad or retry back to the queue it came from.
    Retry {
        /// The entry.
        #[arg(required_unless_present = "all")]
        entry: Option<String>,
        /// All entries of this queue.
        #[arg(long, value_name = "QUEUE")]
        all: Option<String>,
    },
    /// Remove an entry for good.
    Rm {
        /// The entry.
        entry: String,
    },
}
