//! `update`: nothing has to be done by hand.

use super::call::{Call, Done, say};
use super::getopt::{HELP as H, flag};

pub const HELP: &str = "\
Brings the site's database up to date. Every other command does so, too: this one need not be called.

Usage: update [options]

  -f, --force   for old scripts
  -h, --help    print this
";

pub fn run(call: &Call) -> Done {
    call.options(&[H, flag('f', "force")])?;
    call.open()?;
    say("No updates are necessary.")?;
    Ok(0)
}
