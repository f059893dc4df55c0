//! Postfix and its relatives, if the report has no machine-readable part or a damaged one.

use super::{section, until};
use crate::{BounceReport, BounceVerdict, text};

const STARTS: &[&str] = &[
    "failure reason:",
    "the postfix",
    "the bns postfix",
    "the keftamail",
    "the smtp_gateway",
    "the mail system",
];

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    if !matches!(report.root.content_type.value.as_str(), "multipart/mixed" | "multipart/report") {
        return None;
    }
    let begins = |line: &crate::report::Line| STARTS.iter().any(|start| line.has(start));
    let begin = report.lines.iter().position(begins)?;
    let found = until(&report.lines[begin..], |line| line.text.starts_with("-----"));
    BounceVerdict::failed(section(found, |line| text::heading(&line.text)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn recipients_are_below_the_programs_name() {
        let raw = "From: MAILER-DAEMON@p.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Description: Notification\n\nThis is the Postfix program at host p.example.\n\nI'm sorry.\n\n\t\t\tThe Postfix program\n\n<a@x.example>: host mx.x.example[192.0.2.1] said: 550 5.1.1\n    <a@x.example>... User unknown\n--b\nContent-Type: message/rfc822\n\n<b@x.example>: no\n--b--\n";
        assert_eq!(failures(detect, raw), ["a@x.example permanent"]);
    }
}
