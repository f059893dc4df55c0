//! The scripts of Mailman's crontab: each is `dormouse cron` with the same name.

use super::call::{Call, Done, Trouble};
use super::getopt::{HELP as H, flag, with};
use crate::cli::{Cli, Command};
use crate::commands;
use crate::failure::Failure;
use clap::Parser as _;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::fs::File;
use std::io;

pub const CHECKDBS: &str = "\
Reminds moderators of held posts and requests, and discards those that have waited too long.

Usage: checkdbs
";

pub const DISABLED: &str = "\
Reminds members whose delivery is off, and removes those who got the last reminder.

Usage: disabled [options]

  -o, --byadmin              also members whose delivery an owner turned off
  -m, --byuser               also members who turned it off themselves
  -u, --unknown              also members for whom the reason is unknown
  -b, --notbybounce          not members whose delivery is off because of bounces
  -a, --all                  all of them
  -f, --force                also members whose next reminder is not due
  -l LIST, --listname=LIST   only this list; may be given several times
  -h, --help                 print this
";

pub const SENDDIGESTS: &str = "\
Sends the digests of lists that send one every day.

Usage: senddigests [options]

  -l LIST, --listname=LIST    only this list; may be given several times
  -e LIST, --exceptlist=LIST  not this list; may be given several times
  -h, --help                  print this
";

pub const BUMPDIGESTS: &str = "\
Starts a new volume of digests.

Usage: bumpdigests [LIST ...]
";

pub const MAILPASSWDS: &str = "\
In Mailman, it mailed every member's password once a month. dormouse never mails passwords.

Usage: mailpasswds [options]

  -l LIST, --listname=LIST   for old crontabs
  -h, --help                 print this
";

pub const GATE_NEWS: &str = "\
Fetches articles of newsgroups for the lists that are linked with them.

Usage: gate_news
";

pub const NIGHTLY_GZIP: &str = "\
Compresses the texts of archives.

Usage: nightly_gzip [options] [LIST ...]

  -v, --verbose   for old crontabs
  -h, --help      print this
";

pub const CULL_BAD_SHUNT: &str = "\
Removes old entries from the queues shunt and bad.

Usage: cull_bad_shunt
";

/// Runs a job without options.
pub fn plain(call: &Call) -> Done {
    let options = call.options(&[H, flag('v', "verbose")])?;
    run(call, options.rest)
}

/// `mailpasswds`
pub fn mailpasswds(call: &Call) -> Done {
    call.options(&[H, with('l', "listname")])?;
    run(call, Vec::new())
}

/// `senddigests`
pub fn senddigests(call: &Call) -> Done {
    let options = call.options(&[H, with('l', "listname"), with('e', "exceptlist")])?;
    let mut lists: Vec<String> =
        options.values("listname").map(|name| name.trim().to_lowercase()).collect();
    if options.has("exceptlist") {
        if lists.is_empty() {
            let (_, store) = call.open()?;
            lists = store.read().list_names()?.into_iter().map(String::from).collect();
        }
        let except: Vec<String> = options.values("exceptlist").map(str::to_lowercase).collect();
        lists.retain(|list| !except.contains(list));
        // An empty set of names would mean every list.
        if lists.is_empty() {
            return Ok(0);
        }
    }
    run(call, lists)
}

/// `disabled`
pub fn disabled(call: &Call) -> Done {
    call.options(&[
        H,
        flag('o', "byadmin"),
        flag('m', "byuser"),
        flag('u', "unknown"),
        flag('b', "notbybounce"),
        flag('a', "all"),
        flag('f', "force"),
        with('l', "listname"),
    ])?;
    run(call, call.args.clone())
}

/// Runs our own job of the same name, without printing a summary, which cron would mail every day.
fn run(call: &Call, arguments: Vec<String>) -> Done {
    let mut line: Vec<OsString> = vec!["dormouse".into(), "--site".into(), call.dir.clone().into()];
    line.extend(["cron".into(), call.name.into()]);
    line.extend(arguments.into_iter().map(OsString::from));
    match Cli::try_parse_from(line) {
        Ok(Cli { command: Command::Cron(command), .. }) => {
            let nowhere = File::options().write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdout(nowhere).map_err(io::Error::from)?;
            commands::enter(&call.dir)?;
            let code = commands::cron::run(&call.dir, command).map_err(Trouble::from)?;
            Ok(code.into())
        }
        Ok(_) => Err(Failure::usage(format!("{} is not a job", call.name)).into()),
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand => {
            Err(Trouble::Said(format!("{}: this version has no such job", call.name)))
        }
        Err(error) => Err(Trouble::Said(error.to_string())),
    }
}
