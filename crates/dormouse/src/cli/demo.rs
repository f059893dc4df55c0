//! `demo`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to create the site; the default is a temporary directory, which you remove yourself.
    pub dir: Option<PathBuf>,
    /// Post the messages of this mbox instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub mbox: Option<PathBuf>,
    /// Let a systemd user manager start the run, or fail. The default is to do so if there is such a
    /// manager and it has no units of dormouse.
    #[arg(long)]
    pub systemd: bool,
    /// Do not use systemd.
    #[arg(long, conflicts_with = "systemd")]
    pub no_systemd: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
