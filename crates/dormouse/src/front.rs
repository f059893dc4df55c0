//! The program that people and MTAs call. It accepts mail with only the site's index, without a
//! database, clap or TLS. It is small because an MTA starts it for every mail, and a larger program
//! takes longer to start. For every other command, and for mail that the index alone cannot decide
//! on, it executes the full program before it has read anything.

#[path = "log/lines.rs"]
mod lines;
mod mail;
#[allow(dead_code, reason = "the full program has the other half")]
mod program;
#[allow(dead_code, reason = "here the descriptor is only kept as it was found")]
mod stdio;

use dormouse_runners::door::Door;
use dormouse_runners::intake::Refusal;
use mail::MailCommand;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};
use sysexits::ExitCode as Sysexit;
use tracing_subscriber::layer::SubscriberExt as _;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match take(&arguments) {
        Some(code) => code.into(),
        None => become_full(&arguments).into(),
    }
}

/// Accepts mail, and returns the exit code. Returns `None`, with nothing read, if the full program
/// must do it.
fn take(arguments: &[OsString]) -> Option<Sysexit> {
    let (site, words) = mail::site_and_words(arguments)?;
    let called = Path::new(arguments.first()?).file_name()?;
    let MailCommand { to, sender } = if called == program::NAME {
        MailCommand::read(&words)?
    } else if called == "mailman" && arguments.get(1)? != "--site" {
        // Through a link that replaces Mailman's mail wrapper.
        MailCommand::read(&[&["mailman"], words.as_slice()].concat())?
    } else {
        return None;
    };
    if is_root_elsewhere(&site) || std::env::var_os("DORMOUSE_LOG").is_some() {
        return None;
    }
    // In the journal, entries have fields, which only the full program writes.
    if lines::are_the_journal() {
        return None;
    }
    dormouse_store::owner::enter(&site).ok()?;
    let door = Door::by_index(&site)?;
    start_log();
    // An MTA would read the exit code of a panic as a verdict on the mail.
    let taken = catch_unwind(AssertUnwindSafe(|| to.take(&door, sender, std::io::stdin().lock())));
    match taken {
        Ok(Ok(_accepted)) => Some(Sysexit::Ok),
        Ok(Err(Refusal::NotInIndex)) => None,
        Ok(Err(refusal)) => Some(fail(&refusal.to_string(), refusal.sysexit())),
        Err(_panic) => Some(fail(mail::FAULT, Sysexit::TempFail)),
    }
}

/// Whether this process is root's and the site belongs to another user, whom root would have to
/// become.
fn is_root_elsewhere(site: &Path) -> bool {
    rustix::process::geteuid().is_root() && fs::metadata(site).is_ok_and(|site| site.uid() != 0)
}

/// Starts a log of warnings.
fn start_log() {
    let log = tracing_subscriber::registry().with(lines::layer(lines::level(None)));
    // This can only fail if a log was started before.
    let _first = tracing::subscriber::set_global_default(log);
}

/// Executes the full program, with the same arguments and name. Returns only on failure.
fn become_full(arguments: &[OsString]) -> Sysexit {
    // Without /proc, a link to the program is followed.
    let own = match std::env::current_exe().or_else(|_| program::executed().canonicalize()) {
        Ok(own) => own,
        Err(error) => {
            let problem = format!("cannot find the directory of this program: {error}");
            return fail(&problem, Sysexit::TempFail);
        }
    };
    let full = own.with_file_name(program::FULL);
    let mut command = Command::new(&full);
    if let Some((name, arguments)) = arguments.split_first() {
        let executed = program::executed();
        let is_called_so = Path::new(name).file_name() == executed.file_name();
        command.arg0(if is_called_so { executed.as_os_str() } else { name }).args(arguments);
    }
    let error = command.exec();
    fail(
        &format!("{}: {error}; install it next to {}", full.display(), own.display()),
        Sysexit::TempFail,
    )
}

/// Prints the problem, and returns the exit code.
fn fail(problem: &str, code: Sysexit) -> Sysexit {
    let _unread = writeln!(std::io::stderr(), "dormouse: {problem}");
    code
}
