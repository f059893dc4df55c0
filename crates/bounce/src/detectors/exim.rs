//! Exim names the recipients in a header.

use super::failure_at;
use crate::verdict::MOST_FAILURES;
use crate::{BounceReport, BounceVerdict, FailedAddress, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let fields = report.message.fields_named("X-Failed-Recipients");
    let failures = fields
        .flat_map(|field| {
            field.text().split(',').filter_map(text::address).map(str::to_owned).collect::<Vec<_>>()
        })
        .take(MOST_FAILURES)
        .map(|address| failure(report, &address));
    BounceVerdict::failed(failures.collect())
}

/// Returns a failure with the reason below the address in the text.
fn failure(report: &BounceReport<'_>, address: &str) -> FailedAddress {
    let at = report.lines.iter().position(|line| {
        line.text.trim_start().trim_start_matches(['"', '<']).starts_with(address)
    });
    match at {
        Some(at) => failure_at(address, &report.lines, at, super::text_names_address),
        None => FailedAddress::new(address, None, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn every_failed_recipient_has_its_own_reason() {
        let raw = "From: Mail Delivery System <Mailer-Daemon@e.example>\nX-Failed-Recipients: a@x.example,\n  b@x.example\n\nThis message was created automatically by mail delivery software.\n\nThe following addresses failed:\n\n  a@x.example\n    Unrouteable address\n  b@x.example\n    SMTP error from remote mail server after end of data:\n    host mx.x.example [192.0.2.1]: 550 Rejected as spam\n\n------ This is a copy\n";
        assert_eq!(failures(detect, raw), ["a@x.example permanent", "b@x.example policy"]);
    }
}
