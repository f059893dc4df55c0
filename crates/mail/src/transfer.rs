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

/// Decodes base64. It ends at its padding; padded pieces that follow each other are decoded one by
/// one. Plain text behind it, such as a footer that a list server of old put there, is left out:
/// read as base64 it would be noise.
///
/// Letters that do not belong there are passed over (RFC 2045 §6.8), and what is cut short is
/// decoded as far as it goes.
pub fn base64_decode(text: &[u8]) -> Vec<u8> {
    let lines = encoded_lines(text);
    let mut out = Vec::with_capacity(lines.iter().map(Vec::len).sum::<usize>() / 4 * 3);
    let mut pieces = Piece::all(&lines).into_iter();
    let Some(first) = pieces.next() else { return out };
    let leading = first.leading();
    out.extend(decode_letters(leading));
    if leading.len() < first.letters.len() {
        return out;
    }
    let mut is_utf8 = std::str::from_utf8(&out).is_ok();
    for piece in pieces.take_while(Piece::is_complete) {
        let decoded = decode_letters(&piece.letters);
        // A word of four letters is base64, too. Text goes on as text.
        let fits = !is_utf8 || std::str::from_utf8(&decoded).is_ok();
        if !fits && !piece.is_padded {
            break;
        }
        is_utf8 &= fits;
        out.extend(decoded);
    }
    out
}

fn belongs(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The lines that are base64, without what does not belong there: from the first one up to where
/// plain text begins.
fn encoded_lines(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut width = 0;
    for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        let is_clean = line.iter().all(belongs);
        if line.is_empty() || lines.is_empty() && !is_clean {
            continue;
        }
        if !is_clean && line.len() != width {
            break;
        }
        if lines.is_empty() {
            width = line.len();
        }
        // A full line that was damaged on its way. Any letter keeps the others in step.
        lines.push(line.iter().map(|byte| if belongs(byte) { *byte } else { b'A' }).collect());
    }
    if lines.is_empty() {
        let letters: Vec<u8> =
            text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if letters.iter().all(belongs) && letters.len().is_multiple_of(4) {
            lines.push(letters);
        }
    }
    lines
}

/// Letters up to a padding.
#[derive(Default)]
struct Piece {
    letters: Vec<u8>,
    is_padded: bool,
    /// Where its first line ends.
    line: Option<usize>,
    /// Where its first line ends that is shorter than the others.
    short: Option<usize>,
    /// How many full lines it has before that.
    full: usize,
    /// Something stands behind its short line, or is longer.
    is_ragged: bool,
}

impl Piece {
    fn all(lines: &[Vec<u8>]) -> Vec<Piece> {
        let width = lines.first().map_or(0, Vec::len);
        let mut pieces = vec![Piece::default()];
        for line in lines {
            for &byte in line {
                let last = pieces.len() - 1;
                let piece = &mut pieces[last];
                match (byte, piece.letters.len() % 4) {
                    (b'=', 2 | 3) => {
                        piece.is_padded = true;
                        pieces.push(Piece::default());
                    }
                    // Padding that fills nothing, or the rest of one.
                    (b'=', _) => {}
                    _ => piece.letters.push(byte),
                }
            }
            if let Some(piece) = pieces.last_mut().filter(|piece| !piece.letters.is_empty()) {
                piece.line.get_or_insert(piece.letters.len());
                piece.is_ragged |= piece.short.is_some() || line.len() > width;
                match line.len() < width {
                    true => _ = piece.short.get_or_insert(piece.letters.len()),
                    false => piece.full += 1,
                }
            }
        }
        pieces.retain(|piece| !piece.letters.is_empty());
        pieces
    }

    /// Whether nothing is missing at its end.
    fn is_complete(&self) -> bool {
        self.is_padded || self.letters.len().is_multiple_of(4)
    }

    /// All of it, or only its first lines: without padding they end with the first one that is no
    /// full line, and words that stand behind them look like base64.
    fn leading(&self) -> &[u8] {
        let all = &self.letters[..];
        let is_full = |end: &usize| end.is_multiple_of(4);
        let end = self.line.filter(|end| !is_full(end)).or(self.short).unwrap_or(all.len());
        let head = &all[..end];
        if self.is_padded || head.len() == all.len() {
            return all;
        }
        let is_text = |letters| std::str::from_utf8(&decode_letters(letters)).is_ok();
        let is_one = match (self.is_ragged, self.is_complete()) {
            (false, true) => true,
            (false, false) => self.full >= 3,
            (true, true) => !is_text(head) || is_text(all),
            (true, false) => false,
        };
        if is_one { all } else { head }
    }
}

fn decode_letters(letters: &[u8]) -> Vec<u8> {
    let dangling = usize::from(letters.len() % 4 == 1);
    LENIENT.decode(&letters[..letters.len() - dangling]).unwrap_or_default()
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
        assert_eq!(base64_decode(b"aGVs bG8="), b"hello");
        assert_eq!(base64_decode(b"aG\nVsbG8="), b"hello");
        assert_eq!(base64_decode(b"aGVsbG8h\naGVs*G8h\nbG8="), b"hello!hel\0o!lo");
        assert_eq!(quoted_printable_decode(b"a=20b=\r\nc=3Dd= \ne=zz="), b"a bc=de=zz=");
    }

    #[test]
    fn base64_ends_where_plain_text_begins() {
        let hej = "Hej d\u{e5}\n".as_bytes();
        for behind in [
            "",
            "-- \nplain footer of the old list\n",
            "plain footer\n",
            "_______________________________________________\ntalk mailing list\n",
            "https://lists.example/mailman/listinfo/talk\n",
            "anna\n",
            "Regards\nAnna\n",
            "list\nlist\nlist\n",
        ] {
            for encoded in
                ["SGVqIGTDpQo=\n", "SGVqIGTDpQo=\r\n", "SGVqIGTDpQo\n", "SGVqI\nGTDpQo=\n"]
            {
                let text = format!("{encoded}{behind}");
                assert_eq!(base64_decode(text.as_bytes()), hej, "{text:?}");
            }
        }
    }

    #[test]
    fn padded_pieces_are_decoded_one_by_one() {
        assert_eq!(base64_decode(b"SGVsbG8=SGVsbG8="), b"HelloHello");
        assert_eq!(base64_decode(b"YQ==\nYmI=\nY2Nj\nZA==\n"), b"abbcccd");
        assert_eq!(base64_decode(b"SGVsbG8=\nSGVsbG8=\n\nSGVsbG8="), b"HelloHelloHello");
        assert_eq!(base64_decode(b"aGk====\n===\n"), b"hi");
        assert_eq!(base64_decode(b"SGV=sbG8="), b"He", "a stray sign sets nothing out of step");
        assert_eq!(base64_decode(b"//79\n/w==\n/g=="), b"\xff\xfe\xfd\xff\xfe");
    }

    proptest! {
        #[test]
        fn base64_in_lines_of_any_length_comes_back(bytes: Vec<u8>, width in 1usize..90) {
            let letters = STANDARD.encode(&bytes);
            let lines: Vec<&[u8]> = letters.as_bytes().chunks(width).collect();
            prop_assert_eq!(base64_decode(&lines.join(&b"\n"[..])), bytes);
        }

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
