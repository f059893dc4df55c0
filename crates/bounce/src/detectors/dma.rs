//! The DragonFly Mail Agent: the address in a sentence, the reason in the paragraph below it.

use super::until;
use crate::report::begins_original;
use crate::{BounceReport, BounceVerdict, FailedAddress, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let says = |line: &crate::report::Line| line.has("there was an error delivering your mail to");
    let at = report.lines.iter().position(says)?;
    let address = text::anywhere(&report.lines[at].text)?;
    let reason = until(&report.lines[at + 1..], begins_original);
    let reason: Vec<&str> = reason.iter().map(|line| line.text.trim()).collect();
    BounceVerdict::failed(vec![FailedAddress::new(address, None, &reason.join(" "))])
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_reason_is_in_the_next_paragraph() {
        for (reason, kind) in [
            (
                "mx.example.org [192.0.2.25] did not like our RCPT TO:\n550 5.1.1 unknown",
                "permanent",
            ),
            ("DNS lookup failure: host x.example not found", "permanent"),
            ("mx.x.example [192.0.2.2] did not like our MAIL FROM:\n550 no", "policy"),
            ("mx.x.example [192.0.2.2] did not like our final DATA:\n552 5.2.2 full", "temporary"),
            ("Could not deliver for the last 432000 seconds. Giving up.", "temporary"),
        ] {
            let raw = format!(
                "From: MAILER-DAEMON <>\nSubject: Mail delivery failed\n\nThis is the DragonFly Mail Agent v0.13 at d.example.\n\nThere was an error delivering your mail to <a@x.example>.\n\n{reason}\n\nMessage headers follow.\n\nTo: <b@x.example>\n"
            );
            assert_eq!(failures(detect, &raw), [format!("a@x.example {kind}")], "{reason}");
        }
    }
}
