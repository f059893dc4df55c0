//! `mailmanctl`: starts and stops the processing of mail.

use super::call::{Call, Done, Trouble, say};
use super::getopt::{HELP as H, Opt, flag};
use crate::cli::MasterCommand;
use crate::commands::{self, master};
use dormouse_activation::{Manager, TARGET, control};
use dormouse_store::Site;

pub const HELP: &str = "\
Starts and stops what runs dormouse: systemd's dormouse.target if it is installed, otherwise a master
process (`dormouse master`).

Usage: mailmanctl [options] start | stop | restart | reopen

  start     from now on, mail starts a run
  stop      mail waits in its queue from now on
  restart   both
  reopen    the master reopens its log; not needed with systemd's journal

  -q, --quiet   print only problems
  -n, --no-restart, -s, --stale-lock-cleanup, -u, --run-as-user
                for old scripts
  -h, --help    print this
";

pub fn run(call: &Call) -> Done {
    let known: [Opt; 6] = [
        H,
        flag('n', "no-restart"),
        flag('n', "no-start"),
        flag('u', "run-as-user"),
        flag('s', "stale-lock-cleanup"),
        flag('q', "quiet"),
    ];
    let options = call.options(&known)?;
    let command = match options.rest.as_slice() {
        [] => return Err(Trouble::usage("No command given.")),
        [command] => command.to_lowercase(),
        several => return Err(Trouble::usage(format!("Bad command: {}", several.join(", ")))),
    };
    let quiet = options.has("quiet");
    let (doing, verb, ours) = match command.as_str() {
        "start" => ("Starting", "start", MasterCommand::Start),
        "stop" => ("Stopping", "stop", MasterCommand::Stop),
        "restart" => ("Restarting", "restart", MasterCommand::Restart),
        "reopen" => ("Re-opening the log of", "", MasterCommand::Reopen),
        _ => return Err(Trouble::usage(format!("Bad command: {command}"))),
    };
    // Only root may control system units.
    Site::open(&call.dir)?;
    let Some(manager) = control::manager_with(TARGET)? else {
        if !quiet {
            say(format_args!("{doing} dormouse's master"))?;
        }
        commands::enter(&call.dir)?;
        return Ok(master::run(&call.dir, &ours)?.into());
    };
    if verb.is_empty() {
        if !quiet {
            say("There are no log files to open again: the log is systemd's journal")?;
        }
        return Ok(0);
    }
    if !quiet {
        let whose = if manager == Manager::User { " (the user's)" } else { "" };
        say(format_args!("{doing} {TARGET}{whose}"))?;
    }
    control::tell(&manager, verb, TARGET)?;
    Ok(0)
}
