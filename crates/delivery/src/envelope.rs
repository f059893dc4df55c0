//! The commands of one transaction, MAIL to DATA, and how many of them may be sent before replies.

use crate::content::Encoded;
use crate::{Capabilities, RecipientOutcome, Reply, Stage, Transaction, address};
use std::fmt::Write;
use std::ops::Range;

/// How many bytes of commands may be sent before their replies over a connection that cannot be
/// read while it is written to. If a server blocks on writing its replies while this side is still
/// writing, the rest of the commands fits into its socket buffer (RFC 2920 §3.1).
pub const WINDOW: usize = 16 * 1024;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Ends a transaction that its predecessor left open.
    Rset,
    /// The sender.
    Mail,
    /// The recipient with this index.
    Rcpt(usize),
    /// The end of the group (RFC 2920 §3.1).
    Data,
}

impl Command {
    /// The stage that a reply to it is about.
    pub fn stage(self) -> Stage {
        match self {
            Command::Rset | Command::Mail => Stage::Mail,
            Command::Rcpt(_) => Stage::Rcpt,
            Command::Data => Stage::Data,
        }
    }
}

/// A transaction on its way through the session.
pub struct SmtpEnvelope<'a> {
    /// The caller's transaction.
    pub transaction: Transaction<'a>,
    /// The head, ready for the wire.
    pub head: Encoded,
    /// The current outcome of each recipient. Those not refused yet count as accepted, which is
    /// reported to nobody before the server has accepted the message.
    pub outcomes: Vec<RecipientOutcome>,
    /// Every command with the offset of its end; empty if there is nothing to ask the server.
    commands: Vec<(Command, usize)>,
    bytes: Vec<u8>,
    sent: usize,
}

