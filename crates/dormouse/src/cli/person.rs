//! `person` and `invite`: commands about people rather than lists.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PersonCommand {
    /// Print everything stored about an address.
    Show {
        /// The address.
        address: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the same as JSON, to hand to the person.
    Export {
        /// The address.
        address: String,
    },
    /// Erase the address: memberships, requests, held posts, posts for the next digest, consent,
    /// counters and traces. Nobody is notified.
    ///
    /// Settings and files that still contain the address are printed.
    Erase {
        /// The address.
        address: String,
        /// Also remove the address's posts from the archives, with their attachments.
        #[arg(long)]
        posts: bool,
        /// Only print what would be erased.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

// Whom to invite, and how.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// The list's name.
    pub list: String,
    /// Addresses, plain or as `Name <address>`.
    #[arg(required = true)]
    pub addresses: Vec<String>,
    /// A text to add to the invitation.
    #[arg(long, default_value = "")]
    pub text: String,
    /// Invite them to receive digests.
    #[arg(long)]
    pub digest: bool,
}
