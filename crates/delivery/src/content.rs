//! A message prepared for the wire.

use std::fmt;
use std::sync::OnceLock;

/// A message, prepared once however often it is sent.
///
/// On the wire its lines end in CRLF, the last one too, and dots are stuffed (RFC 5321 §2.3.8,
/// §4.5.2). A lone CR or LF ends a line as well: no later program may see line ends where the
/// server saw none. In the header the rest of such a line becomes a fold, so that it cannot be a
/// separate field. Every other byte is sent unchanged. A Maildir gets the original bytes.
#[derive(Clone)]
pub struct Content {
    original: Vec<u8>,
    wire: OnceLock<Encoded>,
}

/// Bytes as they follow the DATA command, without the final dot.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub bytes: Vec<u8>,
    /// How many of the bytes are dots that were inserted.
    stuffed: usize,
    pub eight_bit: bool,
    /// The header has bytes above 127.
    pub eight_bit_header: bool,
    /// It contains NULs, which no server accepts (RFC 5321 §4.5.2).
    pub has_nul: bool,
}

impl Content {
    /// Prepares a message with line ends of any kind.
    pub fn new(message: &[u8]) -> Content {
        Content { original: message.to_vec(), wire: OnceLock::new() }
    }

    /// The bytes as they were given.
    pub fn original(&self) -> &[u8] {
        &self.original
    }

    /// The message's size in octets by RFC 1870 §5: CRLF line endings counted, dot-stuffing not.
    pub fn size(&self) -> u64 {
        self.encoded().size()
    }

    /// Whether any byte is above 127.
    pub fn has_8bit(&self) -> bool {
        self.encoded().eight_bit
    }

    /// The bytes as they follow the DATA command, without the final dot.
    pub fn wire(&self) -> &[u8] {
        &self.encoded().bytes
    }

    pub(crate) fn encoded(&self) -> &Encoded {
        self.wire.get_or_init(|| Encoded::new(&self.original))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Content({} bytes)", self.original.len())
    }
}

