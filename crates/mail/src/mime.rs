//! The structure below the header (RFC 2045, RFC 2046), with positions in the body, so that parts can
//! be changed without affecting others.

use crate::message::{HeaderLine, line_end};
use crate::{Message, charset, encoded_word, transfer};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// The maximum depth of parts.
const DEEPEST: usize = 64;
/// The maximum number of parts.
const MOST_PARTS: usize = 10_000;

/// A content type (RFC 2045 §5) or disposition (RFC 2183): a value and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameterized {
    /// The value in lower case, such as `text/plain`.
    pub value: String,
    /// The parameters, with names in lower case, decoded (RFC 2231).
    pub parameters: BTreeMap<String, String>,
}

impl Parameterized {
    /// Parses a header's value.
    pub fn parse(text: &[u8]) -> Parameterized {
        let text = charset::decode_raw(text);
        let mut pieces = split_quoted(&text).into_iter();
        let value = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut raw = Vec::new();
        for piece in pieces {
            if let Some((name, value)) = piece.split_once('=') {
                raw.push((name.trim().to_ascii_lowercase(), unquote(value.trim())));
            }
        }
        Parameterized { value, parameters: join_continuations(raw) }
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

/// Joins `name*0*=…; name*1=…` (RFC 2231 §3, §4).
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

/// How to decode a part's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not encoded (7bit, 8bit, binary).
    Identity,
    /// Quoted-printable.
    QuotedPrintable,
    /// Base64.
    Base64,
    /// An unknown encoding.
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

/// A part: the whole message, or something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The type; `text/plain` by default (RFC 2045 §5.2).
    pub content_type: Parameterized,
    /// The disposition; empty by default.
    pub disposition: Parameterized,
    /// The encoding.
    pub encoding: Encoding,
    /// The position of its header in the message's body; `None` for the message itself.
    pub head: Range<usize>,
    /// The position of its content in the message's body.
    pub content: Range<usize>,
    /// The parts, if it is a multipart with a boundary.
    pub parts: Vec<Part>,
}

impl Part {
    /// The header, as a message without a body.
    pub fn header(&self, body: &[u8]) -> Message {
        Message::parse_head(&body[self.head.clone()], !self.content.is_empty())
    }

    /// `text` of `text/plain`.
    pub fn main_type(&self) -> &str {
        self.content_type.value.split('/').next().unwrap_or_default()
    }

    /// The charset in lower case; empty by default.
    pub fn charset(&self) -> String {
        self.content_type.parameter("charset").unwrap_or_default().to_ascii_lowercase()
    }

    /// The file name.
    pub fn file_name(&self) -> Option<String> {
        let name = self.disposition.parameter("filename");
        name.or_else(|| self.content_type.parameter("name")).map(str::to_owned)
    }

    /// The decoded content.
    pub fn decoded(&self, body: &[u8]) -> Vec<u8> {
        let content = &body[self.content.clone()];
        match self.encoding {
            Encoding::QuotedPrintable => transfer::quoted_printable_decode(content),
            Encoding::Base64 => transfer::base64_decode(content),
            Encoding::Identity | Encoding::Unknown => content.to_vec(),
        }
    }

    /// The content as text.
    pub fn text(&self, body: &[u8]) -> String {
        charset::decode(&self.charset(), &self.decoded(body))
    }

    /// Ends it. The empty line after its header may be the line end before a boundary.
    fn end_at(&mut self, end: usize) {
        self.head = self.head.start.min(end)..self.head.end.min(end);
        self.content = self.content.start.min(end)..end;
    }

