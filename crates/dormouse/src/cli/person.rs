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
    /// Forget the address: memberships, requests, held posts, consent and counters. Nobody is told.
    Erase {
        /// The address.
        address: String,
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
