//! Text beyond ASCII in headers (RFC 2047).

use crate::charset::{self, Shift};
use crate::transfer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Decodes a header's value to one line. Blanks between two encoded words are removed. Each word is
/// decoded by itself, unless a character is split over two words of one charset. What cannot be
/// decoded stays unchanged.
pub fn decode(value: &[u8]) -> String {
    let mut out = String::new();
    let mut pending: Option<Pending> = None;
    let mut rest = value;
    while !rest.is_empty() {
        let start = find(rest, b"=?").unwrap_or(rest.len());
        let (before, after) = rest.split_at(start);
        let word = encoded(after);
        let between_words = pending.is_some() && word.is_some() && before.trim_ascii().is_empty();
        if !between_words {
            flush(&mut pending, &mut out);
            out.push_str(&charset::decode_raw(before));
        }
        match word {
            Some((charset, bytes, length)) => {
                match &mut pending {
                    Some(open) if open.takes(&charset, &bytes) => open.add(&bytes),
                    _ => {
                        flush(&mut pending, &mut out);
                        pending.insert(Pending::new(charset)).add(&bytes);
                    }
                }
                rest = &after[length..];
            }
            None => {
                let taken = after.len().min(2);
                flush(&mut pending, &mut out);
                out.push_str(&charset::decode_raw(&after[..taken]));
                rest = &after[taken..];
            }
        }
    }
    flush(&mut pending, &mut out);
    out
}

/// Words of one charset whose bytes are decoded together.
struct Pending {
    charset: String,
    bytes: Vec<u8>,
    /// The state at the end of the bytes, if that changes the meaning of the following ones.
    shift: Option<Shift>,
}

impl Pending {
    fn new(charset: String) -> Pending {
        let shift = charset::is_iso_2022(&charset).then(Shift::default);
        Pending { charset, bytes: Vec::new(), shift }
    }

    fn takes(&self, charset: &str, bytes: &[u8]) -> bool {
        // Each word of such a charset may state its byte order.
        let is_marked = bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\xff\xfe");
        self.charset == charset && !is_marked && self.shift.is_none_or(|shift| shift.goes_on(bytes))
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if let Some(shift) = &mut self.shift {
            shift.pass(bytes);
        }
    }
}

fn flush(pending: &mut Option<Pending>, out: &mut String) {
    if let Some(Pending { charset, bytes, .. }) = pending.take() {
        out.push_str(&charset::decode(&charset, &bytes));
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}

/// RFC 2047 limits a word to 75 characters, but some programs put a whole subject into one. Without a
/// limit, each of many unfinished words would be searched to the end of the header.
const MOST_TEXT: usize = 4096;

/// `=?charset?q?text?=` at the start: its charset, its bytes, its length.
fn encoded(bytes: &[u8]) -> Option<(String, Vec<u8>, usize)> {
    let inner = bytes.strip_prefix(b"=?")?;
    let charset_end = inner.iter().position(|&byte| byte == b'?')?;
    let (charset, inner) = (&inner[..charset_end], &inner[charset_end + 1..]);
    let encoding = *inner.first()?;
    let inner = inner[1..].strip_prefix(b"?")?;
    let end = find(&inner[..inner.len().min(MOST_TEXT)], b"?=")?;
    let text = &inner[..end];
    let fits =
        !charset.is_empty() && charset.iter().all(u8::is_ascii_graphic) && !text.contains(&b'\n');
    let bytes_of = match encoding {
        b'b' | b'B' => transfer::base64_decode(text),
        b'q' | b'Q' => q_decode(text),
        _ => return None,
    };
    // A language may follow the charset (RFC 2231 §5).
    let charset = charset.split(|&byte| byte == b'*').next()?;
    let length = 2 + charset_end + 1 + 2 + end + 2;
    fits.then(|| (String::from_utf8_lossy(charset).to_ascii_lowercase(), bytes_of, length))
}

fn q_decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'_' { b' ' } else { byte }).collect();
    transfer::quoted_printable_decode(&spaced)
}

/// A header's value for a text: unchanged if possible, otherwise in encoded words,
/// folded. `first_line` is the room on the first line, in characters.
pub fn encode(text: &str, first_line: usize) -> String {
    let text: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let hard =
        text.find(|letter: char| !letter.is_ascii()).into_iter().chain(text.find("=?")).min();
    let Some(hard) = hard else { return fold(&text, first_line) };
    // The preceding words stay readable, for people's filters: above all a list's prefix.
    let Some((plain, rest)) = text[..hard].rfind(' ').map(|at| (&text[..at], &text[at + 1..]))
    else {
        return encode_words(&text, first_line);
    };
    if plain.trim().is_empty() {
        return encode_words(&text, first_line);
    }
    let plain = fold(plain, first_line);
    let used = plain.rsplit('\n').next().map_or(0, str::len) + 1;
    let room = if plain.contains('\n') { 77 } else { first_line };
    match room.checked_sub(used) {
        Some(room) if room >= LEAST_ROOM => format!("{plain} {}", encode_words(rest, room)),
        _ => format!("{plain}\n {}", encode_words(rest, 75)),
    }
}

