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

const REGULAR: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Decodes base64. It ends at its padding; padded pieces that follow each other are decoded one by
/// one. Plain text after it, such as a footer that an old list server added, is left out:
/// decoded as base64 it would be noise. Text that is not base64 at all stays unchanged.
///
/// Invalid characters are skipped (RFC 2045 §6.8), and truncated data is
/// decoded as far as possible.
pub fn base64_decode(text: &[u8]) -> Vec<u8> {
    decode_regular(text).unwrap_or_else(|| decode_any(text))
}

/// Decodes what mail programs write: full lines, then a shorter one, and nothing else. That is nearly
/// all base64, and [`decode_any`] takes twenty times as long to return the same.
fn decode_regular(text: &[u8]) -> Option<Vec<u8>> {
    let mut letters = Vec::with_capacity(text.len());
    let (mut width, mut last): (Option<usize>, &[u8]) = (None, b"");
    for line in text.trim_ascii_end().split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_whole = line.len().is_multiple_of(4) && !line.is_empty();
        let is_full = last.len() == *width.get_or_insert(line.len()) || letters.is_empty();
        if !is_whole || !is_full || Some(line.len()) > width {
            return None;
        }
        letters.extend_from_slice(line);
        last = line;
    }
    if is_word(last) { None } else { REGULAR.decode(letters).ok() }
}

/// Decodes anything, as [`base64_decode`] says.
fn decode_any(text: &[u8]) -> Vec<u8> {
    let (lines, is_first) = encoded_lines(text);
    let mut out = Vec::with_capacity(lines.iter().map(Vec::len).sum::<usize>() / 4 * 3);
    let mut pieces = Piece::all(&lines).into_iter();
    let Some(first) = pieces.next() else { return text.to_vec() };
    if !is_first && !first.is_padded && first.words == Some(0) {
        return text.to_vec();
    }
    let leading = first.leading();
    out.extend(decode_letters(leading));
    if leading.len() < first.letters.len() {
        return out;
    }
    for piece in pieces.take_while(Piece::is_complete) {
        let decoded = decode_letters(&piece.letters);
        // A word of four letters is valid base64, too.
        if !piece.is_padded && (piece.words == Some(0) || !goes_on(&out, &decoded)) {
            break;
        }
        out.extend(decoded);
    }
    out
}

/// The kind of the decoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Utf8,
    /// Of some other charset.
    EightBit,
    Binary,
}

impl Text {
    fn of(bytes: &[u8]) -> Text {
        if !bytes.iter().all(|&byte| byte >= b' ' || is_text_control(byte)) {
            return Text::Binary;
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Text::Utf8,
            // The last character may be truncated.
            Err(error) if error.error_len().is_none() => Text::Utf8,
            Err(_) => Text::EightBit,
        }
    }
}

/// Whether more bytes may belong to the same text as those before them.
fn goes_on(head: &[u8], tail: &[u8]) -> bool {
    let is_c1 = |byte: &u8| (0x7f..0xa0).contains(byte);
    match Text::of(head) {
        Text::Utf8 => {
            let whole = [head, tail].concat();
            Text::of(&whole) == Text::Utf8 && std::str::from_utf8(&whole).is_ok()
        }
        Text::EightBit => {
            Text::of(tail) != Text::Binary && (head.iter().any(is_c1) || !tail.iter().any(is_c1))
        }
        Text::Binary => true,
    }
}

/// Blanks, line ends, and the shift characters of ISO 2022.
fn is_text_control(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | 0x0e | 0x0f | 0x1b)
}

/// A word in prose: `Regards`, `anna`.
fn is_word(line: &[u8]) -> bool {
    line.len() > 1 && line[0].is_ascii_alphabetic() && line[1..].iter().all(u8::is_ascii_lowercase)
}

