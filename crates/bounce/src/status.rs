//! What status codes (RFC 3463) and reasons say of a failure.

use crate::Kind;
use std::fmt;

/// An enhanced status code, such as `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 2 success, 4 for now, 5 for good.
    pub class: u8,
    /// What it is about: 1 the address, 2 the mailbox, 3 the system, 4 the network, 5 the protocol,
    /// 6 the content, 7 policy.
    pub subject: u16,
    /// What in particular.
    pub detail: u16,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Status {
    /// Reads one that stands alone.
    pub fn parse(text: &str) -> Option<Status> {
        let mut parts = text.split('.');
        let class = parts.next().filter(|class| matches!(*class, "2" | "4" | "5"))?;
        let number = |text: &str| {
            let fits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if fits { text.parse().ok() } else { None }
        };
        let status = Status {
            class: class.parse().ok()?,
            subject: number(parts.next()?)?,
            detail: number(parts.next()?)?,
        };
        parts.next().is_none().then_some(status)
    }

    /// The first one in a text. Addresses of machines have four numbers and are none.
    pub fn find(text: &str) -> Option<Status> {
        text.split(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .find_map(|word| Status::parse(word.trim_end_matches('.')))
    }

    /// Says only whether it is for good.
    fn is_vague(self) -> bool {
        matches!((self.subject, self.detail), (0, _) | (_, 0))
    }
}

/// The first SMTP reply code of a refusal in a text.
pub fn reply_code(text: &str) -> Option<u16> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.')
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.len() == 3 && word.starts_with(['4', '5']))
        .find_map(|word| word.parse().ok())
}

/// The status that tells most: the one stated, unless the reason has one that says more.
pub(crate) fn best(stated: Option<Status>, reason: &str) -> Option<Status> {
    match stated {
        Some(stated) if !stated.is_vague() => Some(stated),
        _ => {
            Status::find(reason).filter(|found| stated.is_none_or(|_| !found.is_vague())).or(stated)
        }
    }
}

/// What a failure says of the address. `code` is an SMTP reply code.
///
/// A status that is particular decides; else the reason's words do, and then the class.
pub fn judge(status: Option<Status>, code: Option<u16>, reason: &str) -> Kind {
    let for_now = match (status, code) {
        (Some(status), _) => status.class == 4,
        (None, Some(code)) => (400..500).contains(&code),
        (None, None) => false,
    };
    if let Some(status) = status {
        match (status.subject, status.detail) {
            // Addresses of the sender (RFC 3463 §3.2), the message's size, content, and policy.
            (1, 7 | 8) | (3, 4) | (6, _) | (7, _) | (2, 3) => return Kind::Policy,
            // The mailbox is full; it took too long.
            (2, 2) | (4, 7) => return Kind::Temporary,
            _ if !status.is_vague() => {
                return if for_now { Kind::Temporary } else { Kind::Permanent };
            }
            _ => {}
        }
    }
    let reason = reason.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| has_phrase(&reason, phrase));
    if says(GONE) && !for_now {
        Kind::Permanent
    } else if says(POLICY) {
        Kind::Policy
    } else if for_now || says(FOR_NOW) {
        Kind::Temporary
    } else {
        Kind::Permanent
    }
}

/// Words that say that the mailbox does not exist, whatever stands beside them.
const GONE: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "unknown recipient",
    "no such recipient",
    "no such mailbox",
    "user doesn't exist",
    "user does not exist",
    "mailbox does not exist",
    "account does not exist",
    "does not have an account",
    "recipient not found",
    "user not found",
    "invalid recipient",
    "account has been disabled",
    "unrouteable address",
    "host not found",
    "domain not found",
];

