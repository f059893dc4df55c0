//! What a message says.

use crate::Status;
use crate::status::Account;
use std::collections::HashSet;

/// What a message to a bounce address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// These could not be reached; at least one.
    Failed(Vec<Failure>),
    /// A report of which nothing follows: a delay, or a delivery that went well.
    Warning,
    /// A reader says that a list's mail is unwanted (RFC 5965).
    Complaint(Complaint),
    /// An answering machine wrote it.
    AutoReply,
    /// Nothing that is known.
    Unknown,
}

impl Verdict {
    /// The same but for some addresses, in lower case, unless there are no others.
    pub(crate) fn without(self, addresses: &[String]) -> Verdict {
        let Verdict::Failed(mut failures) = self else { return self };
        let is_other = |failure: &Failure| !addresses.contains(&failure.address.to_lowercase());
        if failures.iter().any(is_other) {
            failures.retain(is_other);
        }
        Verdict::Failed(failures)
    }

    /// These failures, each address once; without any, nothing.
    pub(crate) fn failed(failures: Vec<Failure>) -> Option<Verdict> {
        let mut known = HashSet::new();
        if !failures.is_empty() && failures.iter().all(Failure::is_success) {
            return Some(Verdict::Warning);
        }
        let failures: Vec<Failure> = failures
            .into_iter()
            .filter(|failure| !failure.is_success())
            .filter(|failure| known.insert(failure.address.to_lowercase()))
            .take(MOST_FAILURES)
            .collect();
        (!failures.is_empty()).then_some(Verdict::Failed(failures))
    }
}

/// Whose mail a complaint is about. Reports often leave the address out; what the mail had of its own
/// for one recipient tells it all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Complaint {
    /// The address, if the report names it. Anybody can write one.
    pub named: Option<String>,
    /// The envelope senders that the mail had.
    pub return_paths: Vec<String>,
    /// The mail's `List-Unsubscribe`, each as it stands.
    pub unsubscribe: Vec<String>,
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
    pub fn new(address: &str, status: Option<Status>, reason: &str) -> Failure {
        Failure::of(address, Account { stated: status, reason, beside: "" })
    }

    /// A failure by all that a report says of it. What was a success is a failure of class 2, and
    /// [`Verdict::failed`] leaves it out.
    pub(crate) fn of(address: &str, account: Account<'_>) -> Failure {
        let shown = if account.reason.trim().is_empty() { account.beside } else { account.reason };
        // Control characters would play with the terminal of whoever looks at it.
        let between = |letter: char| letter.is_whitespace() || letter.is_control();
        let words = shown.split(between).filter(|word| !word.is_empty());
        let mut text = words.collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
            text.truncate(end);
        }
        let (status, kind) = match account.judge() {
            Some(judgement) => (judgement.status, judgement.kind),
            None => (Some(Status::SUCCESS), Kind::Policy),
        };
        Failure { address: address.to_owned(), kind, status, text }
    }

    /// Judges again, with a text for people beside what is known.
    pub(crate) fn weigh(&mut self, beside: &str) {
        let account = Account { stated: self.status, reason: &self.text, beside };
        if let Some(judgement) = account.judge() {
            (self.status, self.kind) = (judgement.status, judgement.kind);
        }
    }

    /// Whether the report calls something a failure that was none.
    fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.class == 2)
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
