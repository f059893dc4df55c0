//! `list`.

use super::Input;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum ListCommand {
    /// Create a list.
    Create {
        /// The name, or NAME@HOST if the host is not the site's.
        name: String,
        /// The list's owner; may be repeated.
        #[arg(long, required = true, value_name = "ADDRESS")]
        owner: Vec<String>,
        #[command(flatten)]
        new: NewListArgs,
    },
    /// Remove a list with its members and settings. Its archive stays.
    ///
    /// Prints what will be removed and asks for confirmation. What was removed, except the archive,
    /// is stored in a file for `list restore`.
    Rm {
        /// The list's name.
        name: String,
        /// Remove the archive, too.
        #[arg(long)]
        archives: bool,
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
    },
    /// Rename a list. Its archive and addresses follow.
    ///
    /// Prints what will change and asks for confirmation. Mail to the old addresses, old links and
    /// mail in the queues still reach the list, until --forget releases the old name.
    Rename {
        /// The list's name.
        name: String,
        /// The new name, or NAME@HOST.
        #[arg(required_unless_present = "forget")]
        new: Option<String>,
        /// Release a former name: mail to it no longer reaches the list, and another list may have it.
        #[arg(long, value_name = "NAME", conflicts_with = "new")]
        forget: Option<String>,
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
    },
    /// Create a list with the settings, texts and owners of another.
    Copy {
        /// The existing list's name.
        name: String,
        /// The new list's name, or NAME@HOST.
        new: String,
        /// An owner of the new list, instead of those of the other; may be repeated.
        #[arg(long, value_name = "ADDRESS")]
        owner: Vec<String>,
        /// Copy the members, too. They get no mail about it.
        #[arg(long)]
        members: bool,
    },
    /// Close a list: posts are rejected, nobody can join, and the archive stays.
    Close {
        /// The list's name.
        name: String,
        /// Remove all members. They get no mail about it.
        #[arg(long)]
        remove_members: bool,
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
    },
    /// Reopen a closed list.
    Reopen {
        /// The list's name.
        name: String,
    },
    /// Restore a removed list, with everything but its archive.
    Restore {
        /// The file that `list rm` named.
        #[arg(value_parser = Input::parser())]
        file: Input,
    },
    /// Print the lists.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a list's settings, or the value of one.
    Show {
        /// The list's name.
        name: String,
        /// Print only the value of this setting, such as subject_prefix.
        key: Option<String>,
        /// Also print what each setting means.
        #[arg(long)]
        explain: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set a list's password; it is asked for.
    ///
    /// The owners' and the moderators' passwords approve posts and commands by mail; the posters'
    /// approves the post that contains it.
    Password(PasswordArgs),
    /// Change a list's settings, by Mailman's names.
    Set {
        /// The list's name.
        name: String,
        /// The changes.
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
}

// The initial state of a new list.
#[derive(Debug, Default, Args)]
pub struct NewListArgs {
    /// Copy the settings of this list, except its name, owners, passwords, description and
    /// newsgroup.
    #[arg(long, value_name = "LIST")]
    pub like: Option<String>,
    /// Ask for the owners' password, or read it from the first line of standard input.
    #[arg(long)]
    pub password: bool,
    /// Generate a password and print it. Without this and --password, one is generated and sent
    /// only to the owners.
    #[arg(long, conflicts_with = "password")]
    pub generate_password: bool,
    /// Do not send mail to the owners; set a password only with --password or --generate-password.
    #[arg(long, short)]
    pub quiet: bool,
}

// Which password, and where to read it.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// The list's name.
    pub name: String,
    /// Set the moderators' password instead of the owners'.
    #[arg(long)]
    pub moderator: bool,
    /// Set the posters' password instead of the owners'.
    #[arg(long, conflicts_with = "moderator")]
    pub poster: bool,
    /// Read the password from the first line of standard input.
    #[arg(long)]
    pub stdin: bool,
}