/// Words of filters and policies.
const POLICY: &[&str] = &[
    "spam",
    "spamhaus",
    "spamcop",
    "unsolicited",
    "junk mail",
    "dmarc",
    "spf",
    "dkim",
    "arc",
    "rbl",
    "dnsbl",
    "blacklist",
    "blacklisted",
    "black list",
    "blocklist",
    "blocklisted",
    "block list",
    "blocked using",
    "blocked by",
    "has been blocked",
    "was blocked",
    "reputation",
    "policy",
    "policies",
    "local policy",
    "banned",
    "virus",
    "malware",
    "phishing",
    "content rejected",
    "message content",
    "content filter",
    "prohibited",
    "too many",
    "rate limit",
    "rate limited",
    "message size",
    "message too large",
    "message too big",
    "too large",
    "size limit",
    "unauthenticated",
    "not authorized to send",
    "not authenticated",
    "reverse dns",
    "ptr record",
    "bulk mail",
    "suspicious",
    "high probability",
    "challenge",
    "message rejected due to",
    "refused by filter",
];

/// Words of what may be over tomorrow.
const FOR_NOW: &[&str] = &[
    "quota",
    "overquota",
    "mailbox full",
    "mailbox is full",
    "mailbox was full",
    "inbox is full",
    "mailfolder is full",
    "exceeds allowed size",
    "disk full",
    "insufficient storage",
    "insufficient disk",
    "timed out",
    "time out",
    "timeout",
    "timed-out",
    "retry timeout",
    "retry time",
    "connection refused",
    "could not connect",
    "couldn't establish",
    "unable to connect",
    "not responding",
    "no answer",
    "too long",
    "temporarily",
    "temporary",
    "try again later",
    "expired",
    "greylist",
    "greylisted",
    "network is unreachable",
    "no route to host",
    "lost connection",
];

/// Whether a phrase stands in a text between other signs than letters and digits.
fn has_phrase(text: &str, phrase: &str) -> bool {
    let plain = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    text.match_indices(phrase).any(|(at, _)| {
        plain(text[..at].chars().next_back()) && plain(text[at + phrase.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    fn kind(status: &str, reason: &str) -> Kind {
        Failure::new("a@b.example", Status::parse(status), reason).kind
    }

    #[test]
    fn codes_are_found_and_machines_addresses_are_not() {
        let find = |text| Status::find(text).map(|status| status.to_string());
        assert_eq!(find("550 5.1.1 <a@b>: no"), Some("5.1.1".to_owned()));
        assert_eq!(find("from 5.1.1.4 said (#5.1.1)."), Some("5.1.1".to_owned()));
        assert_eq!(find("version 6.5.4, 5.1, 10.5.1.1, 5.1234.1"), None);
        assert_eq!(find("said 550-5.7.26 This"), Some("5.7.26".to_owned()));
        assert_eq!(reply_code("said: 550-5.1.1 no"), Some(550));
        assert_eq!(reply_code("host mx4.x.example[192.0.2.55]: 452 4.2.2 full"), Some(452));
        assert_eq!(reply_code("5.1.1"), None);
    }

    #[test]
    fn the_address_the_moment_and_the_message_are_told_apart() {
        for (status, reason, expected) in [
            ("5.1.1", "", Kind::Permanent),
            ("5.4.4", "", Kind::Permanent),
            ("4.4.1", "", Kind::Temporary),
            ("5.2.2", "", Kind::Temporary),
            ("5.4.7", "", Kind::Temporary),
            ("5.7.26", "", Kind::Policy),
            ("4.7.0", "", Kind::Policy),
            ("5.6.1", "", Kind::Policy),
            ("5.1.8", "", Kind::Policy),
            ("5.0.0", "550 5.1.1 unknown", Kind::Permanent),
            ("5.0.0", "554 5.7.1 spam", Kind::Policy),
            ("5.0.0", "554 rejected by DMARC policy of x.example", Kind::Policy),
            ("5.0.0", "550 User unknown; see our spam policy", Kind::Permanent),
            ("5.0.0", "smtp; 552 mailbox full", Kind::Temporary),
            ("", "Listed at zen.spamhaus.org", Kind::Policy),
            ("", "research@x.example is unknown", Kind::Permanent),
            ("", "421 please wait", Kind::Temporary),
            ("", "", Kind::Permanent),
        ] {
            assert_eq!(kind(status, reason), expected, "{status} {reason}");
        }
    }
}
