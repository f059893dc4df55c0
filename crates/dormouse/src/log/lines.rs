//! The log on standard error, a line an event.

use rustix::fs::FileType;
use std::io::IsTerminal as _;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::{Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

/// What is shown: without a level asked for, warnings, and more in the journal.
pub fn level(asked: Option<Level>) -> LevelFilter {
    let usual = if are_the_journal() { Level::INFO } else { Level::WARN };
    LevelFilter::from_level(asked.unwrap_or(usual))
}

/// The layer that writes the lines of what a filter lets through.
pub fn layer<S>(shown: impl Filter<S> + Send + Sync + 'static) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // Fields are for the journal; the text says it all.
        .fmt_fields(debug_fn(|writer, field, value| match field.name() {
            "message" => write!(writer, "{value:?}"),
            _ => Ok(()),
        }))
        // `eprintln!` would panic if standard error cannot be written either.
        .log_internal_errors(false);
    // The journal has its own times, and on a terminal nobody needs them.
    let lines = if is_file() { lines.boxed() } else { lines.without_time().boxed() };
    lines.with_filter(shown)
}

/// Whether standard error is the journal: a child's that was sent elsewhere is not, though its
/// environment says so.
pub fn are_the_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|found| stream == format!("{}:{}", found.st_dev, found.st_ino))
}

/// Whether standard error is a file, such as the master's log.
fn is_file() -> bool {
    let found = rustix::fs::fstat(std::io::stderr());
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_file())
}
