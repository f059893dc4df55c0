//! `find_member`: finds the lists of an address.

use super::call::{Call, Done, Trouble, find, say};
use super::getopt::{HELP as H, flag, with};
use crate::commands::member::each_member;
use crate::commands::member::find::Patterns;
use std::collections::BTreeMap;

pub const HELP: &str = "\
Prints the lists with addresses that match any of the patterns (regular expressions, upper and lower case
do not matter).

Usage: find_member [options] PATTERN [PATTERN ...]

  -l LIST, --listname=LIST   only on this list; may be given several times
  -x LIST, --exclude=LIST    not on this list; may be given several times
  -w, --owners               owners, too
  -h, --help                 print this
";

/// The roles of an address on a list.
#[derive(Default)]
struct As {
    member: bool,
    owner: bool,
}

pub fn run(call: &Call) -> Done {
    let options =
        call.options(&[H, with('l', "listname"), with('x', "exclude"), flag('w', "owners")])?;
    if options.rest.is_empty() {
        return Err(Trouble::usage("Search regular expression required"));
    }
    let patterns = Patterns::new(&options.rest).map_err(|error| Trouble::usage(error.message))?;
    let (_, store) = call.open()?;
    let mut names: Vec<String> =
        options.values("listname").map(|name| name.trim().to_lowercase()).collect();
    if names.is_empty() {
        names = store.read().list_names()?.into_iter().map(String::from).collect();
    }
    names
        .retain(|name| !options.values("exclude").any(|excluded| excluded.to_lowercase() == *name));
    if names.is_empty() {
        say("No lists to search")?;
        return Ok(0);
    }
    let mut found: BTreeMap<String, BTreeMap<String, As>> = BTreeMap::new();
    for name in names {
        let Some(list) = find(store.read(), &name)? else {
            say(format_args!("No such list: {name}"))?;
            continue;
        };
        each_member(store.read(), &list, |member| {
            if patterns.find(&member.key)? {
                let lists = found.entry(member.address).or_default();
                lists.entry(name.clone()).or_default().member = true;
            }
            Ok(())
        })?;
        if options.has("owners") {
            for owner in &list.settings.owner {
                if patterns.find(owner)? {
                    found
                        .entry(owner.clone())
                        .or_default()
                        .entry(name.clone())
                        .or_default()
                        .owner = true;
                }
            }
        }
    }
    print(found)?;
    Ok(0)
}

fn print(found: BTreeMap<String, BTreeMap<String, As>>) -> Result<(), Trouble> {
    for (address, lists) in found {
        say(format_args!("{address} found in:"))?;
        for (name, what) in lists {
            if what.member {
                say(format_args!("     {name}"))?;
            }
            if what.owner {
                say(format_args!("     {name} (as owner)"))?;
            }
        }
    }
    Ok(())
}
