//! The log on standard error, one line for each event.

use rustix::fs::FileType;
use std::io::IsTerminal as _;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::{Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Returns the level: the given one, otherwise warn, or info in the journal.
pub fn level(asked: Option<Level>) -> LevelFilter {
    let usual = if are_the_journal() { Level::INFO } else { Level::WARN };
    LevelFilter::from_level(asked.unwrap_or(usual))
}

/// Returns the layer that writes a line for each event that the filter lets through.
pub fn layer<S>(shown: impl Filter<S> + Send + Sync + 'static) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // Fields are for the journal; the text contains everything.
        .fmt_fields(debug_fn(|writer, field, value| match field.name() {
            "message" => write!(writer, "{value:?}"),
            _ => Ok(()),
        }))
        // `eprintln!` would panic if standard error cannot be written either.
        .log_internal_errors(false);
    // The journal adds its own times, and on a terminal they are not needed.
    let lines = if is_file() { lines.boxed() } else { lines.without_time().boxed() };
    lines.with_filter(shown)
}

/// Whether standard error is the journal. A child's may be redirected, although its environment
/// says that it is the journal, so the file itself is compared.
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
