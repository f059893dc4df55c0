//! `mailmanctl`: starts and stops the delivery of mail.

use super::call::{Call, Done, Trouble, say, warn};
use super::getopt::{HELP as H, Opt, flag};
use dormouse_activation::{Manager, TARGET, control};

pub const HELP: &str = "\
Starts and stops what wakes dormouse: systemd's dormouse.target. There is no master process.

Usage: mailmanctl [options] start | stop | restart | reopen

  start     mail wakes dormouse from now on
  stop      it does not; mail that comes waits in its queue
  restart   both
  reopen    does nothing: the log is systemd's journal

  -q, --quiet   say nothing but what is wrong
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
    let (doing, verb) = match command.as_str() {
        "start" => ("Starting", "start"),
        "stop" => ("Stopping", "stop"),
        "restart" => ("Restarting", "restart"),
        "reopen" => {
            if !quiet {
                say("There are no log files to open again: the log is systemd's journal")?;
            }
            return Ok(0);
        }
        _ => return Err(Trouble::usage(format!("Bad command: {command}"))),
    };
    call.site()?;
    let Some(manager) = control::manager_with(TARGET)? else {
        warn(format_args!(
            "{TARGET} is not installed. `dormouse units install` installs it; without systemd, `dormouse run` \
             works off the queues once."
        ));
        return Ok(1);
    };
    if !quiet {
        let whose = if manager == Manager::User { " (the user's)" } else { "" };
        say(format_args!("{doing} {TARGET}{whose}"))?;
    }
    control::tell(&manager, verb, TARGET)?;
    Ok(0)
}