fn belongs(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The lines that are base64, without invalid ones: from the first one up to where
/// plain text begins. And whether nothing precedes them.
fn encoded_lines(text: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut width = 0;
    let mut is_first = true;
    for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        let is_clean = line.iter().all(belongs);
        if line.is_empty() || lines.is_empty() && !is_clean {
            is_first &= line.is_empty();
            continue;
        }
        if !is_clean && line.len() != width {
            break;
        }
        if lines.is_empty() {
            width = line.len();
        }
        // A full line that was damaged. Any replacement character keeps the others aligned.
        lines.push(line.iter().map(|byte| if belongs(byte) { *byte } else { b'A' }).collect());
    }
    if lines.is_empty() {
        let letters: Vec<u8> =
            text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if letters.iter().all(belongs) && letters.len().is_multiple_of(4) {
            lines.push(letters);
            is_first = true;
        }
    }
    (lines, is_first)
}

/// Characters up to a padding.
#[derive(Default)]
struct Piece {
    letters: Vec<u8>,
    is_padded: bool,
    /// Where its first line ends.
    line: Option<usize>,
    /// Where its first shorter line ends.
    short: Option<usize>,
    /// How many full lines precede that.
    full: usize,
    /// Something follows its short line, or is longer.
    is_ragged: bool,
    /// Where the trailing lines begin that may be words.
    words: Option<usize>,
}

impl Piece {
    fn all(lines: &[Vec<u8>]) -> Vec<Piece> {
        let width = lines.first().map_or(0, Vec::len);
        let mut pieces = vec![Piece::default()];
        for line in lines {
            match pieces.last_mut() {
                Some(piece) if is_word(line) => _ = piece.words.get_or_insert(piece.letters.len()),
                Some(piece) => piece.words = None,
                None => {}
            }
            for &byte in line {
                let last = pieces.len() - 1;
                let piece = &mut pieces[last];
                match (byte, piece.letters.len() % 4) {
                    (b'=', 2 | 3) => {
                        piece.is_padded = true;
                        pieces.push(Piece::default());
                    }
                    // Padding that is not needed, or the rest of one.
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

    /// Whether it is complete.
    fn is_complete(&self) -> bool {
        self.is_padded || self.letters.len().is_multiple_of(4)
    }

    /// All of it, or only its first lines: without padding they end with the first line that is not
    /// full. Words after that would look like base64.
    fn leading(&self) -> &[u8] {
        if self.is_padded {
            return &self.letters;
        }
        let without_words = self.words.filter(|&at| at > 0 && !self.goes_on_at(at));
        let all = &self.letters[..without_words.unwrap_or(self.letters.len())];
        let is_full = |end: &usize| end.is_multiple_of(4);
        let end = self.line.filter(|end| !is_full(end)).or(self.short).unwrap_or(all.len());
        let head = &all[..end.min(all.len())];
        if head.len() == all.len() {
            return all;
        }
        let is_text = |letters| Text::of(&decode_letters(letters)) == Text::Utf8;
        let is_one = match (self.is_ragged, self.is_complete()) {
            (false, true) => true,
            (false, false) => self.full >= 3,
            (true, true) => !is_text(head) || is_text(all),
            (true, false) => false,
        };
        if is_one { all } else { head }
    }

    /// Whether the following characters continue the preceding ones.
    fn goes_on_at(&self, at: usize) -> bool {
        let decoded = decode_letters(&self.letters);
        let at = at / 4 * 3 + (at % 4).saturating_sub(1);
        let at = at.min(decoded.len());
        goes_on(&decoded[..at], &decoded[at..])
    }
}

fn decode_letters(letters: &[u8]) -> Vec<u8> {
    let dangling = usize::from(letters.len() % 4 == 1);
    LENIENT.decode(&letters[..letters.len() - dangling]).unwrap_or_default()
}

/// Encodes base64 in lines of 76 characters.
pub fn base64_encode(bytes: &[u8], eol: &[u8]) -> Vec<u8> {
    let letters = STANDARD.encode(bytes);
    let mut out = Vec::with_capacity(letters.len() + letters.len() / 38 + 2);
    for line in letters.as_bytes().chunks(76) {
        out.extend_from_slice(line);
        out.extend_from_slice(eol);
    }
    out
}

/// Decodes quoted-printable; invalid escapes stay unchanged.
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

/// The text after a soft line break: blanks may precede its line end.
fn soft_break(after: &[u8]) -> Option<&[u8]> {
    let blanks = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &after[blanks..];
    rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))
}

/// Encodes text lines as quoted-printable, in lines of at most 76 characters.
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
        assert_eq!(base64_decode(b"!!"), b"!!");
        assert_eq!(base64_decode(b"aGVs bG8="), b"hello");
        assert_eq!(base64_decode(b"aG\nVsbG8="), b"hello");
        assert_eq!(base64_decode(b"aGVsbG8h\naGVs*G8h\nbG8="), b"hello!hel\0o!lo");
        assert_eq!(quoted_printable_decode(b"a=20b=\r\nc=3Dd= \ne=zz="), b"a bc=de=zz=");
    }

