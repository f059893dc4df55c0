//! `member`: the members of a list.
//!
//! # Layout
//! - [`show`]: printing them. [`set`]: changing their options. [`find`]: finding their lists.
//!   [`rename`]: another address. [`sync`]: the members of a file. [`office`]: how they are
//!   added and removed, also by Mailman's commands.

pub mod find;
pub mod office;
mod rename;
mod set;
mod show;
mod sync;

use super::{bounces, find_list, open};
use crate::cli::{Input, MemberCommand};
use crate::failure::Failure;
use crate::output;
use dormouse_membership::{MembershipError, Refusal, Registry};
use dormouse_store::{List, Member, Read, Store, StoreError};
use office::{NamedAddress, Office, Told, subscribe_all, together};
use std::fmt;
use std::io::{self, BufRead as _};
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: MemberCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    let office = |how| Office { site: &site, store: &store, how };
    match command {
        MemberCommand::Add { list, addresses, file, digest, welcome, notify } => {
            let list = find_list(store.read(), &list)?;
            let told = Told { welcome, goodbye: None, notify };
            let lines = words_and_lines(addresses, file.as_ref())?;
            add(&office(ADDED), &list, lines, digest, told)
        }
        MemberCommand::Rm { list, addresses, file, goodbye, notify } => {
            let list = find_list(store.read(), &list)?;
            let told = Told { welcome: None, goodbye, notify };
            rm(&office(REMOVED), &list, words_and_lines(addresses, file.as_ref())?, told)
        }
        MemberCommand::Sync { list, file, digest, welcome, goodbye, notify, dry_run, json } => {
            let list = find_list(store.read(), &list)?;
            let told = Told { welcome, goodbye, notify };
            let wanted = sync::Wanted { lines: people(&file)?, digest, told, dry_run };
            sync::run(&office(SYNCED), &list, wanted, json)
        }
        MemberCommand::Ls { list, which, json } => {
            show::ls(store.read(), &find_list(store.read(), &list)?, &which, json)
        }
        MemberCommand::Show { list, address, json } => {
            show::one(store.read(), &find_list(store.read(), &list)?, &address, json)
        }
        MemberCommand::Set { list, changes, all, dry_run, json } => {
            set::run(&store, &find_list(store.read(), &list)?, &changes, all, dry_run, json)
        }
        MemberCommand::Find { patterns, list, owners, json } => {
            find::run(&store, &patterns, &list, owners, json)
        }
        MemberCommand::Clone(args) => rename::run(&site, &store, &args, rename::Way::Clone),
        MemberCommand::Move { rename, notify } => {
            rename::run(&site, &store, &rename, rename::Way::Move { notify })
        }
        MemberCommand::Rates { list, days, json } => {
            let list = list.map(|name| find_list(store.read(), &name)).transpose()?;
            bounces::rates(store.read(), list.as_ref(), days, json)?;
            Ok(ExitCode::Ok)
        }
        MemberCommand::Bounces { list, json } => {
            bounces::show(&store, &find_list(store.read(), &list)?, json)?;
            Ok(ExitCode::Ok)
        }
    }
}

/// Returns the lists with these names, or all.
fn lists<'s>(
    store: &'s Store,
    names: &'s [String],
) -> Box<dyn Iterator<Item = Result<List, Failure>> + 's> {
    if names.is_empty() {
        return Box::new(store.read().iter_lists().map(|list| Ok(list?)));
    }
    Box::new(names.iter().map(|name| find_list(store.read(), name)))
}

/// Calls `each` with every member of a list, by address. It may change them.
pub fn each_member(
    store: &Read,
    list: &List,
    mut each: impl FnMut(Member) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = dormouse_mail::AddressKey::default();
    loop {
        let page = store.members_after(list.id, &after)?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.key);
        page.into_iter().try_for_each(&mut each)?;
    }
}

/// A name and address, and where it was read.
struct Line {
    text: String,
    /// The prefix for messages: `members.txt, line 7: `; empty for a word of the command line.
    place: String,
}

impl Line {
    fn word(text: String) -> Line {
        Line { text, place: String::new() }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.text)
    }
}

/// The lines of a file.
type Lines = Box<dyn Iterator<Item = io::Result<Line>>>;

/// Returns the words, and the meaningful lines of a file.
fn words_and_lines(words: Vec<String>, file: Option<&Input>) -> Result<Lines, Failure> {
    let lines = file.map(people).transpose()?;
    let words = words.into_iter().map(|word| Ok(Line::word(word)));
    Ok(Box::new(words.chain(lines.into_iter().flatten())))
}

/// Reads the lines of a file of addresses, trimmed, without empty ones and those that begin with #.
fn people(file: &Input) -> Result<Lines, Failure> {
    let name = match file.path() {
        path if path == Path::new("-") => "standard input".to_owned(),
        path => path.display().to_string(),
    };
    let is_somebody = |text: &str| !text.is_empty() && !text.starts_with('#');
    let numbered = file.reader()?.split(b'\n').enumerate();
    Ok(Box::new(numbered.filter_map(move |(at, line)| {
        let place = format!("{name}, line {}: ", at + 1);
        match line.map(String::from_utf8) {
            Ok(Ok(text)) if !is_somebody(text.trim()) => None,
            Ok(Ok(text)) => Some(Ok(Line { text: text.trim().to_owned(), place })),
            Ok(Err(_)) => Some(Err(io::Error::other(format!("{place}it is not UTF-8")))),
            Err(error) => Some(Err(error)),
        }
    })))
}

