//! Yale: names without a domain.

use super::until;
use crate::{BounceReport, BounceVerdict, FailedAddress};

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    let from_yale = report.from.iter().any(|from| {
        from.split_once('@').is_some_and(|(local, domain)| {
            local == "mailer-daemon" && (domain == "yale.edu" || domain.ends_with(".yale.edu"))
        })
    });
    if !from_yale || !report.root.parts.is_empty() {
        return None;
    }
    let below = report.after("message not delivered to the following")?;
    let found = until(below, |line| line.has("error detail"));
    let names = found.iter().filter_map(|line| {
        let name = line.lower.split_whitespace().next()?;
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            .then_some(name)
    });
    let failures = names.flat_map(|name| {
        ["yale.edu", "cs.yale.edu"]
            .map(|domain| FailedAddress::new(&format!("{name}@{domain}"), None, "user unknown"))
    });
    BounceVerdict::failed(failures.collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    #[test]
    fn a_name_means_two_addresses() {
        let raw = "From: Mail Delivery Subsystem <MAILER-DAEMON@elm.cs.yale.edu>\nSubject: Returned mail\n\nMessage not delivered to the following:\n\n    person    User unknown\n\nError Detail (phquery)\n  other\n";
        assert_eq!(
            failures(detect, raw),
            ["person@yale.edu permanent", "person@cs.yale.edu permanent"]
        );
    }
}
