//! A transaction, and what became of it.

use crate::{Content, Reply};
use std::borrow::Cow;

/// One message for some recipients under one envelope sender.
#[derive(Debug, Clone)]
pub struct Transaction<'a> {
    /// A name of this delivery that is the same when it is repeated and that no other delivery to
    /// the same recipient has. It names the file in a Maildir, and this transaction in errors.
    pub unique: String,
    /// The envelope sender; empty for `<>`.
    pub sender: Cow<'a, str>,
    /// The envelope recipients.
    pub recipients: Vec<Cow<'a, str>>,
    /// Header lines put before the message; may be empty.
    pub head: Cow<'a, [u8]>,
    /// The message.
    pub message: Cow<'a, Content>,
    /// Whether to ask the server to write each recipient into the sender. It is only asked where
    /// [`crate::Options::xverp`] allows it and [`crate::Capabilities::xverp`] offers it.
    pub verp: bool,
}

/// What became of one recipient (docs/spec/pipeline.md §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken the message for this recipient.
    Accepted,
    /// Not now: 4xx, or 552, which in truth means 452 (RFC 5321 §4.5.3.1.10).
    Deferred(Reply),
    /// Never: any other 5xx, or refused on this side because it cannot be said in SMTP. The
    /// reply's stage tells whether it was about the recipient or about the whole message.
    Refused(Reply),
}

impl Outcome {
    /// What a reply that is not 2xx makes of a recipient.
    pub(crate) fn of(reply: Reply) -> Outcome {
        if reply.code / 100 == 5 && reply.code != 552 {
            Outcome::Refused(reply)
        } else {
            Outcome::Deferred(reply)
        }
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One outcome a recipient, in the order of [`Transaction::recipients`].
    pub outcomes: Vec<Outcome>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;

    #[test]
    fn four_hundreds_and_552_are_for_now_other_five_hundreds_for_good() {
        let of = |code| {
            Outcome::of(Reply { code, enhanced: None, text: String::new(), stage: Stage::Rcpt })
        };
        for code in [400, 421, 450, 452, 499, 552, 354] {
            assert!(matches!(of(code), Outcome::Deferred(_)), "{code}");
        }
        for code in [500, 550, 551, 553, 554, 599] {
            assert!(matches!(of(code), Outcome::Refused(_)), "{code}");
        }
    }
}
