//! The progress of one entry's delivery, stored in the entry's journal.
//!
//! After each transaction with the MTA one line is appended, before the next transaction's message
//! is sent. So if a process is killed, the result of at most one transaction is unknown.

use dormouse_clock::Timestamp;
use dormouse_delivery::Reply;
use serde::{Deserialize, Serialize};

/// A recipient that was not accepted, with the MTA's reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedRecipient {
    /// The recipient's address.
    pub address: String,
    /// The SMTP reply code; 0 if there was no reply.
    pub code: u16,
    /// The reply's text, or the problem if there was no reply.
    pub text: String,
    /// Whether the reply was to the message, not to the recipient.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_message: bool,
    /// Why it was not tried at all, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// Why a recipient was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Its domain defers mail.
    Domain,
    /// Its domain has reached its limit until this time.
    Limit(Timestamp),
}

impl FailedRecipient {
    /// Creates one from the reply to a recipient.
    pub fn new(address: &str, reply: &Reply) -> FailedRecipient {
        let text = match &reply.enhanced {
            Some(enhanced) => format!("{enhanced} {}", reply.text),
            None => reply.text.clone(),
        };
        let address = address.to_owned();
        FailedRecipient { address, code: reply.code, text, of_message: false, hold: None }
    }

    /// Creates one that was not tried.
    pub fn held(address: &str, hold: Hold, why: String) -> FailedRecipient {
        let address = address.to_owned();
        FailedRecipient { address, code: 0, text: why, of_message: false, hold: Some(hold) }
    }

    /// Returns what a permanent refusal says about the recipient. A refusal of the message says
    /// nothing about it, unless its status is about the address (x.1.x, x.2.x).
    pub fn judge(&self) -> dormouse_bounce::FailedAddress {
        let mut failure = self.read();
        let of_address = failure.status.is_some_and(|status| matches!(status.subject, 1 | 2));
        if self.of_message && !of_address {
            failure.kind = dormouse_bounce::FailureKind::Policy;
        }
        failure
    }

    /// Returns what it says that a recipient was deferred until the retry period was over: at most
    /// a temporary failure.
    pub fn given_up(&self) -> dormouse_bounce::FailedAddress {
        let mut failure = self.read();
        if failure.kind == dormouse_bounce::FailureKind::Permanent {
            failure.kind = dormouse_bounce::FailureKind::Temporary;
        }
        failure
    }

    fn read(&self) -> dormouse_bounce::FailedAddress {
        let code = if self.code == 0 { String::new() } else { format!("{} ", self.code) };
        dormouse_bounce::FailedAddress::new(&self.address, None, &format!("{code}{}", self.text))
    }
}

/// One journal line: the result of one transaction, or of one failed attempt to reach the MTA.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProgressLine {
    /// The number of recipients of this transaction, whatever their result.
    #[serde(skip_serializing_if = "is_zero")]
    pub done: u64,
    /// The place at which a streamed membership continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Refused for now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<FailedRecipient>,
    /// Recipients refused permanently, each with its own reply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<FailedRecipient>,
    /// Recipients for whom the MTA refused the message itself, for all of them together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<FailedRecipient>,
    /// If the MTA could not be reached: the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<Timestamp>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ProgressLine {
    /// Returns the line as JSON, for the journal.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts can be written as JSON")
    }
}

/// The sum of all lines of a journal.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct DeliveryProgress {
    /// The number of recipients that are done.
    pub done: u64,
    /// The place at which a streamed membership continues.
    pub after: Option<String>,
    /// Refused for now.
    pub deferred: Vec<FailedRecipient>,
    /// Recipients refused permanently.
    pub refused: Vec<FailedRecipient>,
    /// Recipients for whom the message itself was refused.
    pub rejected: Vec<FailedRecipient>,
    /// How often the MTA could not be reached since the last transaction.
    pub unreachable: u32,
    /// The time of the first of these failures.
    pub unreachable_since: Option<Timestamp>,
}

impl DeliveryProgress {
    /// Reads a journal. Lines of recovery, which are not JSON objects, are skipped. A damaged line
    /// is logged and skipped, so its recipients get the mail again.
    pub fn read(journal: &[String]) -> DeliveryProgress {
        let mut progress = DeliveryProgress::default();
        for text in journal.iter().filter(|text| text.starts_with('{')) {
            match serde_json::from_str(text) {
                Ok(line) => progress.add(line),
                Err(error) => tracing::warn!("a journal line cannot be read: {error}: {text}"),
            }
        }
        progress
    }

    /// Adds one line.
    pub fn add(&mut self, line: ProgressLine) {
        if let Some(time) = line.unreachable {
            self.unreachable += 1;
            self.unreachable_since.get_or_insert(time);
        } else {
            self.unreachable = 0;
            self.unreachable_since = None;
        }
        self.done += line.done;
        if line.after.is_some() {
            self.after = line.after;
        }
        self.deferred.extend(line.deferred);
        self.refused.extend(line.refused);
        self.rejected.extend(line.rejected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(address: &str) -> FailedRecipient {
        FailedRecipient {
            address: address.to_owned(),
            code: 450,
            text: "4.2.1 later".to_owned(),
            of_message: false,
            hold: None,
        }
    }

    #[test]
    fn a_journal_adds_up_to_where_the_delivery_was() {
        let lines = [
            ProgressLine { done: 500, after: Some("c1".to_owned()), ..ProgressLine::default() },
            ProgressLine {
                done: 20,
                after: Some("c2".to_owned()),
                deferred: vec![failure("a@b.c")],
                ..ProgressLine::default()
            },
        ];
        let mut journal: Vec<String> = lines.iter().map(ProgressLine::to_text).collect();
        journal.insert(1, "\"recovered\"".to_owned());
        let progress = DeliveryProgress::read(&journal);
        assert_eq!(progress.done, 520);
        assert_eq!(progress.after.as_deref(), Some("c2"));
        assert_eq!(progress.deferred, [failure("a@b.c")]);
    }

    #[test]
    fn reaching_the_mta_again_ends_the_count_of_failures_to() {
        let down =
            |time| ProgressLine { unreachable: Some(time), ..ProgressLine::default() }.to_text();
        let mut journal =
            vec![down(Timestamp::from_seconds(100.0)), down(Timestamp::from_seconds(200.0))];
        let progress = DeliveryProgress::read(&journal);
        assert_eq!(
            (progress.unreachable, progress.unreachable_since),
            (2, Some(Timestamp::from_seconds(100.0)))
        );
        journal.push(ProgressLine { done: 1, ..ProgressLine::default() }.to_text());
        assert_eq!(DeliveryProgress::read(&journal).unreachable, 0);
    }
}
