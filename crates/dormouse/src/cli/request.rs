//! `request`: memberships that wait for a moderator.

use clap::{Args, Subcommand};
use dormouse_store::RequestId;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum RequestCommand {
    /// Print the waiting requests.
    Ls {
        /// Only requests to this list.
        list: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Approve requests.
    Approve {
        #[command(flatten)]
        which: RequestArgs,
    },
    /// Reject requests, and tell the addresses why.
    Reject {
        #[command(flatten)]
        which: RequestArgs,
        /// What they are told.
        #[arg(long, default_value = "No reason was given.")]
        reason: String,
    },
    /// Discard requests without telling anybody.
    Discard {
        #[command(flatten)]
        which: RequestArgs,
    },
    /// Discard requests and ban the addresses: they may not subscribe.
    Ban {
        #[command(flatten)]
        which: RequestArgs,
    },
    /// Undo a decision within one minute, unless its result was sent; the request waits again.
    Undo {
        /// The list's name.
        list: String,
        /// The request's number.
        id: RequestId,
    },
    /// Print the address of the page on which a moderator can decide.
    Link {
        /// The list's name.
        list: String,
        /// The request's number.
        id: RequestId,
    },
}

// Which of a list's requests.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The list's name.
    pub list: String,
    /// The requests' numbers.
    #[arg(required_unless_present = "all")]
    pub ids: Vec<RequestId>,
    /// All of the list's requests.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
}
