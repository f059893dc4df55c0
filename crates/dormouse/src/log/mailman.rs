//! Mailman's log files, with `log.mailman`, for programs that read them: `logs/post`,
//! `logs/subscribe` and so on (docs/spec/cli.md §6).

use super::file_of;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Their directory; `None` if they are turned off.
static DIRECTORY: RwLock<Option<PathBuf>> = RwLock::new(None);
static COMPLAINED: AtomicBool = AtomicBool::new(false);

/// Sets the directory to write them to, or turns them off.
pub(super) fn keep_in(directory: Option<PathBuf>) {
    *DIRECTORY.write().unwrap_or_else(PoisonError::into_inner) = directory;
}

/// Returns the file of an event. As in Mailman, all warnings and errors are in `error`.
fn file(metadata: &Metadata<'_>) -> Option<&'static str> {
    if *metadata.level() <= Level::WARN { Some("error") } else { file_of(metadata.target()) }
}

pub(super) fn is_wanted(metadata: &Metadata<'_>) -> bool {
    let directory = DIRECTORY.read().unwrap_or_else(PoisonError::into_inner);
    directory.is_some() && metadata.is_event() && file(metadata).is_some()
}

/// The layer that writes them.
pub(super) struct Files;

impl<S: Subscriber> Layer<S> for Files {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let directory = DIRECTORY.read().unwrap_or_else(PoisonError::into_inner);
        let (Some(directory), Some(name)) = (directory.as_ref(), file(event.metadata())) else {
            return;
        };
        let mut text = Text::default();
        event.record(&mut text);
        let path = directory.join(name);
        if let Err(error) = dormouse_trace::append(&path, line(&text.0).as_bytes())
            && !COMPLAINED.swap(true, Ordering::Relaxed)
        {
            // This is the log, so the error cannot be logged.
            let _unread = writeln!(
                std::io::stderr(),
                "dormouse: {}: {error}; it is not written until this process ends",
                path.display()
            );
        }
    }
}

/// The text of an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// Formats a line, `Nov 27 02:10:01 2026 (4711) text`, in local time. Line ends in the text become
/// blanks.
fn line(message: &str) -> String {
    let now = jiff::Zoned::now().strftime("%b %d %H:%M:%S %Y");
    format!("{now} ({}) {}\n", std::process::id(), message.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_is_as_mailman_writes_it() {
        let line = line("post to dev from anna@example.org,\nsuccess");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(jiff::civil::DateTime::strptime("%b %d %H:%M:%S %Y", words[..4].join(" ")).is_ok());
        assert_eq!(words[4], format!("({})", std::process::id()));
        assert!(line.ends_with(") post to dev from anna@example.org, success\n"), "{line}");
    }
}
