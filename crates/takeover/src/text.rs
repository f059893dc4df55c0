//! Mailman's texts: bytes in the charset of a list's language, with other characters
//! as `&#NNN;` (docs/spec/pickles.md §1).

use dormouse_clock::Timestamp;
use dormouse_mail::charset;
use dormouse_pickle::{Value, View};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A decoded Mailman string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedText {
    /// The text.
    pub text: String,
    /// Whether it is in the charset that it should be in, or certainly in another. Otherwise
    /// the text is a guess.
    pub is_sure: bool,
}

/// Decodes a string; `None` if the value is not a string.
pub fn decode(charset: &str, value: Value<'_, '_>) -> Option<String> {
    let read = read(charset, value)?;
    Some(references(&read.text))
}

/// Decodes an address. Character references in it are literal, because nobody has entered it on a
/// page.
pub fn address(charset: &str, value: Value<'_, '_>) -> Option<String> {
    read(charset, value).map(|read| read.text)
}

/// Decodes a string, and says how certain the result is.
pub fn read(charset: &str, value: Value<'_, '_>) -> Option<DecodedText> {
    match value.node() {
        View::Bytes(bytes) | View::ByteArray(bytes) => Some(read_bytes(charset, bytes)),
        // Bytes that Python 3 could not decode are lone surrogates in texts.
        View::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Some(DecodedText { text: text.to_owned(), is_sure: true }),
            Err(_) => Some(read_bytes(charset, &value.raw_bytes()?)),
        },
        _ => None,
    }
}

/// Decodes bytes. Mailman shows bytes of an unknown charset as Latin-1. If they are invalid in the
/// list's charset, they are decoded as what they most likely are: UTF-8, or else Windows-1252.
fn read_bytes(charset: &str, bytes: &[u8]) -> DecodedText {
    if bytes.is_ascii() && charset::is_ascii_superset(charset) {
        return DecodedText { text: String::from_utf8_lossy(bytes).into_owned(), is_sure: true };
    }
    let name = charset.trim().to_ascii_lowercase();
    let as_utf8 = std::str::from_utf8(bytes).ok().map(str::to_owned);
    let guess = |text: String| DecodedText { text, is_sure: false };
    match name.as_str() {
        "utf-8" | "utf8" => match as_utf8 {
            Some(text) => DecodedText { text, is_sure: true },
            None => guess(mostly_utf8(bytes)),
        },
        "us-ascii" | "ascii" | "" => DecodedText {
            is_sure: true,
            text: as_utf8.unwrap_or_else(|| charset::decode_raw(bytes).into_owned()),
        },
        _ => match (charset::decode(charset, bytes), as_utf8) {
            // No text of a single-byte charset is UTF-8 by chance; of the others it may be, but not
            // if it is invalid in them.
            (text, Some(utf8))
                if !bytes.is_ascii() && (is_single_byte(&name) || is_broken(&text)) =>
            {
                guess(utf8)
            }
            (text, None) if is_broken(&text) => guess(charset::decode("windows-1252", bytes)),
            (text, _) => DecodedText { text, is_sure: true },
        },
    }
}

fn is_broken(text: &str) -> bool {
    text.contains('\u{fffd}')
}

fn is_single_byte(name: &str) -> bool {
    ["iso-8859-", "windows-125", "cp125", "koi8-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Decodes UTF-8 with some invalid bytes, each decoded as Windows-1252.
fn mostly_utf8(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push_str(&charset::decode("windows-1252", chunk.invalid()));
        }
    }
    text
}

/// The result for all the strings in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// Whether all of them are certain.
    pub is_sure: bool,
    /// Whether all of them are exported as the same bytes.
    pub comes_back: bool,
}

/// Examines the strings in a value: in tuples and lists, and in the state of an instance.
pub fn survey(charset: &str, value: Value<'_, '_>) -> Survey {
    let mut found = Survey { is_sure: true, comes_back: true };
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value.node() {
            View::Bytes(bytes) => {
                let DecodedText { text, is_sure } = read_bytes(charset, bytes);
                found.is_sure &= is_sure;
                found.comes_back &= encode(charset, &references(&text)) == *bytes;
            }
            View::Text(_) => found.is_sure &= read(charset, value).is_some_and(|read| read.is_sure),
            View::Tuple(_) | View::List(_) => waiting.extend(value.items()),
            View::Object(_) => {
                let state = value.state().map(Value::entries);
                waiting.extend(state.into_iter().flatten().map(|(_, value)| value));
            }
            _ => {}
        }
    }
    found
}

/// Encodes so that [`decode`] returns this text. Characters beyond the charset become references, as
/// on Mailman's own pages.
pub fn encode(charset: &str, text: &str) -> Vec<u8> {
    if text.is_ascii() && charset::is_ascii_superset(charset) {
        return text.as_bytes().to_vec();
    }
    let is_iso = charset.to_ascii_lowercase().starts_with("iso-8859-");
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for letter in text.chars() {
        match charset::encode(charset, letter.encode_utf8(&mut buffer)).as_deref() {
            // The web's charsets of that name have more characters than Python's.
            Some([0x80..=0x9f]) if is_iso => {
                bytes.extend(format!("&#{};", u32::from(letter)).bytes());
            }
            Some(encoded) => bytes.extend_from_slice(encoded),
            None => bytes.extend(format!("&#{};", u32::from(letter)).bytes()),
        }
    }
    bytes
}

