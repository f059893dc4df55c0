//! `held`.

use clap::{Args, Subcommand};
use dormouse_store::HeldId;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum HeldCommand {
    /// Print the held posts.
    Ls {
        /// Only posts to this list.
        list: Option<String>,
        #[command(flatten)]
        filter: HeldFilter,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a post as it was received.
    Show {
        /// The list's name.
        list: String,
        /// The post's number.
        id: HeldId,
    },
    /// Approve posts.
    Approve {
        #[command(flatten)]
        which: HeldArgs,
        /// Do not hold their senders' posts from now on.
        #[arg(long)]
        remember: bool,
    },
    /// Reject posts: their senders are told.
    Reject {
        #[command(flatten)]
        which: HeldArgs,
        /// What the senders are told; the default is the list's `nonmember_rejection_notice`.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Discard posts.
    Discard {
        #[command(flatten)]
        which: HeldArgs,
    },
    /// Discard posts and ban their senders: they may not subscribe, and their posts are discarded.
    Ban {
        #[command(flatten)]
        which: HeldArgs,
    },
    /// Undo a decision within one minute, unless its result was sent; the post is held again.
    Undo {
        /// The list's name.
        list: String,
        /// The post's number.
        id: HeldId,
    },
    /// Send copies of posts to somebody; the posts stay held.
    Forward {
        #[command(flatten)]
        which: HeldArgs,
        /// The recipient of the copies; may be repeated.
        #[arg(long, required = true, value_name = "ADDRESS")]
        to: Vec<String>,
    },
    /// Print the address of the page on which a moderator can look at a post and decide.
    Link {
        /// The list's name.
        list: String,
        /// The post's number.
        id: HeldId,
    },
}

// Which of a list's held posts.
#[derive(Debug, Args)]
pub struct HeldArgs {
    /// The list's name.
    pub list: String,
    /// The posts' numbers.
    pub ids: Vec<HeldId>,
    /// All held posts, or all that match the other options.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    #[command(flatten)]
    pub filter: HeldFilter,
}

// Which held posts.
#[derive(Debug, Args)]
pub struct HeldFilter {
    /// Only posts that have waited at least this long, such as 3d.
    #[arg(long, value_name = "SPAN")]
    pub older_than: Option<dormouse_store::units::Span>,
    /// Only posts of this sender.
    #[arg(long, value_name = "ADDRESS")]
    pub sender: Option<String>,
}
