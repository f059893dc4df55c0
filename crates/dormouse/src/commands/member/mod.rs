//! `member`: the members of a list.
//!
//! # Layout
//! - [`show`]: printing them. [`set`]: what they have chosen. [`find`]: on which lists they are.
//!   [`rename`]: another address for them. [`sync`]: all of them after a file.

pub mod find;
mod rename;
mod set;
mod show;
mod sync;

use super::{bounces, find_list, open};
use crate::cli::{Input, MemberCommand};
use crate::failure::Failure;
use crate::output;
use dormouse_mail::address::{Address, parse_list};
use dormouse_store::{Added, List, Member, NewMember, Store, StoreError};
use std::io::{self, BufRead as _};
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: MemberCommand) -> Result<ExitCode, Failure> {
    let (_, store) = open(dir)?;
    match command {
        MemberCommand::Add { list, addresses, file, digest } => {
            let list = find_list(&store, &list)?;
            add(&store, &list, words_and_lines(addresses, file.as_ref())?, digest)
        }
        MemberCommand::Rm { list, addresses, file } => {
            let list = find_list(&store, &list)?;
            rm(&store, &list, words_and_lines(addresses, file.as_ref())?)
        }
        MemberCommand::Sync { list, file, digest, dry_run, json } => {
            let list = find_list(&store, &list)?;
            let wanted = sync::Wanted { lines: lines(&file)?, digest, dry_run };
            sync::run(&store, &list, wanted, json)
        }
        MemberCommand::Ls { list, which, json } => {
            show::ls(&store, &find_list(&store, &list)?, &which, json)
        }
        MemberCommand::Show { list, address, json } => {
            show::one(&store, &find_list(&store, &list)?, &address, json)
        }
        MemberCommand::Set { list, changes, all, dry_run, json } => {
            set::run(&store, &find_list(&store, &list)?, &changes, all, dry_run, json)
        }
        MemberCommand::Find { patterns, list, owners, json } => {
            find::run(&store, &patterns, &list, owners, json)
        }
        MemberCommand::Clone(args) => rename::run(&store, &args, rename::Way::Clone),
        MemberCommand::Move(args) => rename::run(&store, &args, rename::Way::Move),
        MemberCommand::Bounces { list, json } => {
            bounces::show(&store, &find_list(&store, &list)?, json)?;
            Ok(ExitCode::Ok)
        }
    }
}

/// The lists of these names, or all.
fn lists(store: &Store, names: &[String]) -> Result<Vec<List>, Failure> {
    if names.is_empty() {
        return Ok(store.lists()?);
    }
    names.iter().map(|name| find_list(store, name)).collect()
}

/// Calls `each` with every member of a list, by address. It may change them.
pub fn each_member(
    store: &Store,
    list: &List,
    mut each: impl FnMut(Member) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let page = store.members_after(list.id, &after)?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.key);
        page.into_iter().try_for_each(&mut each)?;
    }
}

/// The lines of a file.
type Lines = Box<dyn Iterator<Item = io::Result<String>>>;

fn lines(file: &Input) -> Result<Lines, Failure> {
    Ok(Box::new(file.reader()?.lines()))
}

fn words_and_lines(words: Vec<String>, file: Option<&Input>) -> Result<Lines, Failure> {
    let lines = file.map(lines).transpose()?;
    Ok(Box::new(words.into_iter().map(Ok).chain(lines.into_iter().flatten())))
}

