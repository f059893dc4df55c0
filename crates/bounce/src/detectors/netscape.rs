//! Netscape Messaging Server: addresses anywhere below a fixed sentence.

use super::section;
use crate::{BounceReport, BounceVerdict, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let parts = report.parts();
    let leaves: Vec<_> = parts.iter().filter(|part| part.parts.is_empty()).collect();
    let first = leaves.iter().position(|part| part.content_type.value == "text/plain")?;
    if parts.len() < 2 || first + 1 == leaves.len() {
        return None;
    }
    let below = report.after("this message was undeliverable due to the following reason:")?;
    BounceVerdict::failed(section(below, |line| {
        if line.has("please reply to") { None } else { text::in_angles(&line.text) }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_postmasters_address_is_not_a_recipient() {
        let raw = "From: Mail Administrator <postmaster@n.example>\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nThis Message was undeliverable due to the following reason:\n\nYour message was not delivered because the address does not exist.\n\n     <a@x.example>\n\nPlease reply to <postmaster@n.example>\nif you feel this message to be in error.\n--b\nContent-Type: message/rfc822\n\n\n--b--\n";
        assert_eq!(failures(detect, raw), ["a@x.example permanent"]);
    }
}
