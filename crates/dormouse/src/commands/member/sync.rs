//! `member sync`: a membership after a file, line by line and in constant memory.

use super::{Lines, parse};
use crate::failure::Failure;
use crate::output;
use dormouse_store::sync::Change;
use dormouse_store::{List, Store, Tx};
use std::io::{self, BufWriter, Seek as _, Write as _};
use sysexits::ExitCode;

/// So many wrong lines are named.
const NAMED: usize = 20;

/// The membership as it should be.
pub struct Wanted {
    /// Its addresses, one a line.
    pub lines: Lines,
    /// Those who come get digests.
    pub digest: bool,
    /// Nothing is changed.
    pub dry_run: bool,
}

/// Brings the membership in line, or says what that would be.
pub fn run(store: &Store, list: &List, wanted: Wanted, json: bool) -> Result<ExitCode, Failure> {
    let dry_run = wanted.dry_run;
    // What changes is printed when all is done: whoever reads it must not keep others from writing.
    let mut out = BufWriter::new(tempfile::tempfile()?);
    let progress = output::progress(None);
    let work = |tx: &Tx<'_>| {
        let sync = tx.sync(list)?;
        let mut wrong = Vec::new();
        let mut number_of_wrong = 0u64;
        for line in wanted.lines {
            let line = line?;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse(line) {
                Ok((name, address)) => {
                    sync.want(&address, &name)?;
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
        if number_of_wrong > 0 {
            let text = format!(
                "nothing is changed, because of {}:\n  {}",
                output::count(number_of_wrong, "wrong line", "wrong lines"),
                wrong.join("\n  ")
            );
            return Err(Failure::new(ExitCode::DataErr, text));
        }
        let (mut coming, mut going) = (0u64, 0u64);
        sync.changes(|change| -> Result<(), Failure> {
            let (verb, address, number) = match change {
                Change::Add(address) => ("added", address, &mut coming),
                Change::Remove(address) => ("removed", address, &mut going),
            };
            *number += 1;
            if json {
                let comma = if coming + going > 1 { "," } else { "" };
                let row = serde_json::json!({ "change": verb, "address": address });
                write!(out, "{comma}\n    {row}")?;
            } else {
                writeln!(out, "{verb} {address}")?;
            }
            Ok(())
        })?;
        let now = dormouse_spool::clock::seconds();
        if !dry_run {
            sync.apply(wanted.digest, now, "after a file of the administrator's")?;
        }
        Ok((coming, going))
    };
    let (added, removed) = if dry_run { store.rehearse(work)? } else { store.write(work)? };
    progress.finish_and_clear();
    let mut changes = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    changes.rewind()?;
    if json {
        output::bytes(b"{\n  \"changes\": [")?;
        output::copy(&mut changes)?;
        let end = if added + removed > 0 { "\n  ]" } else { "]" };
        output::line(format_args!(
            "{end},\n  \"added\": {added},\n  \"removed\": {removed},\n  \"dry_run\": {dry_run}\n}}"
        ))?;
    } else {
        output::copy(&mut changes)?;
        let would = if dry_run { "would have " } else { "" };
        let members = output::count(added, "member", "members");
        output::line(format_args!("{would}added {members}, removed {removed}"))?;
    }
    Ok(ExitCode::Ok)
}
