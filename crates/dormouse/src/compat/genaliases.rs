//! `genaliases`: what the MTA needs to know of the lists.

use super::call::{Call, Done, Trouble, say};
use super::getopt::{HELP as H, flag};
use dormouse_store::{List, Site};

pub const HELP: &str = "\
Prints the aliases of all lists, for the MTA's file.

Usage: genaliases [options]

  -q, --quiet   for old scripts
  -h, --help    print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('q', "quiet")])?;
    if !options.rest.is_empty() {
        return Err(Trouble::usage(""));
    }
    let (site, store) = call.open()?;
    for list in store.lists()? {
        print(&site, &list)?;
    }
    Ok(0)
}

/// A list's addresses beside its own, in Mailman's order.
const SUB_ADDRESSES: [&str; 9] = [
    "admin",
    "bounces",
    "confirm",
    "join",
    "leave",
    "owner",
    "request",
    "subscribe",
    "unsubscribe",
];

/// Prints the aliases of a list.
pub fn print(site: &Site, list: &List) -> Result<(), Trouble> {
    let binary = std::env::current_exe()?;
    let name = list.local_part();
    let width = name.len() + 14;
    let command =
        |work: &str| format!("\"|{} --site {} {work}\"", binary.display(), site.dir().display());
    say(format_args!("## {name} mailing list"))?;
    say(format_args!("{:width$}{}", format!("{name}:"), command(&format!("post {}", list.name))))?;
    for part in SUB_ADDRESSES {
        let deliver = command(&format!("deliver {}", list.sub_address(part)));
        say(format_args!("{:width$}{deliver}", format!("{name}-{part}:")))?;
    }
    say("")
}
