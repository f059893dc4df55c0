//! `member`.

use super::Input;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum MemberCommand {
    /// Add members. Banned addresses are reported and not added.
    Add {
        /// The list's name.
        list: String,
        /// Addresses, plain or as `Name <address>`.
        #[arg(required_unless_present = "file")]
        addresses: Vec<String>,
        /// A file with one address a line; - is standard input.
        #[arg(long, value_name = "FILE", value_parser = Input::parser())]
        file: Option<Input>,
        /// Subscribe them to digests.
        #[arg(long)]
        digest: bool,
        /// Whether they get the welcome message; the default is the list's send_welcome_msg.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        welcome: Option<bool>,
        /// Whether the owners are notified; the default is the list's admin_notify_mchanges.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        notify: Option<bool>,
    },
    /// Remove members.
    Rm {
        /// The list's name.
        list: String,
        /// Their addresses.
        #[arg(required_unless_present = "file")]
        addresses: Vec<String>,
        /// A file with one address a line; - is standard input.
        #[arg(long, value_name = "FILE", value_parser = Input::parser())]
        file: Option<Input>,
        /// Whether they get the goodbye message; the default is the list's send_goodbye_msg.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        goodbye: Option<bool>,
        /// Whether the owners are notified; the default is the list's admin_notify_mchanges.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        notify: Option<bool>,
    },
    /// Make exactly the addresses in a file members.
    ///
    /// Empty lines and lines that begin with # are ignored. An invalid address stops everything.
    /// Members who stay keep their options. Banned addresses are reported and not added.
    Sync {
        /// The list's name.
        list: String,
        /// The file, one address a line, plain or as `Name <address>`; - is standard input.
        #[arg(long, required = true, value_name = "FILE", value_parser = Input::parser())]
        file: Input,
        /// Subscribe new members to digests.
        #[arg(long)]
        digest: bool,
        /// Whether new members get the welcome message; the default is the list's send_welcome_msg.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        welcome: Option<bool>,
        /// Whether removed members get the goodbye message; the default is the list's
        /// send_goodbye_msg.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        goodbye: Option<bool>,
        /// Whether the owners are notified; the default is the list's admin_notify_mchanges.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        notify: Option<bool>,
        /// Only print who would be added and removed.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the members.
    Ls {
        /// The list's name.
        list: String,
        #[command(flatten)]
        which: Which,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print everything that is known about a member.
    Show {
        /// The list's name.
        list: String,
        /// The member's address.
        address: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change a member's options.
    ///
    /// nomail=off, on, byuser, byadmin, bybounce or unknown: delivery is off, and why; digest=off,
    /// mime or plain; notmetoo, nodupes, ack, hide, mod, nmtopics, noremind=on or off;
    /// topics=NAME,NAME; language=CODE; name=NAME.
    Set {
        /// The list's name.
        list: String,
        /// The member's address, or --all; then the changes.
        #[arg(required = true, value_name = "ADDRESS OPTION=VALUE")]
        changes: Vec<String>,
        /// Change all members.
        #[arg(long)]
        all: bool,
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Find members of all lists by their address.
    Find {
        /// Patterns in Python's syntax; an address is found if one matches anywhere in it.
        #[arg(required = true)]
        patterns: Vec<String>,
        /// Only on these lists.
        #[arg(long, value_name = "LIST")]
        list: Vec<String>,
        /// Also search owners and moderators.
        #[arg(long)]
        owners: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Subscribe another address to every list of an address, with the same options.
    Clone(Rename),
    /// Change a member's address on every list; everything else stays.
    ///
    /// The old and the new address get a mail about it, so that nobody loses a membership
    /// unnoticed.
    Move {
        #[command(flatten)]
        rename: Rename,
        /// Whether the old and the new address get a mail about it.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no(), default_value = "yes", action = ArgAction::Set)]
        notify: bool,
    },
    /// Print bounces, refusals and complaints by receiving domain.
    Rates {
        /// The list's name; the default is all lists.
        list: Option<String>,
        /// Count this many past days.
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        days: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the members whose mail bounced, and every bounce, the newest first.
    Bounces {
        /// The list's name.
        list: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn yes_or_no() -> BoolishValueParser {
    BoolishValueParser::new()
}

// An address and the one that replaces or joins it.
#[derive(Debug, Args)]
pub struct Rename {
    /// The existing address.
    pub old: String,
    /// The new address.
    pub new: String,
    /// Only on these lists.
    #[arg(long, value_name = "LIST")]
    pub list: Vec<String>,
    /// Also among owners and moderators.
    #[arg(long)]
    pub owners: bool,
    /// Only print what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

// Which members.
#[derive(Debug, Args)]
pub struct Which {
    /// Only members who get every post by itself.
    #[arg(long, conflicts_with = "digest")]
    pub regular: bool,
    /// Only members who get digests, of this kind.
    #[arg(long, value_name = "KIND", num_args = 0..=1, default_missing_value = "any", value_parser = ["any", "mime", "plain"])]
    pub digest: Option<String>,
    /// Only members whose delivery is off, for this reason.
    #[arg(long, value_name = "WHY", num_args = 0..=1, default_missing_value = "any", value_parser = ["any", "byuser", "byadmin", "bybounce", "unknown", "enabled"])]
    pub nomail: Option<String>,
}
