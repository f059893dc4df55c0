//! A server's replies (RFC 5321 §4.2, RFC 2034).

use crate::Cause;
use std::fmt;

/// At which point of the conversation a reply was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Before any transaction: greeting, EHLO, STARTTLS, AUTH.
    Connect,
    /// After the sender: the reply is about the whole transaction.
    Mail,
    /// One recipient.
    Rcpt,
    /// After DATA: the reply is about the whole transaction.
    Data,
    /// After the message: the reply is about the whole transaction, or with LMTP about one
    /// recipient.
    Dot,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Stage::Connect => "the greeting",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
            Stage::Dot => "the end of the message",
        })
    }
}

/// A reply, or the equivalent of one if this side refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The reply code; 0 if this side refused.
    pub code: u16,
    /// The enhanced status code, such as `5.1.1` (RFC 3463).
    pub enhanced: Option<String>,
    /// The text, its lines joined by spaces; control characters have become spaces.
    pub text: String,
    /// What it answers.
    pub stage: Stage,
}

impl Reply {
    /// A refusal by this side.
    pub(crate) fn local(stage: Stage, enhanced: &str, text: impl Into<String>) -> Reply {
        Reply { code: 0, enhanced: Some(enhanced.to_owned()), text: text.into(), stage }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code != 0 {
            write!(formatter, "{} ", self.code)?;
        }
        if let Some(enhanced) = &self.enhanced {
            write!(formatter, "{enhanced} ")?;
        }
        formatter.write_str(&self.text)
    }
}

/// Most bytes a reply may have. A real one has some hundred.
const LONGEST: usize = 64 * 1024;

/// The end of a reply, and its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub code: u16,
    /// Bytes of the reply with all its line ends.
    pub len: usize,
}

/// Looks for a complete reply at the start of `bytes`; `None` if more must be read first.
///
/// Lines may end in a bare LF. If the codes of a reply's lines differ, the last one counts.
pub(crate) fn scan(bytes: &[u8]) -> Result<Option<Scanned>, Cause> {
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[at..]) {
        let line = &bytes[at..at + length];
        at += length + 1;
        let (code, last) = head(line)?;
        if last {
            return Ok(Some(Scanned { code, len: at }));
        }
        if at > LONGEST {
            break;
        }
    }
    if bytes.len() > LONGEST {
        return Err(Cause::Protocol(format!("a reply of more than {LONGEST} bytes")));
    }
    Ok(None)
}

/// Counts the replies at the start of `bytes` that are one line with a code of 2xx, at most `most`
/// of them. Returns their number and length.
pub(crate) fn count_accepted(bytes: &[u8], most: usize) -> (usize, usize) {
    let (mut count, mut at) = (0, 0);
    while count < most
        && let [b'2', b'0'..=b'9', b'0'..=b'9', b' ', ..] = bytes[at..]
        && let Some(length) = memchr::memchr(b'\n', &bytes[at..])
    {
        at += length + 1;
        count += 1;
    }
    (count, at)
}

/// A line's code, and whether it is the last one of its reply.
fn head(line: &[u8]) -> Result<(u16, bool), Cause> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9', rest @ ..] = line {
        let code = [first, second, third]
            .iter()
            .fold(0, |code, &&digit| code * 10 + u16::from(digit - b'0'));
        match rest.first() {
            None | Some(b' ') => return Ok((code, true)),
            Some(b'-') => return Ok((code, false)),
            _ => {}
        }
    }
    let shown = String::from_utf8_lossy(&line[..line.len().min(80)]);
    Err(Cause::Protocol(format!("not an SMTP reply: {shown:?}")))
}

/// The lines of a scanned reply, without code, separator and line end.
pub(crate) fn lines(reply: &[u8]) -> impl Iterator<Item = &[u8]> {
    reply
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| line.len() >= 3)
        .map(|line| line.get(4..).unwrap_or_default())
}

