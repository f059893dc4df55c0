//! Masks words in a message's texts, letter by letter, so that no byte moves: positions and lengths
//! that were recorded for the message remain valid.

use crate::mime::{self, Encoding, Part};
use crate::{Message, charset, html};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use encoding_rs::Encoding as Charset;
use std::ops::Range;

/// The replacement for a letter, also in quoted-printable.
const MASK: u8 = b'x';
const QUOTED_MASK: &[u8] = b"=78";

/// The result of masking words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redacted {
    /// All occurrences are masked. The message has the same number of bytes.
    Whole(Vec<u8>),
    /// They do not occur.
    Nowhere,
    /// Some occur where they cannot be masked: in the header, split by HTML tags, in a name.
    Partly,
}

/// Masks words in the texts of a message. Each of `phrases` is found in any case, and with any
/// blanks between its words.
pub fn redact(raw: &[u8], phrases: &[String]) -> Redacted {
    let phrases: Vec<String> = phrases
        .iter()
        .map(|phrase| phrase.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|phrase| !phrase.is_empty())
        .collect();
    if phrases.is_empty() || !shows(raw, &phrases) {
        return Redacted::Nowhere;
    }
    let message = Message::parse(raw.to_vec());
    let root = mime::structure(&message);
    let start = raw.len() - message.body().len();
    let mut new = raw.to_vec();
    for part in root.walk().into_iter().filter(|part| part.parts.is_empty()) {
        mask(&mut new[start..], part, &phrases);
    }
    if shows(&new, &phrases) { Redacted::Partly } else { Redacted::Whole(new) }
}

/// Whether some of the words occur in a message, as a reader or a program would see it.
fn shows(raw: &[u8], phrases: &[String]) -> bool {
    let message = Message::parse(raw.to_vec());
    let root = mime::structure(&message);
    let mut texts: Vec<String> = message
        .fields()
        .map(|field| field.text())
        .chain([charset::decode_raw(raw).into_owned()])
        .collect();
    for part in root.walk() {
        texts.extend(part.file_name());
        if part.parts.is_empty() {
            let text = part.text(message.body());
            if part.content_type.value == "text/html" {
                texts.push(html::to_text(&text));
            }
            texts.push(text);
        }
    }
    let wanted: Vec<String> = phrases.iter().map(|phrase| phrase.to_lowercase()).collect();
    texts.iter().any(|text| {
        // If a line was broken, there are quote marks between words.
        let words = text.split(|letter: char| letter.is_whitespace() || letter == '>');
        let plain = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let plain = plain.to_lowercase();
        wanted.iter().any(|phrase| plain.contains(phrase))
    })
}

/// Masks words in a part.
fn mask(body: &mut [u8], part: &Part, phrases: &[String]) {
    let content = part.content.clone();
    match part.encoding {
        Encoding::Identity | Encoding::Unknown => {
            for found in places(&body[content.clone()], &part.charset(), phrases) {
                let bytes = &mut body[content.clone()][found];
                bytes.iter_mut().filter(|byte| is_masked(**byte)).for_each(|byte| *byte = MASK);
            }
        }
        Encoding::QuotedPrintable => {
            let (decoded, sources) = quoted_printable(&body[content.clone()]);
            let bytes = &mut body[content];
            for at in places(&decoded, &part.charset(), phrases).into_iter().flatten() {
                match &mut bytes[sources[at].clone()] {
                    [one] if is_masked(*one) => *one = MASK,
                    three @ [_, _, _] => three.copy_from_slice(QUOTED_MASK),
                    _ => {}
                }
            }
        }
        Encoding::Base64 => {
            let mut decoded = part.decoded(body);
            let found = places(&decoded, &part.charset(), phrases);
            if found.is_empty() {
                return;
            }
            for at in
                found.into_iter().flatten().filter(|at| is_masked(decoded[*at])).collect::<Vec<_>>()
            {
                decoded[at] = MASK;
            }
            let bytes = &mut body[content];
            let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
            let coded = STANDARD_NO_PAD.encode(&decoded);
            // Text in another encoding stays, and the final check finds it.
            if bytes.iter().filter(|byte| is_digit(byte)).count() == coded.len() {
                let digits = bytes.iter_mut().filter(|byte| is_digit(byte));
                digits.zip(coded.bytes()).for_each(|(digit, new)| *digit = new);
            }
        }
    }
}

/// Blanks and line ends stay, so that the lines stay the same.
fn is_masked(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && byte != b'>'
}

