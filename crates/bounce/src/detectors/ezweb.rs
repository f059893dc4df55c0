//! au (KDDI, ezweb): a sentence, and addresses in angle brackets above or below it.

use crate::{BounceReport, BounceVerdict, FailedAddress, text};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let is_theirs = report.from.iter().any(|from| {
        let domain = from.rsplit_once('@').map_or("", |(_, domain)| domain);
        ["ezweb.ne.jp", "au.com", "auone-net.jp", "dion.ne.jp"]
            .iter()
            .any(|host| domain == *host || domain.ends_with(&format!(".{host}")))
    });
    if !is_theirs && !report.subject.contains("mail system error - returned mail") {
        return None;
    }
    // The other form has the address in a sentence, followed by the reason.
    if let Some(at) =
        report.lines.iter().position(|line| line.starts("could not be delivered to: <"))
    {
        let address = text::in_angles(&report.lines[at].text)?;
        let reason = report.lines.get(at + 1).map_or("", |line| line.text.as_str());
        return BounceVerdict::failed(vec![FailedAddress::new(address, None, reason)]);
    }
    let end =
        report.lines.iter().position(|line| line.starts("-----")).unwrap_or(report.lines.len());
    let lines = &report.lines[..end];
    let named = lines.iter().filter_map(|line| {
        let is_alone = line.starts("<") && line.text.trim().ends_with('>');
        is_alone.then(|| text::leading_angle(&line.text)).flatten()
    });
    let reason: Vec<&str> = lines
        .iter()
        .filter(|line| !line.starts("<"))
        .map(|line| line.text.trim())
        .filter(|line| !line.is_empty())
        .collect();
    let reason = reason.join(" ");
    BounceVerdict::failed(named.map(|address| FailedAddress::new(address, None, &reason)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn the_sentence_may_be_above_or_below() {
        let raw = |text: &str| {
            format!(
                "From: <Postmaster@ezweb.ne.jp>\nSubject: Mail System Error - Returned Mail\n\n{text}\n"
            )
        };
        for (text, kind) in [
            ("The user(s) account is disabled.\n\n<a@ezweb.ne.jp>", "permanent"),
            (
                "<a@ezweb.ne.jp>\n\nEach of the following recipients was rejected by a remote mail server.\n-----\nTo: b@ezweb.ne.jp\n<b@ezweb.ne.jp>",
                "policy",
            ),
            (
                "Your message was not delivered within 0 days and 1 hours.\nRemote host is not responding.\n\n<a@ezweb.ne.jp>",
                "temporary",
            ),
            (
                "Your mail sent on: Thu, 29 Apr 2013 00:00:00 +0900\n     Could not be delivered to: <a@ezweb.ne.jp>\n     As their mailbox is full.",
                "temporary",
            ),
            ("The user(s) account is temporarily limited.\n\n<a@ezweb.ne.jp>", "temporary"),
        ] {
            assert_eq!(failures(detect, &raw(text)), [format!("a@ezweb.ne.jp {kind}")], "{text}");
        }
    }
}
