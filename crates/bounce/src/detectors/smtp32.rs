//! IPSwitch IMail.

use super::{section, until};
use crate::{BounceReport, BounceVerdict, text};

const STARTS: &[&str] =
    &["user mailbox", "delivery failed", "unknown user", "undeliverable", "delivery userid"];

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    if !report.header_starts("X-Mailer", &["<smtp32 v", "smtp32 v"]) {
        return None;
    }
    let found = until(&report.lines, |line| line.has("original message follows"));
    BounceVerdict::failed(section(found, |line| {
        let starts = STARTS.iter().any(|start| line.starts(start));
        starts.then(|| text::anywhere(&line.text)).flatten()
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn every_wording_is_known() {
        let raw = "From: Postmaster <postmaster@i.example>\nX-Mailer: <SMTP32 v8.05>\n\nUser mailbox exceeds allowed size: a@i.example\nundeliverable to b@i.example\nUnknown user: c@i.example\n\nOriginal message follows.\n\nUnknown user: d@i.example\n";
        assert_eq!(failures(detect, raw).len(), 3);
        assert!(failures(detect, &raw.replace("SMTP32", "other")).is_empty());
    }
}
