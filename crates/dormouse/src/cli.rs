//! The command line: every command, its arguments and their help, in one place.
//!
//! What a command takes is built when it is called (`defer`), not at each start. So groups of arguments
//! have plain comments: clap would put documentation in the place of the help of their command.

pub mod archive;
mod arrange;
mod backup;
pub mod bounces;
pub mod compat;
mod cron;
mod digest;
mod dkim;
mod input;
pub mod intake;
pub mod mailman2;
pub mod manual;
mod member;
mod person;
mod request;
mod setup;
mod takeover;

pub use archive::ArchiveCommand;
pub use arrange::{LmtpArgs, MasterCommand, RunArgs, RunnerArgs, StatusArgs};
pub use backup::{BackupArgs, RestoreArgs};
pub use cron::CronCommand;
pub use digest::DigestCommand;
pub use dkim::{Algorithms, DkimCommand};
pub use input::Input;
pub use manual::ManualArgs;
pub use member::{MemberCommand, Rename, Which};
pub use person::{InviteArgs, PersonCommand};
pub use request::{RequestArgs, RequestCommand};
pub use setup::{SetupArgs, SetupMta, YesNo};
pub use takeover::*;

use clap::{Args, Parser, Subcommand};
use compat::CompatArgs;
use mailman2::Mailman2Args;
use std::path::PathBuf;

/// Where the site is if nothing else is said.
pub const DEFAULT_SITE: &str = "/var/lib/dormouse";

