//! The scripts of Mailman's crontab.

use super::call::{Call, Done, Trouble, say};
use super::getopt::{HELP as H, Opt, flag, with};
use crate::cli::CronCommand;
use crate::commands::cron;
use dormouse_spool::Spool;

pub const CHECKDBS: &str = "\
Reminds moderators of what waits for them, and drops what has waited too long: `dormouse cron checkdbs`.
";

pub const UNNEEDED: &str = "\
This script of Mailman's crontab has nothing to do here; it may stay in a crontab.
";

/// Every option that one of the scripts takes; where they have nothing to do they do not matter.
const OPTIONS: [Opt; 9] = [
    H,
    with('l', "listname"),
    with('e', "exceptlist"),
    flag('o', "byadmin"),
    flag('m', "bymember"),
    flag('u', "byuser"),
    flag('b', "bybounce"),
    flag('a', "all"),
    flag('v', "verbose"),
];

/// `checkdbs`
pub fn checkdbs(call: &Call) -> Done {
    call.options(&[H])?;
    cron::run(&call.dir, CronCommand::Checkdbs { json: false })?;
    Ok(0)
}

/// `cull_bad_shunt`: nothing is ever removed from them by itself.
pub fn cull_bad_shunt(call: &Call) -> Done {
    call.options(&OPTIONS)?;
    let _spool = Spool::new(call.site()?.qfiles());
    Err(Trouble::Said(
        "what waits in shunt and bad waits for a person: `dormouse queue ls shunt`".into(),
    ))
}

/// A script without work.
pub fn unneeded(call: &Call) -> Done {
    call.options(&OPTIONS)?;
    say(format_args!("{}: nothing to do", call.name))?;
    Ok(0)
}
