//! `digest`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum DigestCommand {
    /// Send the digest of a list now, if posts wait for it.
    Send {
        /// The lists.
        #[arg(required_unless_present = "all")]
        lists: Vec<String>,
        /// All lists.
        #[arg(long, conflicts_with = "lists")]
        all: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Begin a new volume with the next digest.
    Bump {
        /// The lists.
        #[arg(required = true)]
        lists: Vec<String>,
    },
    /// Take a post out of the next digest.
    Rm {
        /// The list.
        list: String,
        /// The post's Message-ID.
        message_id: String,
    },
    /// Print how the lists' digests are: the next issue, and what waits for it.
    Ls {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}