    #[test]
    fn what_mail_programs_write_is_regular_and_nothing_else_is() {
        for (text, is_regular) in [
            (&b"QUJDREVG\r\nR0hJSg==\r\n"[..], true),
            (b"QUJDREVG\nR0hJ\n\n", true),
            (b"QUJD", true),
            (b"QUI=", true),
            (b"QUJDREVG\nR0h\n", false),
            (b"QUJDREVG\nR0hJ\nQUJD\n", false),
            (b"QUJD\nQUJDREVG\n", false),
            (b"QUI=\nQUJD\n", false),
            (b"QUJDREVG\n\nR0hJSg==\n", false),
            (b"QUJDREVG\nRegards-\n", false),
            (b"QUJDREVG\nGreeting\n", false),
            (b"QUJD\nanna\n", false),
            (b"", false),
        ] {
            let decoded = decode_regular(text);
            assert_eq!(decoded.is_some(), is_regular, "{}", String::from_utf8_lossy(text));
            assert!(decoded.is_none_or(|decoded| decoded == decode_any(text)));
        }
    }

    proptest! {
        #[test]
        fn regular_base64_is_decoded_as_any_other(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            quarters in 1usize..25,
            eol in "\r?\n",
            (at, with) in (0usize..500, proptest::collection::vec(prop_oneof![Just(b'='), Just(b'\n'), Just(b'a'), any::<u8>()], 0..3)),
        ) {
            let letters = STANDARD.encode(&bytes);
            let mut text: Vec<u8> = letters.as_bytes().chunks(quarters * 4).flat_map(|line| [line, eol.as_bytes()].concat()).collect();
            if with.is_empty() && !bytes.is_empty() && !is_word(text.split(|&byte| byte == b'\n').rfind(|line| !line.is_empty()).unwrap().trim_ascii()) {
                prop_assert_eq!(decode_regular(&text), Some(bytes));
            }
            let at = at.min(text.len());
            text.splice(at..at, with);
            if let Some(decoded) = decode_regular(&text) {
                prop_assert_eq!(decoded, decode_any(&text));
            }
        }
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
    fn words_behind_base64_are_no_part_of_it() {
        let text = |encoded: &str| String::from_utf8(base64_decode(encoded.as_bytes())).unwrap();
        for behind in ["Peace", "list", "anna", "Regards", "Best\nPaul", "Kind\nregards\nAnna"] {
            for encoded in ["SGVqIGTDpQo", "SGVqIGTDpSEK", "SGVqIGTDpSEhCg"] {
                let read = text(&format!("{encoded}\n{behind}\n"));
                let whole = text(encoded);
                assert!(read == whole, "{encoded} {behind}: {read:?}");
            }
        }
        // Grüße in Latin-1
        assert_eq!(base64_decode(b"R3L832UK\nlist\n"), b"Gr\xfc\xdfe\n");
        assert_eq!(base64_decode(b"R3L832UhIQo=\nlist\n"), b"Gr\xfc\xdfe!!\n");
    }

    #[test]
    fn what_is_no_base64_stays() {
        for text in ["This says it is base64.\nBye\n", "Hello, all!\n\nRegards\n", "-- \n"] {
            assert_eq!(base64_decode(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(base64_decode(b"Hello, all!\n\nSGVqIGTDpQo=\n"), "Hej d\u{e5}\n".as_bytes());
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
