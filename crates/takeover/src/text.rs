//! Mailman's texts: bytes in the charset of a list's language, with what the charset cannot hold
//! as `&#NNN;` (spec/pickles.md §1).

use dormouse_mail::charset;
use dormouse_pickle::{Node, Value};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A string's text; `None` when the value is none.
pub fn decode(charset: &str, value: Value<'_, '_>) -> Option<String> {
    let text = match value.node() {
        Node::Bytes(bytes) | Node::ByteArray(bytes) if bytes.is_ascii() => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Node::Bytes(bytes) | Node::ByteArray(bytes) => charset::decode(charset, bytes),
        // Bytes that Python 3 could not decode stand in texts as lone surrogates.
        Node::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => charset::decode(charset, &value.raw_bytes()?),
        },
        _ => return None,
    };
    Some(references(&text))
}

/// What [`decode`] reads as this text again. Characters beyond the charset become references, as
/// Mailman's own pages make them.
pub fn encode(charset: &str, text: &str) -> Vec<u8> {
    if text.is_ascii() && charset::is_ascii_superset(charset) {
        return text.as_bytes().to_vec();
    }
    let is_iso = charset.to_ascii_lowercase().starts_with("iso-8859-");
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for letter in text.chars() {
        match charset::encode(charset, letter.encode_utf8(&mut buffer)).as_deref() {
            // The web's charsets of that name have more letters there than Python's.
            Some([0x80..=0x9f]) if is_iso => {
                bytes.extend(format!("&#{};", u32::from(letter)).bytes());
            }
            Some(encoded) => bytes.extend_from_slice(encoded),
            None => bytes.extend(format!("&#{};", u32::from(letter)).bytes()),
        }
    }
    bytes
}

/// Resolves references to characters beyond ASCII. Those to ASCII stay: somebody wrote `&#60;` so
/// that it is not `<`.
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

/// A day as `2026-11-23`, from Python's `(year, month, day)`.
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

/// The numbers of a day written as `2026-11-23`.
pub fn day_numbers(day: &str) -> Option<[i64; 3]> {
    let mut parts = day.splitn(3, '-').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

/// The first moment of a day written as `2026-11-23`, in seconds since the epoch (UTC).
pub fn midnight(day: &str) -> Option<f64> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_second() as f64)
}

/// The string as it stands, for names and codes that are ASCII.
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
        assert_eq!(midnight("1970-01-02"), Some(86_400.0));
        assert_eq!(midnight("2026-02-30"), None);
        assert_eq!(day_numbers("2026-11-23"), Some([2026, 11, 23]));
    }

    proptest! {
        #[test]
        fn a_text_survives_the_way_there_and_back(text in "[^&\\x80-\\x9f]*", which in 0..4usize) {
            let charset = ["us-ascii", "iso-8859-1", "utf-8", "iso-8859-15"][which];
            prop_assert_eq!(read(charset, &encode(charset, &text)), text);
        }
    }
}
