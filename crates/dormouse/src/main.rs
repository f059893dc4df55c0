//! The dormouse command. Thin: it reads the command line, calls the rooms and prints.
//!
//! # Layout
//! - `cli`: every command and its arguments.
//! - `commands`: one file a noun.
//! - `compat`: Mailman's command names.
//! - `output`: tables, colours, JSON. `failure`: exit codes. `log`: the log.
//! - `watch` is a program of its own, the small one that `dormouse watch` becomes.

mod cli;
mod commands;
mod compat;
mod failure;
mod log;
mod output;

use clap::Parser;
use cli::Cli;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = compat::by_program_name(std::env::args_os()) {
        return code.into();
    }
    let cli = Cli::parse_from(arguments());
    log::start(cli.log);
    match commands::run(cli) {
        Ok(code) => code.into(),
        Err(failure) => {
            anstream::eprintln!("dormouse: {failure}");
            failure.code.into()
        }
    }
}

/// The arguments. Called as `mailman`, through a link in the place of Mailman's mail wrapper, it is
/// the command of that name.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == "mailman") {
        arguments.insert(1, "mailman".into());
    }
    arguments
}
