//! `setup`.

use super::default_host;
use clap::{Args, ValueEnum};

// The answers to the five questions, and whether to act.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The host name in the lists' addresses; by default this machine's.
    #[arg(long)]
    pub host: Option<String>,
    /// Who runs the site and the first list.
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<String>,
    /// The first list, which gets the test mail. The owner is its member.
    #[arg(long, value_name = "NAME", default_value = "test")]
    pub list: String,
    /// The MTA of this machine; by default the one that is found. With `none`, mail is delivered
    /// into Maildirs below the site.
    #[arg(long)]
    pub mta: Option<SetupMta>,
    /// Whether to serve web pages.
    #[arg(long, value_name = "yes|no")]
    pub pages: Option<YesNo>,
    /// Whether to sign the mail of lists (DKIM), so that it passes DMARC. Says what to put into the DNS.
    #[arg(long, value_name = "yes|no")]
    pub dkim: Option<YesNo>,
    /// Whether to install systemd units; by default where systemd is running and root asks.
    #[arg(long, value_name = "yes|no")]
    pub units: Option<YesNo>,
    /// No test mail.
    #[arg(long)]
    pub no_test_mail: bool,
    /// Do it without questions.
    #[arg(long, short)]
    pub yes: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Take back what an earlier setup of this site did.
    #[arg(long, conflicts_with_all = ["host", "owner", "mta", "pages", "dkim", "units", "no_test_mail"])]
    pub undo: bool,
}

impl SetupArgs {
    /// The host name where none is given.
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

/// A question's answer.
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
