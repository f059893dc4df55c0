//! An existing Mailman 2.1.

use clap::Args;
use std::path::PathBuf;

// An existing Mailman 2.1 instead of a site of ours.
#[derive(Debug, Args)]
pub struct Mailman2Args {
    /// Serve an existing Mailman 2.1, whose bin/ and cron/ are in this directory: start its own
    /// qrunner when there is mail, until its queues are empty.
    #[arg(long, value_name = "PREFIX")]
    pub mailman2: Option<PathBuf>,
    /// That Mailman's queue directory; the default is PREFIX/qfiles.
    #[arg(long, requires = "mailman2", value_name = "DIR")]
    pub mailman2_qfiles: Option<PathBuf>,
}
