//! `member`.

use super::Input;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum MemberCommand {
    /// Add members. Those who are banned are named and not added.
    Add {
        /// The list's name.
        list: String,
        /// Addresses, plain or as `Name <address>`.
        #[arg(required_unless_present = "file")]
        addresses: Vec<String>,
        /// A file with one address a line; - is standard input.
        #[arg(long, value_name = "FILE", value_parser = Input::parser())]
        file: Option<Input>,
        /// As digest members.
        #[arg(long)]
        digest: bool,
        /// Whether they get the welcome message; as the list's send_welcome_msg says by default.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        welcome: Option<bool>,
        /// Whether the owners are told; as the list's admin_notify_mchanges says by default.
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
        /// Whether they get the farewell; as the list's send_goodbye_msg says by default.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        goodbye: Option<bool>,
        /// Whether the owners are told; as the list's admin_notify_mchanges says by default.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        notify: Option<bool>,
    },
    /// Make a file's addresses the members, and nobody else.
    ///
    /// Lines that are empty or begin with # count for nothing. One address that is none stops it
    /// all. Members who stay keep everything that they have chosen. Those who are banned are named and
    /// do not come.
    Sync {
        /// The list's name.
        list: String,
        /// The file, one address a line, plain or as `Name <address>`; - is standard input.
        #[arg(long, required = true, value_name = "FILE", value_parser = Input::parser())]
        file: Input,
        /// Those who come get digests.
        #[arg(long)]
        digest: bool,
        /// Whether those who come get the welcome message; as the list's send_welcome_msg says by
        /// default.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        welcome: Option<bool>,
        /// Whether those who go get the farewell; as the list's send_goodbye_msg says by default.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        goodbye: Option<bool>,
        /// Whether the owners are told; as the list's admin_notify_mchanges says by default.
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no())]
        notify: Option<bool>,
        /// Only say who would come and go.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the members.
    Ls {
        /// The list's name.
        list: String,
        #[command(flatten)]
        which: Which,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print everything that is known about a member.
    Show {
        /// The list's name.
        list: String,
        /// The member's address.
        address: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change what a member has chosen.
    ///
    /// nomail=off, on, byuser, byadmin, bybounce or unknown: no mail for now, and why; digest=off,
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
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Find members of all lists by their address.
    Find {
        /// Patterns, as Python's; one that is found anywhere in the address is enough.
        #[arg(required = true)]
        patterns: Vec<String>,
        /// Only on these lists.
        #[arg(long, value_name = "LIST")]
        list: Vec<String>,
        /// Owners and moderators, too.
        #[arg(long)]
        owners: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make another address a member wherever one is, with the same choices.
    Clone(Rename),
    /// Give a member another address wherever it is one; everything else stays.
    Move(Rename),
    /// Print what came back by receiving domain: bounces, refusals, complaints.
    Rates {
        /// The list's name; without it, all lists.
        list: Option<String>,
        /// So many days back.
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        days: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print whose mail came back, and every bounce, the newest first.
    Bounces {
        /// The list's name.
        list: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

fn yes_or_no() -> BoolishValueParser {
    BoolishValueParser::new()
}

// One address in place of another.
#[derive(Debug, Args)]
pub struct Rename {
    /// The address.
    pub old: String,
    /// The other one.
    pub new: String,
    /// Only on these lists.
    #[arg(long, value_name = "LIST")]
    pub list: Vec<String>,
    /// Also among owners and moderators.
    #[arg(long)]
    pub owners: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

// Which members.
#[derive(Debug, Args)]
pub struct Which {
    /// Only those who get posts one by one.
    #[arg(long, conflicts_with = "digest")]
    pub regular: bool,
    /// Only those who get digests, of this kind.
    #[arg(long, value_name = "KIND", num_args = 0..=1, default_missing_value = "any", value_parser = ["any", "mime", "plain"])]
    pub digest: Option<String>,
    /// Only those who get no mail for now, for this reason.
    #[arg(long, value_name = "WHY", num_args = 0..=1, default_missing_value = "any", value_parser = ["any", "byuser", "byadmin", "bybounce", "unknown", "enabled"])]
    pub nomail: Option<String>,
}
