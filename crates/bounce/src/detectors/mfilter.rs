//! m-FILTER: the addresses, and the server's reply below a separate heading.

use super::until;
use crate::{BounceReport, BounceVerdict, FailedAddress, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let says = report.lines.iter().position(|line| line.starts("-------server message"))?;
    let reason = until(&report.lines[says + 1..], |line| line.starts("-------"));
    let reason: Vec<&str> = reason.iter().map(|line| line.text.trim()).collect();
    let reason = reason.join(" ");
    let failures = report.lines[..says].iter().filter_map(|line| text::alone(&line.text));
    BounceVerdict::failed(
        failures.map(|address| FailedAddress::new(address, None, &reason)).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_servers_reply_is_the_reason() {
        let raw = |said: &str| {
            format!(
                "From: <>\nSubject: failure notice\nX-Mailer: m-FILTER\n\nnot sent\n\na@m.example\n\n-------server message\n{said}\n\n-------SMTP command\nDATA\n\n-------original message\nTo: b@m.example\n"
            )
        };
        assert_eq!(
            failures(detect, &raw("550 unknown user <a@m.example>")),
            ["a@m.example permanent"]
        );
        assert_eq!(failures(detect, &raw("552 mailbox is full")), ["a@m.example temporary"]);
        assert_eq!(failures(detect, &raw("550 virus found")), ["a@m.example policy"]);
    }
}
