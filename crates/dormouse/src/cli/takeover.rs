//! Moving a Mailman site in, and back.

use clap::{Args, Subcommand, ValueEnum};
use dormouse_membership::address::Purpose;
use std::path::PathBuf;

// Bringing a Mailman 2.1 site over.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The directory with Mailman's lists/, qfiles/, archives/ and data/.
    #[arg(default_value = "/var/lib/mailman")]
    pub prefix: PathBuf,
    /// Only look: say what would be brought over and what not.
    #[arg(long)]
    pub dry_run: bool,
    /// Its mm_cfg.py, if that is elsewhere.
    #[arg(long, value_name = "FILE")]
    pub mm_cfg: Option<PathBuf>,
    /// Leave the archives out.
    #[arg(long)]
    pub no_archives: bool,
    /// Print what became of every single attribute and file.
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

// Writing a site for Mailman 2.1.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Write a tree that Mailman 2.1 loads into this directory, which must be empty or new.
    #[arg(long, value_name = "DIR", required = true)]
    pub mailman2: PathBuf,
    /// Mailman keeps its members' passwords in the clear, which are not here any more. Take those
    /// that still fit from the Mailman site in this directory.
    #[arg(long, value_name = "PREFIX")]
    pub passwords_from: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

// What the MTA needs to know.
#[derive(Debug, Args)]
pub struct AliasesArgs {
    /// For which MTA.
    #[arg(long, value_enum, default_value_t = Mta::Postfix)]
    pub mta: Mta,
    /// Who gets the mail; `mailman` is for the way back.
    #[arg(long = "for", value_enum, default_value_t = Receiver::Dormouse, value_name = "PROGRAM")]
    pub receiver: Receiver,
    /// The same as --for mailman.
    #[arg(long, conflicts_with = "receiver")]
    pub undo: bool,
    /// The program that mail is given to; by default this one, or /usr/lib/mailman/mail/mailman.
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
    /// Print Postfix's map of virtual domains instead, for lists of these domains; of all but the
    /// site's when none is named.
    #[arg(long = "virtual", value_name = "DOMAIN", num_args = 0.., value_delimiter = ',')]
    pub virtual_domains: Option<Vec<String>>,
    /// Write it into this file, all of it or nothing.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write it into the site's directory, have the MTA index it, and say what to set there.
    #[arg(long, conflicts_with = "output")]
    pub install: bool,
    /// Print every address with its list and command as JSON, for programs.
    #[arg(long, conflicts_with_all = ["output", "install", "virtual_domains"])]
    pub json: bool,
}

/// An MTA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mta {
    /// Postfix: a file for alias_maps.
    Postfix,
    /// Exim: a router and a transport.
    Exim,
    /// Sendmail: a file for AliasFile.
    Sendmail,
    /// OpenSMTPD: a table of aliases.
    Opensmtpd,
}

/// Who gets the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Receiver {
    /// This program.
    Dormouse,
    /// Mailman 2.1.
    Mailman,
}

/// What Mailman's mail wrapper took.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum WrapperCommand {
    /// A post.
    Post(WrapperArgs),
    /// Mail for the people who run the list.
    Owner(WrapperArgs),
    /// A bounce.
    Bounces(WrapperArgs),
    /// A bounce, under its old name.
    Admin(WrapperArgs),
    /// A confirmation.
    Confirm(WrapperArgs),
    /// To become a member.
    Join(WrapperArgs),
    /// The same.
    Subscribe(WrapperArgs),
    /// To be a member no more.
    Leave(WrapperArgs),
    /// The same.
    Unsubscribe(WrapperArgs),
    /// Commands.
    Request(WrapperArgs),
}

// For which list.
#[derive(Debug, Args)]
pub struct WrapperArgs {
    /// The list's name.
    pub list: String,
    /// The address that the mail came for, with what follows a + in it. Postfix sets
    /// ORIGINAL_RECIPIENT.
    #[arg(long, env = "ORIGINAL_RECIPIENT", value_name = "ADDRESS", allow_hyphen_values = true)]
    pub recipient: Option<String>,
    #[command(flatten)]
    pub envelope: super::EnvelopeArgs,
}

impl WrapperCommand {
    /// What is behind the list's name in the address, what for, and the rest.
    pub fn parts(self) -> (&'static str, Purpose, WrapperArgs) {
        match self {
            WrapperCommand::Post(args) => ("", Purpose::Post, args),
            WrapperCommand::Owner(args) => ("-owner", Purpose::Owner, args),
            WrapperCommand::Bounces(args) => ("-bounces", Purpose::Bounce, args),
            WrapperCommand::Admin(args) => ("-admin", Purpose::Bounce, args),
            WrapperCommand::Confirm(args) => ("-confirm", Purpose::Confirm, args),
            WrapperCommand::Join(args) => ("-join", Purpose::Join, args),
            WrapperCommand::Subscribe(args) => ("-subscribe", Purpose::Join, args),
            WrapperCommand::Leave(args) => ("-leave", Purpose::Leave, args),
            WrapperCommand::Unsubscribe(args) => ("-unsubscribe", Purpose::Leave, args),
            WrapperCommand::Request(args) => ("-request", Purpose::Request, args),
        }
    }
}
