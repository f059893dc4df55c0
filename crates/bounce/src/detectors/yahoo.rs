//! Yahoo's own reports.

use super::{section, until};
use crate::{BounceReport, BounceVerdict, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    if !report.from.iter().any(|from| from.starts_with("mailer-daemon@yahoo")) {
        return None;
    }
    let begin = report.lines.iter().position(|line| {
        line.has("message from yahoo.")
            || line.has("sorry, we were unable to deliver")
            || line.has("following address")
    })?;
    let found = until(&report.lines[begin..], |line| {
        line.starts("--- original message follows") || line.starts("--- below this line is a copy")
    });
    BounceVerdict::failed(section(found, |line| text::heading(&line.text)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn only_yahoo_writes_so() {
        let raw = "From: MAILER-DAEMON@yahoo.com\nSubject: Failure Notice\n\nSorry, we were unable to deliver your message to the following address(es).\n\n<a@yahoo.example>:\nThis user doesn't have a yahoo.example account (a@yahoo.example)\n\n--- Below this line is a copy of the message.\n\n<b@yahoo.example>:\n";
        assert_eq!(failures(detect, raw), ["a@yahoo.example permanent"]);
        assert!(failures(detect, &raw.replace("@yahoo.com", "@x.example")).is_empty());
    }
}
