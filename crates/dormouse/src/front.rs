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
use dormouse_runners::intake::IntakeRefusal;
use mail::MailCommand;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
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
        Ok(Err(IntakeRefusal::NotInIndex)) => None,
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
    let own = match program::running() {
        Ok(own) => own,
        Err(error) => {
            let problem = format!("cannot find the directory of this program: {error}");
            return fail(&problem, Sysexit::TempFail);
        }
    };
    let full = own.with_file_name(program::FULL);
    let (name, arguments) = match arguments {
        [name, arguments @ ..] => (name.as_os_str(), arguments),
        [] => (OsStr::new(program::NAME), [].as_slice()),
    };
    if let [word] = arguments
        && (word == "--version" || word == "-V")
    {
        compare_versions(&own, &full);
    }
    let executed = program::executed();
    let is_called_so = Path::new(name).file_name() == executed.file_name();
    let name = if is_called_so { executed.as_os_str() } else { name };
    let error = program::execute(&full, name, arguments);
    fail(&program::explained(&full, &error), Sysexit::TempFail)
}

/// Warns if the full program is of another version: an upgrade was interrupted.
fn compare_versions(own: &Path, full: &Path) {
    let Ok(printed) = Command::new(full).arg("--version").output() else { return };
    if String::from_utf8_lossy(&printed.stdout).trim_end() != program::VERSION {
        let (own, full) = (own.display(), full.display());
        let problem = format!("{own} is {}, {full} is not; install both again", program::VERSION);
        let _unread = writeln!(std::io::stderr(), "dormouse: {problem}");
    }
}

/// Prints the problem, and returns the exit code.
fn fail(problem: &str, code: Sysexit) -> Sysexit {
    let _unread = writeln!(std::io::stderr(), "dormouse: {problem}");
    code
}
