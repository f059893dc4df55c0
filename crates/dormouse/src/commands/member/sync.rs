//! `member sync`: makes a file's addresses the members. If nobody is notified, memory use is constant
//! and all of it is one transaction.

use super::Lines;
use super::office::{NamedAddress, Office, Told, subscribe_all, together};
use crate::failure::Failure;
use crate::output;
use dormouse_clock::Timestamp;
use dormouse_membership::{Origin, Registry};
use dormouse_store::sync::SyncChange;
use dormouse_store::{List, Tx};
use std::fs::File;
use std::io::{self, BufWriter, Seek as _};
use sysexits::ExitCode;

/// How many wrong lines are reported.
const NAMED: usize = 20;

/// The members as they should be.
pub struct Wanted {
    /// The addresses, one on each line.
    pub lines: Lines,
    /// Whether new members get digests.
    pub digest: bool,
    /// Who is notified.
    pub told: Told,
    /// Whether nothing is changed.
    pub dry_run: bool,
}

/// The changes to make.
#[derive(Default)]
struct Plan {
    coming: u64,
    going: u64,
    /// Banned addresses, with the ban.
    banned: Vec<(String, String)>,
    /// Who is added and removed, if that is not done in one transaction.
    people: (Vec<NamedAddress>, Vec<String>),
}

impl Plan {
    fn count(&mut self, change: &SyncChange<'_>) {
        match change {
            SyncChange::Add(..) => self.coming += 1,
            SyncChange::Remove(_) => self.going += 1,
        }
    }

    fn keep(&mut self, change: &SyncChange<'_>) {
        match *change {
            SyncChange::Add(address, name) => {
                self.people
                    .0
                    .push(NamedAddress { name: name.to_owned(), address: address.to_owned() });
            }
            SyncChange::Remove(address) => self.people.1.push(address.to_owned()),
        }
    }
}

/// Writes a change as a line, or as an element of a JSON array.
fn write_change(
    out: &mut impl io::Write,
    change: &SyncChange<'_>,
    dry_run: bool,
    json_is_first: Option<bool>,
) -> Result<(), Failure> {
    let (verb, would, address) = match *change {
        SyncChange::Add(address, _) => ("added", "would add", address),
        SyncChange::Remove(address) => ("removed", "would remove", address),
    };
    match json_is_first {
        Some(is_first) => {
            let comma = if is_first { "" } else { "," };
            let row = serde_json::json!({ "change": verb, "address": address });
            write!(out, "{comma}\n    {row}")?;
        }
        None => writeln!(out, "{} {address}", if dry_run { would } else { verb })?,
    }
    Ok(())
}

/// Makes the changes, or only prints them.
pub fn run(
    office: &Office<'_>,
    list: &List,
    wanted: Wanted,
    json: bool,
) -> Result<ExitCode, Failure> {
    let Wanted { lines, digest, told, dry_run } = wanted;
    let is_silent = !told.of_coming(list) && !told.of_going(list);
    let in_one_go = dry_run || is_silent;
    // The changes are printed at the end: a slow reader must not keep others from writing.
    let mut out = BufWriter::new(tempfile::tempfile()?);
    let progress = output::progress(None);
    let work = |tx: &Tx<'_>| -> Result<Plan, Failure> {
        let sync = tx.sync(list)?;
        read(lines, &progress, |person| Ok(sync.want(&person.address, &person.name)?))?;
        let mut plan = Plan::default();
        let registry = Registry::new(office.site, tx, list, Origin::owner(office.how));
        sync.changes(|change| -> Result<(), Failure> {
            if let SyncChange::Add(address, _) = change
                && let Some(ban) = registry.ban(address)
            {
                plan.banned.push((address.to_owned(), ban));
            }
            Ok(())
        })?;
        plan.banned.iter().try_for_each(|(address, _)| sync.forget(address))?;
        sync.changes(|change| {
            plan.count(&change);
            if !in_one_go {
                plan.keep(&change);
            }
            let is_first = plan.coming + plan.going == 1;
            write_change(&mut out, &change, dry_run, json.then_some(is_first))
        })?;
        if in_one_go && !dry_run {
            sync.apply(digest, Timestamp::now(), office.how)?;
        }
        Ok(plan)
    };
    let plan = if in_one_go && !dry_run {
        office.store.write(work)?
    } else {
        office.store.rehearse(work)?
    };
    carry_out(office, list, &plan.people, digest, told)?;
    progress.finish_and_clear();
    print(out, &plan, dry_run, json)?;
    for (address, ban) in &plan.banned {
        crate::output::note!("dormouse: not added: {address}: banned by {ban}");
    }
    Ok(if plan.banned.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

/// Prints the changes, which were written to a file, and their numbers.
fn print(out: BufWriter<File>, plan: &Plan, dry_run: bool, json: bool) -> Result<(), Failure> {
    let mut changes = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    changes.rewind()?;
    let (added, removed) = (plan.coming, plan.going);
    if json {
        output::bytes(b"{\n  \"changes\": [")?;
        output::copy(&mut changes)?;
        let end = if added + removed > 0 { "\n  ]" } else { "]" };
        let banned: Vec<&str> = plan.banned.iter().map(|(address, _)| address.as_str()).collect();
        output::line(format_args!(
            "{end},\n  \"added\": {added},\n  \"removed\": {removed},\n  \"banned\": {},\n  \
             \"dry_run\": {dry_run}\n}}",
            serde_json::Value::from(banned)
        ))?;
    } else {
        output::copy(&mut changes)?;
        let would = if dry_run { "would have " } else { "" };
        let members = output::count(added, "member", "members");
        output::line(format_args!("{would}added {members}, removed {removed}"))?;
    }
    Ok(())
}

/// Reads every line; one without a valid address stops everything.
fn read(
    lines: Lines,
    progress: &indicatif::ProgressBar,
    mut want: impl FnMut(&NamedAddress) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    let mut number_of_wrong = 0u64;
    for line in lines {
        let line = line?;
        match NamedAddress::parse(&line.text) {
            Ok(person) => {
                want(&person)?;
            }
            Err(problem) => {
                number_of_wrong += 1;
                if wrong.len() < NAMED {
                    wrong.push(format!("{line}: {problem}"));
                }
            }
        }
        progress.inc(1);
    }
    if number_of_wrong == 0 {
        return Ok(());
    }
    let text = format!(
        "nothing was changed, because of {}:\n  {}",
        output::count(number_of_wrong, "wrong line", "wrong lines"),
        wrong.join("\n  ")
    );
    Err(Failure::new(ExitCode::DataErr, text))
}

/// Adds and removes members, with the resulting mails. If somebody else has done the same
/// meanwhile, that is no error.
fn carry_out(
    office: &Office<'_>,
    list: &List,
    (coming, going): &(Vec<NamedAddress>, Vec<String>),
    digest: bool,
    told: Told,
) -> Result<(), Failure> {
    for people in coming.chunks(together(told.of_coming(list))) {
        office.change(list, told.notify, |registry| {
            Ok(subscribe_all(registry, people, digest, told.welcome).map(drop)?)
        })?;
    }
    for addresses in going.chunks(together(told.of_going(list))) {
        office.change(list, told.notify, |registry| {
            let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            Ok(registry.remove_all(&addresses, told.goodbye).map(drop)?)
        })?;
    }
    Ok(())
}
