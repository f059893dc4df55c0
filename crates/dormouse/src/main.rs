//! The dormouse command. Thin: it reads the command line, calls the rooms and prints.
//!
//! # Layout
//! - `cli`: every command and its arguments.
//! - `commands`: one file a noun.
//! - `compat`: Mailman's command names.
//! - `output`: tables, colours, JSON. `failure`: exit codes.

mod cli;
mod commands;
mod compat;
mod failure;
mod output;

use clap::Parser;
use cli::Cli;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    if let Some(code) = compat::by_program_name(std::env::args_os()) {
        return code.into();
    }
    let cli = Cli::parse();
    start_log(cli.log);
    match commands::run(cli) {
        Ok(code) => code.into(),
        Err(failure) => {
            anstream::eprintln!("dormouse: {failure}");
            failure.code.into()
        }
    }
}

/// The log goes to standard error, which is the journal under systemd.
fn start_log(level: Option<Level>) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let level = level.unwrap_or(if journal { Level::INFO } else { Level::WARN });
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .with_max_level(LevelFilter::from_level(level))
        .finish();
    if let Err(error) = tracing::subscriber::set_global_default(subscriber) {
        eprintln!("dormouse: no log: {error}");
    }
}
