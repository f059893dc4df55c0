//! What a message says.

use crate::{Status, status};
use std::collections::HashSet;

/// What a message to a bounce address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// These could not be reached; at least one.
    Failed(Vec<Failure>),
    /// A report of which nothing follows: a delay, or a delivery that went well.
    Warning,
    /// A reader says that a list's mail is unwanted (RFC 5965); whose mail it was, if it tells.
    Complaint(Option<String>),
    /// An answering machine wrote it.
    AutoReply,
    /// Nothing that is known.
    Unknown,
}

impl Verdict {
    /// The same but for some addresses, in lower case; nothing when no failure is left.
    pub(crate) fn without(self, addresses: &[String]) -> Option<Verdict> {
        let Verdict::Failed(mut failures) = self else { return Some(self) };
        failures.retain(|failure| !addresses.contains(&failure.address.to_lowercase()));
        Verdict::failed(failures)
    }

    /// These failures, each address once; without any, nothing.
    pub(crate) fn failed(failures: Vec<Failure>) -> Option<Verdict> {
        let mut known = HashSet::new();
        let failures: Vec<Failure> = failures
            .into_iter()
            .filter(|failure| known.insert(failure.address.to_lowercase()))
            .take(MOST_FAILURES)
            .collect();
        (!failures.is_empty()).then_some(Verdict::Failed(failures))
    }
}

/// An address that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The address as the report writes it.
    pub address: String,
    /// What it says of the address.
    pub kind: Kind,
    /// The enhanced status code, if the report has one.
    pub status: Option<Status>,
    /// The reason in the report's words, on one line; may be empty.
    pub text: String,
}

/// No mail system reports on more at once.
pub(crate) const MOST_FAILURES: usize = 1000;
/// So much of a reason is kept.
const LONGEST_TEXT: usize = 400;

impl Failure {
    /// A failure for a reason; `status` where the report states it apart from the reason.
    pub fn new(address: &str, status: Option<Status>, text: &str) -> Failure {
        // Control characters would play with the terminal of whoever looks at it.
        let between = |letter: char| letter.is_whitespace() || letter.is_control();
        let words = text.split(between).filter(|word| !word.is_empty());
        let mut text = words.collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
            text.truncate(end);
        }
        let status = status::best(status, &text);
        Failure {
            address: address.to_owned(),
            kind: status::judge(status, status::reply_code(&text), &text),
            status,
            text,
        }
    }
}

/// What a failure says of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is no good: no such mailbox or domain, turned off.
    Permanent,
    /// It did not work for now: nobody answers, the mailbox is full.
    Temporary,
    /// Nothing: refused was the message, or who sent it (DMARC, block lists, spam filters, size).
    Policy,
}

impl Kind {
    /// Its name, as the store spells it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Permanent => "permanent",
            Kind::Temporary => "temporary",
            Kind::Policy => "policy",
        }
    }
}
