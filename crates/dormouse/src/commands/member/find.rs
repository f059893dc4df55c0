//! `member find`: the lists of an address.

use super::{each_member, lists};
use crate::failure::Failure;
use crate::output::Rows;
use dormouse_pattern::{Flags, Pattern};
use dormouse_store::Store;
use serde::Serialize;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row<'r> {
    list: &'r str,
    address: &'r str,
    name: &'r str,
    /// `member`, `owner` or `moderator`.
    role: &'static str,
}

/// Prints everybody whose address matches one of the patterns.
pub fn run(
    store: &Store,
    patterns: &[String],
    names: &[String],
    owners: bool,
    json: bool,
) -> Result<ExitCode, Failure> {
    let patterns = Patterns::new(patterns)?;
    let mut rows = Rows::new(json);
    for list in lists(store, names) {
        let list = list?;
        each_member(store.read(), &list, |member| {
            if patterns.find(&member.address)? {
                print(&mut rows, &list.name, &member.address, &member.real_name, "member")?;
            }
            Ok(())
        })?;
        let settings = &list.settings;
        let roles = [(&settings.owner, "owner"), (&settings.moderator, "moderator")];
        for (addresses, role) in roles.into_iter().filter(|_| owners) {
            for address in addresses {
                if patterns.find(address)? {
                    print(&mut rows, &list.name, address, "", role)?;
                }
            }
        }
    }
    rows.finish()?;
    Ok(ExitCode::Ok)
}

fn print(
    rows: &mut Rows,
    list: &str,
    address: &str,
    name: &str,
    role: &'static str,
) -> Result<(), Failure> {
    let text = match (name, role) {
        ("", "member") => format!("{list}\t{address}"),
        (name, "member") => format!("{list}\t{address}\t{name}"),
        _ => format!("{list}\t{address}\t({role})"),
    };
    rows.add(&Row { list, address, name, role }, &text)
}

/// The patterns to search for, ignoring case.
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Compiles patterns; the error names the invalid one.
    pub fn new(texts: &[String]) -> Result<Patterns, Failure> {
        let flags = Flags { ignore_case: true, ..Flags::default() };
        texts
            .iter()
            .map(|text| {
                Pattern::new(text, flags)
                    .map_err(|error| Failure::usage(format!("the pattern {text:?}: {error}")))
            })
            .collect::<Result<_, _>>()
            .map(Patterns)
    }

    /// Whether one of them matches in an address.
    pub fn find(&self, address: &str) -> Result<bool, Failure> {
        for pattern in &self.0 {
            let found = pattern.search(address).map_err(|error| {
                Failure::new(
                    ExitCode::DataErr,
                    format!("matching a pattern with {address}: {error}"),
                )
            })?;
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
