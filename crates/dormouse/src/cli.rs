//! The command line: every command, its arguments and their help, in one place.
//!
//! A command's arguments are built when it is called (`defer`), not at each start. Therefore groups of
//! arguments have plain comments: clap would use doc comments as the help of their command.

pub mod archive;
mod arrange;
mod backup;
pub mod bounces;
pub mod compat;
mod config;
mod cron;
mod demo;
mod digest;
mod dkim;
mod held;
mod input;
pub mod intake;
mod list;
pub mod mailman2;
pub mod manual;
mod member;
mod person;
mod queue;
mod request;
mod setup;
mod spool;
mod store;
mod takeover;
mod template;
mod units;

pub use archive::ArchiveCommand;
pub use arrange::{LmtpArgs, MasterCommand, RunArgs, RunnerArgs, StatusArgs};
pub use backup::{BackupArgs, RestoreArgs};
pub use config::ConfigCommand;
pub use cron::CronCommand;
pub use demo::DemoArgs;
pub use digest::DigestCommand;
pub use dkim::{Algorithms, DkimCommand};
pub use held::{HeldArgs, HeldCommand, HeldFilter};
pub use input::Input;
pub use list::{ListCommand, NewListArgs, PasswordArgs};
pub use manual::ManualArgs;
pub use member::{MemberCommand, Rename, Which};
pub use person::{InviteArgs, PersonCommand};
pub use queue::QueueCommand;
pub use request::{RequestArgs, RequestCommand};
pub use setup::{SetupArgs, SetupMta, YesNo};
pub use spool::SpoolCommand;
pub use store::StoreCommand;
pub use takeover::*;
pub use template::TemplateCommand;
pub use units::{ManagerArgs, OtherManager, UnitsCommand};

pub use crate::mail::DEFAULT_SITE;
use clap::{Args, Parser, Subcommand};
use compat::CompatArgs;
use dormouse_clock::Timestamp;
use std::path::PathBuf;

