//! `list_owners`: prints the owners of lists.

use super::call::{Call, Done, Trouble, must_find, say};
use super::getopt::{HELP as H, flag};
use dormouse_store::List;
use std::collections::BTreeSet;

pub const HELP: &str = "\
Prints the addresses of the owners of one list, several lists, or all lists, each once.

Usage: list_owners [options] [LIST ...]

  -w, --with-listnames   list by list
  -m, --moderators       moderators, too
  -h, --help             print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('w', "with-listnames"), flag('m', "moderators")])?;
    let (_, store) = call.open()?;
    let lists: Box<dyn Iterator<Item = Result<List, Trouble>>> = if options.rest.is_empty() {
        Box::new(store.read().iter_lists().map(|list| Ok(list?)))
    } else {
        let named = options.rest.iter().map(|name| must_find(store.read(), name));
        Box::new(named.collect::<Result<Vec<_>, _>>()?.into_iter().map(Ok))
    };
    let mut everybody = BTreeSet::new();
    for list in lists {
        let list = list?;
        let moderators =
            if options.has("moderators") { list.settings.moderator } else { Vec::new() };
        let owners: BTreeSet<String> = list.settings.owner.into_iter().chain(moderators).collect();
        if options.has("with-listnames") {
            say(&list.name)?;
            for owner in owners {
                say(format_args!("\t{owner}"))?;
            }
        } else {
            everybody.extend(owners);
        }
    }
    for owner in everybody {
        say(owner)?;
    }
    Ok(0)
}
