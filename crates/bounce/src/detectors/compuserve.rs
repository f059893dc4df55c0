//! CompuServe: `Invalid receiver address: a@b` between two equal lines.

use super::{section, until};
use crate::{BounceReport, BounceVerdict, text};

const FRAME: &str = "your message could not be delivered";

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let found = until(report.after(FRAME)?, |line| line.has(FRAME));
    BounceVerdict::failed(section(found, |line| {
        let at = line.lower.find("invalid receiver address:")?;
        text::anywhere(line.text.get(at + "invalid receiver address:".len()..)?)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn invalid_receivers_are_named() {
        let raw = "From: CompuServe Postmaster <postmaster@c.example>\nSubject: Undeliverable message\n\nYour message could not be delivered for the following reason:\n\nInvalid receiver address: a@c.example\n\nYour message could not be delivered ends here.\nInvalid receiver address: b@c.example\n";
        assert_eq!(failures(detect, raw), ["a@c.example permanent"]);
    }
}
