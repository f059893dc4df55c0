//! `qrunner`: works off queues, once.

use super::call::{Call, Done, Trouble, say, warn};
use super::getopt::{HELP as H, flag, with};
use crate::commands::run::drain_once;
use dormouse_runners::{Shared, mta, parts};
use dormouse_spool::{Queue, Slice, Spool};
use dormouse_store::Store;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub const HELP: &str = "\
Works off queues until they are empty, then ends.

Usage: qrunner -r NAME[:SLICE:RANGE] [-r ...] -o
       qrunner -r All -o
       qrunner -l

  -r NAME, --runner=NAME   work off this runner's queue; may be given several times. All is all of
                           them. With SLICE and RANGE, only the SLICEth of RANGE parts of it
  -o, --once               must be given: nothing stays running here, systemd starts what is needed
  -l, --list               print the runners' names
  -v, --verbose, -s, --subproc
                           for old scripts
  -h, --help               print this

Ends with 75 if something is left in the queues, else with 0.
";

/// What it ends with when something is left (EX_TEMPFAIL of sysexits.h).
const LEFT: u8 = 75;

/// Mailman's runners and their queues.
const RUNNERS: [(&str, Queue); 8] = [
    ("Arch", Queue::Archive),
    ("Bounce", Queue::Bounces),
    ("Command", Queue::Commands),
    ("Incoming", Queue::In),
    ("News", Queue::News),
    ("Outgoing", Queue::Out),
    ("Virgin", Queue::Virgin),
    ("Retry", Queue::Retry),
];

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        flag('l', "list"),
        flag('o', "once"),
        with('r', "runner"),
        flag('v', "verbose"),
        flag('s', "subproc"),
    ])?;
    if options.has("list") {
        for (name, _) in RUNNERS {
            say(format_args!("{name} runs the {name}Runner qrunner"))?;
        }
        say("All runs all the above qrunners")?;
        return Ok(0);
    }
    let mut all = false;
    let mut chosen = Vec::new();
    for runner in options.values("runner") {
        let bad = || Trouble::usage(format!("Bad runner specification: {runner}"));
        let parts: Vec<&str> = runner.split(':').collect();
        let (name, slice) = match parts.as_slice() {
            [name] => (*name, Slice::WHOLE),
            [name, slice, range] => {
                let (slice, range) = (slice.parse().ok(), range.parse().ok());
                let slice = slice.zip(range).and_then(|(slice, range)| part(slice, range));
                (*name, slice.ok_or_else(bad)?)
            }
            _ => return Err(bad()),
        };
        if name == "All" {
            all = true;
            continue;
        }
        let name = name.strip_suffix("Runner").unwrap_or(name);
        let known = RUNNERS.iter().find(|(known, _)| *known == name);
        let (_, queue) =
            known.ok_or_else(|| Trouble::usage(format!("There is no runner {name}")))?;
        chosen.push((*queue, slice));
    }
    if !options.rest.is_empty() {
        return Err(Trouble::usage(""));
    }
    if !all && chosen.is_empty() {
        return Err(Trouble::usage("No runner name given."));
    }
    if !options.has("once") {
        return Err(Trouble::Said(
            "Nothing stays running here: give -o, or let systemd start it when there is mail \
             (`dormouse units install`)"
                .to_owned(),
        ));
    }
    let site = call.site()?;
    let spool = Spool::new(site.qfiles());
    if all {
        let summary = drain_once(&site, &spool, Duration::ZERO)?;
        summary.errors.iter().for_each(warn);
        return Ok(if summary.is_clean() { 0 } else { LEFT });
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let store = Store::open(&site)?;
    let (transport, options) = mta::from_settings(&site)?;
    let shared = Shared {
        site: &site,
        spool: &spool,
        transport: &transport,
        options: &options,
        stop: &stop,
    };
    let worked = parts::run(&shared, &store, &chosen);
    worked.errors.iter().for_each(warn);
    Ok(if worked.left == 0 && worked.errors.is_empty() { 0 } else { LEFT })
}

/// Mailman's master counts slices from 0; `qrunner -r X:1:1` by hand means the only one.
fn part(slice: u32, range: u32) -> Option<Slice> {
    if slice == 1 && range == 1 { Some(Slice::WHOLE) } else { Slice::new(slice, range) }
}
