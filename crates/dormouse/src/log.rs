//! The log, which goes to standard error: the journal under systemd.

use rustix::fs::FileType;
use std::io::{IsTerminal as _, Write as _};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

/// Starts the log. The default level is warnings, and more in the journal.
pub fn start(level: Option<Level>) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let level = level.unwrap_or(if journal { Level::INFO } else { Level::WARN });
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // `eprintln!` would panic if standard error cannot be written either.
        .log_internal_errors(false)
        .with_max_level(LevelFilter::from_level(level));
    // The journal has its own times, and on a terminal nobody needs them.
    let set = if is_file() {
        tracing::subscriber::set_global_default(subscriber.finish())
    } else {
        tracing::subscriber::set_global_default(subscriber.without_time().finish())
    };
    if let Err(error) = set {
        let _unread = writeln!(std::io::stderr(), "dormouse: no log: {error}");
    }
}

/// Whether standard error is a file, such as the master's log.
fn is_file() -> bool {
    let found = rustix::fs::fstat(std::io::stderr());
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_file())
}
