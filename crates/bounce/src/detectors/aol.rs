//! AOL: screen names, with or without a domain.

use super::{section, until};
use crate::{BounceReport, BounceVerdict, FailedAddress, text};

const START: &str = "mail to the following recipients could not be delivered";

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let from_aol = report.from.iter().any(|from| from.ends_with("@aol.com"));
    if !from_aol || report.root.content_type.value != "text/plain" {
        return None;
    }
    let below = report.after(START)?;
    let found = until(below, |line| line.text.starts_with("--"));
    let mut failures = section(found, |line| text::alone(&line.text));
    let is_screen_name = |word: &str| {
        (3..=32).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let names = found.iter().map(|line| line.text.trim()).filter(|line| is_screen_name(line));
    failures.extend(names.map(|name| FailedAddress::new(&format!("{name}@aol.com"), None, "")));
    BounceVerdict::failed(failures)
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn bare_screen_names_get_their_domain() {
        let raw = "From: MAILER-DAEMON@aol.com\n\nYour mail to the following recipients could not be delivered because they are not accepting mail from dev@l.example:\n\tscreenname\n\tother@aol.example\n";
        assert_eq!(
            failures(detect, raw),
            ["other@aol.example permanent", "screenname@aol.com permanent"]
        );
    }
}
