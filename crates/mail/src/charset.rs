//! Text in any charset.

use mail_parser::decoders::charsets::map::charset_decoder;
use std::borrow::Cow;

/// Decodes bytes of a named charset. An unknown charset is tried as UTF-8, then as Latin-1, so there
/// is always a text. A byte that is invalid in the charset becomes U+FFFD; all others are
/// decoded normally.
pub fn decode(charset: &str, bytes: &[u8]) -> String {
    let name = charset.trim().to_ascii_lowercase();
    match name.as_str() {
        "utf-8" | "utf8" => String::from_utf8_lossy(bytes).into_owned(),
        "us-ascii" | "ascii" | "" => decode_raw(bytes).into_owned(),
        "iso-2022-kr" | "csiso2022kr" => decode_known("euc-kr", &unshifted(bytes)),
        // The additions of later editions are the only way to recognize them.
        "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms"
        | "iso-2022-jp-2004" | "cp50220" | "cp50221" | "cp50222" => {
            decode_known("iso-2022-jp", &without_idle_escapes(bytes))
        }
        _ if is_iso_2022(&name) => decode_known(&name, &without_idle_escapes(bytes)),
        _ => decode_known(&name, bytes),
    }
}

/// Converts ISO-2022-KR to EUC-KR: bytes between SO and SI get their high bit set (RFC 1557).
fn unshifted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut is_shifted = false;
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\x1b$)C") {
            rest = after;
            continue;
        }
        rest = after;
        match byte {
            0x0e => is_shifted = true,
            0x0f => is_shifted = false,
            b'!'..=b'~' if is_shifted => out.push(byte | 0x80),
            _ => {
                is_shifted &= byte != b'\n';
                out.push(byte);
            }
        }
    }
    out
}

fn decode_known(name: &str, bytes: &[u8]) -> String {
    match charset_decoder(name.as_bytes()) {
        Some(decoder) => decoder(bytes),
        None => decode_raw(bytes).into_owned(),
    }
}

/// Decodes bytes of an unknown charset: as UTF-8, even if a few bytes are invalid,
/// or else as Latin-1.
pub fn decode_raw(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if is_nearly_utf8(bytes) => String::from_utf8_lossy(bytes),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// Whether there are more multibyte characters than invalid bytes.
fn is_nearly_utf8(bytes: &[u8]) -> bool {
    let (mut letters, mut strange) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        letters += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        strange += chunk.invalid().len();
    }
    letters > strange
}

/// Whether the charset's escape sequences change the meaning of the following bytes.
pub(crate) fn is_iso_2022(charset: &str) -> bool {
    charset.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("iso-2022-"))
        || charset.eq_ignore_ascii_case("csiso2022jp")
}

/// The length of the escape sequence at the start, and how many bytes its characters have.
fn escape_at(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes {
        [0x1b, b'$', b'(', b'@'..=b'Z', ..] => Some((4, 2)),
        [0x1b, b'$', b'@' | b'A' | b'B', ..] => Some((3, 2)),
        [0x1b, b'(', b'@'..=b'Z', ..] => Some((3, 1)),
        _ => None,
    }
}

/// Removes escape sequences that are directly followed by another: they mean nothing, and decoders
/// report them as errors.
fn without_idle_escapes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(escape) = memchr::memchr(0x1b, &bytes[at..]) {
        at += escape;
        let Some((length, _)) = escape_at(&bytes[at..]) else {
            at += 1;
            continue;
        };
        if escape_at(&bytes[at + length..]).is_some() {
            out.extend_from_slice(&bytes[kept..at]);
            kept = at + length;
        }
        at += length;
    }
    if kept == 0 {
        return Cow::Borrowed(bytes);
    }
    out.extend_from_slice(&bytes[kept..]);
    Cow::Owned(out)
}

/// The state at the end of ISO 2022 bytes: whether a character is incomplete.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Shift {
    is_double: bool,
    is_odd: bool,
}

impl Shift {
    /// Continues with more bytes.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            if let Some((length, size)) = escape_at(rest) {
                *self = Shift { is_double: size == 2, is_odd: false };
                rest = &rest[length..];
            } else {
                self.is_odd = self.is_double && first > b' ' && !self.is_odd;
                rest = after;
            }
        }
    }

    /// Whether these bytes continue the previous ones: they contain the second half of a character,
    /// or two-byte characters whose escape sequence they do not contain.
    pub(crate) fn goes_on(self, next: &[u8]) -> bool {
        let first = memchr::memchr(0x1b, next).map(|at| (at, escape_at(&next[at..])));
        let returns = matches!(first, Some((at, Some((_, 1)))) if at > 0 && at % 2 == 0);
        self.is_double && (self.is_odd && first.is_none_or(|(at, _)| at > 0) || returns)
    }
}

