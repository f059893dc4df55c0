//! The program of `dormouse watch`. It contains only the watch and so needs little memory.

mod log;

use dormouse_activation::ActivationError;
use dormouse_activation::watch::{self, Ended, Post};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

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
    let named = arguments.next().unwrap_or_default();
    log::start(named.to_str().and_then(|level| level.parse().ok()));
    let post = Post::from_arguments(arguments)?;
    if watch::run(&post)? == Ended::Stop {
        return Ok(());
    }
    let mut again = Command::new(&post.program);
    again.arg("--log").arg(named.to_ascii_lowercase()).arg("--site").arg(&post.site).arg("watch");
    // Returns only on failure.
    Err(ActivationError::NoCommand { command: format!("{again:?}"), source: again.exec() })
}