/// A refusal by this side: enhanced status code and text.
type Problem = (&'static str, String);

impl<'a> SmtpEnvelope<'a> {
    /// Refuses what cannot be expressed in SMTP, and prepares the commands for the rest.
    pub fn new(
        transaction: Transaction<'a>,
        offered: &Capabilities,
        xverp: bool,
    ) -> SmtpEnvelope<'a> {
        let head = Encoded::new(&transaction.head);
        let count = transaction.recipients.len();
        let mut envelope = SmtpEnvelope {
            head,
            outcomes: vec![RecipientOutcome::Accepted; count],
            commands: Vec::with_capacity(count + 3),
            bytes: Vec::new(),
            sent: 0,
            transaction,
        };
        if let Some((enhanced, text)) = envelope.sender_problem(offered) {
            let refusal = Reply::local(Stage::Mail, enhanced, text);
            envelope.outcomes.fill(RecipientOutcome::Refused(refusal));
        } else if !envelope.transaction.recipients.are_harmless() {
            let recipients = envelope.transaction.recipients.iter();
            for (recipient, outcome) in recipients.zip(&mut envelope.outcomes) {
                if let Some((enhanced, text)) = recipient_problem(recipient, offered) {
                    let refusal = Reply::local(Stage::Rcpt, enhanced, text);
                    *outcome = RecipientOutcome::Refused(refusal);
                }
            }
        }
        if envelope.outcomes.contains(&RecipientOutcome::Accepted) {
            envelope.write_commands(offered, xverp);
        }
        envelope
    }

    /// Why the transaction cannot be sent to any recipient.
    fn sender_problem(&self, offered: &Capabilities) -> Option<Problem> {
        let sender = &*self.transaction.sender;
        if !sender.is_empty()
            && let Some(problem) = address::problem(sender)
        {
            return Some(("5.1.7", format!("the sender {sender:?} cannot be used: {problem}")));
        }
        if !sender.is_ascii() && !offered.smtputf8 {
            return Some((
                "5.6.7",
                format!("the sender {sender:?} needs SMTPUTF8, which the server does not offer"),
            ));
        }
        if let Some(problem) = self.content_problem(offered) {
            return Some(problem);
        }
        match offered.size {
            Some(limit @ 1..) if self.size() > limit => Some((
                "5.3.4",
                format!("the message has {} octets and the server accepts {limit}", self.size()),
            )),
            _ => None,
        }
    }

    /// Why the content must not be sent to such a server.
    fn content_problem(&self, offered: &Capabilities) -> Option<Problem> {
        let message = self.transaction.message.encoded();
        let any = |of: fn(&Encoded) -> bool| of(&self.head) || of(message);
        let problem = if any(|part| part.has_nul) {
            ("5.6.0", "the message has NUL bytes, which no server accepts")
        } else if any(|part| part.eight_bit_header) && !offered.smtputf8 {
            let text =
                "the header has letters beyond ASCII, and the server does not offer SMTPUTF8";
            ("5.6.7", text)
        } else if any(|part| part.eight_bit) && !offered.eight_bit_mime {
            let text = "the message has 8-bit text that cannot be encoded (it is signed or broken), \
                        and the server does not offer 8BITMIME";
            ("5.6.3", text)
        } else {
            return None;
        };
        Some((problem.0, problem.1.to_owned()))
    }

    fn size(&self) -> u64 {
        self.head.size() + self.transaction.message.size()
    }

    fn write_commands(&mut self, offered: &Capabilities, xverp: bool) {
        let sender = &self.transaction.sender;
        let asked = || {
            let recipients = self.transaction.recipients.iter().zip(&self.outcomes);
            recipients
                .enumerate()
                .filter(|(_, (_, outcome))| **outcome == RecipientOutcome::Accepted)
        };
        let recipients = &self.transaction.recipients;
        let mut text = String::with_capacity(recipients.bytes() + recipients.len() * 12 + 256);
        text.push_str("MAIL FROM:<");
        text.push_str(sender);
        text.push('>');
        if offered.size.is_some() {
            write!(text, " SIZE={}", self.size()).expect("a String takes all text");
        }
        if offered.eight_bit_mime && (self.head.eight_bit || self.transaction.message.has_8bit()) {
            text.push_str(" BODY=8BITMIME");
        }
        let utf8_header =
            self.head.eight_bit_header || self.transaction.message.encoded().eight_bit_header;
        if offered.smtputf8
            && (utf8_header
                || !sender.is_ascii()
                || !recipients.is_ascii()
                    && asked().any(|(_, (recipient, _))| !recipient.is_ascii()))
        {
            text.push_str(" SMTPUTF8");
        }
        if self.transaction.verp && xverp && offered.xverp {
            text.push_str(" XVERP");
        }
        text.push_str("\r\n");
        self.commands.push((Command::Mail, text.len()));
        for (index, (recipient, _)) in asked() {
            text.push_str("RCPT TO:<");
            text.push_str(recipient);
            text.push_str(">\r\n");
            self.commands.push((Command::Rcpt(index), text.len()));
        }
        text.push_str("DATA\r\n");
        self.commands.push((Command::Data, text.len()));
        self.bytes = text.into_bytes();
    }

    /// Puts RSET first, before anything has been sent; false if there are no commands anyway.
    pub fn reset_first(&mut self) -> bool {
        const RSET: &[u8] = b"RSET\r\n";
        if self.commands.is_empty() {
            return false;
        }
        self.bytes.splice(..0, RSET.iter().copied());
        self.commands.iter_mut().for_each(|(_, end)| *end += RSET.len());
        self.commands.insert(0, (Command::Rset, RSET.len()));
        true
    }

    /// The command with this index.
    pub fn command(&self, index: usize) -> Option<Command> {
        self.commands.get(index).map(|&(command, _)| command)
    }

    /// Returns how many of the commands from this index on name recipients and have been sent.
    pub fn recipients_from(&self, index: usize) -> usize {
        // DATA follows them.
        self.sent.min(self.commands.len() - 1).saturating_sub(index)
    }

    /// The commands to send after `answered` replies: with pipelining as many as fit into the
    /// window as soon as it is half empty, without it the next one. They count as sent.
    pub fn next_commands(&mut self, answered: usize, pipelining: bool, window: usize) -> &[u8] {
        let end = |sent: usize| sent.checked_sub(1).map_or(0, |last| self.commands[last].1);
        let (done, from) = (end(answered), end(self.sent));
        let mut until = self.sent;
        if pipelining {
            if from - done <= window / 2 {
                // The ends ascend.
                until = self.commands.partition_point(|&(_, end)| end - done.min(end) <= window);
                until = until.max(self.sent);
            }
            // A single command longer than the window goes alone.
            if until == self.sent && answered == self.sent {
                until = (until + 1).min(self.commands.len());
            }
        } else if answered == self.sent {
            until = (until + 1).min(self.commands.len());
        }
        self.sent = until;
        let range: Range<usize> = from..end(until);
        &self.bytes[range]
    }

    /// Applies a reply to every recipient that has not been refused.
    pub fn settle(&mut self, reply: &Reply) {
        for outcome in
            self.outcomes.iter_mut().filter(|outcome| **outcome == RecipientOutcome::Accepted)
        {
            *outcome = RecipientOutcome::of(reply.clone());
        }
    }
}

