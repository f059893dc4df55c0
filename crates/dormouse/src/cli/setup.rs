//! `setup`.

use super::default_host;
use clap::{Args, ValueEnum};

// The answers to the five questions, and what to do with them.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The host name of the lists' addresses; the default is this machine's.
    #[arg(long)]
    pub host: Option<String>,
    /// Who runs the site and the first list.
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<String>,
    /// The first list, which gets the test mail. The owner is its member.
    #[arg(long, value_name = "NAME", default_value = "test")]
    pub list: String,
    /// The MTA of this machine; the default is the one that is found. With `none`, mail is
    /// delivered into Maildirs below the site.
    #[arg(long)]
    pub mta: Option<SetupMta>,
    /// Whether to serve web pages.
    #[arg(long, value_name = "yes|no")]
    pub pages: Option<YesNo>,
    /// Whether to sign the lists' mail (DKIM), so that it passes DMARC; prints the DNS records.
    #[arg(long, value_name = "yes|no")]
    pub dkim: Option<YesNo>,
    /// Whether to install systemd units; the default is yes if systemd is running and you are root.
    #[arg(long, value_name = "yes|no")]
    pub units: Option<YesNo>,
    /// Do not send a test mail.
    #[arg(long)]
    pub no_test_mail: bool,
    /// Do not ask questions.
    #[arg(long, short)]
    pub yes: bool,
    /// Only print what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Revert what an earlier setup of this site did.
    #[arg(long, conflicts_with_all = ["host", "owner", "mta", "pages", "dkim", "units", "no_test_mail"])]
    pub undo: bool,
}

impl SetupArgs {
    /// Returns the default host name.
    pub fn usual_host() -> String {
        default_host()
    }
}

/// MTAs that `setup` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SetupMta {
    /// Postfix: aliases, and lines in main.cf.
    Postfix,
    /// Exim: routers and a transport in a file.
    Exim,
    /// No MTA: Maildirs below the site.
    None,
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// Yes.
    Yes,
    /// No.
    No,
}

impl YesNo {
    /// Whether it is yes.
    pub fn is_yes(self) -> bool {
        self == YesNo::Yes
    }
}

impl From<bool> for YesNo {
    fn from(yes: bool) -> YesNo {
        if yes { YesNo::Yes } else { YesNo::No }
    }
}
