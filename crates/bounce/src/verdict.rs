//! The meaning of a message.

use crate::Status;
use crate::status::FailureDetails;
use dormouse_mail::AddressKey;
use std::collections::HashSet;

/// The meaning of a message to a bounce address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BounceVerdict {
    /// These addresses failed; at least one.
    Failed(Vec<FailedAddress>),
    /// A report without consequences: a delay, or a successful delivery.
    Warning,
    /// A reader reported a list's mail as spam (RFC 5965).
    Complaint(Complaint),
    /// An automatic responder wrote it.
    AutoReply,
    /// Unknown.
    Unknown,
}

impl BounceVerdict {
    /// Removes the failures of some addresses, unless there are no others.
    pub(crate) fn without(self, addresses: &[AddressKey]) -> BounceVerdict {
        let BounceVerdict::Failed(mut failures) = self else { return self };
        let is_other =
            |failure: &FailedAddress| !addresses.contains(&AddressKey::of(&failure.address));
        if failures.iter().any(is_other) {
            failures.retain(is_other);
        }
        BounceVerdict::Failed(failures)
    }

    /// Returns the verdict for these failures, each address once. `None` if there are none.
    pub(crate) fn failed(failures: Vec<FailedAddress>) -> Option<BounceVerdict> {
        let mut known = HashSet::new();
        if !failures.is_empty() && failures.iter().all(FailedAddress::is_success) {
            return Some(BounceVerdict::Warning);
        }
        let failures: Vec<FailedAddress> = failures
            .into_iter()
            .filter(|failure| !failure.is_success())
            .filter(|failure| known.insert(AddressKey::of(&failure.address)))
            .take(MOST_FAILURES)
            .collect();
        (!failures.is_empty()).then_some(BounceVerdict::Failed(failures))
    }
}

/// The reader behind a complaint. Reports often omit the address, but what was unique in the mail
/// for one recipient still identifies it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Complaint {
    /// The address, if the report contains it. It may be forged.
    pub named: Option<String>,
    /// The envelope senders of the mail.
    pub return_paths: Vec<String>,
    /// The mail's `List-Unsubscribe` fields, unchanged.
    pub unsubscribe: Vec<String>,
}

/// An address that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAddress {
    /// The address as in the report.
    pub address: String,
    /// What the failure means for the address.
    pub kind: FailureKind,
    /// The enhanced status code, if there is one.
    pub status: Option<Status>,
    /// The reason in the report's words, on one line; may be empty.
    pub text: String,
}

/// The maximum number of recipients in a report.
pub(crate) const MOST_FAILURES: usize = 1000;
/// The maximum length of a stored reason.
const LONGEST_TEXT: usize = 400;

impl FailedAddress {
    /// Creates a failure with a reason, and with a status if the report states it separately.
    pub fn new(address: &str, status: Option<Status>, reason: &str) -> FailedAddress {
        FailedAddress::of(address, FailureDetails { stated: status, reason, beside: "" })
    }

    /// Creates a failure from all information in a report. A success is a failure of class 2, which
    /// [`BounceVerdict::failed`] leaves out.
    pub(crate) fn of(address: &str, details: FailureDetails<'_>) -> FailedAddress {
        let shown = if details.reason.trim().is_empty() { details.beside } else { details.reason };
        // Control characters could manipulate the reader's terminal.
        let between = |letter: char| letter.is_whitespace() || letter.is_control();
        let words = shown.split(between).filter(|word| !word.is_empty());
        let mut text = words.collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
            text.truncate(end);
        }
        let (status, kind) = match details.judge() {
            Some(judgement) => (judgement.status, judgement.kind),
            None => (Some(Status::SUCCESS), FailureKind::Policy),
        };
        FailedAddress { address: address.to_owned(), kind, status, text }
    }

    /// Judges the failure again, with a text for people in addition.
    pub(crate) fn weigh(&mut self, beside: &str) {
        let details = FailureDetails { stated: self.status, reason: &self.text, beside };
        if let Some(judgement) = details.judge() {
            (self.status, self.kind) = (judgement.status, judgement.kind);
        }
    }

    /// Returns whether the report calls a success a failure.
    fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.class == 2)
    }
}

/// What a failure means for the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It is invalid: no such mailbox or domain, turned off.
    Permanent,
    /// It failed temporarily: no reply, mailbox full.
    Temporary,
    /// Nothing: the message or its sender was refused (DMARC, block lists, spam filters, size).
    Policy,
}

impl FailureKind {
    /// Returns the name in the database.
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Permanent => "permanent",
            FailureKind::Temporary => "temporary",
            FailureKind::Policy => "policy",
        }
    }
}