    /// The part itself and everything below it, in order.
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

/// Parses the structure of a message. Parts beyond the limits are not opened.
pub fn structure(message: &Message) -> Part {
    let mut builder = Builder::new(message.body());
    builder.begin_content(part(message, PLAIN), 0);
    builder.read()
}

/// The text of the first text/plain part, if there is one.
pub fn first_text(message: &Message) -> Option<String> {
    let root = structure(message);
    let found = root.walk().into_iter().find(|part| part.content_type.value == "text/plain");
    found.map(|part| part.text(message.body()))
}

/// The default type of a part (RFC 2045 §5.2).
const PLAIN: &str = "text/plain";
/// The default type of a part of a digest (RFC 2046 §5.1.5).
pub(crate) const ENCLOSED: &str = "message/rfc822";

/// A header's content type; the default is `implied`.
pub(crate) fn content_type(header: &Message, implied: &str) -> Parameterized {
    let Some(field) = header.field("Content-Type") else {
        return Parameterized { value: implied.to_owned(), ..Parameterized::default() };
    };
    let mut content_type = Parameterized::parse(&field.unfolded());
    if !content_type.value.contains('/') {
        content_type.value = PLAIN.to_owned();
    }
    content_type
}

/// What a header says about its content.
fn part(header: &Message, implied: &str) -> Part {
    let disposition = header.field("Content-Disposition");
    Part {
        content_type: content_type(header, implied),
        disposition: disposition
            .map(|field| Parameterized::parse(&field.unfolded()))
            .unwrap_or_default(),
        encoding: Encoding::parse(header.text("Content-Transfer-Encoding")),
        head: 0..0,
        content: 0..0,
        parts: Vec::new(),
    }
}

/// Finds parts in one pass over the lines, however deeply they are nested (RFC 2046 §5.1.1). The line
/// end before a boundary belongs to the boundary. Without a final boundary, the last part ends with
/// its container.
struct Builder<'b> {
    body: &'b [u8],
    /// The open multiparts, from the outermost to the innermost.
    levels: Vec<Level>,
    /// The valid boundary lines, each with the outermost level that has it.
    delimiters: HashMap<Vec<u8>, usize>,
    state: State,
    /// How many more parts may be opened.
    left: usize,
}

struct Level {
    part: Part,
    delimiter: Vec<u8>,
}

/// What the next line belongs to.
enum State {
    /// The header of a part; it began here.
    Head(usize),
    /// The content of a part that is not a multipart.
    Leaf(Part),
    /// Nothing: it is between parts.
    Between,
}

impl<'b> Builder<'b> {
    fn new(body: &'b [u8]) -> Builder<'b> {
        Builder {
            body,
            levels: Vec::new(),
            delimiters: HashMap::new(),
            state: State::Between,
            left: MOST_PARTS,
        }
    }

    fn read(mut self) -> Part {
        let mut at = 0;
        while at < self.body.len() && !self.levels.is_empty() {
            let end = line_end(self.body, at);
            let line = &self.body[at..end];
            match self.boundary(line.trim_ascii_end()) {
                Some((level, is_last)) => self.at_boundary(level, is_last, at, end),
                None => {
                    if let State::Head(start) = self.state {
                        match HeaderLine::of(line) {
                            HeaderLine::Field | HeaderLine::Fold => {}
                            HeaderLine::Empty => self.end_head(start, end),
                            HeaderLine::None => self.end_head(start, at),
                        }
                    }
                }
            }
            at = end;
        }
        let end = self.body.len();
        match self.close(0, end) {
            Some(root) => root,
            // The message is not a multipart.
            None => match self.state {
                State::Leaf(root) => Part { content: 0..end, ..root },
                State::Head(_) | State::Between => unreachable!("the message itself is a part"),
            },
        }
    }

    /// The level whose boundary a line is, and whether it is the final one.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        if !line.starts_with(b"--") {
            return None;
        }
        let found = |line: &[u8], is_last| Some((*self.delimiters.get(line)?, is_last));
        let last = line.strip_suffix(b"--").and_then(|line| found(line, true));
        last.into_iter().chain(found(line, false)).min_by_key(|(level, _)| *level)
    }

    fn at_boundary(&mut self, level: usize, is_last: bool, at: usize, end: usize) {
        let start = match (self.levels.get(level + 1), &self.state) {
            (Some(level), _) => level.part.head.start,
            (None, State::Leaf(part)) => part.head.start,
            (None, State::Head(start)) => *start,
            (None, State::Between) => at,
        };
        let inner = self.close(level + 1, without_line_end(self.body, start, at));
        self.levels[level].part.parts.extend(inner);
        if is_last || self.left == 0 {
            let delimiter = &self.levels[level].delimiter;
            self.delimiters.remove(delimiter);
        } else {
            self.left -= 1;
            self.state = State::Head(end);
        }
    }

    /// Closes everything open from this level on, ending at the same place, and returns the
    /// outermost part of it.
    fn close(&mut self, from: usize, end: usize) -> Option<Part> {
        let mut inner = match std::mem::replace(&mut self.state, State::Between) {
            State::Head(start) => {
                let start = start.min(end);
                let header = Message::parse_part(&self.body[start..end]);
                let mut part = part(&header, self.implied());
                (part.head, part.content) = (start..end, end..end);
                Some(part)
            }
            State::Leaf(mut part) => {
                part.end_at(end);
                if self.levels.is_empty() {
                    self.state = State::Leaf(part);
                    return None;
                }
                Some(part)
            }
            State::Between => None,
        };
        while self.levels.len() > from
            && let Some(Level { mut part, delimiter }) = self.levels.pop()
        {
            if self.delimiters.get(&delimiter) == Some(&self.levels.len()) {
                self.delimiters.remove(&delimiter);
            }
            part.end_at(end);
            part.parts.extend(inner);
            inner = Some(part);
        }
        inner
    }

    /// The default type of a part here.
    fn implied(&self) -> &'static str {
        let is_digest = |level: &Level| level.part.content_type.value == "multipart/digest";
        if self.levels.last().is_some_and(is_digest) { ENCLOSED } else { PLAIN }
    }

    fn end_head(&mut self, start: usize, end: usize) {
        let header = Message::parse_part(&self.body[start..end]);
        let mut part = part(&header, self.implied());
        part.head = start..end;
        self.begin_content(part, end);
    }

    fn begin_content(&mut self, mut part: Part, start: usize) {
        part.content = start..start;
        let boundary = part.content_type.parameter("boundary").unwrap_or_default().trim_end();
        let is_opened =
            part.main_type() == "multipart" && !boundary.is_empty() && self.levels.len() < DEEPEST;
        if !is_opened {
            self.state = State::Leaf(part);
            return;
        }
        let delimiter = format!("--{boundary}").into_bytes();
        self.delimiters.entry(delimiter.clone()).or_insert(self.levels.len());
        self.levels.push(Level { part, delimiter });
        self.state = State::Between;
    }
}

fn without_line_end(body: &[u8], start: usize, end: usize) -> usize {
    let bytes = &body[start.min(end)..end];
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    start.min(end) + bytes.len()
}

#[cfg(test)]
mod tests;
