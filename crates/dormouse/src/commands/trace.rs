//! `trace`: what happened to a message.

use crate::failure::Failure;
use crate::output::{self, BAD, DIM, GOOD, WARN, styled};
use anstyle::Style;
use dormouse_mail::date;
use dormouse_store::Site;
use dormouse_trace as trace;
use dormouse_trace::{Event, Step};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
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
        story.events.retain(|event| {
            event.recipients.is_empty()
                || event.recipients.iter().any(|one| one.eq_ignore_ascii_case(recipient))
        });
        for event in &mut story.events {
            event.recipients.retain(|one| one.eq_ignore_ascii_case(recipient));
        }
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

/// How many recipients a line names; more are counted.
const NAMED: usize = 5;

/// `own` is the traced Message-ID; events with another one are consequences.
fn print(event: &Event, own: &str) -> Result<(), Failure> {
    let at = UNIX_EPOCH + Duration::try_from_secs_f64(event.at).unwrap_or_default();
    let mut told = Vec::new();
    if event.step == Step::Received {
        told.push(format!("from {}, {:?}", event.sender, event.subject));
    }
    if event.step == Step::Passed && !own.is_empty() && event.id != own {
        told.push(format!("a message of the list's own, {:?}", event.subject));
    }
    if event.count > 0 {
        let mut names = event.recipients.iter().take(NAMED).cloned().collect::<Vec<_>>();
        let more = event.count.saturating_sub(names.len() as u64);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        told.push(format!("for {}", names.join(", ")));
    }
    if !event.text.is_empty() {
        told.push(event.text.trim().to_owned());
    }
    if told.is_empty() && event.step == Step::Passed {
        told.push("there was no objection".to_owned());
    }
    let decided = [event.handler.as_str(), event.setting.as_str()];
    let decided: Vec<&str> = decided.into_iter().filter(|word| !word.is_empty()).collect();
    if !decided.is_empty() {
        told.push(format!("({})", decided.join(", ")));
    }
    let step = styled(style(event.step), format_args!("{:9}", event.step.to_string()));
    output::line(format_args!(
        "{}  {:12} {step}  {}",
        date::rfc5322(at),
        event.list,
        told.join(" ")
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
        Step::Held | Step::Deferred | Step::Postponed | Step::Resumed => WARN,
        Step::Rejected | Step::Discarded | Step::Shunted | Step::Refused | Step::Abandoned => BAD,
        Step::Received | Step::Passed | Step::Archived | Step::Cancelled => Style::new(),
    }
}
