//! `import`, `export`, `aliases` and `mailman`: moving from Mailman 2.1, and back.

use crate::mail::{WRAPPER_NAMES, WrapperName};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand, ValueEnum};
use std::path::PathBuf;

// What to import.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The directory with Mailman's lists/, qfiles/, archives/ and data/.
    #[arg(default_value = "/var/lib/mailman")]
    pub prefix: PathBuf,
    /// Only print what would be imported and what would not.
    #[arg(long)]
    pub dry_run: bool,
    /// The site's mm_cfg.py, if it is elsewhere.
    #[arg(long, value_name = "FILE")]
    pub mm_cfg: Option<PathBuf>,
    /// Do not import the archives.
    #[arg(long)]
    pub no_archives: bool,
    /// Print the result for every single attribute and file.
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

// Where to export to.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The directory to write, for Mailman 2.1 to load; it must be empty or new.
    #[arg(long, value_name = "DIR", required = true)]
    pub mailman2: PathBuf,
    /// Mailman stores its members' passwords in plain text, and dormouse does not have them. Take
    /// those that are still valid from the Mailman site in this directory.
    #[arg(long, value_name = "PREFIX")]
    pub passwords_from: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

// Which MTA's configuration, and where to write it.
#[derive(Debug, Args)]
pub struct AliasesArgs {
    /// The MTA.
    #[arg(long, value_enum, default_value_t = Mta::Postfix)]
    pub mta: Mta,
    /// Which program gets the mail; `mailman` is for going back.
    #[arg(long = "for", value_enum, default_value_t = Receiver::Dormouse, value_name = "PROGRAM")]
    pub receiver: Receiver,
    /// The same as --for mailman.
    #[arg(long, conflicts_with = "receiver")]
    pub undo: bool,
    /// The program's path; the default is this program, or /usr/lib/mailman/mail/mailman.
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
    /// Print Postfix's map of virtual domains instead, for the lists of these domains; the default
    /// is all but the site's own.
    #[arg(long = "virtual", value_name = "DOMAIN", num_args = 0.., value_delimiter = ',')]
    pub virtual_domains: Option<Vec<String>>,
    /// Write the configuration into this file, atomically.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the configuration into the site's directory, let the MTA index it, and print the
    /// settings that the MTA needs.
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

/// Which program gets the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Receiver {
    /// This program.
    Dormouse,
    /// Mailman 2.1.
    Mailman,
}

/// A command of Mailman's mail wrapper.
#[derive(Debug)]
pub struct WrapperCommand {
    /// Its name.
    pub name: &'static WrapperName,
    /// Its arguments.
    pub args: WrapperArgs,
}

// The list and the envelope.
#[derive(Debug, Args)]
pub struct WrapperArgs {
    /// The list's name.
    pub list: String,
    /// The full address of the recipient, with the extension after a +. The default is the variable
    /// ORIGINAL_RECIPIENT, which Postfix sets.
    #[arg(long, env = "ORIGINAL_RECIPIENT", value_name = "ADDRESS", allow_hyphen_values = true)]
    pub recipient: Option<String>,
    #[command(flatten)]
    pub envelope: super::EnvelopeArgs,
}

impl FromArgMatches for WrapperCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<WrapperCommand, clap::Error> {
        let missing = || clap::Error::new(ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let name = WrapperName::find(name).ok_or_else(missing)?;
        Ok(WrapperCommand { name, args: WrapperArgs::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = WrapperCommand::from_arg_matches(matches)?;
        Ok(())
    }
}

/// As derived for an enum, but from the table of names.
impl Subcommand for WrapperCommand {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        command.subcommands(WRAPPER_NAMES.iter().map(|name| {
            clap::Command::new(name.name).about(name.about).defer(WrapperArgs::augment_args)
        }))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        WrapperCommand::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        WrapperName::find(name).is_some()
    }
}
