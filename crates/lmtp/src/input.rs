//! Reads lines and messages from a stream.

use std::io::{self, Read};

/// The maximum length of a command line. RFC 5321 §4.5.3.1 requires 512, and more for extensions;
/// UTF-8 addresses and parameters need more.
const LONGEST_LINE: usize = 4096;
const BUFFER: usize = 32 * 1024;

/// A client's input, with a read-ahead buffer.
pub struct Input<R> {
    stream: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// A command line.
#[derive(Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Without its end.
    Whole(Vec<u8>),
    /// It was longer than any valid command, and was skipped.
    TooLong,
}

/// A received message.
#[derive(Debug, PartialEq, Eq)]
pub enum ReceivedMessage {
    /// With line feeds as line ends.
    Whole(Vec<u8>),
    /// It was larger than allowed, and was skipped.
    TooLarge,
}

impl<R: Read> Input<R> {
    /// Creates an input from a stream.
    pub fn new(stream: R) -> Input<R> {
        Input { stream, buffer: vec![0; BUFFER].into(), start: 0, end: 0 }
    }

    /// Whether the client has already sent more (RFC 2920): then replies should be collected.
    pub fn has_more(&self) -> bool {
        self.start < self.end
    }

    /// Reads the next command line; `None` at the end of the stream. A bare line feed ends it, too,
    /// for people who type.
    pub fn line(&mut self) -> io::Result<Option<CommandLine>> {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let Some(chunk) = self.chunk()? else { return Ok(None) };
            let end = memchr::memchr(b'\n', chunk);
            let taken = end.map_or(chunk.len(), |end| end + 1);
            if line.len() + taken > LONGEST_LINE {
                too_long = true;
            } else {
                line.extend_from_slice(&chunk[..taken]);
            }
            self.start += taken;
            if end.is_some() {
                break;
            }
        }
        if too_long {
            return Ok(Some(CommandLine::TooLong));
        }
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(CommandLine::Whole(line)))
    }

    /// Reads the message after DATA, up to the line with only a dot (RFC 5321 §4.5.2), with at most
    /// `limit` bytes (0 means no limit); `None` if the stream ends before that line.
    ///
    /// Only CR LF ends a line: a bare line feed before a dot does not, so that no message can
    /// smuggle in another. Line ends become line feeds, as in a pipe.
    pub fn message(&mut self, limit: u64) -> io::Result<Option<ReceivedMessage>> {
        let mut text = Text { bytes: Vec::new(), limit, too_large: false };
        let mut place = Place::LineStart;
        loop {
            let Some(chunk) = self.chunk()? else { return Ok(None) };
            let mut at = 0;
            while at < chunk.len() {
                let byte = chunk[at];
                // Each arm either consumes the byte, or sets the state in which it is examined
                // again.
                place = match (place, byte) {
                    (Place::LineStart, b'.') => Place::Dot,
                    (Place::LineStart | Place::Dot, _) if byte != b'\r' => {
                        place = Place::Inside;
                        continue;
                    }
                    (Place::LineStart, _) => Place::Cr,
                    (Place::Dot, _) => Place::DotCr,
                    (Place::DotCr, b'\n') => {
                        self.start += at + 1;
                        return Ok(Some(text.finish()));
                    }
                    (Place::Cr, b'\n') => {
                        text.add(b"\n");
                        Place::LineStart
                    }
                    (Place::Cr | Place::DotCr, _) => {
                        text.add(b"\r");
                        place = Place::Inside;
                        continue;
                    }
                    (Place::Inside, _) => {
                        let rest = &chunk[at..];
                        let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
                        text.add(&rest[..end]);
                        at += end;
                        if at == chunk.len() {
                            break;
                        }
                        Place::Cr
                    }
                };
                at += 1;
            }
            self.start = self.end;
        }
    }

    /// Returns the content of the buffer, which is filled if it was empty; `None` at the end of the
    /// stream.
    fn chunk(&mut self) -> io::Result<Option<&[u8]>> {
        if self.start == self.end {
            self.start = 0;
            self.end = loop {
                match self.stream.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
        }
        Ok((self.end > 0).then(|| &self.buffer[self.start..self.end]))
    }
}

/// The position of the next byte in a message.
#[derive(Clone, Copy)]
enum Place {
    LineStart,
    Inside,
    /// After a CR.
    Cr,
    /// After a dot at the start of a line.
    Dot,
    /// After such a dot and a CR.
    DotCr,
}