/// Why a recipient cannot be named to the server.
fn recipient_problem(recipient: &str, offered: &Capabilities) -> Option<Problem> {
    if let Some(problem) = address::problem(recipient) {
        return Some(("5.1.3", format!("{recipient:?} cannot be used: {problem}")));
    }
    if !recipient.is_ascii() && !offered.smtputf8 {
        return Some((
            "5.6.7",
            format!("{recipient:?} needs SMTPUTF8, which the server does not offer"),
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;
    use proptest::prelude::*;
    use std::borrow::Cow;
    use std::rc::Rc;

    fn transaction<'a>(
        content: &'a Content,
        sender: &'a str,
        recipients: &[&'a str],
    ) -> Transaction<'a> {
        Transaction {
            unique: "u".to_owned(),
            sender: sender.into(),
            recipients: Rc::new(recipients.iter().collect()),
            head: Cow::Borrowed(b"Errors-To: x\n"),
            message: Cow::Borrowed(content),
            verp: false,
        }
    }

    fn everything() -> Capabilities {
        Capabilities {
            pipelining: true,
            size: Some(0),
            eight_bit_mime: true,
            smtputf8: true,
            xverp: true,
            ..Capabilities::default()
        }
    }

    fn all(envelope: &SmtpEnvelope<'_>) -> String {
        String::from_utf8(envelope.bytes.clone()).unwrap()
    }

    #[test]
    fn a_plain_server_gets_plain_commands() {
        let content = Content::new(b"u\n");
        let mut asked = transaction(&content, "", &["a@b", "c@d"]);
        asked.verp = true;
        let envelope = SmtpEnvelope::new(asked, &Capabilities::default(), true);
        assert_eq!(all(&envelope), "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    }

    #[test]
    fn what_is_offered_and_needed_is_asked_for() {
        let content = Content::new("Subject: x\n\nü\n".as_bytes());
        let mut asked = transaction(&content, "l@h", &["grün@b"]);
        asked.verp = true;
        let mut envelope = SmtpEnvelope::new(asked.clone(), &everything(), true);
        assert!(envelope.reset_first());
        let mail = "RSET\r\nMAIL FROM:<l@h> SIZE=32 BODY=8BITMIME SMTPUTF8 XVERP\r\n";
        assert!(all(&envelope).starts_with(mail), "{}", all(&envelope));
        let envelope = SmtpEnvelope::new(asked, &everything(), false);
        assert!(!all(&envelope).contains("XVERP"));
        let plain = Content::new(b"x\n");
        let envelope = SmtpEnvelope::new(transaction(&plain, "l@h", &["a@b"]), &everything(), true);
        assert!(all(&envelope).starts_with("MAIL FROM:<l@h> SIZE=17\r\n"), "{}", all(&envelope));
    }

    #[test]
    fn a_recipient_that_cannot_be_named_is_refused_and_the_others_are_asked_for() {
        let content = Content::new(b"x\n");
        let recipients = ["a@b\r\nRCPT TO:<x", "c@d", "ü@e", "e f@g"];
        let offered = Capabilities { pipelining: true, ..Capabilities::default() };
        let envelope = SmtpEnvelope::new(transaction(&content, "l@h", &recipients), &offered, true);
        assert_eq!(all(&envelope), "MAIL FROM:<l@h>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        for index in [0, 2, 3] {
            match &envelope.outcomes[index] {
                RecipientOutcome::Refused(reply) => {
                    assert_eq!((reply.code, reply.stage), (0, Stage::Rcpt), "{reply}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(envelope.outcomes[1], RecipientOutcome::Accepted);
    }

    #[test]
    fn what_nobody_can_get_asks_the_server_nothing() {
        let content = Content::new(&b"x".repeat(100));
        let small = Capabilities { size: Some(50), ..Capabilities::default() };
        for (sender, offered) in [
            ("l@h\n", &everything()),
            ("l@h", &small),
            ("ü@h", &Capabilities::default()),
            (" ", &everything()),
        ] {
            let mut envelope =
                SmtpEnvelope::new(transaction(&content, sender, &["a@b"]), offered, true);
            assert!(!envelope.reset_first());
            assert_eq!(envelope.command(0), None, "{sender:?}");
            assert_eq!(envelope.next_commands(0, true, WINDOW), b"");
            assert!(
                matches!(&envelope.outcomes[0], RecipientOutcome::Refused(reply) if reply.stage == Stage::Mail && reply.code == 0)
            );
        }
        assert_eq!(
            SmtpEnvelope::new(transaction(&content, "l@h", &[]), &everything(), true).command(0),
            None
        );
    }

    #[test]
    fn bytes_that_the_server_did_not_offer_to_take_are_not_sent() {
        let eight_bit = Capabilities { eight_bit_mime: true, ..Capabilities::default() };
        for (bytes, offered, enhanced) in [
            (&b"A: b\n\nx\0\n"[..], &everything(), "5.6.0"),
            (b"A: \xc3\xbc\n\nx\n", &eight_bit, "5.6.7"),
            (b"A: b\n\n\xfc\n", &Capabilities::default(), "5.6.3"),
        ] {
            let content = Content::new(bytes);
            let envelope = SmtpEnvelope::new(transaction(&content, "l@h", &["a@b"]), offered, true);
            assert_eq!(envelope.command(0), None);
            match &envelope.outcomes[0] {
                RecipientOutcome::Refused(reply) => {
                    assert_eq!(reply.enhanced.as_deref(), Some(enhanced));
                }
                other => panic!("{other:?}"),
            }
        }
        let content = Content::new(b"A: \xc3\xbc\n\nx\n");
        let envelope =
            SmtpEnvelope::new(transaction(&content, "l@h", &["a@b"]), &everything(), true);
        assert!(all(&envelope).contains(" BODY=8BITMIME SMTPUTF8\r\n"), "{}", all(&envelope));
    }

    proptest! {
        /// With replies at any time, every command is sent once, in order, and never more than the
        /// window is unanswered.
        #[test]
        fn windows_cover_all_commands(
            lengths in proptest::collection::vec(prop_oneof![40 => 1usize..60, 8 => Just(900), 1 => Just(17_000)], 1..120),
            pipelining: bool,
            window in prop_oneof![Just(WINDOW), Just(usize::MAX)],
            rset: bool,
            steps in proptest::collection::vec(1usize..50, 1..20),
        ) {
            let addresses: Vec<String> = lengths.iter().map(|&length| "a".repeat(length)).collect();
            let names: Vec<&str> = addresses.iter().map(String::as_str).collect();
            let content = Content::new(b"x\n");
            let mut envelope = SmtpEnvelope::new(transaction(&content, "l@h", &names), &Capabilities::default(), true);
            prop_assert!(!rset || envelope.reset_first());
            let mut written = Vec::new();
            let mut answered = 0;
            let mut steps = steps.iter().cycle();
            loop {
                written.extend_from_slice(envelope.next_commands(answered, pipelining, window));
                if answered == envelope.commands.len() {
                    break;
                }
                let under_way = envelope.sent - answered;
                prop_assert!(under_way > 0, "stuck at {}", answered);
                let unanswered = envelope.commands[envelope.sent - 1].1 - answered.checked_sub(1).map_or(0, |last| envelope.commands[last].1);
                prop_assert!(unanswered <= window || under_way == 1);
                prop_assert!(pipelining || under_way == 1);
                let of_recipients = (answered..envelope.sent).take_while(|&index| matches!(envelope.command(index), Some(Command::Rcpt(_)))).count();
                if matches!(envelope.command(answered), Some(Command::Rcpt(_))) {
                    prop_assert_eq!(envelope.recipients_from(answered), of_recipients);
                }
                answered += under_way.min(*steps.next().expect("a cycle"));
            }
            prop_assert_eq!(written, envelope.bytes.clone());
        }
    }
}
