//! `sync_members`: makes exactly the addresses in a file members.

use super::call::{Call, Done, Trouble, find, read_bytes, say};
use super::list_members::format_address;
use super::members::{self, NamedAddress, Office, TOGETHER};
use dormouse_mail::AddressKey;
use dormouse_membership::Refusal;
use dormouse_store::{List, Member};
use std::collections::{BTreeMap, BTreeSet};

pub const HELP: &str = "\
Adds the people in a file who are not on the list, and removes those who are on the list and not in the
file. A line is an address, or Name <address>; empty lines and lines that begin with # are ignored.

Usage: sync_members [options] -f FILE LIST

  -f FILE, --file FILE              the file; - is standard input
  -n, --no-change                   only print what would be done
  -w[=yes|no], --welcome-msg[=yes|no]   whether new members get the welcome message
  -g[=yes|no], --goodbye-msg[=yes|no]   whether removed members get a goodbye message
  -d[=yes|no], --digest[=yes|no]        whether new members get digests
  -a[=yes|no], --notifyadmin[=yes|no]   whether the owners are notified
  -h, --help                        print this
";

#[derive(Default)]
struct Wanted {
    dry: bool,
    digest: bool,
    welcome: Option<bool>,
    goodbye: Option<bool>,
    notify: Option<bool>,
    file: String,
    list: String,
}

/// The people in a file; `None` if it has invalid lines, which are printed.
fn people_in(file: &str) -> Result<Option<Vec<NamedAddress>>, Trouble> {
    let bytes = read_bytes(file).map_err(|trouble| match trouble {
        Trouble::Said(problem) => {
            Trouble::usage(format!("Cannot read address file: {file}: {problem}"))
        }
        other => other,
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Trouble::usage(format!("{file} is not UTF-8: {error}")))?;
    let mut people = Vec::new();
    let mut invalid = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            say(format_args!("Ignore  :  {line:>30}"))?;
            continue;
        }
        match NamedAddress::parse(line) {
            Ok(person) => people.push(person),
            Err(_) => {
                say(format_args!("Invalid :  {line:>30}"))?;
                invalid = true;
            }
        }
    }
    Ok((!invalid).then_some(people))
}

pub fn run(call: &Call) -> Done {
    let wanted = read(&call.args)?;
    if wanted.dry {
        say("Dry run mode")?;
    }
    let Some(people) = people_in(&wanted.file)? else {
        say("You must fix the preceding invalid addresses first.")?;
        return Ok(1);
    };
    let (site, store) = call.open()?;
    let office = Office { site: &site, store: &store, how: members::HOW };
    let Some(list) = find(store.read(), &wanted.list)? else {
        say(format_args!("No such list: {}", wanted.list))?;
        return Ok(1);
    };
    let mut leaving = BTreeMap::new();
    store.read().members(list.id, |member| {
        leaving.insert(member.key.clone(), member);
        Ok(())
    })?;
    let mut coming: BTreeMap<AddressKey, NamedAddress> = BTreeMap::new();
    let mut staying = BTreeSet::new();
    for person in people {
        let key = AddressKey::of(&person.address);
        if leaving.remove(&key).is_some() {
            staying.insert(key);
        } else if !staying.contains(&key) {
            coming.insert(key, person);
        }
    }
    if coming.is_empty() && leaving.is_empty() {
        say("Nothing to do.")?;
        return Ok(0);
    }
    let coming: Vec<NamedAddress> = coming.into_values().collect();
    for people in coming.chunks(TOGETHER) {
        for line in add(&office, &list, people, &wanted)? {
            say(line)?;
        }
    }
    let leaving: Vec<Member> = leaving.into_values().collect();
    for leaving in leaving.chunks(TOGETHER) {
        if !wanted.dry {
            remove(&office, &list, leaving, &wanted)?;
        }
        for member in leaving {
            say(format_args!("Removed: {}", format_address(&member.real_name, &member.address)))?;
        }
    }
    Ok(0)
}

/// Subscribes people; returns a line for each.
fn add(
    office: &Office<'_>,
    list: &List,
    people: &[NamedAddress],
    wanted: &Wanted,
) -> Result<Vec<String>, Trouble> {
    let taken: Vec<Result<(), Refusal>> = if wanted.dry {
        let ban = |person: &NamedAddress| members::banned(list, &person.address).is_some();
        let judge = |person| if ban(person) { Err(Refusal::Banned(String::new())) } else { Ok(()) };
        people.iter().map(judge).collect()
    } else {
        office.change(list, wanted.notify, |registry| {
            Ok(members::subscribe_all(registry, people, wanted.digest, wanted.welcome)?)
        })?
    };
    let tell = |(person, taken): (&NamedAddress, Result<(), Refusal>)| match taken {
        Ok(()) => format!("Added  : {}", format_address(&person.name, &person.address)),
        Err(why) => members::refused(list, &person.address, &person.address, &why),
    };
    Ok(people.iter().zip(taken).map(tell).collect())
}

fn remove(
    office: &Office<'_>,
    list: &List,
    leaving: &[Member],
    wanted: &Wanted,
) -> Result<(), Trouble> {
    office.change(list, wanted.notify, |registry| {
        let addresses: Vec<&str> = leaving.iter().map(|member| member.key.as_str()).collect();
        // Somebody who has left meanwhile is gone, too.
        Ok(registry.remove_all(&addresses, wanted.goodbye).map(drop)?)
    })?;
    Ok(())
}

/// Reads the arguments one by one: values follow an equals sign, or are missing.
fn read(args: &[String]) -> Result<Wanted, Trouble> {
    let mut wanted = Wanted::default();
    let (mut file, mut list) = (None, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, value) =
            arg.split_once('=').map_or((arg.as_str(), None), |(name, value)| (name, Some(value)));
        let answer = || match value.map(str::to_lowercase).as_deref() {
            None | Some("y" | "yes") => Ok(true),
            Some("n" | "no") => Ok(false),
            Some(other) => Err(Trouble::usage(format!("Bad choice: {other}"))),
        };
        match name {
            "-h" | "--help" => return Err(Trouble::Help),
            "-n" | "--no-change" => wanted.dry = true,
            "-d" | "--digest" => wanted.digest = answer()?,
            "-w" | "--welcome-msg" => wanted.welcome = Some(answer()?),
            "-g" | "--goodbye-msg" => wanted.goodbye = Some(answer()?),
            "-a" | "--notifyadmin" => wanted.notify = Some(answer()?),
            "-f" | "--file" if file.is_some() => {
                return Err(Trouble::usage("Only one -f switch allowed"));
            }
            "-f" | "--file" => {
                let path = value.map(str::to_owned).or_else(|| args.next().cloned());
                file = Some(path.ok_or_else(|| Trouble::usage("No argument to -f given"))?);
            }
            name if name.starts_with('-') => {
                return Err(Trouble::usage(format!("Illegal option: {arg}")));
            }
            _ => {
                list = Some(arg.trim().to_lowercase());
                break;
            }
        }
    }
    match (file, list) {
        (Some(file), Some(list)) => Ok(Wanted { file, list, ..wanted }),
        _ => Err(Trouble::usage("Must have a listname and a filename")),
    }
}
