//! Notes gateways: the reason above the addresses, between two headings.

use super::until;
use crate::{BounceReport, BounceVerdict, FailedAddress, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let begin =
        report.lines.iter().position(|line| line.starts("---") && line.has("failure reason"))?;
    let found = until(&report.lines[begin + 1..], |line| {
        line.starts("---") && (line.has("returned") || line.has("original"))
    });
    let mut failures = Vec::new();
    let mut reason = String::new();
    let mut named = false;
    for line in found.iter().filter(|line| !line.is_blank()) {
        match text::alone(&line.text) {
            Some(address) => {
                failures.push(FailedAddress::new(address, None, &reason));
                named = true;
            }
            None => {
                // The next reason begins after the addresses of this one.
                if std::mem::take(&mut named) {
                    reason.clear();
                }
                reason.push_str(line.text.trim());
                reason.push(' ');
            }
        }
    }
    BounceVerdict::failed(failures)
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_reason_is_above_its_addresses() {
        let raw = "From: postmaster@n.example\nSubject: Undeliverable message\n\n------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\na@n.example\nb@n.example\n\nMailbox size limit exceeded\nc@n.example\n\n------- Returned Message --------\nTo: d@n.example\nd@n.example\n";
        assert_eq!(
            failures(detect, raw),
            ["a@n.example permanent", "b@n.example permanent", "c@n.example temporary"]
        );
    }
}
