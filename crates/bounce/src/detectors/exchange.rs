//! Old Exchange: `a@b on Mon, 5 …` below "did not reach the following recipient(s)".

use super::{section, until};
use crate::report::Line;
use crate::{BounceReport, BounceVerdict, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let below = report.after("did not reach the following recipient")?;
    let found = until(below, |line| line.starts("msexch:"));
    let mut failures = section(found, recipient);
    // The system's text follows the recipients.
    if let Some(reason) = below[found.len()..].first() {
        for failure in failures.iter_mut().filter(|failure| failure.status.is_none()) {
            *failure = crate::FailedAddress::new(
                &failure.address,
                None,
                &format!("{} {}", failure.text, reason.text),
            );
        }
    }
    BounceVerdict::failed(failures)
}

fn recipient(line: &Line) -> Option<&str> {
    let (before, _) = line.text.split_once(" on ")?;
    let before = before.trim().trim_end_matches(';');
    let address = before.rsplit_once("SMTP=").map_or(before, |(_, address)| address);
    text::address(address)
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn both_notations_of_a_recipient_are_read() {
        let raw = "From: System Administrator <postmaster@x.example>\nSubject: Undeliverable: x\n\nYour message\n\n  To: dev\n\ndid not reach the following recipient(s):\n\na@x.example on Mon, 5 Jun 2000 10:00:00 -0400\n    The recipient name is not recognized\nc=US;a= ;p=X;o=Y;SMTP=b@x.example; on Mon, 5 Jun 2000 10:00:00\n    Unable to deliver the message\n    MSEXCH:IMS:X:Y:Z 0 (000C05A6) Unknown Recipient\nc@x.example on Tue\n";
        assert_eq!(failures(detect, raw), ["a@x.example permanent", "b@x.example permanent"]);
    }
}
