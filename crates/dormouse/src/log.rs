//! The log, which goes to standard error: the journal under systemd.

use std::io::IsTerminal as _;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

/// Starts it. Without a level it is warnings, and more in the journal.
pub fn start(level: Option<Level>) {
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
