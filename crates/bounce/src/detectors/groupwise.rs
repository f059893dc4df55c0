//! GroupWise and NTMail: addresses at the start of lines of the first text.

use super::section;
use crate::{BounceReport, BounceVerdict, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let by = report.header_starts("X-Mailer", &["nov", "ntm", "int"]);
    if report.root.content_type.value != "multipart/mixed" || !by {
        return None;
    }
    BounceVerdict::failed(section(&report.lines, |line| {
        if line.text.starts_with([' ', '\t']) {
            return None;
        }
        text::leading_angle(&line.text)
            .or_else(|| text::address(line.text.split_whitespace().next()?))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_first_word_of_a_line_is_the_recipient() {
        let raw = "From: Mailer-Daemon@g.example\nX-Mailer: Novell GroupWise Internet Agent 5.5\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nThe message that you sent was undeliverable to the following:\n\ta.person (user not found)\na@g.example (user not found)\n--b--\n";
        assert_eq!(failures(detect, raw), ["a@g.example permanent"]);
        assert!(failures(detect, &raw.replace("Novell", "Other")).is_empty());
    }
}
