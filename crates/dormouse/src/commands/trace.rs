//! `trace`: what happened to a message.

use crate::failure::Failure;
use crate::output::{self, BAD, DIM, GOOD, WARN, styled};
use anstyle::Style;
use dormouse_mail::date;
use dormouse_store::Site;
use dormouse_trace as trace;
use dormouse_trace::{Event, Step};
use std::path::Path;
use sysexits::ExitCode;

pub fn run(
    dir: &Path,
    message: &str,
    recipient: Option<&str>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let mut story = trace::find(&site, message)?;
    for damaged in &story.damaged {
        tracing::warn!("{damaged}");
    }
    if let Some(recipient) = recipient {
        story.events.retain_mut(|event| event.narrow(recipient));
    }
    if json {
        output::json(&story.events)?;
    } else {
        let own = story.events.first().map_or("", |event| event.id.as_str());
        story.events.iter().try_for_each(|event| print(event, own))?;
    }
    if story.events.is_empty() {
        let message = format!(
            "there is no trace of {message}; traces are kept for {} (trace.keep)",
            site.config().trace_keep
        );
        return Err(Failure::new(ExitCode::DataErr, message));
    }
    Ok(ExitCode::Ok)
}

/// `own` is the traced Message-ID; events with another one are consequences.
fn print(event: &Event, own: &str) -> Result<(), Failure> {
    let step = styled(style(event.step), format_args!("{:9}", event.step.to_string()));
    output::line(format_args!(
        "{}  {:12} {step}  {}",
        date::rfc5322(event.at),
        event.list,
        event.words(own)
    ))?;
    for place in &event.outputs {
        let text = format!("{:46} → {}/{}", "", place.queue, place.entry);
        output::line(styled(DIM, text))?;
    }
    Ok(())
}

fn style(step: Step) -> Style {
    match step {
        Step::Accepted | Step::Approved => GOOD,
        Step::Held | Step::Deferred | Step::Postponed | Step::Resumed | Step::Unaddressed => WARN,
        Step::Rejected | Step::Discarded | Step::Shunted | Step::Refused | Step::Abandoned => BAD,
        Step::Received | Step::Passed | Step::Archived | Step::Cancelled => Style::new(),
    }
}