/// Adds every good address in one transaction; the others are named, and make the exit code 65.
fn add(store: &Store, list: &List, lines: Lines, digest: bool) -> Result<ExitCode, Failure> {
    let now = dormouse_spool::clock::seconds();
    let (mut added, mut known, mut bad) = (0, 0, Vec::new());
    let progress = output::progress(None);
    store.write(|tx| -> Result<(), Failure> {
        for line in lines {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            match parse(&line) {
                Ok((name, address)) => {
                    let new = NewMember { address, real_name: name, digest };
                    match tx.add_member(list, &new, now, ADDED)? {
                        Added::Added => added += 1,
                        Added::AlreadyMember => known += 1,
                    }
                }
                Err(problem) => bad.push(format!("{line}: {problem}")),
            }
            progress.inc(1);
        }
        Ok(())
    })?;
    drop(progress);
    let mut text = format!("added {}", output::count(added, "member", "members"));
    if known > 0 {
        text.push_str(&format!(", {known} already on the list"));
    }
    output::line(text)?;
    for line in &bad {
        anstream::eprintln!("dormouse: not added: {line}");
    }
    Ok(if bad.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

/// How members that are added here came to be some, and others ceased to be.
const ADDED: &str = "added by the administrator";
const REMOVED: &str = "removed by the administrator";

/// An address, or a name with an address in angle brackets. The domain is written in lower case.
fn parse(line: &str) -> Result<(String, String), String> {
    let (name, address) = if line.contains('<') {
        match parse_list(line.as_bytes()).as_slice() {
            [mailbox] => (mailbox.name.clone(), mailbox.address.clone()),
            _ => return Err("not one address".to_owned()),
        }
    } else {
        (String::new(), line.trim().to_owned())
    };
    let address = Address::parse(&address).map_err(|error| error.to_string())?;
    Ok((name, format!("{}@{}", address.local(), address.domain().to_lowercase())))
}

/// Removes every address that is a member's; the others are named, and make the exit code 65.
fn rm(store: &Store, list: &List, lines: Lines) -> Result<ExitCode, Failure> {
    let mut missing = Vec::new();
    let now = dormouse_spool::clock::seconds();
    let progress = output::progress(None);
    store.write(|tx| -> Result<(), Failure> {
        for line in lines {
            let line = line?;
            let address = line.trim();
            if !address.is_empty() && !tx.remove_member(list.id, address, REMOVED, now)? {
                missing.push(address.to_owned());
            }
            progress.inc(1);
        }
        Ok(())
    })?;
    drop(progress);
    for address in &missing {
        anstream::eprintln!("dormouse: {address} is no member of {}", list.name);
    }
    Ok(if missing.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

/// The error of a member that there is not.
fn no_member(address: &str, list: &List) -> Failure {
    Failure::new(ExitCode::DataErr, format!("{address} is no member of {}", list.name))
}

/// Addresses of a setting with one in place of another, or beside it; none when it has not the old
/// one. Whoever is named already is not named twice.
pub fn replaced(addresses: &[String], old: &str, new: &str, keep: bool) -> Option<Vec<String>> {
    let place = addresses.iter().position(|address| address.eq_ignore_ascii_case(old))?;
    let mut replaced = addresses.to_vec();
    if !keep {
        replaced.remove(place);
    }
    if !replaced.iter().any(|address| address.eq_ignore_ascii_case(new)) {
        replaced.insert(if keep { place + 1 } else { place }, new.to_owned());
    }
    Some(replaced)
}

/// Changes an owner's or moderator's address in a list's settings. Whether there was one.
fn replace_owner(
    tx: &dormouse_store::Tx<'_>,
    list: &List,
    old: &str,
    new: &str,
    keep: bool,
) -> Result<bool, StoreError> {
    let mut found = false;
    for (setting, addresses) in
        [("owner", &list.settings.owner), ("moderator", &list.settings.moderator)]
    {
        if let Some(addresses) = replaced(addresses, old, new, keep) {
            let value = dormouse_store::value::Value::write(&addresses);
            tx.set_setting(&list.name, setting, &value)?;
            found = true;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_another_ones_place_once() {
        let list = ["A@x".to_owned(), "b@x".to_owned()];
        let swap = |old: &str, new: &str, keep| replaced(&list, old, new, keep);
        assert_eq!(swap("a@x", "c@x", false).unwrap(), ["c@x", "b@x"]);
        assert_eq!(swap("a@x", "c@x", true).unwrap(), ["A@x", "c@x", "b@x"]);
        assert_eq!(swap("a@x", "B@x", false).unwrap(), ["b@x"]);
        assert_eq!(swap("z@x", "c@x", false), None);
    }
}
