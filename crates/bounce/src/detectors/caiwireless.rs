//! Caiwireless: one address in angle brackets below a fixed sentence.

use super::failure_at;
use crate::{BounceReport, BounceVerdict, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    if report.root.content_type.value != "multipart/mixed" {
        return None;
    }
    let below = report.after("the following recipients did not receive this message:")?;
    let at = below.iter().position(|line| !line.is_blank())?;
    let address = text::leading_angle(&below[at].text)?;
    BounceVerdict::failed(vec![failure_at(address, below, at, |_| false)])
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_first_line_below_must_be_the_address() {
        let raw = |line: &str| {
            format!(
                "From: postmaster@cai.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nThe following recipients did not receive this message:\n\n  {line}\n\nThanks.\n--b--\n"
            )
        };
        assert_eq!(failures(detect, &raw("<a@x.example>")), ["a@x.example permanent"]);
        assert!(failures(detect, &raw("nobody")).is_empty());
    }
}
