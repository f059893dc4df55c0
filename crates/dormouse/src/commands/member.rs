//! `member`: the members of a list.

use super::{bounces, find_list, open};
use crate::cli::MemberCommand;
use crate::failure::Failure;
use crate::output;
use dormouse_mail::address::{Address, parse_list};
use dormouse_store::value::Value as _;
use dormouse_store::{Added, List, NewMember, Store, StoreError};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row {
    address: String,
    name: String,
    digest: bool,
    delivery: String,
    options: Vec<&'static str>,
}

pub fn run(dir: &Path, command: MemberCommand) -> Result<ExitCode, Failure> {
    let (_, store) = open(dir)?;
    match command {
        MemberCommand::Add { list, addresses, file, digest } => {
            let list = find_list(&store, &list)?;
            let lines: Box<dyn Iterator<Item = io::Result<String>>> = match file {
                Some(path) if path.as_os_str() == "-" => Box::new(io::stdin().lock().lines()),
                Some(path) => {
                    let file = File::open(&path).map_err(|error| {
                        Failure::new(
                            ExitCode::NoInput,
                            format!("cannot read {}: {error}", path.display()),
                        )
                    })?;
                    Box::new(BufReader::new(file).lines())
                }
                None => Box::new(std::iter::empty()),
            };
            add(&store, &list, addresses.into_iter().map(Ok).chain(lines), digest)
        }
        MemberCommand::Rm { list, addresses } => rm(&store, &find_list(&store, &list)?, &addresses),
        MemberCommand::Ls { list, json } => {
            ls(&store, &find_list(&store, &list)?, json)?;
            Ok(ExitCode::Ok)
        }
        MemberCommand::Bounces { list, json } => {
            bounces::show(&store, &find_list(&store, &list)?, json)?;
            Ok(ExitCode::Ok)
        }
    }
}

/// Adds every good address in one transaction; the others are named, and make the exit code 65.
fn add(
    store: &Store,
    list: &List,
    lines: impl Iterator<Item = io::Result<String>>,
    digest: bool,
) -> Result<ExitCode, Failure> {
    let now = dormouse_spool::clock::seconds();
    let (mut added, mut known, mut bad) = (0, 0, Vec::new());
    store.write(|tx| -> Result<(), Failure> {
        for line in lines {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            match parse(&line) {
                Ok((name, address)) => {
                    let new = NewMember { address, real_name: name, digest };
                    match tx.add_member(list, &new, now, "added by the administrator")? {
                        Added::Added => added += 1,
                        Added::AlreadyMember => known += 1,
                    }
                }
                Err(problem) => bad.push(format!("{line}: {problem}")),
            }
        }
        Ok(())
    })?;
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

fn rm(store: &Store, list: &List, addresses: &[String]) -> Result<ExitCode, Failure> {
    let mut missing = Vec::new();
    store.write(|tx| -> Result<(), StoreError> {
        for address in addresses {
            if !tx.remove_member(list.id, address)? {
                missing.push(address);
            }
        }
        Ok(())
    })?;
    for address in &missing {
        anstream::eprintln!("dormouse: {address} is no member of {}", list.name);
    }
    Ok(if missing.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

fn ls(store: &Store, list: &List, json: bool) -> Result<(), Failure> {
    // Streamed: a membership may be larger than memory.
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut first = true;
    let mut failed = None;
    if json {
        out.write_all(b"[")?;
    }
    store.members(list.id, |member| {
        let row = Row {
            address: member.address,
            name: member.real_name,
            digest: member.digest,
            delivery: member.delivery.write(),
            options: member.options.words(),
        };
        let written = if json {
            out.write_all(if first { b"\n  " } else { b",\n  " })
                .and_then(|()| serde_json::to_writer(&mut out, &row).map_err(io::Error::from))
        } else if row.name.is_empty() {
            writeln!(out, "{}", row.address)
        } else {
            writeln!(out, "{} <{}>", row.name, row.address)
        };
        first = false;
        if let Err(error) = written {
            failed.get_or_insert(error);
        }
        Ok(())
    })?;
    if json {
        out.write_all(if first { b"]\n" } else { b"\n]\n" })?;
    }
    match failed.map_or_else(|| out.flush(), Err) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
