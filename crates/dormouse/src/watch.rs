//! The program behind `dormouse watch`: nothing but the watch, because it stays.

mod log;

use dormouse_activation::ActivationError;
use dormouse_activation::watch::{self, Post};
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    match watch(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dormouse-watch: {error}");
            error.sysexit().into()
        }
    }
}

/// What is logged, then what is watched.
fn watch(mut arguments: impl Iterator<Item = OsString>) -> Result<(), ActivationError> {
    let level = arguments.next().and_then(|level| level.to_str()?.parse().ok());
    log::start(level);
    watch::run(&Post::from_arguments(arguments)?)
}
