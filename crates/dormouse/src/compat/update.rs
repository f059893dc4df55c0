//! `update`: updates the database, as every command does.

use super::call::{Call, Done, say};
use super::getopt::{HELP as H, flag};

pub const HELP: &str = "\
Updates the site's database. Every other command does so, too, so there is no need to call this one.

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
