//! Steps as events of the log, with fields for the journal, in the words of Mailman's log files
//! (docs/spec/cli.md §6). An event's target ends with the file that Mailman would have it in.

use crate::{Event, Step};
use dormouse_spool::Queue;

/// Logs a step: at level info if a person may have to act on it, otherwise at debug.
pub(crate) fn log(event: &Event, queue: Option<Queue>) {
    let Event { list, id, sender, .. } = event;
    macro_rules! step {
        ($level:ident, $target:literal, $($text:tt)+) => {
            tracing::event!(
                target: concat!("message.", $target),
                tracing::Level::$level,
                list,
                message_id = id,
                queue = queue.map(Queue::name),
                entry = event.entry,
                step = %event.step,
                sender,
                $($text)+
            )
        };
    }
    match event.step {
        Step::Accepted => step!(
            DEBUG,
            "post",
            "post to {list} from {sender}, size={}, message-id={id}, success ({} recipients)",
            event.size,
            event.count
        ),
        Step::Deferred => step!(DEBUG, "smtp-failure", "{}", failure(event)),
        Step::Refused | Step::Abandoned => step!(INFO, "smtp-failure", "{}", failure(event)),
        Step::Postponed => step!(DEBUG, "smtp-failure", "{}: {}", event.entry, event.text),
        Step::Held | Step::Rejected | Step::Discarded => step!(
            INFO,
            "vette",
            "{list} post from {sender} {}, message-id={id}: {}{}",
            event.step,
            event.text,
            by(event)
        ),
        Step::Approved | Step::Cancelled => {
            step!(INFO, "vette", "{list} post from {sender} {}: {}", event.step, event.text);
        }
        Step::Unaddressed => step!(INFO, "entry", "{}: {}", event.entry, event.text),
        Step::Received | Step::Passed | Step::Archived | Step::Shunted | Step::Resumed => {
            step!(DEBUG, "entry", "{}", progress(event));
        }
    }
}

/// `dev: passed <4711@example.org>`, and why.
fn progress(event: &Event) -> String {
    let text = format!("{}: {} {} {}", event.list, event.step, event.id, event.text);
    text.trim_end().to_owned()
}

/// `delivery to anna@example.org failed with code 550: no such user`; without the code if no server
/// replied.
fn failure(event: &Event) -> String {
    let recipient = event.recipients.first().map_or("", String::as_str);
    match event.text.split_once(' ') {
        Some((code, text)) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("delivery to {recipient} failed with code {code}: {text}")
        }
        _ => format!("delivery to {recipient} failed: {}", event.text),
    }
}

fn by(event: &Event) -> String {
    if event.handler.is_empty() { String::new() } else { format!(" ({})", event.handler) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_spool::EntryName;

    #[test]
    fn a_failure_is_told_with_the_code_that_the_server_gave() {
        let mut event = Event::new(Step::Refused, &EntryName::from_base("1.0+a"));
        event.recipients.push("anna@example.org".to_owned());
        for (text, told) in [
            ("550 no such user", "failed with code 550: no such user"),
            ("given up: 451 later", "failed: given up: 451 later"),
            ("", "failed: "),
        ] {
            event.text = text.to_owned();
            assert_eq!(failure(&event), format!("delivery to anna@example.org {told}"));
        }
    }
}