impl Encoded {
    pub fn new(input: &[u8]) -> Encoded {
        // Lines of mail have some 40 bytes: reserve room for their CRs.
        let mut encoded = Encoded {
            bytes: Vec::with_capacity(input.len() + input.len() / 32 + 8),
            ..Encoded::default()
        };
        let mut rest = input;
        let mut in_header = true;
        while !rest.is_empty() {
            let line = match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    let line = &rest[..end];
                    rest = &rest[end + 1..];
                    line.strip_suffix(b"\r").unwrap_or(line)
                }
                None => {
                    let line = std::mem::take(&mut rest);
                    line.strip_suffix(b"\r").unwrap_or(line)
                }
            };
            if in_header && !line.is_empty() {
                encoded.eight_bit_header |= !line.is_ascii();
                encoded.header_line(line);
            } else {
                in_header = false;
                match memchr::memchr(b'\r', line) {
                    None => encoded.line(line),
                    Some(_) => {
                        line.split(|&byte| byte == b'\r').for_each(|line| encoded.line(line));
                    }
                }
            }
        }
        encoded.eight_bit = !input.is_ascii();
        encoded.has_nul = memchr::memchr(0, input).is_some();
        encoded
    }

    fn line(&mut self, line: &[u8]) {
        if line.first() == Some(&b'.') {
            self.bytes.push(b'.');
            self.stuffed += 1;
        }
        self.bytes.extend_from_slice(line);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn header_line(&mut self, line: &[u8]) {
        if memchr::memchr(b'\r', line).is_none() {
            return self.line(line);
        }
        let pieces =
            line.split(|&byte| byte == b'\r').filter(|piece| !piece.trim_ascii().is_empty());
        for (index, piece) in pieces.enumerate() {
            if index == 0 || piece.starts_with(b" ") || piece.starts_with(b"\t") {
                self.line(piece);
            } else {
                self.line(&[b" ", piece].concat());
            }
        }
    }

    pub fn size(&self) -> u64 {
        (self.bytes.len() - self.stuffed) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(message: &[u8]) -> Vec<u8> {
        Content::new(message).wire().to_vec()
    }

    /// The message that a server reads from the bytes between DATA and the final dot (RFC 5321
    /// §4.5.2).
    fn unstuff(wire: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line_starts = true;
        for (at, &byte) in wire.iter().enumerate() {
            if !(line_starts && byte == b'.') {
                out.push(byte);
            }
            line_starts = byte == b'\n' && at > 0 && wire[at - 1] == b'\r';
        }
        out
    }

    /// CRLF at the end of every line, byte by byte; a lone CR ends one, too.
    fn normalize(input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, &byte) in input.iter().enumerate() {
            match byte {
                b'\r' if input.get(at + 1) == Some(&b'\n') => {}
                b'\r' | b'\n' => out.extend_from_slice(b"\r\n"),
                _ => out.push(byte),
            }
        }
        if !input.is_empty() && !out.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        out
    }

    #[test]
    fn lines_end_in_crlf_whatever_they_ended_in() {
        assert_eq!(wire(b"a\nb\r\nc"), b"a\r\nb\r\nc\r\n");
        assert_eq!(wire(b""), b"");
        assert_eq!(wire(b"\n\n"), b"\r\n\r\n");
    }

    #[test]
    fn a_cr_alone_ends_a_line_of_the_body() {
        assert_eq!(wire(b"\na\rb\r\r\nc\r"), b"\r\na\r\nb\r\n\r\nc\r\n");
        assert_eq!(wire(b"\n\r.\rMAIL FROM:<x>\r"), b"\r\n\r\n..\r\nMAIL FROM:<x>\r\n");
    }

    #[test]
    fn a_cr_alone_makes_no_field_and_ends_no_header() {
        assert_eq!(wire(b"A: b\rBcc: c\n\nx"), b"A: b\r\n Bcc: c\r\n\r\nx\r\n");
        assert_eq!(wire(b"A: b\r\r\r\nC: d\r\n\r\nx"), b"A: b\r\nC: d\r\n\r\nx\r\n");
        assert_eq!(wire(b"A: b\r\rC: d\n \r\n\nx\n"), b"A: b\r\n C: d\r\n \r\n\r\nx\r\n");
    }

    #[test]
    fn a_dot_is_stuffed_at_the_start_of_a_line_only() {
        assert_eq!(wire(b".\n..\na.\n.b"), b"..\r\n...\r\na.\r\n..b\r\n");
    }

    #[test]
    fn a_bare_lf_before_a_dot_cannot_end_the_message() {
        assert_eq!(wire(b"a\n.\nMAIL FROM:<x>\n"), b"a\r\n..\r\nMAIL FROM:<x>\r\n");
    }

    #[test]
    fn the_size_counts_crlf_and_no_stuffing() {
        let content = Content::new(b".\nab\n");
        assert_eq!(content.size(), 7);
        assert_eq!(content.wire().len(), 8);
        assert_eq!(content.original(), b".\nab\n");
    }

    #[test]
    fn eight_bit_bytes_are_noticed() {
        assert!(Content::new(b"gr\xfc\xdfe\n").has_8bit());
        assert!(!Content::new(b"7-bit\x7f\n").has_8bit());
    }

    proptest! {
        #[test]
        fn unstuffing_gives_the_input_with_crlf(input in "[\r\n.a]{0,40}") {
            // After an empty line, where it is a body.
            let input = format!("\n{input}");
            prop_assert_eq!(unstuff(&wire(input.as_bytes())), normalize(input.as_bytes()));
        }

        #[test]
        fn any_bytes_survive(input in proptest::collection::vec(any::<u8>(), 0..400)) {
            let input = [&b"\n"[..], &input].concat();
            let wire = wire(&input);
            prop_assert_eq!(unstuff(&wire), normalize(&input));
            prop_assert_eq!(Content::new(&input).size(), normalize(&input).len() as u64);
            let ends_early = wire.starts_with(b".\r\n") || wire.windows(5).any(|five| five == b"\r\n.\r\n");
            prop_assert!(!ends_early);
        }

        #[test]
        fn no_cr_or_lf_leaves_alone(input in "[\r\n.a: ]{0,60}") {
            let wire = wire(input.as_bytes());
            for (at, &byte) in wire.iter().enumerate() {
                prop_assert!(byte != b'\r' || wire.get(at + 1) == Some(&b'\n'));
                prop_assert!(byte != b'\n' || at > 0 && wire[at - 1] == b'\r');
            }
        }
    }
}
