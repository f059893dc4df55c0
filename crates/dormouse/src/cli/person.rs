//! `person` and `invite`: about people rather than lists.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PersonCommand {
    /// Print it.
    Show {
        /// The address.
        address: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print all of it as JSON, to be handed to the person.
    Export {
        /// The address.
        address: String,
    },
    /// Forget the address: memberships, requests, held posts, posts that wait for a digest, consent,
    /// counters, and what the trace says of it. Nobody is told.
    ///
    /// What still names the address is printed: settings, files.
    Erase {
        /// The address.
        address: String,
        /// Also remove its posts from the archives, with their attachments.
        #[arg(long)]
        posts: bool,
        /// Only say what would be forgotten.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

// Whom to invite.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// The list's name.
    pub list: String,
    /// Addresses, plain or as `Name <address>`.
    #[arg(required = true)]
    pub addresses: Vec<String>,
    /// A word of the owners.
    #[arg(long, default_value = "")]
    pub text: String,
    /// To digests.
    #[arg(long)]
    pub digest: bool,
}