/// The positions of words in bytes.
fn places(bytes: &[u8], charset: &str, phrases: &[String]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let charset = Charset::for_label(charset.as_bytes());
    for phrase in phrases {
        let mut forms = Vec::new();
        for form in [phrase.clone(), phrase.to_lowercase(), phrase.to_uppercase()] {
            if let Some(charset) = charset {
                forms.push(charset.encode(&form).0.into_owned());
            }
            forms.push(form.into_bytes());
        }
        forms.sort();
        forms.dedup();
        for form in &forms {
            let mut at = 0;
            while at < bytes.len() {
                match match_at(&bytes[at..], form) {
                    Some(length) => {
                        found.push(at..at + length);
                        at += length;
                    }
                    None => at += 1,
                }
            }
        }
    }
    found
}

/// The length of a match at the beginning: letter by letter in any case; a blank matches any blanks
/// and quote marks.
fn match_at(bytes: &[u8], form: &[u8]) -> Option<usize> {
    let mut at = 0;
    for &wanted in form {
        if wanted == b' ' {
            let blanks = bytes[at..].iter().take_while(|byte| !is_masked(**byte)).count();
            if blanks == 0 {
                return None;
            }
            at += blanks;
        } else if bytes.get(at)?.eq_ignore_ascii_case(&wanted) {
            at += 1;
        } else {
            return None;
        }
    }
    Some(at)
}

/// Decoded bytes, each with its position in the source.
fn quoted_printable(content: &[u8]) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut decoded, mut sources, mut at) = (Vec::new(), Vec::new(), 0);
    while at < content.len() {
        let rest = &content[at..];
        if rest[0] == b'=' {
            let digits = rest.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
            if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                decoded.push(byte);
                sources.push(at..at + 3);
                at += 3;
                continue;
            }
            // A soft line break.
            let blanks =
                rest[1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
            if rest.get(1 + blanks) == Some(&b'\n') {
                at += blanks + 2;
                continue;
            }
        }
        decoded.push(rest[0]);
        sources.push(at..at + 1);
        at += 1;
    }
    (decoded, sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(raw: &str, phrase: &str) -> Redacted {
        redact(raw.as_bytes(), &[phrase.to_owned()])
    }

    fn whole(raw: &str, phrase: &str) -> String {
        match redacted(raw, phrase) {
            Redacted::Whole(new) => {
                assert_eq!(new.len(), raw.len(), "no byte moves");
                String::from_utf8(new).unwrap()
            }
            other => panic!("{raw}: {other:?}"),
        }
    }

    #[test]
    fn words_are_masked_in_any_case_and_across_lines() {
        let raw = "Subject: x\n\nCall +49 30\n> 1234 or +49 30 1234. Call me.\n";
        assert_eq!(
            whole(raw, "+49 30 1234"),
            "Subject: x\n\nCall xxx xx\n> xxxx or xxx xx xxxx. Call me.\n"
        );
        assert_eq!(whole("A: b\n\nMüLLER muller\n", "müller"), "A: b\n\nxxxxxxx muller\n");
    }

    #[test]
    fn coded_texts_are_masked_without_a_change_of_length() {
        let quoted = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nHerr M=C3=BCl=\nler kommt.\n";
        let masked = whole(quoted, "Müller");
        assert!(masked.ends_with("Herr x=78=78x=\nxxx kommt.\n"), "{masked}");
        let latin = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nM=FCller\n";
        assert!(whole(latin, "müller").ends_with("x=78xxxx\n"));
        let coded =
            base64::engine::general_purpose::STANDARD.encode("The word is secret, they say.");
        let (one, two) = coded.split_at(20);
        let base64 = format!(
            "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n{one}\n{two}\n"
        );
        let masked = whole(&base64, "SECRET");
        let text = mime::first_text(&Message::parse(masked.into_bytes())).unwrap();
        assert_eq!(text, "The word is xxxxxx, they say.");
    }

    #[test]
    fn every_part_is_looked_through() {
        let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nsecret\n--b\nContent-Type: text/html\n\n<p>a secret</p>\n--b\nContent-Type: text/csv\n\n1,secret\n--b--\n";
        let masked = whole(raw, "secret");
        assert!(!masked.contains("secret") && masked.contains("<p>a xxxxxx</p>"), "{masked}");
    }

    #[test]
    fn what_cannot_be_masked_is_said() {
        for raw in [
            "Subject: a secret\n\ntext\n",
            "Subject: =?utf-8?q?a_se=63ret?=\n\ntext\n",
            "Content-Type: text/html\n\n<b>sec</b>ret\n",
            "Content-Type: text/html\n\ns&#101;cret\n",
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/csv; name=secret.csv\n\n1\n--b--\n",
        ] {
            assert_eq!(redacted(raw, "secret"), Redacted::Partly, "{raw}");
        }
        assert_eq!(redacted("A: b\n\ntext\n", "secret"), Redacted::Nowhere);
        assert_eq!(redacted("A: b\n\ntext\n", "  "), Redacted::Nowhere);
    }
}
