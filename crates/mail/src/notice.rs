//! Our own messages (docs/spec/pipeline.md §9).

use crate::compose::Composed;
use crate::{Message, date};
use dormouse_clock::Timestamp;

/// A message written by the list server.
#[derive(Debug, Clone, Default)]
pub struct Notice {
    /// The From address.
    pub from: String,
    /// The To address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text, with LF line ends.
    pub text: String,
    /// Messages to attach as a whole.
    pub attach: Vec<Vec<u8>>,
    /// More fields; they override those set here.
    pub headers: Vec<(String, String)>,
}

impl Notice {
    /// Formats it. Its header says that no person wrote it (RFC 3834 §5).
    pub fn build(&self, now: Timestamp, message_id: &str) -> Message {
        let mut message = Message::parse(Vec::new());
        message.append("From", &self.from);
        message.append("To", &self.to);
        message.append("Subject", &self.subject);
        message.append("Date", &date::rfc5322(now));
        message.append_raw("Message-ID", message_id.as_bytes());
        message.append("Auto-Submitted", "auto-generated");
        message.append("Precedence", "bulk");
        message.append("MIME-Version", "1.0");
        for (name, value) in &self.headers {
            message.set(name, value);
        }
        self.write_body(&mut message, &self.attach);
        message
    }

    /// Sets the message's body to the text, with attached messages, and the fields that
    /// describe it.
    pub fn write_body(&self, message: &mut Message, attach: &[Vec<u8>]) {
        let text = Composed::text(&self.text, b"\n");
        if attach.is_empty() {
            return text.write_to(message);
        }
        let mut parts = vec![text.to_part(b"\n")];
        parts.extend(
            attach.iter().map(|attached| Composed::message(attached.clone()).to_part(b"\n")),
        );
        Composed::mixed(&parts, b"\n").write_to(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime;

    fn notice() -> Notice {
        Notice {
            from: "dev-bounces@l.example".to_owned(),
            to: "dev-owner@l.example".to_owned(),
            subject: "Grüße".to_owned(),
            text: "Ein süßer Text.\n".to_owned(),
            ..Notice::default()
        }
    }

    #[test]
    fn a_notice_says_what_it_is_and_can_be_read() {
        let message = notice().build(Timestamp::EPOCH, "<1@l.example>");
        assert_eq!(message.text("Subject").as_deref(), Some("Grüße"));
        assert_eq!(message.text("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(mime::first_text(&message).as_deref(), Some("Ein süßer Text.\n"));
        assert!(message.to_bytes().is_ascii());
    }

    #[test]
    fn an_attached_message_keeps_its_bytes() {
        let attach = b"Subject: x\n\nraw \xff bytes\n".to_vec();
        let message =
            Notice { attach: vec![attach.clone(), b"Subject: y\n\n".to_vec()], ..notice() }
                .build(Timestamp::EPOCH, "<1@l.example>");
        let root = mime::structure(&message);
        assert_eq!(root.parts.len(), 3);
        assert_eq!(root.parts[1].content_type.value, "message/rfc822");
        assert_eq!(root.parts[1].decoded(message.body()), attach);
    }

    #[test]
    fn nothing_in_a_subject_begins_another_field() {
        let evil = Notice { subject: "x\nBcc: all@l.example".to_owned(), ..notice() };
        assert!(!evil.build(Timestamp::EPOCH, "<1@l.example>").has("Bcc"));
    }
}