/// Encodes a text in that charset; `None` if the charset is unknown or cannot represent it.
pub fn encode(charset: &str, text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() && is_ascii_superset(charset) {
        return Some(text.as_bytes().to_vec());
    }
    let name = charset.trim();
    // Bytes without a charset were decoded as UTF-8.
    let name = if name.is_empty() { "utf-8" } else { name };
    if name.eq_ignore_ascii_case("us-ascii") || name.eq_ignore_ascii_case("ascii") {
        return None;
    }
    let (bytes, _, unmappable) = encoding_rs::Encoding::for_label(name.as_bytes())?.encode(text);
    (!unmappable).then(|| bytes.into_owned())
}

/// Whether ASCII text means the same in that charset, so that it can be added unchanged.
pub fn is_ascii_superset(charset: &str) -> bool {
    let name = charset.trim().to_ascii_lowercase();
    [
        "", "us-ascii", "ascii", "utf-8", "utf8", "koi8-r", "koi8-u", "big5", "euc-jp", "euc-kr",
        "gb2312", "gbk", "gb18030",
    ]
    .contains(&name.as_str())
        || ["iso-8859-", "windows-125", "cp125"].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edition_of_iso_2022_is_read() {
        let japanese = b"\x1b$B%F%9%H\x1b(B!";
        for name in ["ISO-2022-JP", "iso-2022-jp-2", "ISO-2022-JP-MS", "cp50221"] {
            assert_eq!(decode(name, japanese), "\u{30c6}\u{30b9}\u{30c8}!", "{name}");
        }
        let korean = b"\x1b$)C\x0eGQ19\x0f ok \x0eGQ\nab\x1b";
        assert_eq!(decode("iso-2022-kr", korean), "\u{d55c}\u{ad6d} ok \u{d55c}\nab\x1b");
        assert_eq!(decode("iso-2022-kr", b"\x1b$)C"), "");
    }

    #[test]
    fn a_strange_byte_changes_no_other() {
        for (bytes, text) in [
            (&b"Gr\xc3\xbc\xc3\x9fe \xff"[..], "Gr\u{fc}\u{df}e \u{fffd}"),
            (b"bad \xe4 byte", "bad \u{fffd} byte"),
            (b"K\xc3\xb6ln \xe2\x82", "K\u{f6}ln \u{fffd}"),
            (b"\xc3\xa4 > Gr\xfc\xdfe", "\u{e4} > Gr\u{fffd}\u{fffd}e"),
        ] {
            assert_eq!(decode("UTF-8", bytes), text);
            assert_eq!(decode("utf8", bytes), text);
        }
        let cesu = decode("utf-8", b"\xc3\xa4 \xed\xa0\xbd\xed\xb8\x80 \xc3\xa4");
        assert!(cesu.starts_with("\u{e4} \u{fffd}") && cesu.ends_with(" \u{e4}"), "{cesu}");
    }

    #[test]
    fn without_a_charset_the_likelier_one_is_taken() {
        for charset in ["", "us-ascii", "martian"] {
            assert_eq!(decode(charset, b"Gr\xfc\xdfe"), "Gr\u{fc}\u{df}e");
            assert_eq!(decode(charset, b"Gr\xc3\xbc\xc3\x9fe \xff"), "Gr\u{fc}\u{df}e \u{fffd}");
        }
    }

    #[test]
    fn escape_sequences_that_mean_nothing_leave_no_mark() {
        let text = "\u{30c6}\u{30b9}\u{30c8}";
        for bytes in [
            &b"\x1b$B%F%9%H\x1b(B"[..],
            b"\x1b$B\x1b$B%F%9%H\x1b(B",
            b"\x1b$B%F%9%H\x1b(B\x1b(B",
            b"\x1b$B%F\x1b(B\x1b$B%9%H\x1b(J\x1b(B",
            b"\x1b(B\x1b(J\x1b$@\x1b$B%F%9%H",
        ] {
            assert_eq!(decode("ISO-2022-JP", bytes), text, "{}", bytes.escape_ascii());
        }
    }
}
