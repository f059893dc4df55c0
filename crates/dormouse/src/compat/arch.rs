//! `arch`: makes a list's archive anew.

use super::call::{Call, Done, Trouble, must_find};
use super::getopt::{HELP as H, flag, long, with};

pub const HELP: &str = "\
Makes a list's archive anew from its mailbox.

Usage: arch [options] LIST [MBOX]

      --wipe        from nothing; otherwise what is there stays
  -s N, --start=N   begin with this message of the mailbox, counted from 0
  -e N, --end=N     end before this one
  -q, --quiet       say nothing
  -h, --help        print this
";

pub fn run(call: &Call) -> Done {
    let options =
        call.options(&[H, long("wipe"), with('s', "start"), with('e', "end"), flag('q', "quiet")])?;
    let Some(name) = options.rest.first() else {
        return Err(Trouble::usage("listname is required"));
    };
    let (_, store) = call.open()?;
    must_find(&store, name)?;
    Err(Trouble::Said("this version keeps no archive yet".to_owned()))
}
