//! The structure below the header (RFC 2045, RFC 2046), with places in the body, so that parts can
//! be changed without touching others.

use crate::{Message, charset, encoded_word, transfer};
use std::collections::BTreeMap;
use std::ops::Range;

/// Parts below parts.
const DEEPEST: usize = 64;
/// Parts in all.
const MOST_PARTS: usize = 10_000;

/// A content type (RFC 2045 §5) or disposition (RFC 2183): a value and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameterised {
    /// The value in lower case, such as `text/plain`.
    pub value: String,
    /// The parameters, their names in lower case, decoded (RFC 2231).
    pub parameters: BTreeMap<String, String>,
}

impl Parameterised {
    /// Reads a header's value.
    pub fn parse(text: &[u8]) -> Parameterised {
        let text = charset::decode_raw(text);
        let mut pieces = split_quoted(&text).into_iter();
        let value = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut raw = Vec::new();
        for piece in pieces {
            if let Some((name, value)) = piece.split_once('=') {
                raw.push((name.trim().to_ascii_lowercase(), unquote(value.trim())));
            }
        }
        Parameterised { value, parameters: join_continuations(raw) }
    }

    /// A parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// Splits at semicolons outside quotes.
fn split_quoted(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for letter in text.chars() {
        let last = pieces.len() - 1;
        match letter {
            ';' if !quoted => {
                pieces.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && letter == '\\' && !escaped;
        pieces[last].push(letter);
    }
    pieces
}

fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let mut out = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => out.extend(letters.next()),
            _ => out.push(letter),
        }
    }
    out
}

/// Puts `name*0*=…; name*1=…` together (RFC 2231 §3, §4).
fn join_continuations(raw: Vec<(String, String)>) -> BTreeMap<String, String> {
    let mut plain = BTreeMap::new();
    let mut split: BTreeMap<String, BTreeMap<u32, (String, bool)>> = BTreeMap::new();
    for (name, value) in raw {
        let Some((base, rest)) = name.split_once('*') else {
            plain.entry(name).or_insert_with(|| encoded_word::decode(value.as_bytes()));
            continue;
        };
        let extended = rest.is_empty() || rest.ends_with('*');
        let index = rest.trim_end_matches('*').parse().unwrap_or(0);
        split.entry(base.to_owned()).or_default().entry(index).or_insert((value, extended));
    }
    for (name, pieces) in split {
        let mut charset_name = String::new();
        let mut bytes = Vec::new();
        for (position, (value, extended)) in pieces.values().enumerate() {
            let mut text = value.as_str();
            if position == 0 && *extended {
                let mut parts = text.splitn(3, '\'');
                if let (Some(name), Some(_language), Some(rest)) =
                    (parts.next(), parts.next(), parts.next())
                {
                    charset_name = name.to_owned();
                    text = rest;
                }
            }
            if *extended {
                bytes.extend(percent_decode(text.as_bytes()));
            } else {
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        plain.insert(name, charset::decode(&charset_name, &bytes));
    }
    plain
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let value = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match value.filter(|_| byte == b'%') {
            Some(value) => {
                out.push(value);
                rest = &after[2..];
            }
            None => out.push(byte),
        }
    }
    out
}

/// How a part's bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are (7bit, 8bit, binary).
    Identity,
    /// Quoted-printable.
    QuotedPrintable,
    /// Base64.
    Base64,
    /// In a way that is not known.
    Unknown,
}

impl Encoding {
    pub(crate) fn parse(text: Option<String>) -> Encoding {
        match text.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Encoding::Identity,
            "quoted-printable" => Encoding::QuotedPrintable,
            "base64" => Encoding::Base64,
            _ => Encoding::Unknown,
        }
    }
}

/// A part: the message as a whole, or something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its type; `text/plain` when it says nothing (RFC 2045 §5.2).
    pub content_type: Parameterised,
    /// Its disposition; empty when it says nothing.
    pub disposition: Parameterised,
    /// Its encoding.
    pub encoding: Encoding,
    /// Where its header is in the message's body; nothing for the message itself.
    pub head: Range<usize>,
    /// Where its content is in the message's body.
    pub content: Range<usize>,
    /// Its parts, if it is a multipart that has a boundary.
    pub parts: Vec<Part>,
}

impl Part {
    /// Its header, as a message without a body.
    pub fn header(&self, body: &[u8]) -> Message {
        Message::parse_part(&body[self.head.clone()])
    }

    /// `text` of `text/plain`.
    pub fn main_type(&self) -> &str {
        self.content_type.value.split('/').next().unwrap_or_default()
    }

    /// Its charset, in lower case; empty when it says nothing.
    pub fn charset(&self) -> String {
        self.content_type.parameter("charset").unwrap_or_default().to_ascii_lowercase()
    }

    /// The name it has as a file.
    pub fn file_name(&self) -> Option<String> {
        let name = self.disposition.parameter("filename");
        name.or_else(|| self.content_type.parameter("name")).map(str::to_owned)
    }

    /// Its content, decoded.
    pub fn decoded(&self, body: &[u8]) -> Vec<u8> {
        let content = &body[self.content.clone()];
        match self.encoding {
            Encoding::QuotedPrintable => transfer::quoted_printable_decode(content),
            Encoding::Base64 => transfer::base64_decode(content),
            Encoding::Identity | Encoding::Unknown => content.to_vec(),
        }
    }

    /// Its content as text.
    pub fn text(&self, body: &[u8]) -> String {
        charset::decode(&self.charset(), &self.decoded(body))
    }

