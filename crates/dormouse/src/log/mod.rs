//! The log. It is written to standard error, which is the journal under systemd. Steps of a message
//! are written to the journal with their own fields (`log.journal`), and Mailman's log files are
//! written with `log.mailman`.
//!
//! An event's target is a file of Mailman's, such as `subscribe`, or for a step of a message that
//! name after [`STEP`].

mod lines;
mod mailman;

use dormouse_store::Site;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::{Level, Metadata};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{DynFilterFn, LevelFilter};
use tracing_subscriber::layer::{Context, Layer as _, SubscriberExt as _};

/// Targets of steps of a message begin with this.
const STEP: &str = "message.";

/// Mailman's log files for which there are lines.
const FILES: [&str; 8] =
    ["bounce", "error", "fromusenet", "post", "security", "smtp-failure", "subscribe", "vette"];

/// Whether steps of messages are written to the journal.
static STEPS: AtomicBool = AtomicBool::new(false);

/// Returns Mailman's file for a target.
fn file_of(target: &str) -> Option<&'static str> {
    let name = target.strip_prefix(STEP).unwrap_or(target);
    FILES.into_iter().find(|file| *file == name)
}

fn is_step_for_journal(metadata: &Metadata<'_>) -> bool {
    STEPS.load(Ordering::Relaxed) && metadata.target().starts_with(STEP)
}

/// Starts the log. The default level is warnings, and more in the journal.
pub fn start(level: Option<Level>) {
    let in_journal = lines::are_the_journal();
    let level = lines::level(level);
    // A step that is written to the journal with fields needs no line.
    let is_shown = move |metadata: &Metadata<'_>| {
        *metadata.level() <= level && !(in_journal && is_step_for_journal(metadata))
    };
    let journal = in_journal.then(tracing_journald::layer).and_then(Result::ok).map(|journal| {
        journal
            .with_field_prefix(Some("DORMOUSE".to_owned()))
            .with_priority_mappings(PriorityMappings {
                debug: Priority::Informational,
                ..PriorityMappings::new()
            })
            .with_filter(asking(LevelFilter::DEBUG, is_step_for_journal))
    });
    let files = mailman::Files.with_filter(asking(LevelFilter::DEBUG, mailman::is_wanted));
    let lines = lines::layer(asking(level, is_shown));
    let subscriber = tracing_subscriber::registry().with(lines).with(journal).with(files);
    if let Err(error) = tracing::subscriber::set_global_default(subscriber) {
        let _unread = writeln!(std::io::stderr(), "dormouse: no log: {error}");
    }
}

/// Returns a filter that decides for each event, because the site's settings can change.
fn asking<S>(
    most: LevelFilter,
    is_wanted: impl Fn(&Metadata<'_>) -> bool,
) -> DynFilterFn<S, impl Fn(&Metadata<'_>, &Context<'_, S>) -> bool> {
    DynFilterFn::new(move |metadata: &Metadata<'_>, _: &Context<'_, S>| is_wanted(metadata))
        .with_max_level_hint(most)
}

/// Applies the site's settings to the log from now on.
pub fn follow(site: &Site) {
    let config = site.config();
    STEPS.store(config.log_journal, Ordering::Relaxed);
    mailman::keep_in(config.log_mailman.then(|| dormouse_trace::directory(site.dir())));
}