/// A scanned reply as a value.
pub(crate) fn parse(code: u16, reply: &[u8], stage: Stage) -> Reply {
    let mut enhanced = None;
    let mut text = String::new();
    for line in lines(reply) {
        let line = String::from_utf8_lossy(line);
        let (status, rest) = split_enhanced(&line, code);
        if enhanced.is_none() {
            enhanced = status.map(str::to_owned);
        }
        if !text.is_empty() && !rest.is_empty() {
            text.push(' ');
        }
        text.extend(rest.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    Reply { code, enhanced, text, stage }
}

/// Splits `5.1.1 text` if the class fits the code (RFC 2034 §4, RFC 3463 §2).
fn split_enhanced(line: &str, code: u16) -> (Option<&str>, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut parts = word.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let class = parts
        .next()
        .is_some_and(|class| matches!(code / 100, 2 | 4 | 5) && class == (code / 100).to_string());
    if class && number(parts.next()) && number(parts.next()) && parts.next().is_none() {
        (Some(word), rest.trim_start())
    } else {
        (None, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Reply {
        let found = scan(bytes).unwrap().expect("a whole reply");
        assert_eq!(found.len, bytes.len());
        parse(found.code, bytes, Stage::Rcpt)
    }

    #[test]
    fn a_reply_has_code_enhanced_code_and_text() {
        let reply = read(b"550 5.1.1 no such user\r\n");
        assert_eq!(
            (reply.code, reply.enhanced.as_deref(), &*reply.text),
            (550, Some("5.1.1"), "no such user")
        );
        assert_eq!(reply.to_string(), "550 5.1.1 no such user");
    }

    #[test]
    fn several_lines_are_one_reply() {
        let reply = read(b"450-4.2.1 first\r\n450-4.2.1 second\r\n450 4.2.1 third\r\n");
        assert_eq!(
            (reply.enhanced.as_deref(), &*reply.text),
            (Some("4.2.1"), "first second third")
        );
    }

    #[test]
    fn a_reply_may_be_a_code_alone_or_end_in_lf() {
        assert_eq!(read(b"250\r\n").text, "");
        assert_eq!(read(b"250 ok\n").text, "ok");
    }

    #[test]
    fn an_enhanced_code_of_another_class_is_text() {
        for line in [
            "250 5.1.1 x",
            "550 5.1 x",
            "550 5.1.1.1 x",
            "550 5.1.x y",
            "354 3.0.0 x",
            "550 5.1.1234 x",
        ] {
            let reply = read(format!("{line}\r\n").as_bytes());
            assert_eq!(reply.enhanced, None, "{line}");
            assert_eq!(reply.text, line[4..]);
        }
    }

    #[test]
    fn a_reply_that_has_not_come_whole_is_waited_for() {
        for part in ["", "2", "250", "250 ok", "250-a\r\n", "250-a\r\n250 b"] {
            assert_eq!(scan(part.as_bytes()).unwrap(), None, "{part:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for line in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "25 ok\r\n",
            "2500 ok\r\n",
            "650 x\r\n",
            "150 x\r\n",
            "25x y\r\n",
        ] {
            assert!(matches!(scan(line.as_bytes()), Err(Cause::Protocol(_))), "{line:?}");
        }
    }

    #[test]
    fn a_reply_without_end_is_refused() {
        assert!(scan(&b"250-x\r\n".repeat(LONGEST / 7 + 2)).is_err());
        assert!(scan(&b"250 ".repeat(LONGEST)).is_err());
    }

    #[test]
    fn control_characters_of_a_stranger_reach_no_terminal() {
        assert_eq!(read(b"550 a\x1b[31mb\tc\r\n").text, "a [31mb c");
    }

    #[test]
    fn replies_that_accept_are_counted_up_to_another_one() {
        for (bytes, most, expected) in [
            (&b"250 a\r\n251 2.1.5 b\n252 \r\n"[..], 9, 3),
            (b"250 a\r\n250 b\r\n", 1, 1),
            (b"250 a\r\n250 b\r\n", 0, 0),
            (b"250 a\r\n550 b\r\n250 c\r\n", 9, 1),
            (b"250 a\r\n250-b\r\n250 c\r\n", 9, 1),
            (b"250 a\r\n250 b", 9, 1),
            (b"250 a\r\n2x0 b\r\n", 9, 1),
            (b"250\r\n", 9, 0),
            (b"", 9, 0),
        ] {
            let (count, len) = count_accepted(bytes, most);
            assert_eq!(count, expected, "{bytes:?}");
            let mut at = 0;
            for _ in 0..count {
                let one = scan(&bytes[at..]).unwrap().unwrap();
                assert_eq!(one.code / 100, 2);
                at += one.len;
            }
            assert_eq!(at, len);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(found)) = scan(&bytes) {
                prop_assert!(found.len <= bytes.len());
                prop_assert!((200..600).contains(&found.code));
                parse(found.code, &bytes[..found.len], Stage::Dot);
            }
        }

        #[test]
        fn what_is_written_is_read_back_wherever_it_is_cut(
            code in 200u16..600,
            texts in proptest::collection::vec("[a-z ]{0,20}", 1..5),
            rest in "(250 more\r\n)?",
        ) {
            let last = texts.len() - 1;
            let reply: String = texts.iter().enumerate()
                .map(|(at, text)| format!("{code}{}{text}\r\n", if at == last { ' ' } else { '-' }))
                .collect();
            let all = format!("{reply}{rest}");
            for cut in 0..reply.len() {
                prop_assert_eq!(scan(&all.as_bytes()[..cut]).unwrap(), None);
            }
            prop_assert_eq!(scan(all.as_bytes()).unwrap(), Some(Scanned { code, len: reply.len() }));
            let read: Vec<_> = lines(reply.as_bytes()).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
            prop_assert_eq!(read, texts);
        }
    }
}
