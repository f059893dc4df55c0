//! `remove_members`: unsubscribes people.

use super::call::{Call, Done, Trouble, find, read_lines, say};
use super::getopt::{HELP as H, flag, long, with};
use super::members::{HOW, Office, TOGETHER};
use dormouse_membership::Refusal;
use dormouse_store::{List, Read, StoreError};

pub const HELP: &str = "\
Unsubscribes people from a list, or from all lists.

Usage: remove_members [options] [LIST] [ADDRESS ...]

  -f FILE, --file=FILE   also the addresses in FILE, one on each line; - is standard input
  -a, --all              all members of the list
      --fromall          from all lists; then no LIST is given
  -n, --nouserack        do not send goodbye messages
  -N, --noadminack       do not notify the owners
  -h, --help             print this
";

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        flag('a', "all"),
        long("fromall"),
        with('f', "file"),
        flag('n', "nouserack"),
        flag('N', "noadminack"),
    ])?;
    let (everybody, from_all) = (options.has("all"), options.has("fromall"));
    let file = options.value("file");
    if (options.rest.is_empty() && !(file.is_some() && from_all)) || (everybody && from_all) {
        return Err(Trouble::usage(""));
    }
    let (names, mut addresses) = if from_all {
        (None, options.rest.clone())
    } else {
        (options.rest.first().cloned(), options.rest[1..].to_vec())
    };
    if let Some(file) = file {
        match read_lines(file) {
            Ok(lines) => addresses.extend(lines),
            Err(_) => say(format_args!("Could not open file for reading: {file}."))?,
        }
    }
    let goodbye = options.has("nouserack").then_some(false);
    let notify = options.has("noadminack").then_some(false);
    let (site, store) = call.open()?;
    let office = Office { site: &site, store: &store, how: HOW };
    let names = match names {
        Some(name) => vec![name],
        None => store.read().list_names()?.into_iter().map(String::from).collect(),
    };
    for name in names {
        let name = name.trim().to_lowercase();
        let Some(list) = find(store.read(), &name)? else {
            say(format_args!("Error opening list {name}... skipping."))?;
            continue;
        };
        if everybody {
            addresses = all_members(store.read(), &list)?;
        }
        for addresses in addresses.chunks(TOGETHER) {
            let removed: Vec<Result<(), Refusal>> = office.change(&list, notify, |registry| {
                let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
                Ok(registry.remove_all(&addresses, goodbye)?)
            })?;
            for (address, removed) in addresses.iter().zip(removed) {
                match (removed, from_all) {
                    (Err(_), false) => say(format_args!("No such member: {address}"))?,
                    (Ok(()), true) => {
                        say(format_args!("User `{address}' removed from list: {name}."))?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(0)
}

fn all_members(store: &Read, list: &List) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    store.members(list.id, |member| {
        keys.push(member.key.into());
        Ok(())
    })?;
    Ok(keys)
}