/// The mailing list server that sleeps until there is mail.
#[derive(Debug, Parser)]
#[command(name = "dormouse", version, arg_required_else_help = true, propagate_version = true)]
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

    /// How much to say on standard error: error, warn, info, debug. The default is warn, and info
    /// when systemd's journal listens.
    #[arg(long, env = "DORMOUSE_LOG", global = true, value_name = "LEVEL")]
    pub log: Option<tracing::Level>,

    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Make a site: its directory, settings, database and queues.
    Init {
        /// The host name in the lists' addresses.
        #[arg(long, default_value_t = default_host())]
        host: String,
        /// Who runs the site and hears of what comes back to it: the owner of its own list,
        /// `mailman`.
        #[arg(long, value_name = "ADDRESS")]
        owner: Vec<String>,
    },
    /// Set everything up on this machine: a site, the MTA, units, a first list, a test mail.
    ///
    /// Asks five questions on a terminal, says what it will do, and does it with the commands that
    /// it names. `--undo` takes all of it back.
    Setup(SetupArgs),
    /// Show and change the site's settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Mailing lists.
    #[command(subcommand)]
    List(ListCommand),
    /// The members of a list.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Take a post for a list from standard input (what an MTA's alias runs).
    Post {
        /// The list's name.
        list: String,
        #[command(flatten)]
        envelope: EnvelopeArgs,
        #[command(flatten)]
        rehearsal: RehearsalArgs,
    },
    /// Take mail for any address of a list from standard input.
    Deliver {
        /// The address: a list's own, or its -request, -bounces, -owner, -join, -leave, -confirm.
        /// Exim and Postfix set RECIPIENT.
        #[arg(env = "RECIPIENT")]
        address: String,
        #[command(flatten)]
        envelope: EnvelopeArgs,
    },
    /// Work off every queue, then end.
    ///
    /// Exits with 0 when every queue that wakes it is empty, else with 75.
    Run(RunArgs),
    /// The queues' entries.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Posts that wait for a moderator.
    #[command(subcommand)]
    Held(HeldCommand),
    /// What lists have said.
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Requests to join or leave that wait for a moderator.
    #[command(subcommand)]
    Request(RequestCommand),
    /// What is known about an address, on all lists.
    #[command(subcommand)]
    Person(PersonCommand),
    /// Ask addresses whether they would like to join a list.
    Invite(InviteArgs),
    /// Tell what became of a message: every step it took, and why.
    Trace {
        /// Its Message-ID, or the name of one of its queue entries.
        message: String,
        /// Only what was about this recipient.
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The texts of notices.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Write the whole site into one file, while it runs.
    Backup(BackupArgs),
    /// Make a site out of a backup, in a directory that holds none.
    Restore(RestoreArgs),
    /// Write the manual pages.
    Manual(ManualArgs),
    /// Print a shell's completions.
    Completions {
        /// The shell.
        shell: manual::Shell,
    },
    /// Keys that sign the mail of lists (DKIM).
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// Digests: many posts in one mail.
    #[command(subcommand)]
    Digest(DigestCommand),
    /// What the clock does: a job of Mailman's crontab, once for its day.
    #[command(subcommand)]
    Cron(CronCommand),
    /// Serve web pages on the socket that systemd passes, until nobody asks for one.
    Serve {
        /// Listen here instead, until stopped: at ADDRESS:PORT, or at a path.
        #[arg(long, value_name = "PLACE")]
        listen: Option<String>,
    },
    /// Take mail in over LMTP on the socket that systemd passes, until nobody brings any.
    Lmtp(LmtpArgs),
    /// Work off one queue and stay (an arrangement of [runners] that systemd or `master` starts).
    Runner(RunnerArgs),
    /// Stay, and start a run when an entry comes or is due: for hosts without systemd.
    Watch,
    /// Keep the resident processes running that [runners] asks for: for hosts without systemd.
    #[command(subcommand)]
    Master(MasterCommand),
    /// How the queues are worked off, what waits in them, the last runs and the systemd units.
    Status(StatusArgs),
    /// Look for what commonly goes wrong, and say how to mend it.
    Doctor {
        /// Set the modes of files and directories that are wrong.
        #[arg(long)]
        fix: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The systemd units that wake dormouse.
    #[command(subcommand)]
    Units(UnitsCommand),
    /// Bring a Mailman 2.1 site over: lists, members, what waits, mail that is under way, archives.
    ///
    /// Nothing of the old site is changed. Run again, it brings only what changed there.
    Import(ImportArgs),
    /// Write the site for Mailman 2.1, for the way back.
    Export(ExportArgs),
    /// Print or install what the MTA needs to deliver mail for the lists.
    Aliases(AliasesArgs),
    /// Take mail as Mailman's mail wrapper did, which aliases of an old site call.
    #[command(subcommand)]
    Mailman(WrapperCommand),
    /// Mailman's commands by their names, such as `dormouse compat list_members LIST`.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Compat(CompatArgs),
    /// Show everything at work: a site, a list, posts, their delivery.
    Demo(DemoArgs),
}

fn default_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

// What the MTA knows beside the message.
#[derive(Debug, Args)]
pub struct EnvelopeArgs {
    /// The envelope sender; an empty one is a bounce's. Postfix and Exim set SENDER.
    #[arg(long, env = "SENDER", value_name = "ADDRESS", allow_hyphen_values = true)]
    pub sender: Option<String>,
}

// Only looking.
#[derive(Debug, Args)]
pub struct RehearsalArgs {
    /// Say what would happen to the message and which setting decides it; nothing is kept.
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: print the message as it would leave, too.
    #[arg(long, requires = "dry_run", conflicts_with = "json")]
    pub show: bool,
    /// With --dry-run: as JSON.
    #[arg(long, requires = "dry_run")]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ConfigCommand {
    /// Print every setting with its value, or the value of one.
    Show {
        /// Only this setting, such as delivery.url: its value alone.
        key: Option<String>,
        /// With what each setting means.
        #[arg(long)]
        explain: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change a setting.
    Set {
        /// The setting, such as delivery.url.
        key: String,
        /// Its new value.
        #[arg(allow_negative_numbers = true)]
        value: String,
    },
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ListCommand {
    /// Make a list.
    Create {
        /// Its name, or NAME@HOST for another host than the site's.
        name: String,
        /// Who runs it.
        #[arg(long, required = true, value_name = "ADDRESS")]
        owner: Vec<String>,
        #[command(flatten)]
        new: NewListArgs,
    },
    /// Remove a list with its members and settings. Its archive stays.
    ///
    /// It says what goes and asks. What goes is kept in a file, from which `list restore` brings it
    /// back; an archive is not in it.
    Rm {
        /// The list's name.
        name: String,
        /// Its archive, too.
        #[arg(long)]
        archives: bool,
        /// Without the question.
        #[arg(long, short)]
        yes: bool,
    },
    /// Bring back a list that was removed, with everything but its archive.
    Restore {
        /// The file that `list rm` named.
        #[arg(value_parser = Input::parser())]
        file: Input,
    },
    /// Print the lists.
    Ls {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a list's settings, or the value of one.
    Show {
        /// The list's name.
        name: String,
        /// Only this setting, such as subject_prefix: its value alone.
        key: Option<String>,
        /// With what each setting means.
        #[arg(long)]
        explain: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a list a password, which is asked for.
    ///
    /// The owners' password approves posts and commands by mail, and so do the moderators'; the
    /// posters' lets a post pass.
    Password(PasswordArgs),
    /// Change a list's settings, under Mailman's names.
    Set {
        /// The list's name.
        name: String,
        /// The changes.
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
}

// What a new list has from the beginning.
#[derive(Debug, Default, Args)]
pub struct NewListArgs {
    /// With the settings of this list, but what is its own: name, owners, passwords, description,
    /// newsgroup.
    #[arg(long, value_name = "LIST")]
    pub like: Option<String>,
    /// Ask for the owners' password, or read it from the first line of standard input.
    #[arg(long)]
    pub password: bool,
    /// Make up a password and print it. Without either option one is made up that stands in the mail
    /// to the owners alone.
    #[arg(long, conflicts_with = "password")]
    pub generate_password: bool,
    /// The owners get no mail about their list, and it has no password that is not asked for.
    #[arg(long, short)]
    pub quiet: bool,
}

// Whose password, and where it comes from.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// The list's name.
    pub name: String,
    /// The moderators' password, in place of the owners'.
    #[arg(long)]
    pub moderator: bool,
    /// The posters' password, in place of the owners'.
    #[arg(long, conflicts_with = "moderator")]
    pub poster: bool,
    /// Read it from the first line of standard input.
    #[arg(long)]
    pub stdin: bool,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum QueueCommand {
    /// Print the entries of a queue, or of all.
    Ls {
        /// The queue.
        queue: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print an entry: what is known about it, and the message.
    Show {
        /// The entry, as `queue ls` prints it, or the start of its name.
        entry: String,
        /// Only the message, byte for byte.
        #[arg(long)]
        raw: bool,
        /// As JSON.
        #[arg(long, conflicts_with = "raw")]
        json: bool,
    },
    /// Put an entry of shunt, bad or retry back to where it came from.
    Retry {
        /// The entry.
        #[arg(required_unless_present = "all")]
        entry: Option<String>,
        /// Every entry of this queue.
        #[arg(long, value_name = "QUEUE")]
        all: Option<String>,
    },
    /// Remove an entry for good.
    Rm {
        /// The entry.
        entry: String,
    },
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum HeldCommand {
    /// Print the posts that wait.
    Ls {
        /// Only this list's.
        list: Option<String>,
        #[command(flatten)]
        filter: HeldFilter,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a post as it came.
    Show {
        /// The list's name.
        list: String,
        /// Its number.
        id: i64,
    },
    /// Let posts through.
    Approve {
        #[command(flatten)]
        which: HeldArgs,
        /// Do not hold their senders' posts from now on.
        #[arg(long)]
        remember: bool,
    },
    /// Send posts back.
    Reject {
        #[command(flatten)]
        which: HeldArgs,
        /// What the senders are told; without it, what the list says in such cases
        /// (`nonmember_rejection_notice`).
        #[arg(long)]
        reason: Option<String>,
    },
    /// Drop posts.
    Discard {
        #[command(flatten)]
        which: HeldArgs,
    },
    /// Drop posts, and shut their senders out: they may not subscribe, and their posts are dropped.
    Ban {
        #[command(flatten)]
        which: HeldArgs,
    },
    /// Send copies of posts to somebody; they go on waiting.
    Forward {
        #[command(flatten)]
        which: HeldArgs,
        /// To whom.
        #[arg(long, required = true, value_name = "ADDRESS")]
        to: Vec<String>,
    },
    /// Print the address behind which a moderator can look at a post and decide.
    Link {
        /// The list's name.
        list: String,
        /// The post's number.
        id: i64,
    },
}

// Which of a list's held posts.
#[derive(Debug, Args)]
pub struct HeldArgs {
    /// The list's name.
    pub list: String,
    /// Their numbers.
    pub ids: Vec<i64>,
    /// All of them, or all that the other options name.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    #[command(flatten)]
    pub filter: HeldFilter,
}

// Which held posts.
#[derive(Debug, Args)]
pub struct HeldFilter {
    /// Only those that have waited so long, such as 3d.
    #[arg(long, value_name = "SPAN")]
    pub older_than: Option<dormouse_store::units::Span>,
    /// Only those of this sender.
    #[arg(long, value_name = "ADDRESS")]
    pub sender: Option<String>,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum TemplateCommand {
    /// Print the names of the texts of notices, and which files take their place.
    Ls {
        /// For this list.
        list: String,
        /// For readers of this language; without it the list's.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        language: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a text as it is used.
    Show {
        /// For this list.
        list: String,
        /// The text's name.
        name: String,
        /// For readers of this language; without it the list's.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        language: String,
    },
}

// For which systemd manager units are.
#[derive(Debug, Clone, Args)]
pub struct ManagerArgs {
    /// For your own user manager, without root.
    #[arg(long)]
    pub user: bool,
    /// The user that the system's units run as: the site's owner, and `list` for a site of root's.
    #[arg(long, conflicts_with = "user", value_name = "USER")]
    pub run_as: Option<String>,
    /// The group that the system's units run as: the site's, or the user's.
    #[arg(long, conflicts_with = "user", value_name = "GROUP")]
    pub group: Option<String>,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum UnitsCommand {
    /// Print the units.
    Print {
        #[command(flatten)]
        manager: ManagerArgs,
        /// Write them into this directory instead.
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        #[command(flatten)]
        mailman2: Mailman2Args,
        /// For another service manager, which then keeps `master` running.
        #[arg(long = "for", value_name = "MANAGER", conflicts_with_all = ["user", "into", "mailman2"])]
        other: Option<OtherManager>,
    },
    /// Install and start the units. A site that is root's is given to the user they run as.
    Install {
        #[command(flatten)]
        manager: ManagerArgs,
        /// Install without starting.
        #[arg(long)]
        no_start: bool,
        /// Only say which files would be written and removed.
        #[arg(long)]
        dry_run: bool,
    },
    /// Stop the units of the site and remove them; mail then waits until somebody works the queues off.
    ///
    /// The site need not be there any more; what you have added to units yourself stays.
    Uninstall {
        #[command(flatten)]
        manager: ManagerArgs,
    },
    /// Compare what is installed with what should be, and look whether it is alive.
    Check {
        #[command(flatten)]
        manager: ManagerArgs,
        /// Mend what is wrong first, as far as that can be done without you.
        #[arg(long)]
        fix: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Service managers beside systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OtherManager {
    /// A file for /etc/init.d.
    Openrc,
    /// A `run` file for a service directory.
    Runit,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to make the site; a temporary directory by default, which is kept until you remove it.
    pub dir: Option<PathBuf>,
    /// Post the mails of this mailbox instead of our own.
    #[arg(long, value_name = "FILE")]
    pub mbox: Option<PathBuf>,
    /// Let a real systemd user manager wake the drain, or fail. Without it, that is done where such a
    /// manager is at hand and has no units of dormouse.
    #[arg(long)]
    pub systemd: bool,
    /// Do not let systemd wake anything.
    #[arg(long, conflicts_with = "systemd")]
    pub no_systemd: bool,
    /// As JSON.
    #[arg(long)]
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
    fn what_a_command_takes_does_not_change_what_is_said_of_it() {
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
