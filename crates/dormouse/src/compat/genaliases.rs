//! `genaliases`: writes the lists' aliases for the MTA.

use super::call::{Call, Done, Trouble, say};
use super::getopt::{HELP as H, flag};
use crate::commands::aliases::refresh;
use dormouse_store::{List, Site};
use dormouse_takeover::aliases;
use std::path::Path;

pub const HELP: &str = "\
Updates the aliases of all lists, if `dormouse aliases --install` has written a file of them to the
site's directory; otherwise prints them.

Usage: genaliases [options]

  -q, --quiet   do not print them
  -h, --help    print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('q', "quiet")])?;
    if !options.rest.is_empty() {
        return Err(Trouble::usage(""));
    }
    let (site, store) = call.open()?;
    if refresh(&site, store.read())?.is_empty() && !options.has("quiet") {
        for list in store.read().iter_lists() {
            print(&site, &list?)?;
        }
    }
    Ok(0)
}

/// Prints the aliases of a list.
pub fn print(site: &Site, list: &List) -> Result<(), Trouble> {
    let receiver = aliases::Receiver::Dormouse {
        program: crate::program::own()?,
        site: site.dir().canonicalize()?,
    };
    say(format_args!("## {} mailing list", list.name))?;
    // The head of the file is not about a single list.
    let site_list = &site.config().site_list;
    let text = aliases::aliases(std::slice::from_ref(list), &receiver, site_list, Path::new(""));
    let stanza = text.lines().skip_while(|line| !line.starts_with("# STANZA START"));
    for line in stanza.filter(|line| !line.starts_with('#')) {
        say(line)?;
    }
    Ok(())
}
