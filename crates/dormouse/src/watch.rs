//! The program of `dormouse watch`. It contains only the watch and so needs little memory.

#[path = "log/lines.rs"]
mod lines;
#[allow(dead_code, reason = "the other programs use the rest")]
mod program;

use dormouse_activation::ActivationError;
use dormouse_activation::Ended;
use dormouse_activation::watch::{self, WatchPost};
use std::ffi::OsString;
use std::process::ExitCode;
use tracing_subscriber::layer::SubscriberExt as _;

fn main() -> ExitCode {
    match watch(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dormouse-watch: {error}");
            error.sysexit().into()
        }
    }
}

/// Starts the log, then the watch.
fn watch(mut arguments: impl Iterator<Item = OsString>) -> Result<(), ActivationError> {
    let named = arguments.next().unwrap_or_default();
    let level = lines::level(named.to_str().and_then(|level| level.parse().ok()));
    let log = tracing_subscriber::registry().with(lines::layer(level));
    if let Err(error) = tracing::subscriber::set_global_default(log) {
        eprintln!("dormouse-watch: no log: {error}");
    }
    let post = WatchPost::from_arguments(arguments)?;
    if watch::run(&post)? == Ended::Stop {
        return Ok(());
    }
    let log = named.to_ascii_lowercase();
    let again = ["--log".into(), log, "--site".into(), post.site.clone().into(), "watch".into()];
    // Returns only on failure.
    let source = program::execute(&post.program, post.program.as_os_str(), &again);
    Err(ActivationError::NoCommand {
        command: format!("{} {again:?}", post.program.display()),
        source,
    })
}
