//! qmail and systems with the same format (QSBMF): paragraphs that begin with `<address>:`.

use super::{section, until};
use crate::{BounceReport, BounceVerdict, text};

const GREETINGS: &[&str] = &[
    "hi. this is the",
    "hi. the mta program at",
    "we're sorry. there's a problem",
    "check your send e-mail address.",
    "this is the mail delivery agent at",
    "unfortunately, your mail was not delivered",
    "your mail message to the following",
];

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let greets = |line: &crate::report::Line| GREETINGS.iter().any(|start| line.starts(start));
    let begin = report.lines.iter().position(greets)?;
    let below = &report.lines[begin..];
    // Some systems omit the empty line.
    let is_first =
        |line: &crate::report::Line| line.is_blank() || text::heading(&line.text).is_some();
    let paragraph = below.iter().position(is_first)?;
    let found = until(&below[paragraph..], |line| line.text.starts_with("--"));
    BounceVerdict::failed(section(found, |line| text::heading(&line.text)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn each_paragraph_is_a_recipient() {
        let raw = "From: MAILER-DAEMON@q.example\nSubject: failure notice\n\nHi. This is the qmail-send program at q.example.\nI'm afraid I wasn't able to deliver your message.\n\n<a@x-y.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n<b@x.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 554 5.7.1 Listed at a block list\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <l@l.example>\n\n<c@x.example>:\n";
        assert_eq!(failures(detect, raw), ["a@x-y.example permanent", "b@x.example policy"]);
    }
}
