//! The full dormouse command. It only parses the command line, calls the other crates and prints.
//! `front.rs` is the program that people and MTAs call: it accepts most mail by itself, and
//! executes this one for everything else.
//!
//! # Layout
//! - `cli`: every command and its arguments.
//! - `commands`: one file for each noun.
//! - `compat`: Mailman's command names.
//! - `output`: tables, colours, JSON. `stdio`: closed descriptors. `failure`: exit codes.
//! - `log`: the log.
//! - `mail`: the commands that accept mail, which both programs have.
//! - `program`: the paths of the programs.
//! - `watch`: a separate small program, which `dormouse watch` executes.

mod cli;
mod commands;
mod compat;
mod failure;
mod log;
mod mail;
mod output;
mod program;
mod stdio;
mod terminal;

use clap::Parser as _;
use cli::Cli;
use failure::Failure;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use sysexits::ExitCode as Sysexit;

fn main() -> ExitCode {
    if let Some(code) = compat::by_program_name(std::env::args_os()) {
        return code.into();
    }
    let arguments = arguments();
    let cli = match cli::intake::read(&arguments).map_or_else(|| Cli::try_parse_from(arguments), Ok)
    {
        Ok(cli) => cli,
        Err(refused) => return answer(&refused),
    };
    log::start(cli.log);
    // An MTA would read the exit code of a panic as a verdict on the mail.
    let fault = "a bug in this program; unfinished work is tried again";
    let done = catch_unwind(AssertUnwindSafe(|| commands::run(cli)))
        .unwrap_or_else(|_| Err(Failure::new(Sysexit::TempFail, fault)));
    match done {
        Ok(code) => code.into(),
        Err(failure) => {
            crate::output::note!("dormouse: {}", commands::explained(&failure.message));
            failure.code.into()
        }
    }
}

/// Prints clap's output: help, the version, or an error in the command line.
fn answer(refused: &clap::Error) -> ExitCode {
    let code = if refused.use_stderr() { Sysexit::Usage } else { Sysexit::Ok };
    match refused.print() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Sysexit::TempFail.into(),
        // It does not matter if nobody reads it.
        _ => code.into(),
    }
}

/// Returns the arguments. Called as `mailman`, through a link that replaces Mailman's mail wrapper,
/// it is the command of that name.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == "mailman") {
        arguments.insert(1, "mailman".into());
    }
    let arguments = with_topics_of_the_manual(with_help_where_it_is_asked(arguments));
    cli::archive::with_unwanted_words(arguments)
}

/// `help TOPIC` prints a page of the manual: `help list create`, `help dormouse.toml`.
fn with_topics_of_the_manual(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if let [_, help, topic, ..] = arguments.as_slice()
        && help == "help"
        && topic != "help"
    {
        arguments[1] = "manual".into();
    }
    arguments
}

/// Rewrites requests for the help of `help` and of `compat`, whose arguments are those of Mailman's
/// commands: clap would see only unknown words.
fn with_help_where_it_is_asked(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_help = |word: &OsString| word == "--help" || word == "-h";
    let asked = arguments.iter().position(|word| word == "compat" || word == "help");
    if let Some(at) = asked
        && let Some(next) = arguments.get(at + 1)
    {
        if arguments[at] == "help" && is_help(next) {
            arguments.truncate(at + 1);
        } else if arguments[at] == "compat" && (is_help(next) || next == "help") {
            arguments.truncate(at);
            arguments.extend(["help", "compat"].map(OsString::from));
        }
    }
    arguments
}
