//! A message made ready for the wire.

use std::fmt;
use std::sync::OnceLock;

/// A message, prepared once however often it is sent.
///
/// On the wire its lines end in CRLF, the last one too, and dots are stuffed (RFC 5321 §2.3.8,
/// §4.5.2). Every other byte, a bare CR included, leaves as it is. A Maildir gets the bytes as
/// they were given.
#[derive(Clone)]
pub struct Content {
    original: Vec<u8>,
    wire: OnceLock<Encoded>,
}

/// Bytes as they follow the DATA command, without the final dot.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub bytes: Vec<u8>,
    /// How many of the bytes are dots put in.
    stuffed: usize,
    pub eight_bit: bool,
}

impl Content {
    /// Takes a message with line endings of any kind.
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
        // Mail has lines of some 40 bytes: room for the CRs of those.
        let mut encoded = Encoded {
            bytes: Vec::with_capacity(input.len() + input.len() / 32 + 8),
            ..Encoded::default()
        };
        let mut rest = input;
        while !rest.is_empty() {
            let line = match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    let line = &rest[..end];
                    rest = &rest[end + 1..];
                    line.strip_suffix(b"\r").unwrap_or(line)
                }
                None => std::mem::take(&mut rest),
            };
            if line.first() == Some(&b'.') {
                encoded.bytes.push(b'.');
                encoded.stuffed += 1;
            }
            encoded.bytes.extend_from_slice(line);
            encoded.bytes.extend_from_slice(b"\r\n");
        }
        encoded.eight_bit = !input.is_ascii();
        encoded
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

    /// What a server makes of the bytes between DATA and the final dot (RFC 5321 §4.5.2).
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

    /// CRLF at the end of every line, byte by byte.
    fn normalise(input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, &byte) in input.iter().enumerate() {
            if byte == b'\n' && (at == 0 || input[at - 1] != b'\r') {
                out.push(b'\r');
            }
            out.push(byte);
        }
        if !input.is_empty() && input.last() != Some(&b'\n') {
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
    fn a_bare_cr_stays() {
        assert_eq!(wire(b"a\rb\r\r\nc\r"), b"a\rb\r\r\nc\r\r\n");
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
            prop_assert_eq!(unstuff(&wire(input.as_bytes())), normalise(input.as_bytes()));
        }

        #[test]
        fn any_bytes_survive(input in proptest::collection::vec(any::<u8>(), 0..400)) {
            let wire = wire(&input);
            prop_assert_eq!(unstuff(&wire), normalise(&input));
            prop_assert_eq!(Content::new(&input).size(), normalise(&input).len() as u64);
            let ends_early = wire.starts_with(b".\r\n") || wire.windows(5).any(|five| five == b"\r\n.\r\n");
            prop_assert!(!ends_early);
        }
    }
}
