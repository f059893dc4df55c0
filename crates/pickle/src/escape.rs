//! The strings of protocol 0: Python 2's `repr` for byte strings, raw-unicode-escape for texts.

use crate::{LoadProblem, wtf8};
use memchr::memchr;
use std::borrow::Cow;

/// The line of `STRING`: a quoted string with the escapes of Python 2's string literals.
pub(crate) fn unquote(line: &[u8]) -> Result<Cow<'_, [u8]>, LoadProblem> {
    match line.trim_ascii_end() {
        [open @ (b'\'' | b'"'), body @ .., close] if open == close => unescape(body),
        _ => Err(LoadProblem::BadString("its quotes do not match")),
    }
}

fn unescape(mut body: &[u8]) -> Result<Cow<'_, [u8]>, LoadProblem> {
    let Some(first) = memchr(b'\\', body) else { return Ok(Cow::Borrowed(body)) };
    let mut out = Vec::with_capacity(body.len());
    let mut next = Some(first);
    while let Some(at) = next {
        out.extend_from_slice(&body[..at]);
        body = &body[at + 1..];
        let &code = body.first().ok_or(LoadProblem::BadString("it ends in a backslash"))?;
        let mut length = 1;
        match code {
            b'n' => out.push(b'\n'),
            b'\\' | b'\'' | b'"' => out.push(code),
            b'x' => {
                let digits = body.get(1..3).and_then(hex);
                let value = digits.ok_or(LoadProblem::BadString("\\x wants two hex digits"))?;
                out.push(value as u8);
                length = 3;
            }
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(0x07),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'v' => out.push(0x0b),
            b'0'..=b'7' => {
                length = body.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let value =
                    body[..length].iter().fold(0, |sum, byte| sum << 3 | u32::from(byte & 7));
                out.push(value as u8);
            }
            // Python leaves escapes alone that it does not know.
            _ => out.extend_from_slice(&[b'\\', code]),
        }
        body = &body[length..];
        next = memchr(b'\\', body);
    }
    out.extend_from_slice(body);
    Ok(Cow::Owned(out))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}

/// Writes a byte string as `repr` of Python 2 does.
pub(crate) fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    let single = memchr(b'\'', bytes).is_none() || memchr(b'"', bytes).is_some();
    let quote = if single { b'\'' } else { b'"' };
    out.push(quote);
    for &byte in bytes {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ if byte == quote => out.extend_from_slice(&[b'\\', quote]),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&[
                b'\\',
                b'x',
                b"0123456789abcdef"[usize::from(byte >> 4)],
                b"0123456789abcdef"[usize::from(byte & 0x0f)],
            ]),
        }
    }
    out.push(quote);
}

/// The line of `UNICODE`: `\uXXXX` and `\UXXXXXXXX`, else Latin-1.
pub(crate) fn decode_raw_unicode(line: &[u8]) -> Result<Cow<'_, [u8]>, LoadProblem> {
    if line.is_ascii() && memchr(b'\\', line).is_none() {
        return Ok(Cow::Borrowed(line));
    }
    let mut out = Vec::with_capacity(line.len() + line.len() / 8);
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        if byte != b'\\' {
            wtf8::push(&mut out, u32::from(byte));
            at += 1;
            continue;
        }
        // Of a row of backslashes only the last can start an escape, and only if their number is odd.
        let row = line[at..].iter().take_while(|byte| **byte == b'\\').count();
        let digits = match line.get(at + row) {
            Some(b'u') if row % 2 == 1 => 4,
            Some(b'U') if row % 2 == 1 => 8,
            _ => 0,
        };
        let plain = if digits > 0 { row - 1 } else { row };
        out.resize(out.len() + plain, b'\\');
        at += row;
        if digits > 0 {
            let point = line.get(at + 1..at + 1 + digits).and_then(hex);
            let point =
                point.filter(|point| *point <= 0x10ffff).ok_or(LoadProblem::BadText(at - 1))?;
            wtf8::push(&mut out, point);
            at += 1 + digits;
        }
    }
    Ok(Cow::Owned(out))
}

/// Writes a text in raw-unicode-escape. What could end the line or be taken for an escape is
/// written as one.
///
/// # Errors
/// The offset of the first bytes that are not WTF-8. `out` may then contain part of the text.
pub(crate) fn encode_raw_unicode(text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    wtf8::code_points(text, |point| match point {
        0x00 | 0x0a | 0x0d | 0x1a | 0x5c | 0x100..=0xffff => {
            out.extend_from_slice(format!("\\u{point:04x}").as_bytes());
        }
        0..=0xff => out.push(point as u8),
        _ => out.extend_from_slice(format!("\\U{point:08x}").as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_of_python_2_are_understood() {
        let line = br#"'a\'\"\\\n\r\t\a\b\f\v\x41\101\0\78\q'"#;
        assert_eq!(unquote(line).unwrap(), &b"a'\"\\\n\r\t\x07\x08\x0c\x0bAA\0\x078\\q"[..]);
        assert!(matches!(unquote(b"'plain' \r").unwrap(), Cow::Borrowed(b"plain")));
        for bad in [&b"'"[..], b"", b"'a\"", b"a", b"'\\x4'", b"'\\'"] {
            assert!(unquote(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quotes_are_chosen_as_python_2_does() {
        for (bytes, text) in [
            (&b"it's"[..], &br#""it's""#[..]),
            (b"it's \"q\"", br#"'it\'s "q"'"#),
            (b"\x00\xff\x7f~\n", br"'\x00\xff\x7f~\n'"),
        ] {
            let mut out = Vec::new();
            quote(bytes, &mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn a_backslash_starts_an_escape_only_after_an_even_number_of_others() {
        assert_eq!(decode_raw_unicode(br"\u00e9").unwrap(), "é".as_bytes());
        assert_eq!(decode_raw_unicode(br"\\u00e9").unwrap(), &br"\\u00e9"[..]);
        assert_eq!(decode_raw_unicode(br"\\\u00e9").unwrap(), [br"\\", "é".as_bytes()].concat());
        assert_eq!(decode_raw_unicode(b"caf\xe9\\x41").unwrap(), "café\\x41".as_bytes());
        assert_eq!(decode_raw_unicode(br"\ud83d\ude00").unwrap(), "\u{1f600}".as_bytes());
        assert_eq!(decode_raw_unicode(br"ab\u12"), Err(LoadProblem::BadText(2)));
        assert_eq!(decode_raw_unicode(br"\U00110000"), Err(LoadProblem::BadText(0)));
    }

    proptest! {
        #[test]
        fn byte_strings_come_back(bytes: Vec<u8>) {
            let mut line = Vec::new();
            quote(&bytes, &mut line);
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(unquote(&line).unwrap(), bytes);
        }

        #[test]
        fn texts_come_back(points in prop::collection::vec(0..0x110000_u32, 0..40), plain: String) {
            let mut text = plain.into_bytes();
            points.iter().for_each(|point| wtf8::push(&mut text, *point));
            let mut line = Vec::new();
            encode_raw_unicode(&text, &mut line).unwrap();
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(decode_raw_unicode(&line).unwrap(), text);
        }

        #[test]
        fn any_line_is_read_or_refused(line: Vec<u8>) {
            if let Ok(text) = decode_raw_unicode(&line) {
                prop_assert!(wtf8::normalize(&text).is_ok());
            }
            if let Ok(bytes) = unquote(&line) {
                prop_assert!(bytes.len() < line.len());
            }
        }
    }
}
