//! Content transfer encodings (RFC 2045 §6).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{
    DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD,
};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64; letters that do not belong there are passed over (RFC 2045 §6.8), and what is
/// cut short is decoded as far as it goes.
pub fn base64_decode(text: &[u8]) -> Vec<u8> {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut letters: Vec<u8> = text.iter().copied().filter(belongs).collect();
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    LENIENT.decode(letters).unwrap_or_default()
}

/// Encodes base64 in lines of 76 letters.
pub fn base64_encode(bytes: &[u8], eol: &[u8]) -> Vec<u8> {
    let letters = STANDARD.encode(bytes);
    let mut out = Vec::with_capacity(letters.len() + letters.len() / 38 + 2);
    for line in letters.as_bytes().chunks(76) {
        out.extend_from_slice(line);
        out.extend_from_slice(eol);
    }
    out
}

/// Decodes quoted-printable; what is no escape stays.
pub fn quoted_printable_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(value) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(value);
            rest = &after[2..];
        } else if let Some(next) = soft_break(after) {
            rest = next;
        } else {
            out.push(b'=');
        }
    }
    out
}

/// What follows a soft line break: blanks may stand before its line end.
fn soft_break(after: &[u8]) -> Option<&[u8]> {
    let blanks = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &after[blanks..];
    rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))
}

/// Encodes text lines as quoted-printable, lines of at most 76 letters.
pub fn quoted_printable_encode(text: &[u8], eol: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let (content, ended) = match line.strip_suffix(b"\n") {
            Some(content) => (content.strip_suffix(b"\r").unwrap_or(content), true),
            None => (line, false),
        };
        let mut width = 0;
        for (index, &byte) in content.iter().enumerate() {
            let last = index + 1 == content.len();
            let plain =
                matches!(byte, b'!'..=b'<' | b'>'..=b'~') || matches!(byte, b' ' | b'\t') && !last;
            let size = if plain { 1 } else { 3 };
            if width + size > 75 {
                out.push(b'=');
                out.extend_from_slice(eol);
                width = 0;
            }
            if plain {
                out.push(byte);
            } else {
                out.extend_from_slice(format!("={byte:02X}").as_bytes());
            }
            width += size;
        }
        if ended {
            out.extend_from_slice(eol);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_encodings_are_decoded_as_far_as_they_go() {
        assert_eq!(base64_decode(b"aGVs\nbG8=\n"), b"hello");
        assert_eq!(base64_decode(b"aGVsb"), b"hel");
        assert_eq!(base64_decode(b"!!"), b"");
        assert_eq!(quoted_printable_decode(b"a=20b=\r\nc=3Dd= \ne=zz="), b"a bc=de=zz=");
    }

    proptest! {
        #[test]
        fn base64_comes_back(bytes: Vec<u8>) {
            let encoded = base64_encode(&bytes, b"\r\n");
            prop_assert!(encoded.split(|&byte| byte == b'\n').all(|line| line.len() <= 77));
            prop_assert_eq!(base64_decode(&encoded), bytes);
        }

        #[test]
        fn quoted_printable_comes_back(text in "([ -~\\t\u{e4}\u{2603}]{0,90}\n){0,3}[ -~\u{e4}]{0,9}") {
            let encoded = quoted_printable_encode(text.as_bytes(), b"\n");
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.split(|&byte| byte == b'\n').all(|line| line.len() <= 76 && line.last() != Some(&b' ')));
            prop_assert_eq!(quoted_printable_decode(&encoded), text.as_bytes());
        }
    }
}
