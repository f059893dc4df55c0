//! `digest`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum DigestCommand {
    /// Send a list's digest now, if there are posts for it.
    Send {
        /// The lists.
        #[arg(required_unless_present = "all")]
        lists: Vec<String>,
        /// All lists.
        #[arg(long, conflicts_with = "lists")]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Start a new volume with the next digest.
    Bump {
        /// The lists.
        #[arg(required = true)]
        lists: Vec<String>,
    },
    /// Remove a post from the next digest.
    Rm {
        /// The list.
        list: String,
        /// The post's Message-ID.
        message_id: String,
    },
    /// Print the state of the lists' digests: the next issue, and the posts for it.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
