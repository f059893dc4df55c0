//! `request`: what waits for a moderator beside posts.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum RequestCommand {
    /// Print the requests that wait.
    Ls {
        /// Only this list's.
        list: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Do what is asked for.
    Approve {
        #[command(flatten)]
        which: RequestArgs,
    },
    /// Do not, and tell the addresses why.
    Reject {
        #[command(flatten)]
        which: RequestArgs,
        /// What they are told.
        #[arg(long, default_value = "No reason was given.")]
        reason: String,
    },
    /// Do not, and tell nobody.
    Discard {
        #[command(flatten)]
        which: RequestArgs,
    },
    /// Do not, and shut the addresses out: they may not subscribe.
    Ban {
        #[command(flatten)]
        which: RequestArgs,
    },
    /// Print the address behind which a moderator can decide.
    Link {
        /// The list's name.
        list: String,
        /// The request's number.
        id: i64,
    },
}

// Which of a list's requests.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The list's name.
    pub list: String,
    /// Their numbers.
    #[arg(required_unless_present = "all")]
    pub ids: Vec<i64>,
    /// All of them.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
}