    /// Itself and everything below it, in order.
    pub fn walk(&self) -> Vec<&Part> {
        let mut found = Vec::new();
        let mut waiting = vec![self];
        while let Some(part) = waiting.pop() {
            found.push(part);
            waiting.extend(part.parts.iter().rev());
        }
        found
    }
}

/// The structure of a message. Beyond the limits parts are not opened.
pub fn structure(message: &Message) -> Part {
    let mut left = MOST_PARTS;
    part(message, message.body(), 0, 0, &mut left)
}

/// The text of the first text/plain part, if there is one.
pub fn first_text(message: &Message) -> Option<String> {
    let root = structure(message);
    let found = root.walk().into_iter().find(|part| part.content_type.value == "text/plain");
    found.map(|part| part.text(message.body()))
}

/// `header` describes the bytes of `content`, which start at `offset` of the message's body.
fn part(header: &Message, content: &[u8], offset: usize, depth: usize, left: &mut usize) -> Part {
    let parameterised = |name| {
        header.field(name).map(|field| Parameterised::parse(&field.unfolded())).unwrap_or_default()
    };
    let mut content_type = parameterised("Content-Type");
    if !content_type.value.contains('/') {
        content_type.value = "text/plain".to_owned();
    }
    let mut made = Part {
        disposition: parameterised("Content-Disposition"),
        encoding: Encoding::parse(header.text("Content-Transfer-Encoding")),
        head: 0..0,
        content: offset..offset + content.len(),
        parts: Vec::new(),
        content_type,
    };
    if made.main_type() == "multipart"
        && depth < DEEPEST
        && let Some(boundary) =
            made.content_type.parameter("boundary").filter(|boundary| !boundary.is_empty())
    {
        for place in split_multipart(content, boundary) {
            if *left == 0 {
                break;
            }
            *left -= 1;
            let bytes = &content[place.clone()];
            let inner = Message::parse_part(bytes);
            let header_length = bytes.len() - inner.body().len();
            let start = offset + place.start;
            let mut inner = part(&inner, inner.body(), start + header_length, depth + 1, left);
            inner.head = start..start + header_length;
            made.parts.push(inner);
        }
    }
    made
}

/// Where the parts are between the boundary's lines (RFC 2046 §5.1.1). The line end before a
/// boundary belongs to the boundary. Without the last boundary the last part ends with the content.
fn split_multipart(content: &[u8], boundary: &str) -> Vec<Range<usize>> {
    let delimiter = format!("--{boundary}");
    let mut places = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    while at < content.len() {
        let end =
            memchr::memchr(b'\n', &content[at..]).map_or(content.len(), |found| at + found + 1);
        let line = content[at..end].trim_ascii_end();
        if let Some(rest) = line.strip_prefix(delimiter.as_bytes())
            && (rest.is_empty() || rest == b"--")
        {
            if let Some(start) = open.take() {
                places.push(start..without_line_end(content, start, at));
            }
            if rest == b"--" {
                return places;
            }
            open = Some(end);
        }
        at = end;
    }
    if let Some(start) = open {
        places.push(start..content.len());
    }
    places
}

fn without_line_end(content: &[u8], start: usize, end: usize) -> usize {
    let bytes = &content[start..end];
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    start + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_found_with_their_places() {
        let raw = "Content-Type: multipart/mixed; boundary=\"b\"\n\npre\n--b\n\none\n--b\nContent-Type: text/html; charset=x\nContent-Transfer-Encoding: base64\n\naGk=\n--b--\nafter";
        let message = Message::parse(raw);
        let root = structure(&message);
        assert_eq!(root.parts.len(), 2);
        assert_eq!(&message.body()[root.parts[0].content.clone()], b"one");
        assert_eq!(root.parts[1].content_type.value, "text/html");
        assert_eq!(root.parts[1].decoded(message.body()), b"hi");
        assert_eq!(first_text(&message).as_deref(), Some("one"));
    }

    #[test]
    fn parameters_are_joined_and_decoded() {
        let parsed = Parameterised::parse(
            b"attachment; filename*0*=utf-8'de'Gr%C3%BC; filename*1=\"sse; x\"; y=z",
        );
        assert_eq!(parsed.parameter("filename"), Some("Grüsse; x"));
        assert_eq!(parsed.parameter("y"), Some("z"));
        let parsed = Parameterised::parse(b"TEXT/Plain; charset=\"a\\\"b\"");
        assert_eq!(
            (parsed.value.as_str(), parsed.parameter("charset")),
            ("text/plain", Some("a\"b"))
        );
    }

    #[test]
    fn nesting_has_an_end() {
        let level =
            |number| format!("Content-Type: multipart/mixed; boundary=b{number}\n\n--b{number}\n");
        let nested: String = (0..20_000).map(level).collect();
        assert!(structure(&Message::parse(nested)).walk().len() <= DEEPEST + 1);
        let flat = level(0).repeat(20_000);
        assert!(structure(&Message::parse(flat)).walk().len() <= MOST_PARTS + 1);
    }

    proptest! {
        #[test]
        fn any_body_has_a_structure_whose_places_are_in_it(body in "(--b\n|--b--\n|Content-Type: multipart/x; boundary=b\n|[a-z]{0,4}\n|\n){0,20}") {
            let message = Message::parse(format!("Content-Type: multipart/mixed; boundary=b\n\n{body}"));
            for part in structure(&message).walk() {
                prop_assert!(part.content.end <= message.body().len());
                part.text(message.body());
            }
        }
    }
}
