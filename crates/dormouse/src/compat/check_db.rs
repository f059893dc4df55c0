//! `check_db`: checks that the stored lists can be read.

use super::call::{Call, Done, Trouble, find, say};
use super::getopt::{HELP as H, flag};
use dormouse_store::{ListId, Read, Store, StoreError};

pub const HELP: &str = "\
Reads everything that is stored about lists and reports what cannot be read. All lists are in one
database, which is also checked as a whole.

Usage: check_db [options] [LIST ...]

  -a, --all       all lists
  -v, --verbose   also report what is correct
  -h, --help      print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('a', "all"), flag('v', "verbose")])?;
    let site = call.site()?;
    let database = site.database_name();
    let store = match Store::open_read_only(&site) {
        Ok(store) => store,
        Err(error) => {
            say(format_args!("    {error}"))?;
            return Ok(0);
        }
    };
    let names: Vec<String> = if options.has("all") {
        store.read().list_names()?.into_iter().map(String::from).collect()
    } else {
        options.rest.iter().map(|name| name.trim().to_lowercase()).collect()
    };
    if names.is_empty() {
        say("Nothing to do.")?;
        return Ok(0);
    }
    let verbose = options.has("verbose");
    for name in names {
        let status = match find(store.read(), &name) {
            Ok(None) => {
                say(format_args!("No list named: {name}"))?;
                continue;
            }
            Ok(Some(list)) => read_all(store.read(), list.id).map_err(|error| error.to_string()),
            Err(Trouble::Said(problem)) => Err(problem),
            Err(trouble) => return Err(trouble),
        };
        if verbose {
            say(format_args!("List: {name}"))?;
        }
        match status {
            Err(problem) => say(format_args!("    {name}: {problem}"))?,
            Ok(()) if verbose => say(format_args!("   {database}: okay"))?,
            Ok(()) => {}
        }
    }
    for problem in store.read().check()? {
        say(format_args!("    {database}: {problem}"))?;
    }
    Ok(0)
}

fn read_all(store: &Read, list: ListId) -> Result<(), StoreError> {
    store.members(list, |_| Ok(()))?;
    store.held_posts(list)?;
    store.pending_of(list)?;
    Ok(())
}
