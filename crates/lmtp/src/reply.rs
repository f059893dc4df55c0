//! Replies to the client: code, enhanced code (RFC 3463) and text.

use dormouse_runners::intake::IntakeRefusal;
use std::borrow::Cow;
use std::io::{self, Write};

/// One reply line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code, such as 250.
    pub code: u16,
    /// The enhanced code, such as `2.1.5`; empty for none.
    pub enhanced: &'static str,
    /// The text for people.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// Creates a reply.
    pub fn new(code: u16, enhanced: &'static str, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply { code, enhanced, text: text.into() }
    }

    /// Creates the reply for a refusal by intake. Its text may quote the client.
    pub fn refused(refusal: &IntakeRefusal) -> Reply {
        let (code, enhanced) = refusal.smtp_reply();
        Reply::new(code, enhanced, refusal.to_string())
    }

    /// Whether the command succeeded.
    pub fn is_good(&self) -> bool {
        self.code < 400
    }

    /// Writes it as one line.
    pub fn write(&self, output: &mut impl Write) -> io::Result<()> {
        // RFC 5321 §4.2 requires ASCII.
        let plain = |c: char| match c {
            c if c.is_control() => ' ',
            c if c.is_ascii() => c,
            _ => '?',
        };
        let text: String = self.text.trim().chars().map(plain).take(400).collect();
        match self.enhanced {
            "" => write!(output, "{} {text}\r\n", self.code),
            enhanced => write!(output, "{} {enhanced} {text}\r\n", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_client_cannot_create_a_second_line() {
        let mut out = Vec::new();
        let refusal = IntakeRefusal::NoSuchList("x\r\n250 ok".to_owned());
        Reply::refused(&refusal).write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("550 5.1.1 "), "{text}");
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    }
}