/// The mailing list server that sleeps until there is mail.
#[derive(Debug, Parser)]
#[command(
    name = "dormouse",
    bin_name = "dormouse",
    version,
    arg_required_else_help = true,
    propagate_version = true
)]
pub struct Cli {
    /// The site's directory (dormouse.toml, dormouse.db, qfiles/).
    #[arg(
        long,
        env = "DORMOUSE_SITE",
        default_value = DEFAULT_SITE,
        global = true,
        value_name = "DIR"
    )]
    pub site: PathBuf,

    /// How much to log on standard error: error, warn, info, debug. The default is warn, or info
    /// if standard error is systemd's journal.
    #[arg(long, env = "DORMOUSE_LOG", global = true, value_name = "LEVEL")]
    pub log: Option<tracing::Level>,

    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Create a site: its directory, settings, database and queues.
    Init {
        /// The host name of the lists' addresses.
        #[arg(long, default_value_t = default_host())]
        host: String,
        /// Who runs the site: the owner of its own list, `mailman`, who gets the mail that comes
        /// back to the site.
        #[arg(long, value_name = "ADDRESS")]
        owner: Vec<String>,
        /// The PostgreSQL server with the lists and members of a site on several hosts, such as
        /// `postgres://USER@HOST/DATABASE`, with `?host=DIRECTORY` for a socket. The first host
        /// creates the tables there; the others join the site that they find.
        #[arg(long, value_name = "URL")]
        store: Option<String>,
    },
    /// Set everything up on this machine: a site, the MTA, units, a first list, a test mail.
    ///
    /// Asks five questions on a terminal, shows the commands it will run, and runs them. `--undo`
    /// reverts everything.
    Setup(SetupArgs),
    /// Show and change the site's settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Create, change and remove mailing lists.
    #[command(subcommand)]
    List(ListCommand),
    /// Add, change and remove the members of a list.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Accept a post for a list from standard input (MTA aliases call this).
    Post {
        /// The list's name.
        list: String,
        #[command(flatten)]
        envelope: EnvelopeArgs,
        /// Send the post at this time, such as 2026-12-01T09:00 (local time) or
        /// 2026-12-01T09:00+01:00. It is written into the post (`Deferred-Delivery`).
        #[arg(long, value_name = "TIME", value_parser = input::time)]
        at: Option<Timestamp>,
        #[command(flatten)]
        rehearsal: RehearsalArgs,
    },
    /// Accept mail for any address of a list from standard input.
    Deliver {
        /// The address: the list's, or its -request, -bounces, -owner, -join, -leave, -confirm.
        /// The default is the variable RECIPIENT, which Exim and Postfix set.
        #[arg(env = "RECIPIENT")]
        address: String,
        #[command(flatten)]
        envelope: EnvelopeArgs,
    },
    /// Process all queues until they are empty, then exit.
    ///
    /// The exit code is 0 if every queue that starts it is empty at the end, otherwise 75.
    Run(RunArgs),
    /// Print the entries of the queues, try them again, remove them.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Decide on posts that wait for a moderator.
    #[command(subcommand)]
    Held(HeldCommand),
    /// Search, rebuild, import, export and clean up archives.
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Decide on requests to join or leave that wait for a moderator.
    #[command(subcommand)]
    Request(RequestCommand),
    /// Show, export or erase everything stored about an address, on all lists.
    #[command(subcommand)]
    Person(PersonCommand),
    /// Invite addresses to join a list.
    Invite(InviteArgs),
    /// Show what happened to a message: every step, and why.
    Trace {
        /// The Message-ID, or the name of one of the message's queue entries.
        message: String,
        /// Only the steps that concern this recipient.
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the texts of notices.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Copy the database with the site's lists and members.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Adopt the queues of a dead host.
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Write the whole site into one file while it is running.
    Backup(BackupArgs),
    /// Restore a site from a backup, into a directory without a site.
    Restore(RestoreArgs),
    /// Write the manual pages.
    Manual(ManualArgs),
    /// Print a shell's completions.
    Completions {
        /// The shell.
        shell: manual::Shell,
    },
    /// Create and remove the keys that sign the mail of lists (DKIM).
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// Send digests now, print their state, or remove a post from the next.
    #[command(subcommand)]
    Digest(DigestCommand),
    /// Run periodic jobs: those of Mailman's crontab.
    #[command(subcommand)]
    Cron(CronCommand),
    /// Serve web pages on the socket that systemd passes; exit when idle.
    Serve {
        /// Listen at ADDRESS:PORT or at the path of a socket instead, until stopped.
        #[arg(long, value_name = "PLACE")]
        listen: Option<String>,
    },
    /// Accept mail over LMTP on the socket that systemd passes; exit when idle.
    Lmtp(LmtpArgs),
    /// Process one queue as a resident process (systemd or `master` starts it, as `[runners]` says).
    Runner(RunnerArgs),
    /// Stay resident and start a run when an entry arrives or is due: for hosts without systemd.
    Watch,
    /// Keep the resident processes of `[runners]` running: for hosts without systemd.
    #[command(subcommand)]
    Master(MasterCommand),
    /// Show how the queues are processed, what waits in them, the last runs and the systemd units.
    Status(StatusArgs),
    /// Look for common problems, and say how to solve them.
    Doctor {
        /// Correct wrong modes of files and directories.
        #[arg(long)]
        fix: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print, install and check the systemd units that start dormouse.
    #[command(subcommand)]
    Units(UnitsCommand),
    /// Import a Mailman 2.1 site: lists, members, held posts and requests, queued mail, archives.
    ///
    /// The old site is not changed. A second import only imports what has changed there since.
    Import(ImportArgs),
    /// Export the site to Mailman 2.1, to go back.
    Export(ExportArgs),
    /// Print or install the MTA's configuration for the lists' mail.
    Aliases(AliasesArgs),
    /// Accept mail as Mailman's mail wrapper did, for the aliases of an old site.
    #[command(subcommand)]
    Mailman(WrapperCommand),
    /// Run Mailman's commands by their names, such as `dormouse compat list_members LIST`.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Compat(CompatArgs),
    /// Show everything at work: a site, a list, posts and their delivery.
    Demo(DemoArgs),
}

fn default_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

// The envelope of a message.
#[derive(Debug, Args)]
pub struct EnvelopeArgs {
    /// The envelope sender; it is empty for bounces. The default is the variable SENDER, which
    /// Postfix and Exim set.
    #[arg(long, env = "SENDER", value_name = "ADDRESS", allow_hyphen_values = true)]
    pub sender: Option<String>,
}

// A trial that keeps nothing.
#[derive(Debug, Args)]
pub struct RehearsalArgs {
    /// Print what would happen to the message and which setting decides it; nothing is kept.
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: also print the message as it would be sent.
    #[arg(long, requires = "dry_run", conflicts_with = "json")]
    pub show: bool,
    /// With --dry-run: print JSON.
    #[arg(long, requires = "dry_run")]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn abouts(command: &clap::Command, path: &str, into: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        into.push(format!("{path}: {}", command.get_about().unwrap_or_default()));
        command.get_subcommands().for_each(|inner| abouts(inner, &path, into));
    }

    #[test]
    fn building_a_commands_arguments_keeps_its_description() {
        let mut before = Vec::new();
        abouts(&Cli::command(), "", &mut before);
        let mut built = Cli::command();
        built.build();
        let mut after = Vec::new();
        abouts(&built, "", &mut after);
        after.retain(|line| !line.contains(" help"));
        assert_eq!(after, before);
        assert!(before.iter().all(|line| !line.ends_with(": ")), "{before:#?}");
    }
}
