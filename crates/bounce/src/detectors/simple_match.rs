//! All other systems: a typical sentence, and addresses below it.

use super::{section, until};
use crate::report::Line;
use crate::{BounceReport, BounceVerdict, text};

/// How the sentence before the addresses is recognized, in lower case.
enum Start {
    /// A line contains it.
    Has(&'static str),
    /// A line begins with it.
    Begins(&'static str),
    /// It is a whole line.
    Is(&'static str),
}

/// Where the address is in a line.
enum Place {
    /// Anywhere; the first one counts.
    Anywhere,
    /// The line begins with it, with or without brackets.
    Front,
    /// In a line that begins with an SMTP reply.
    Refused,
    /// After these words, which are in lower case.
    After(&'static str),
}

use Place::{After, Anywhere, Front, Refused};
use Start::{Begins, Has, Is};

/// The start phrases, and where the addresses are. The line with the phrase is examined, too.
const PATTERNS: &[(Start, Place)] = &[
    (Has("here is your list of failed recipients"), Front),
    (Has("the following addresses had"), Anywhere),
    (Has("this message was created automatically by mail delivery software"), Front),
    (Has("message from interscan e-mail viruswall nt"), Anywhere),
    (Has("failed addresses follow:"), Front),
    (Has("this is the machine generated message from mail service."), Front),
    (Has("the following addresses did not receive a copy of your message:"), Front),
    (Begins("intended recipient:"), After("intended recipient:")),
    (Begins("undeliverable address:"), After("undeliverable address:")),
    (Has("user's mailbox is full:"), Anywhere),
    (Has("the email below could not be delivered to the following user:"), Front),
    (Has("unable to deliver message to the following address"), Front),
    (Has("delivery to the following recipient"), Front),
    (Has("that you sent could not be delivered"), Front),
    (Has("that you have sent could not be delivered"), Front),
    (Has("message you sent could not be delivered"), Front),
    (Has("delivery failed"), Front),
    (Has("delivery was aborted"), Front),
    (Has("delivery to the following"), Front),
    (Has("delevery to"), Front),
    (Has("delivery has failed to these recipients"), Anywhere),
    (Is("your message"), Anywhere),
    (Begins("unable to deliver message to"), Anywhere),
    (Begins("sorry, unable to deliver your message to"), Anywhere),
    (Begins("a message could not be delivered to:"), Anywhere),
    (Begins("invalid final delivery userid:"), After("userid:")),
    (Has("---- failed recipients ----"), Anywhere),
    (Begins("--> error description:"), After("error-for:")),
    (Has("your message could not be delivered to"), Anywhere),
    (Has("your message could not be delivered"), Front),
    (Has("your message has encountered delivery problems"), Anywhere),
    (Has("did not reach the following recipient"), Anywhere),
    (Has("this is the deliver program at"), Anywhere),
    (Has("this is the email server at"), Anywhere),
    (Has("no such user here"), Front),
    (Has("the following recipient"), Anywhere),
    (Has("could not deliver message to"), Anywhere),
    (Has("--------message not delivered"), Front),
    (Begins("your message to <"), Anywhere),
    (Has("a message that you sent was rejected"), Anywhere),
    (Has("message could not be delivered to some recipients"), Anywhere),
    (Has("wasn't able to deliver the following message"), Anywhere),
    (Has("this is a delivery failure notification message"), Anywhere),
    (Has("transcript of session follows"), Refused),
    // Systems newer than Mailman's list.
    (Has("for the following list of recipients"), Front),
    (Has("the following list of recipients"), Front),
    (Has("unable to deliver your message to the following address"), Front),
    (Has("rejected recipient <"), After("rejected recipient ")),
    (Has("への送信に失敗しました"), Front),
    (Has("cannot be delivered to the following recipients"), After("recipient address:")),
    (Has("your message wasn't delivered to"), Anywhere),
    (Has("delivery to the following recipient failed permanently"), Front),
    (Has("could not be delivered to one or more recipients"), Anywhere),
    (Has("could not be delivered to the following"), Front),
    (Has("the mail system was unable to deliver"), Anywhere),
    (Has("was unable to deliver your message to"), Anywhere),
    (Has("permanent fatal errors"), Front),
    (Begins("failed address:"), After("failed address:")),
    (Begins("failed recipient:"), After("failed recipient:")),
    (Begins("failed to deliver to"), Anywhere),
    (Begins("the following message to"), Anywhere),
    (Begins("the following message, addressed to"), Anywhere),
    (Has("(generated from "), After("(generated from ")),
    (Begins("sina.com."), Front),
    (Has("undelivered recipient"), Anywhere),
    (Has("konnte nicht zugestellt werden"), Anywhere),
    (Has("konnte an folgende empfänger nicht zugestellt"), Front),
    (Has("n'a pas pu être remis"), Anywhere),
    (Has("n'a pas pu être délivré"), Anywhere),
    (Has("no se pudo entregar"), Anywhere),
    (Has("no ha podido ser entregado"), Anywhere),
    (Has("non è stato possibile consegnare"), Anywhere),
    (Has("не удалось доставить"), Anywhere),
    (Has("не может быть доставлено"), Anywhere),
    (Has("配信できませんでした"), Anywhere),
];

/// Phrases that end the addresses, for all systems.
const ENDS: &[&str] = &[
    "transcript of session follows",
    "original message follows",
    "original message headers",
    "your original message",
    "this is a copy of",
    "copy of your message",
    "copy of the message",
    "here is your returned mail",
    "message text follows",
    "message header follows",
    "returned message",
    "returned mail follows",
    "unsent message",
    "end of message",
    "please reply to",
    "for assistance",
    "for further assistance",
    "please contact",
    "if you have any questions",
    "technical details of",
    "diagnostic information for",
];

pub fn detect(report: &BounceReport<'_>) -> Option<BounceVerdict> {
    PATTERNS.iter().find_map(|(start, place)| {
        let begin = report.lines.iter().position(|line| start.is_at(line))?;
        let found = &report.lines[begin..];
        let rest = until(found.get(1..).unwrap_or_default(), ends);
        let found = &found[..=rest.len()];
        BounceVerdict::failed(section(found, |line| place.find(line)))
    })
}

impl Start {
    fn is_at(&self, line: &Line) -> bool {
        match self {
            Start::Has(words) => line.has(words),
            Start::Begins(words) => line.starts(words),
            Start::Is(words) => line.lower.trim() == *words,
        }
    }
}

impl Place {
    fn find<'l>(&self, line: &'l Line) -> Option<&'l str> {
        match self {
            Place::Anywhere => text::anywhere(&line.text),
            Place::Front => {
                // MDaemon writes a mark before each.
                let line = line.text.trim_start_matches(['>', ' ']);
                let first = line.split_whitespace().next();
                text::leading_angle(line).or_else(|| text::address(first?))
            }
            Place::Refused => {
                let line = line.text.trim_start_matches(['<', ' ']);
                let code = line.get(..3)?;
                let refuses = code.starts_with(['4', '5']) && code.parse::<u16>().is_ok();
                refuses.then(|| text::anywhere(&line[3..])).flatten()
            }
            Place::After(words) => {
                let at = line.lower.find(words)?;
                text::anywhere(line.text.get(at + words.len()..)?)
            }
        }
    }
}

/// Returns whether the addresses end at a line: a sentence, or the header of the returned message.
fn ends(line: &Line) -> bool {
    ENDS.iter().any(|words| line.has(words))
        || ["from:", "to:", "subject:", "message-id:", "x-", "sender:", "reply-to:"]
            .iter()
            .any(|field| line.lower.starts_with(field))
}

#[cfg(test)]
mod tests {
    use super::super::testing::failures;
    use super::*;

    fn bounce(text: &str) -> Vec<String> {
        failures(
            detect,
            &format!("From: MAILER-DAEMON@m.example\nSubject: Undeliverable\n\n{text}"),
        )
    }

    #[test]
    fn addresses_are_below_a_known_sentence() {
        for (text, expected) in [
            (
                "   ----- The following addresses had permanent fatal errors -----\n<a@x-y.example>\n    (reason: 550 5.1.1 <a@x-y.example>... User unknown)\n\n   ----- Transcript of session follows -----\n<b@x.example>\n",
                "a@x-y.example permanent",
            ),
            (
                "Delivery to the following recipient failed permanently:\n\n     a@x.example\n\nTechnical details of permanent failure:\n550 5.1.1 b@x.example\n",
                "a@x.example permanent",
            ),
            (
                "--> Error description:\nError-for:  a@x.example\nError-Code: 550\n",
                "a@x.example permanent",
            ),
            ("Intended recipient: <a@x.example>\n", "a@x.example permanent"),
            ("User's mailbox is full: <a@x.example>\n", "a@x.example temporary"),
            (
                "Your message to <a@x.example> was automatically rejected:\nQuota exceeded (mailbox for user is full)\n",
                "a@x.example temporary",
            ),
        ] {
            assert_eq!(bounce(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_domain_may_have_a_hyphen_and_the_returned_message_is_not_searched() {
        assert_eq!(
            bounce("Failed addresses follow:\n<a@x-y.example>\nSubject: hi\n<b@x.example>\n").len(),
            1
        );
    }
}
