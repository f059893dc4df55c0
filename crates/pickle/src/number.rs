//! How Python spells numbers.

use crate::LoadProblem;

/// The value of `INT`, the opcode of protocol 0 for both `int` and `bool`.
#[derive(Debug, PartialEq)]
pub(crate) enum Integer {
    Bool(bool),
    Int(i64),
    Long(Vec<u8>),
}

/// Drops bytes that only repeat the sign, so that a number has one form.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes {
        let sign = rest.last().map_or(0, |byte| byte & 0x80);
        match (last, sign) {
            (0x00, 0) | (0xff, 0x80) => bytes = rest,
            _ => break,
        }
    }
    bytes
}

/// The number, if it has at most 64 bits.
pub(crate) fn to_i64(bytes: &[u8]) -> Option<i64> {
    let bytes = trim(bytes);
    let mut wide = [if is_negative(bytes) { 0xff } else { 0 }; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

fn is_negative(bytes: &[u8]) -> bool {
    bytes.last().is_some_and(|byte| byte & 0x80 != 0)
}

/// Negates a two's complement number.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
}

/// The line of `INT`: a number of any length, or `00` and `01` for the truth values.
pub(crate) fn parse_int(line: &[u8], max_bytes: usize) -> Result<Integer, LoadProblem> {
    match line {
        b"00" => return Ok(Integer::Bool(false)),
        b"01" => return Ok(Integer::Bool(true)),
        _ => {}
    }
    let text = line.trim_ascii();
    match str::from_utf8(text).map(str::parse) {
        Ok(Ok(value)) => Ok(Integer::Int(value)),
        _ => Ok(Integer::Long(parse_decimal(text, max_bytes)?)),
    }
}

/// The line of `LONG`: a number with or without an `L` after it.
pub(crate) fn parse_long(line: &[u8], max_bytes: usize) -> Result<Vec<u8>, LoadProblem> {
    let text = line.trim_ascii();
    parse_decimal(text.strip_suffix(b"L").unwrap_or(text), max_bytes)
}

fn parse_decimal(text: &[u8], max_bytes: usize) -> Result<Vec<u8>, LoadProblem> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    // A byte takes 2.4 digits. Refuse before parsing, whose cost grows with the square of the
    // length.
    if digits.len() / 3 > max_bytes {
        return Err(LoadProblem::LongTooLong(max_bytes));
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(bad_number(text, "an integer"));
    }
    let mut limbs: Vec<u32> = Vec::with_capacity(digits.len() / 9 + 1);
    for chunk in digits.chunks(9) {
        let mut carry = chunk.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let scale = 10_u64.pow(chunk.len() as u32);
        for limb in &mut limbs {
            carry += u64::from(*limb) * scale;
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    let mut bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    bytes.push(0);
    if negative {
        negate(&mut bytes);
    }
    bytes.truncate(trim(&bytes).len());
    if bytes.len() > max_bytes {
        return Err(LoadProblem::LongTooLong(max_bytes));
    }
    Ok(bytes)
}

/// A long in decimal.
pub(crate) fn long_to_decimal(bytes: &[u8]) -> String {
    if let Some(value) = to_i64(bytes) {
        return value.to_string();
    }
    let mut bytes = trim(bytes).to_vec();
    let negative = is_negative(&bytes);
    if negative {
        bytes.push(0xff);
        negate(&mut bytes);
    }
    let mut limbs: Vec<u32> = bytes
        .chunks(4)
        .map(|chunk| chunk.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
        .collect();
    let mut groups = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / 1_000_000_000) as u32;
            rest = value % 1_000_000_000;
        }
        groups.push(rest);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    let mut text = String::from(if negative { "-" } else { "" });
    for (index, group) in groups.iter().rev().enumerate() {
        text += &if index == 0 { group.to_string() } else { format!("{group:09}") };
    }
    text
}

/// The line of `FLOAT`.
pub(crate) fn parse_float(line: &[u8]) -> Result<f64, LoadProblem> {
    let text = line.trim_ascii();
    let value = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    value.ok_or_else(|| bad_number(text, "a float"))
}

/// The line of `PUT` and `GET`.
pub(crate) fn parse_index(line: &[u8]) -> Result<u32, LoadProblem> {
    let text = line.trim_ascii();
    let value = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    value.ok_or_else(|| bad_number(text, "a memo index"))
}

fn bad_number(text: &[u8], wanted: &'static str) -> LoadProblem {
    let start = &text[..text.len().min(40)];
    LoadProblem::BadNumber(String::from_utf8_lossy(start).into_owned(), wanted)
}

/// The shortest digits that read back as the same float, in the layout of Python 2.7's and 3's
/// `repr`: with an exponent below 10^-4 and from 10^16.
pub(crate) fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => match exponent.strip_prefix('-') {
                Some(exponent) => format!("{digits}e-{exponent:0>2}"),
                None => format!("{digits}e+{exponent:0>2}"),
            },
            None => text,
        };
    }
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats_look_as_python_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e15, "1000000000000000.0"),
            (9999999999999998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float_repr(value), text);
        }
    }

    #[test]
    fn truth_values_are_told_from_numbers_by_their_two_digits() {
        assert_eq!(parse_int(b"01", 99).unwrap(), Integer::Bool(true));
        assert_eq!(parse_int(b"1", 99).unwrap(), Integer::Int(1));
        assert_eq!(parse_int(b"-0", 99).unwrap(), Integer::Int(0));
        assert_eq!(
            parse_int(b"9223372036854775808", 99).unwrap(),
            Integer::Long(vec![0, 0, 0, 0, 0, 0, 0, 0x80, 0])
        );
        assert!(parse_int(b"2q47", 99).is_err());
        assert!(parse_int(b"", 99).is_err());
        assert!(parse_long(b"-L", 99).is_err());
    }

    #[test]
    fn long_numbers_have_one_form() {
        for (text, bytes) in [
            ("0", &[][..]),
            ("-1", &[0xff]),
            ("127", &[127]),
            ("128", &[128, 0]),
            ("-128", &[128]),
            ("-129", &[127, 255]),
            ("-340282366920938463463374607431768211456", &[&[0; 16][..], &[0xff]].concat()),
        ] {
            assert_eq!(parse_long(text.as_bytes(), 99).unwrap(), bytes, "{text}");
            assert_eq!(long_to_decimal(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn decimal_and_binary_agree(value: i128) {
            let bytes = parse_long(format!("{value}L").as_bytes(), 99).unwrap();
            prop_assert_eq!(&bytes, &trim(&value.to_le_bytes()).to_vec());
            prop_assert_eq!(long_to_decimal(&bytes), value.to_string());
        }

        #[test]
        fn decimal_comes_back_at_any_length(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let text = long_to_decimal(&bytes);
            prop_assert_eq!(parse_long(text.as_bytes(), 99).unwrap(), trim(&bytes));
        }

        #[test]
        fn floats_come_back(bits: u64) {
            let value = f64::from_bits(bits);
            let back = parse_float(float_repr(value).as_bytes()).unwrap();
            prop_assert!(back.to_bits() == bits || value.is_nan() && back.is_nan());
        }
    }
}
