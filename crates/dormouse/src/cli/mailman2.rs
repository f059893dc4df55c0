//! An existing Mailman 2.1.

use clap::Args;
use std::path::PathBuf;

// An existing Mailman 2.1 in place of a site of ours.
#[derive(Debug, Args)]
pub struct Mailman2Args {
    /// For an existing Mailman 2.1, whose bin/ and cron/ are in this directory: its own qrunner is
    /// started when there is mail, until its queues are empty.
    #[arg(long, value_name = "PREFIX")]
    pub mailman2: Option<PathBuf>,
    /// Where that Mailman's queues are; PREFIX/qfiles if it is not given.
    #[arg(long, requires = "mailman2", value_name = "DIR")]
    pub mailman2_qfiles: Option<PathBuf>,
}
