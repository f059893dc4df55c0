//! Lawrence Livermore: `<reason>, a@b, <more>`.
//!
//! Mailman accepts the first such line of any message. Here the message must come from that
//! laboratory or say so in its subject, and the line must contain nothing else.

use super::failure_at;
use crate::{BounceReport, BounceVerdict, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let from = report.from.iter().any(|from| from.ends_with("llnl.gov"));
    if !from && !report.subject.contains("returned mail") {
        return None;
    }
    let named = |line: &crate::report::Line| -> Option<String> {
        let mut pieces = line.text.split(", ");
        pieces.next()?;
        let address = text::alone(pieces.next()?)?;
        (pieces.next().is_some() || line.text.trim_end().ends_with(',')).then(|| address.to_owned())
    };
    let (at, address) =
        report.lines.iter().enumerate().find_map(|(at, line)| Some((at, named(line)?)))?;
    BounceVerdict::failed(vec![failure_at(&address, &report.lines, at, |_| true)])
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn a_line_with_an_address_between_commas_is_enough_only_there() {
        let raw = "From: MAILER-DAEMON@poptop.llnl.gov\nSubject: Undeliverable\n\nNo user or alias, a@x.example, was found here.\n";
        assert_eq!(failures(detect, raw), ["a@x.example permanent"]);
        assert!(failures(detect, &raw.replace("llnl.gov", "x.example")).is_empty());
    }
}
