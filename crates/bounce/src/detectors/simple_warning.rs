//! Reports of a delay, which need no reaction.

use crate::{BounceReport, BounceVerdict};

const DELAYS: &[&str] = &[
    "address to which the message has not yet been delivered is",
    "addresses to which the message has not yet been delivered are",
    "this is just a warning, you do not need to take any action",
    "delivery attempts will continue to be made",
    "this is a warning message only",
    "we will continue to try to deliver",
    "has not yet been delivered",
    "not yet been delivered",
    "transient non-fatal errors",
    "you do not need to resend your message",
    "delivery is delayed to these recipients",
    "there was a temporary problem delivering your message",
    "gmail will retry",
    "will be retried",
    "will keep trying to deliver",
    "message still undelivered after",
    "message is delayed for more than",
    "this is only a temporary failure report",
    "only a temporary failure",
    "dies ist nur eine warnung",
];

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let delayed = |line: &crate::report::Line| DELAYS.iter().any(|words| line.has(words));
    report.lines.iter().any(delayed).then_some(BounceVerdict::Warning)
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn a_warning_is_no_failure() {
        let raw = "From: Mailer-Daemon@e.example\nSubject: Warning: message delayed\n\nThe address to which the message has not yet been delivered is:\n\n  a@x.example\n";
        assert_eq!(ask(detect, raw), Some(BounceVerdict::Warning));
        assert_eq!(ask(detect, "From: Mailer-Daemon@e.example\n\nfailed\n"), None);
    }
}
