//! `qrunner`: processes queues.

use super::call::{Call, Done, Trouble, say, warn};
use super::getopt::{HELP as H, flag, with};
use crate::cli::RunnerArgs;
use crate::commands::run::{LingerTime, drain_once};
use crate::commands::runner;
use dormouse_runners::arrangement::{self, Scope};
use dormouse_spool::{Queue, Slice, Spool};
use dormouse_store::Site;

pub const HELP: &str = "\
Processes queues. With -o, it exits when they are empty; otherwise it stays and waits for more.

Usage: qrunner -r NAME[:SLICE:RANGE] [-r ...] -o
       qrunner -r All -o
       qrunner -r NAME[:SLICE:RANGE]
       qrunner -l

  -r NAME, --runner=NAME   process this runner's queue; may be given several times. All means all of
                           them. With SLICE and RANGE, only the SLICEth of RANGE parts of it
  -o, --once               exit when they are empty
  -l, --list               print the runners' names
  -v, --verbose, -s, --subproc
                           for old scripts
  -h, --help               print this

The exit code is 75 if something is left in the queues, otherwise 0.
";

/// The exit code if something is left (EX_TEMPFAIL of sysexits.h).
const LEFT: u8 = 75;

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
        for (name, _) in arrangement::MAILMAN {
            say(format_args!("{name} runs the {name}Runner qrunner"))?;
        }
        say("All runs all the above qrunners")?;
        return Ok(0);
    }
    let mut all = false;
    let mut chosen = Vec::new();
    for runner in options.values("runner") {
        match specified(runner)? {
            Some(one) => chosen.push(one),
            None => all = true,
        }
    }
    if !options.rest.is_empty() {
        return Err(Trouble::usage(""));
    }
    if !all && chosen.is_empty() {
        return Err(Trouble::usage("No runner name given."));
    }
    if !options.has("once") {
        return match chosen.as_slice() {
            [(queue, slice)] if !all => {
                let args = RunnerArgs { queue: *queue, slices: 1, slice: Some(*slice) };
                Ok(runner::run(&call.dir, &args)?.into())
            }
            _ => Err(Trouble::Said(
                "Use -o, or name one runner: to keep several running, use `mailmanctl start`"
                    .to_owned(),
            )),
        };
    }
    let site = call.site()?;
    let spool = Spool::new(site.qfiles());
    let scopes: Vec<Scope> = if all {
        vec![Scope::everything(site.config())]
    } else {
        chosen.iter().map(|(queue, slice)| Scope::of(&[*queue]).share(*slice)).collect()
    };
    drain_all(&site, &spool, &scopes)
}

/// Reads `NAME` or `NAME:SLICE:RANGE`. `None` stands for all runners.
fn specified(runner: &str) -> Result<Option<(Queue, Slice)>, Trouble> {
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
        return Ok(None);
    }
    let queue = arrangement::of_mailman(name);
    let queue = queue.ok_or_else(|| Trouble::usage(format!("There is no runner {name}")))?;
    Ok(Some((queue, slice)))
}

/// Drains the scopes until nothing is left: a runner may create entries for a runner that was named
/// before it.
fn drain_all(site: &Site, spool: &Spool, scopes: &[Scope]) -> Done {
    let mut clean = false;
    let mut worked = true;
    while worked {
        (clean, worked) = (true, false);
        for scope in scopes {
            let summary = drain_once(site, spool, scope, LingerTime::No)?;
            summary.errors.iter().for_each(warn);
            clean &= summary.is_clean();
            worked |= clean && scopes.len() > 1 && summary.did_something();
        }
    }
    Ok(if clean { 0 } else { LEFT })
}

/// Returns the slice that an argument means. Mailman's master counts slices from 0; `qrunner -r
/// X:1:1`, called by hand, means the only slice.
fn part(slice: u32, range: u32) -> Option<Slice> {
    if slice == 1 && range == 1 { Some(Slice::WHOLE) } else { Slice::new(slice, range) }
}
