//! `units`.

use super::mailman2::Mailman2Args;
use clap::{Args, Subcommand};
use std::path::PathBuf;

// The systemd manager of the units.
#[derive(Debug, Clone, Args)]
pub struct ManagerArgs {
    /// Use your own user manager, without root.
    #[arg(long)]
    pub user: bool,
    /// The user that system units run as; the default is the site's owner, or `list` if root owns it.
    #[arg(long, conflicts_with = "user", value_name = "USER")]
    pub run_as: Option<String>,
    /// The group that system units run as; the default is the site's, or the user's.
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
        /// Print the file for another service manager, which then keeps `master` running.
        #[arg(long = "for", value_name = "MANAGER", conflicts_with_all = ["user", "into", "mailman2"])]
        other: Option<OtherManager>,
    },
    /// Install and start the units. If root owns the site, it is given to the user they run as.
    Install {
        #[command(flatten)]
        manager: ManagerArgs,
        /// Install without starting.
        #[arg(long)]
        no_start: bool,
        /// Only print which files would be written and removed.
        #[arg(long)]
        dry_run: bool,
    },
    /// Stop and remove the site's units; mail then waits until a run is started by other means.
    ///
    /// The site itself need not exist any more; your own additions to the units stay.
    Uninstall {
        #[command(flatten)]
        manager: ManagerArgs,
    },
    /// Compare the installed units with what they should be, and check that they are active.
    Check {
        #[command(flatten)]
        manager: ManagerArgs,
        /// First repair what can be repaired automatically.
        #[arg(long)]
        fix: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Service managers other than systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OtherManager {
    /// A file for /etc/init.d.
    Openrc,
    /// A `run` file for a service directory.
    Runit,
}