/// If there is less room on the line, an encoded word goes to the next one.
const LEAST_ROOM: usize = 32;

fn fold(text: &str, first_line: usize) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    let mut room = first_line;
    let words_end = text.trim_end().len();
    while rest.len() > room {
        let done = text.len() - rest.len();
        let within = rest.get(..room).unwrap_or(rest);
        // Not before the first word, nor if only blanks would remain.
        let blank = within.rfind(' ').filter(|&at| !within[..at].trim().is_empty());
        let blank = blank.or_else(|| rest[room..].find(' ').map(|at| room + at));
        let Some(at) = blank.filter(|&at| done + at < words_end) else { break };
        out.push_str(&rest[..at]);
        out.push('\n');
        rest = &rest[at..];
        room = 77;
    }
    out.push_str(rest);
    out
}

/// A text in encoded words, each short enough for its line.
pub fn encode_words(text: &str, first_line: usize) -> String {
    const FRAME: usize = "=?utf-8?b??=".len();
    let mut words = Vec::new();
    let mut piece = String::new();
    let mut room = bytes_in(first_line.min(75), FRAME);
    for letter in text.chars() {
        if !piece.is_empty() && piece.len() + letter.len_utf8() > room {
            words.push(std::mem::take(&mut piece));
            room = bytes_in(75, FRAME);
        }
        piece.push(letter);
    }
    words.push(piece);
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?b?{}?=", BASE64.encode(word))).collect();
    words.join("\n ")
}

/// How many bytes fit into this many base64 characters; one character always fits.
fn bytes_in(letters: usize, frame: usize) -> usize {
    (letters.saturating_sub(frame) / 4 * 3).max(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encoded_words_are_decoded() {
        assert_eq!(
            decode(b"=?iso-8859-1?q?Gr=FC=DFe?= =?utf-8?b?4piD?= there"),
            "Gr\u{fc}\u{df}e\u{2603} there"
        );
        assert_eq!(
            decode(b"=?utf-8?b?4pg=?= =?utf-8?b?gw==?="),
            "\u{2603}",
            "one character in two words"
        );
        assert_eq!(decode(b"=?koi8-r?b?8NLJ18XU?="), "Привет");
        assert_eq!(decode(b"=?us-ascii?Q?a_b=3D?="), "a b=");
        assert_eq!(decode(b"=?utf-8?B?SGVsbG8=SGVsbG8=?="), "HelloHello");
        assert_eq!(decode(b"Gr\xfc\xdfe"), "Grüße", "raw latin-1");
        assert_eq!(decode("Grüße".as_bytes()), "Grüße", "raw utf-8");
    }

    #[test]
    fn words_that_shift_are_decoded_one_by_one_unless_a_letter_is_split() {
        let word = |bytes: &[u8]| format!("=?ISO-2022-JP?B?{}?=", BASE64.encode(bytes));
        let text = "\u{30c6}\u{30b9}\u{30c8}";
        let whole: &[u8] = b"\x1b$B%F%9%H\x1b(B";
        let open: &[u8] = b"\x1b$B%F%9%H";
        for (words, expected) in [
            (vec![whole, whole], format!("{text}{text}")),
            (vec![open, whole], format!("{text}{text}")),
            (vec![open, b"abc"], format!("{text}abc")),
            (vec![b"\x1b$B%F%", b"9%H\x1b(B"], text.to_owned()),
            (vec![b"\x1b$B%F%9", b"%H\x1b(B"], text.to_owned()),
            (vec![b"\x1b$B%F", b"\x1b$B%9%H\x1b(B", b"\x1b(B"], text.to_owned()),
        ] {
            let value: Vec<String> = words.iter().map(|bytes| word(bytes)).collect();
            assert_eq!(decode(value.join(" ").as_bytes()), expected, "{words:?}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_stays() {
        for text in ["=?utf-8?q?open", "=?x", "a =? b", "=?utf-8?x?abc?=", "=??q?x?="] {
            assert_eq!(decode(text.as_bytes()), text);
        }
    }

    #[test]
    fn words_before_the_first_that_must_be_encoded_stay_readable() {
        assert_eq!(
            encode("[Dev] Re: grüße an alle", 70),
            "[Dev] Re: =?utf-8?b?Z3LDvMOfZSBhbiBhbGxl?="
        );
        assert_eq!(encode("[Dev] grüße", 30), "[Dev]\n =?utf-8?b?Z3LDvMOfZQ==?=");
        assert_eq!(encode("grüße [Dev]", 70), "=?utf-8?b?Z3LDvMOfZSBbRGV2XQ==?=");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same(text in "[^\\p{Cc}]{0,80}", room in 10usize..78) {
            let encoded = encode(&text, room);
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.lines().skip(1).all(|line| line.starts_with(' ')));
            prop_assert!(encoded.lines().skip(1).all(|line| line.len() <= 78 || !line[1..].contains(' ')));
            let unfolded: String = encoded.chars().filter(|&letter| letter != '\n').collect();
            prop_assert_eq!(decode(unfolded.as_bytes()), text);
        }

        #[test]
        fn any_bytes_have_a_text(bytes: Vec<u8>) {
            decode(&bytes);
        }
    }
}
