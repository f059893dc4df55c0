//! `list_admins`: prints lists with their owners.

use super::call::{Call, Done, find, say};
use super::getopt::{HELP as H, flag, with};

pub const HELP: &str = "\
Prints lists with the addresses of their owners.

Usage: list_admins [options] [LIST ...]

  -a, --all                     all lists
  -v DOMAIN, --all-vhost=DOMAIN all lists of a domain
  -h, --help                    print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('a', "all"), with('v', "all-vhost")])?;
    let (_, store) = call.open()?;
    let domain = options.value("all-vhost");
    let names: Vec<String> = if options.has("all") || domain.is_some() {
        store.read().list_names()?.into_iter().map(String::from).collect()
    } else {
        options.rest.clone()
    };
    for name in names {
        let Some(list) = find(store.read(), &name)? else {
            say(format_args!("No such list: {}", name.to_lowercase()))?;
            continue;
        };
        if domain.is_none_or(|domain| domain == list.settings.host_name) {
            let owners = list.settings.owner.join(", ");
            say(format_args!("List: {}, \tOwners: {owners}", list.name))?;
        }
    }
    Ok(0)
}
