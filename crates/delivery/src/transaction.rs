//! A transaction, and its result.

use crate::{Addresses, Content, Reply};
use std::borrow::Cow;
use std::rc::Rc;

/// One message for some recipients under one envelope sender.
#[derive(Debug, Clone)]
pub struct Transaction<'a> {
    /// A name that is the same when this delivery is repeated, and different for every other
    /// delivery to the same recipient. It is the file's name in a Maildir, and identifies the
    /// transaction in errors.
    pub unique: String,
    /// The envelope sender; empty for `<>`.
    pub sender: Cow<'a, str>,
    /// The envelope recipients. The caller may keep them, too, to record their outcomes.
    pub recipients: Rc<Addresses>,
    /// Header lines put before the message; may be empty.
    pub head: Cow<'a, [u8]>,
    /// The message.
    pub message: Cow<'a, Content>,
    /// Whether to ask the server to write each recipient into the sender: only if
    /// [`crate::SessionOptions::xverp`] allows it and [`crate::Capabilities::xverp`] offers it.
    pub verp: bool,
}

/// The result for one recipient (docs/spec/pipeline.md §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientOutcome {
    /// The server has accepted the message for this recipient.
    Accepted,
    /// Temporary: 4xx, or 552, which really means 452 (RFC 5321 §4.5.3.1.10).
    Deferred(Reply),
    /// Permanent: any other 5xx, or refused by this side because it cannot be expressed in SMTP.
    /// The reply's stage says whether it was about the recipient or about the whole message.
    Refused(Reply),
}

impl RecipientOutcome {
    /// The outcome for a recipient after a reply that is not 2xx.
    pub(crate) fn of(reply: Reply) -> RecipientOutcome {
        if reply.code / 100 == 5 && reply.code != 552 {
            RecipientOutcome::Refused(reply)
        } else {
            RecipientOutcome::Deferred(reply)
        }
    }
}

/// The result of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionReport {
    /// One outcome per recipient, in the order of [`Transaction::recipients`].
    pub outcomes: Vec<RecipientOutcome>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;

    #[test]
    fn four_hundreds_and_552_are_for_now_other_five_hundreds_for_good() {
        let of = |code| {
            RecipientOutcome::of(Reply {
                code,
                enhanced: None,
                text: String::new(),
                stage: Stage::Rcpt,
            })
        };
        for code in [400, 421, 450, 452, 499, 552, 354] {
            assert!(matches!(of(code), RecipientOutcome::Deferred(_)), "{code}");
        }
        for code in [500, 550, 551, 553, 554, 599] {
            assert!(matches!(of(code), RecipientOutcome::Refused(_)), "{code}");
        }
    }
}
