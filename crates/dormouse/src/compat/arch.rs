//! `arch`: rebuilds a list's archive.

use super::call::{Call, Done, Trouble, find, warn};
use super::getopt::{GivenOptions, HELP as H, flag, long, with};
use dormouse_archive::arch;
use dormouse_archive::{Archive, ArchiveError, Progress};
use std::fs::File;
use std::path::PathBuf;

pub const HELP: &str = "\
Rebuilds index and pages of a list's archive from its mbox. With MBOX, the messages of that mbox are
added first, except those that are already there. Every message keeps its address.

Usage: arch [options] LIST [MBOX]

      --wipe        start from nothing: messages get new addresses
  -s N, --start=N   start with this message of MBOX, counted from 0
  -e N, --end=N     end with this message of MBOX
  -q, --quiet       print nothing
  -h, --help        print this
";

/// The exit code if there is no such list, or the mbox cannot be read.
const NO_LIST: u8 = 2;
const NO_MAILBOX: u8 = 3;

pub fn run(call: &Call) -> Done {
    let options =
        call.options(&[H, long("wipe"), with('s', "start"), with('e', "end"), flag('q', "quiet")])?;
    let (name, mbox) = match options.rest.as_slice() {
        [] => return Err(Trouble::usage("listname is required")),
        [name] => (name, None),
        [name, mbox] => (name, Some(PathBuf::from(mbox))),
        _ => return Err(Trouble::usage("")),
    };
    let wanted = arch::ArchOptions {
        wipe: options.has("wipe"),
        start: number(&options, "start")?,
        end: number(&options, "end")?,
        mbox: mbox.clone(),
    };
    let (site, store) = call.open()?;
    let Some(list) = find(store.read(), name)? else {
        warn(format_args!("No such list: {}", name.to_lowercase()));
        return Ok(NO_LIST);
    };
    let mut archive = Archive::open(&site, &list)?;
    let mbox = mbox.unwrap_or_else(|| archive.place().mbox());
    if let Err(error) = File::open(&mbox) {
        warn(format_args!("Cannot open mbox file {}: {error}", mbox.display()));
        return Ok(NO_MAILBOX);
    }
    let quiet = options.has("quiet");
    let mut tell = |now: Progress| {
        if !quiet {
            warn(format_args!("#{:05}", now.messages));
        }
    };
    let read: Result<u64, ArchiveError> = arch::run(&mut archive, &wanted, &mut tell);
    read?;
    Ok(0)
}

fn number(options: &GivenOptions, name: &str) -> Result<Option<u64>, Trouble> {
    let bad = |text| Trouble::usage(format!("Bad --{name} value: {text}"));
    options.value(name).map(|text| text.parse().map_err(|_| bad(text))).transpose()
}