/// Resolves references to characters beyond ASCII. Those to ASCII stay, because somebody wrote
/// `&#60;` so that it is not `<`.
fn references(text: &str) -> String {
    if !text.contains("&#") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("&#") {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(';').filter(|end| *end <= 10);
        let letter = end.and_then(|end| {
            let digits = &rest[2..end];
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(code.ok()?).filter(|letter| !letter.is_ascii())
        });
        match (letter, end) {
            (Some(letter), Some(end)) => {
                out.push(letter);
                rest = &rest[end + 1..];
            }
            _ => {
                out.push_str("&#");
                rest = &rest[2..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Converts Python's `(year, month, day)` to a day in the form `2026-11-23`.
pub fn day(value: Value<'_, '_>) -> Option<String> {
    let parts: Vec<i64> = value.items().filter_map(Value::as_int).collect();
    match parts.as_slice() {
        [year @ 1..=9999, month @ 1..=12, day @ 1..=31] => {
            let mut text = String::new();
            write!(text, "{year:04}-{month:02}-{day:02}").ok()?;
            Some(text)
        }
        _ => None,
    }
}

/// Returns the numbers of a day in the form `2026-11-23`.
pub fn day_numbers(day: &str) -> Option<[i64; 3]> {
    let mut parts = day.splitn(3, '-').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

/// Returns the start of a day in the form `2026-11-23`, in UTC.
pub fn midnight(day: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_seconds(midnight.timestamp().as_second() as f64))
}

/// Returns the unchanged string, for names and codes that are ASCII.
pub fn plain<'g>(value: Value<'g, '_>) -> Cow<'g, str> {
    value.to_text_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_pickle::Graph;
    use proptest::prelude::*;

    fn read(charset: &str, bytes: &[u8]) -> String {
        let mut graph = Graph::new();
        let id = graph.bytes(bytes);
        decode(charset, graph.value(id)).unwrap()
    }

    #[test]
    fn bytes_are_read_in_the_lists_charset_and_references_resolved() {
        assert_eq!(read("iso-8859-1", b"Gr\xfc\xdfe &#8212; &#60;b&#x3e;"), "Grüße — &#60;b&#x3e;");
        assert_eq!(read("us-ascii", "café".as_bytes()), "café");
        assert_eq!(read("us-ascii", b"caf\xe9 &#x20AC;"), "café €");
        assert_eq!(read("utf-8", b"&#99999999999; &#; &# &#abc;"), "&#99999999999; &#; &# &#abc;");
    }

    #[test]
    fn texts_in_another_charset_than_the_lists_are_guessed_and_known_as_guesses() {
        for (charset, bytes, text, is_sure) in [
            ("utf-8", &b"Gr\xc3\xbc\xc3\x9fe"[..], "Grüße", true),
            ("utf-8", b"Gr\xfc\xdfe", "Grüße", false),
            ("utf-8", b"\xc3\xbc and \xfc", "ü and ü", false),
            ("iso-8859-1", b"Gr\xfc\xdfe", "Grüße", true),
            ("iso-8859-1", b"Gr\xc3\xbc\xc3\x9fe", "Grüße", false),
            ("koi8-r", "привет".as_bytes(), "привет", false),
            ("us-ascii", b"caf\xe9", "café", true),
            ("euc-jp", b"caf\xe9", "café", false),
            ("euc-jp", "日本".as_bytes(), "日本", false),
        ] {
            let found = read_bytes(charset, bytes);
            assert_eq!(
                (found.text.as_str(), found.is_sure),
                (text, is_sure),
                "{charset} {bytes:?}"
            );
        }
    }

    #[test]
    fn what_the_charset_cannot_hold_becomes_a_reference() {
        assert_eq!(encode("iso-8859-1", "Grüße — €"), b"Gr\xfc\xdfe &#8212; &#8364;");
        assert_eq!(encode("us-ascii", "é"), b"&#233;");
    }

    #[test]
    fn bytes_that_python_3_kept_in_a_text_are_found() {
        let mut graph = Graph::new();
        // "caf\udce9", as the writer keeps it: WTF-8.
        let (loaded, _) =
            dormouse_pickle::load(b"X\x06\x00\x00\x00caf\xed\xb3\xa9.", &Default::default())
                .unwrap();
        let id = graph.import(loaded.root());
        assert_eq!(decode("iso-8859-1", graph.value(id)).unwrap(), "café");
    }

    #[test]
    fn days_are_checked() {
        assert_eq!(midnight("1970-01-02"), Some(Timestamp::from_seconds(86_400.0)));
        assert_eq!(midnight("2026-02-30"), None);
        assert_eq!(day_numbers("2026-11-23"), Some([2026, 11, 23]));
    }

    proptest! {
        #[test]
        fn a_text_survives_the_way_there_and_back(text in "[^&\\x80-\\x9f]*", which in 0..4usize) {
            let charset = ["us-ascii", "iso-8859-1", "utf-8", "iso-8859-15"][which];
            let bytes = encode(charset, &text);
            // Latin-1 that is valid UTF-8 by chance is taken for that.
            let is_clear = bytes.is_ascii() || std::str::from_utf8(&bytes).is_err();
            prop_assume!(charset == "utf-8" || is_clear);
            prop_assert_eq!(read(charset, &bytes), text);
        }
    }
}