/// Calls `each` with up to `together` lines at a time.
fn in_parts(
    mut lines: Lines,
    together: usize,
    mut each: impl FnMut(&[Line]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let progress = output::progress(None);
    loop {
        let part: Vec<Line> = lines.by_ref().take(together).collect::<Result<_, _>>()?;
        if part.is_empty() {
            return Ok(());
        }
        each(&part)?;
        progress.inc(part.len() as u64);
    }
}

/// Adds everybody who may be a member. The others are reported, and the exit code is 65. The owners
/// get one report about all.
fn add(
    office: &Office<'_>,
    list: &List,
    lines: Lines,
    digest: bool,
    told: Told,
) -> Result<ExitCode, Failure> {
    let (mut added, mut known, mut bad) = (0, 0, Vec::new());
    let mut report = String::new();
    let notify = told.owners(list);
    let silently = Told { notify: Some(false), ..told };
    office.store.keep_in_memory(CACHE)?;
    in_parts(lines, together(silently.of_coming(list)), |part| {
        let taken = office
            .change(list, silently.notify, |registry| add_part(registry, part, digest, told))?;
        for (line, taken) in part.iter().zip(taken) {
            let what = match taken {
                Ok(()) => {
                    added += 1;
                    "joined".to_owned()
                }
                Err(NotAdded::Known) => {
                    known += 1;
                    "already a member".to_owned()
                }
                Err(NotAdded::Because(problem)) => {
                    bad.push(format!("{line}: {problem}"));
                    problem
                }
            };
            if notify {
                report.push_str(&format!("{}: {what}\n", line.text));
            }
        }
        Ok(())
    })?;
    if notify && !report.is_empty() {
        office.report_added(list, &report)?;
    }
    let mut text = format!("added {}", output::count(added, "member", "members"));
    if known > 0 {
        text.push_str(&format!(", {known} already on the list"));
    }
    output::line(text)?;
    for line in &bad {
        crate::output::note!("dormouse: not added: {line}");
    }
    Ok(if bad.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

/// So much of the tables and indexes of a file's database is in memory while many are added: each new address
/// has its place anywhere in four indexes.
const CACHE: i64 = 32 << 20;

/// Why somebody was not added.
enum NotAdded {
    /// Already a member.
    Known,
    /// For this reason.
    Because(String),
}

/// Adds the people of some lines. The results are in the order of the lines.
fn add_part(
    registry: &mut Registry<'_>,
    lines: &[Line],
    digest: bool,
    told: Told,
) -> Result<Vec<Result<(), NotAdded>>, MembershipError> {
    let people: Vec<_> = lines.iter().map(|line| NamedAddress::parse(&line.text)).collect();
    let valid = people.iter().filter_map(|person| person.as_ref().ok());
    let mut taken = subscribe_all(registry, valid, digest, told.welcome)?.into_iter();
    let results = people.iter().map(|person| match person {
        Err(problem) => Err(NotAdded::Because(problem.to_string())),
        Ok(person) => match taken.next() {
            Some(Ok(())) => Ok(()),
            Some(Err(Refusal::Member)) | None => Err(NotAdded::Known),
            Some(Err(Refusal::Banned(_))) => {
                let ban = registry.ban(&person.address).unwrap_or_default();
                Err(NotAdded::Because(format!("banned by {ban}")))
            }
            Some(Err(other)) => Err(NotAdded::Because(other.to_string())),
        },
    });
    Ok(results.collect())
}

/// How memberships began and ended here, as stored with the consent.
const ADDED: &str = "added by the administrator";
const REMOVED: &str = "removed by the administrator";
const SYNCED: &str = "by a file of the administrator";

/// Removes members. Addresses that are not members are reported, and the exit code is 65.
fn rm(office: &Office<'_>, list: &List, lines: Lines, told: Told) -> Result<ExitCode, Failure> {
    let mut missing = Vec::new();
    in_parts(lines, together(told.of_going(list)), |part| {
        let removed = office.change(list, told.notify, |registry| {
            let addresses: Vec<&str> = part.iter().map(|line| line.text.trim()).collect();
            Ok(registry.remove_all(&addresses, told.goodbye)?)
        })?;
        let gone = part.iter().zip(removed).filter(|(_, removed)| removed.is_err());
        missing.extend(gone.map(|(line, _)| line.to_string()));
        Ok(())
    })?;
    for address in &missing {
        crate::output::note!("dormouse: {address} is not a member of {}", list.name);
    }
    Ok(if missing.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

/// Returns the error for an address that is not a member.
fn no_member(address: &str, list: &List) -> Failure {
    Failure::new(ExitCode::DataErr, format!("{address} is not a member of {}", list.name))
}

/// Returns the addresses of a setting with one replaced by another, or with the other added.
/// Returns `None` if the old address is not among them. No address occurs twice.
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

/// Changes an owner's or moderator's address in a list's settings. Returns whether it was there.
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
            let value = dormouse_store::value::SettingValue::write(&addresses);
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