struct Text {
    bytes: Vec<u8>,
    limit: u64,
    too_large: bool,
}

impl Text {
    fn add(&mut self, bytes: &[u8]) {
        if self.limit != 0 && (self.bytes.len() + bytes.len()) as u64 > self.limit {
            self.too_large = true;
            self.bytes = Vec::new();
        }
        if !self.too_large {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn finish(self) -> ReceivedMessage {
        if self.too_large { ReceivedMessage::TooLarge } else { ReceivedMessage::Whole(self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stream that returns a few bytes at a time.
    struct Trickle<'b>(&'b [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn message_of(bytes: &[u8], limit: u64) -> Option<ReceivedMessage> {
        Input::new(bytes).message(limit).unwrap()
    }

    fn whole(bytes: &[u8]) -> Option<ReceivedMessage> {
        Some(ReceivedMessage::Whole(bytes.to_vec()))
    }

    /// A client's input for a message with line feeds.
    fn stuffed(message: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        for line in message.split_inclusive('\n') {
            if line.starts_with('.') {
                wire.push(b'.');
            }
            wire.extend_from_slice(line.trim_end_matches('\n').as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }

    #[test]
    fn dots_are_unstuffed_and_only_a_line_of_its_own_ends_the_message() {
        assert_eq!(message_of(b".\r\n", 0), whole(b""));
        assert_eq!(message_of(b"a\r\n..\r\n.b\r\n.\r\nQUIT", 0), whole(b"a\n.\nb\n"));
        assert_eq!(message_of(b"a\r\n.\rb\r\n.\r\n", 0), whole(b"a\n\rb\n"));
        assert_eq!(message_of(b"a\r\r\n.\r\n", 0), whole(b"a\r\n"));
        assert_eq!(message_of(b"a\r\n.", 0), None);
    }

    #[test]
    fn a_bare_line_feed_smuggles_nothing() {
        assert_eq!(message_of(b"a\n.\nMAIL\r\n.\r\n", 0), whole(b"a\n.\nMAIL\n"));
        assert_eq!(message_of(b"a\n.\r\nMAIL\r\n.\r\n", 0), whole(b"a\n.\nMAIL\n"));
        assert_eq!(message_of(b"a\r\n.\nMAIL\r\n.\r\n", 0), whole(b"a\n\nMAIL\n"));
        assert_eq!(message_of(b"a\r.\r\nMAIL\r\n.\r\n", 0), whole(b"a\r.\nMAIL\n"));
    }

    #[test]
    fn too_large_a_message_is_skipped_to_its_end() {
        let mut input = Input::new(&b"0123456789\r\n.\r\nQUIT\r\n"[..]);
        assert_eq!(input.message(10).unwrap(), Some(ReceivedMessage::TooLarge));
        assert_eq!(input.line().unwrap(), Some(CommandLine::Whole(b"QUIT".to_vec())));
        assert_eq!(input.line().unwrap(), None);
    }

    #[test]
    fn too_long_a_line_is_skipped_to_its_end() {
        let mut bytes = vec![b'x'; 100_000];
        bytes.extend_from_slice(b"\r\nNOOP\n");
        let mut input = Input::new(&bytes[..]);
        assert_eq!(input.line().unwrap(), Some(CommandLine::TooLong));
        assert!(input.has_more());
        assert_eq!(input.line().unwrap(), Some(CommandLine::Whole(b"NOOP".to_vec())));
        assert!(!input.has_more());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_sent_is_what_arrives(lines in prop::collection::vec("[.a\r ]{0,5}", 0..20), step in 1usize..9) {
            // A CR at the end of a line would become part of the line end.
            let message: String = lines.iter().map(|line| format!("{}\n", line.trim_end_matches('\r'))).collect();
            let mut wire = stuffed(&message);
            wire.extend_from_slice(b"QUIT\r\n");
            let mut input = Input::new(Trickle(&wire, step));
            prop_assert_eq!(input.message(0).unwrap(), Some(ReceivedMessage::Whole(message.into_bytes())));
            prop_assert_eq!(input.line().unwrap(), Some(CommandLine::Whole(b"QUIT".to_vec())));
        }

        #[test]
        fn the_pieces_in_which_bytes_arrive_do_not_matter(bytes in prop::collection::vec(prop::sample::select(b".\r\nab".to_vec()), 0..60), step in 1usize..9) {
            prop_assert_eq!(Input::new(Trickle(&bytes, step)).message(0).unwrap(), message_of(&bytes, 0));
        }
    }
}
