//! Microsoft's SMTPSVC: addresses on separate lines below "transcript of session follows".

use super::section;
use crate::{BounceReport, BounceVerdict, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    if report.root.content_type.value != "multipart/mixed" {
        return None;
    }
    let below = report.after("transcript of session follows")?;
    BounceVerdict::failed(section(below, |line| text::alone(&line.text)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn lines_that_are_addresses_are_recipients() {
        let raw = "From: postmaster@m.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n   ----- Transcript of session follows -----\nThe mailbox is not there.\na@m.example\nask postmaster@m.example\n--b--\n";
        assert_eq!(failures(detect, raw), ["a@m.example permanent"]);
    }
}
