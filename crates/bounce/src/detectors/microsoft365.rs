//! Microsoft 365 and new Exchange without the machine-readable part: "Your message to a@b couldn't
//! be delivered", and the details for administrators below.

use crate::{BounceReport, BounceVerdict, FailedAddress, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    // HTML converted to text may be wrapped anywhere.
    let whole: Vec<&str> = report.lines.iter().map(|line| line.text.trim()).collect();
    let whole = whole.join(" ");
    let lower = whole.to_lowercase();
    // Lower-casing may change lengths; positions are equal only in ASCII.
    let whole = if whole.len() == lower.len() { whole } else { lower.clone() };
    let begin = lower.find("your message to ")? + "your message to ".len();
    let end = [
        "couldn't be delivered",
        "couldn’t be delivered",
        "could not be delivered",
        "was blocked",
        "wasn't delivered",
    ]
    .iter()
    .filter_map(|words| lower.get(begin..)?.find(words))
    .min()?;
    // A single address, not a whole discussion.
    if end > 400 {
        return None;
    }
    let address = text::anywhere(whole.get(begin..begin + end)?)?;
    let reason = lower.find("remote server returned").or(Some(begin + end));
    let reason = reason.and_then(|at| whole.get(at..)).unwrap_or_default();
    BounceVerdict::failed(vec![FailedAddress::new(address, None, reason)])
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_sentence_may_be_broken_over_lines() {
        let raw = "From: postmaster@o.example\nSubject: Undeliverable: x\nContent-Type: text/html\n\n<p>Your message to <a href=\"mailto:a@o.example\">a@o.example</a>\ncouldn't be delivered.</p><p>Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound'</p>\n";
        assert_eq!(failures(detect, raw), ["a@o.example permanent"]);
    }
}
