//! UTF-8 with lone surrogates, because Python's strings may contain them.

use std::borrow::Cow;

/// Calls `each` with every code point. Surrogates may come in pairs.
///
/// # Errors
/// The offset of the first bytes that are neither UTF-8 nor a surrogate.
pub(crate) fn code_points(bytes: &[u8], mut each: impl FnMut(u32)) -> Result<(), usize> {
    let mut at = 0;
    while at < bytes.len() {
        let (good, rest) = match str::from_utf8(&bytes[at..]) {
            Ok(good) => (good, &[][..]),
            Err(error) => {
                let (good, rest) = bytes[at..].split_at(error.valid_up_to());
                (str::from_utf8(good).unwrap_or_default(), rest)
            }
        };
        good.chars().for_each(|character| each(u32::from(character)));
        at += good.len();
        match rest {
            [] => {}
            [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
                each(0xd000 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f));
                at += 3;
            }
            _ => return Err(at),
        }
    }
    Ok(())
}

/// The text with surrogate pairs joined to one character.
///
/// # Errors
/// As [`code_points`].
pub(crate) fn normalize(bytes: &[u8]) -> Result<Cow<'_, [u8]>, usize> {
    if str::from_utf8(bytes).is_ok() {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len());
    code_points(bytes, |point| push(&mut out, point))?;
    Ok(Cow::Owned(out))
}

/// Appends a code point of at most 0x10FFFF. The second half of a surrogate pair joins the first.
pub(crate) fn push(out: &mut Vec<u8>, mut point: u32) {
    if let (0xdc00..=0xdfff, Some((start, [0xed, second @ 0xa0..=0xaf, third]))) =
        (point, out.split_last_chunk::<3>())
    {
        let high = u32::from(second & 0x0f) << 6 | u32::from(third & 0x3f);
        point = 0x10000 + (high << 10 | point & 0x3ff);
        out.truncate(start.len());
    }
    match char::from_u32(point) {
        Some(character) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        None => out.extend_from_slice(&[
            0xed,
            0x80 | (point >> 6 & 0x3f) as u8,
            0x80 | (point & 0x3f) as u8,
        ]),
    }
}

/// The bytes that Python 3 decoded into a text with `surrogateescape` (PEP 383): `U+DC80` to
/// `U+DCFF` represent the bytes 0x80 to 0xff. Other lone surrogates remain.
pub(crate) fn undo_surrogate_escapes(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = match after {
            [second @ 0xb2..=0xb3, third @ 0x80..=0xbf, after @ ..] if first == 0xed => {
                bytes.push((second & 1) << 6 | third & 0x3f | 0x80);
                after
            }
            _ => {
                bytes.push(first);
                after
            }
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_surrogate_stays_and_a_pair_becomes_one_character() {
        let lone = b"a\xed\xa0\xbdb\xed\xb8\x80";
        assert_eq!(normalize(lone).unwrap(), &lone[..]);
        let pair = b"a\xed\xa0\xbd\xed\xb8\x80b";
        assert_eq!(normalize(pair).unwrap(), "a\u{1f600}b".as_bytes());
        let first_and_last = b"\xed\xa0\x80\xed\xb0\x80\xed\xaf\xbf\xed\xbf\xbf";
        assert_eq!(normalize(first_and_last).unwrap(), "\u{10000}\u{10ffff}".as_bytes());
    }

    #[test]
    fn the_fault_is_located() {
        assert_eq!(normalize("é\u{1f600}".as_bytes()).unwrap(), "é\u{1f600}".as_bytes());
        assert_eq!(normalize(b"ab\xc0\x80"), Err(2));
        assert_eq!(normalize(b"ab\xed\xa0"), Err(2));
        assert_eq!(normalize(b"\xed\xa0\xbdb\xff"), Err(4));
    }
}
