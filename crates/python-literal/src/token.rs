//! The tokens of a Python file.

use crate::ParseError;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Name(String),
    Int(i64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    /// An operator or bracket.
    Mark(&'static str),
    /// The end of a logical line.
    End,
    /// Something invalid.
    Bad(String),
}

/// A token with its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    /// The line it starts on, from 1.
    pub(crate) line: usize,
    /// The column, in bytes.
    pub(crate) column: usize,
}

/// Longer operators first.
const MARKS: [&str; 40] = [
    "**=", "//=", "<<=", ">>=", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "<>", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "=", "+",
    "-", "*", "/", "%", "<", ">", "|",
];
/// Keywords that occur in no setting's value.
const RARE: [&str; 5] = ["&", "^", "~", "`", "@"];

struct Reader<'s> {
    source: &'s [u8],
    at: usize,
    line: usize,
    line_start: usize,
    /// The line of each open bracket.
    open: Vec<usize>,
    tokens: Vec<Placed>,
}

/// Splits a file into tokens. Invalid text is a [`Token::Bad`], and parsing continues with the next
/// line. A bracket that is never closed is returned separately: it has no place among the tokens.
pub(crate) fn tokens(source: &[u8]) -> (Vec<Placed>, Option<ParseError>) {
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    let mut reader =
        Reader { source, at: 0, line: 1, line_start: 0, open: Vec::new(), tokens: Vec::new() };
    while reader.at < source.len() {
        reader.step();
    }
    let unclosed = reader.open.first().map(|line| ParseError {
        line: *line,
        what: "a bracket is opened and never closed".to_owned(),
    });
    reader.push(Token::End, reader.at);
    (reader.tokens, unclosed)
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, token: Token, start: usize) {
        let column = start.saturating_sub(self.line_start);
        self.tokens.push(Placed { token, line: self.line, column });
    }

    fn next_line(&mut self) {
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
    }

    fn step(&mut self) {
        let start = self.at;
        match self.peek(0) {
            b'\n' => {
                if self.open.is_empty() {
                    self.push(Token::End, start);
                }
                self.next_line();
            }
            b' ' | b'\t' | b'\r' | b'\x0c' => self.at += 1,
            b'#' => self.skip_line(),
            b'\\' if self.peek(1) == b'\n' => {
                self.at += 1;
                self.next_line();
            }
            b'\\' if self.peek(1) == b'\r' && self.peek(2) == b'\n' => {
                self.at += 2;
                self.next_line();
            }
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'\'' | b'"' => self.string(start, false, false),
            letter if letter.is_ascii_alphabetic() || letter == b'_' => self.word(),
            _ => self.mark(),
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.source.len() && self.peek(0) != b'\n' {
            self.at += 1;
        }
    }

    /// Reports an error and skips the rest of the line.
    fn bad(&mut self, what: impl Into<String>, start: usize) {
        self.push(Token::Bad(what.into()), start);
        self.skip_line();
    }

    fn mark(&mut self) {
        let rest = &self.source[self.at..];
        let found = MARKS.iter().chain(&RARE).find(|mark| rest.starts_with(mark.as_bytes()));
        let Some(mark) = found.copied() else {
            let letter = String::from_utf8_lossy(&rest[..rest.len().min(4)]);
            let letter = letter.chars().next().unwrap_or('?');
            return self.bad(format!("{letter:?} has no meaning here"), self.at);
        };
        match mark {
            "(" | "[" | "{" => self.open.push(self.line),
            ")" | "]" | "}" => {
                self.open.pop();
            }
            _ => {}
        }
        self.push(Token::Mark(mark), self.at);
        self.at += mark.len();
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
            self.at += 1;
        }
        let word = &self.source[start..self.at];
        if matches!(self.peek(0), b'\'' | b'"') {
            let prefix = word.to_ascii_lowercase();
            if let b"r" | b"u" | b"b" | b"ur" | b"br" = prefix.as_slice() {
                return self.string(start, prefix.contains(&b'u'), prefix.contains(&b'r'));
            }
        }
        let name = String::from_utf8_lossy(word).into_owned();
        self.push(Token::Name(name), start);
    }

    fn number(&mut self) {
        let start = self.at;
        while self.peek(0).is_ascii_alphanumeric()
            || self.peek(0) == b'.'
            || (matches!(self.peek(0), b'+' | b'-')
                && matches!(self.source[self.at - 1], b'e' | b'E')
                && !is_hex(&self.source[start..self.at]))
        {
            self.at += 1;
        }
        let text = String::from_utf8_lossy(&self.source[start..self.at]).to_lowercase();
        match number(&text) {
            Some(token) => self.push(token, start),
            None => self.bad(format!("{text} is not a number of up to 64 bits"), start),
        }
    }

    /// A string whose quote is at the current position, and whose prefix is at `start`.
    fn string(&mut self, start: usize, unicode: bool, raw: bool) {
        let (line, line_start) = (self.line, self.line_start);
        let quote = self.peek(0);
        let long = self.peek(1) == quote && self.peek(2) == quote;
        self.at += if long { 3 } else { 1 };
        let body = self.at;
        loop {
            let ended = self.at >= self.source.len();
            match self.peek(0) {
                _ if ended => break,
                b'\n' if !long => break,
                b'\\' if self.at + 1 < self.source.len() => {
                    self.at += 1;
                    if self.peek(0) == b'\n' {
                        self.next_line();
                    } else {
                        self.at += 1;
                    }
                    continue;
                }
                b'\n' => self.next_line(),
                letter
                    if letter == quote
                        && (!long || (self.peek(1) == quote && self.peek(2) == quote)) =>
                {
                    let text = &self.source[body..self.at];
                    self.at += if long { 3 } else { 1 };
                    let token = if unicode {
                        unicode_text(text, raw).map(Token::Text)
                    } else {
                        Ok(Token::Bytes(if raw { lines(text) } else { bytes(text) }))
                    };
                    let token = token.unwrap_or_else(Token::Bad);
                    self.tokens.push(Placed { token, line, column: start - line_start });
                    return;
                }
                _ => self.at += 1,
            }
        }
        let what = "a string is opened and never closed".to_owned();
        self.tokens.push(Placed { token: Token::Bad(what), line, column: start - line_start });
    }
}

fn is_hex(text: &[u8]) -> bool {
    text.starts_with(b"0x") || text.starts_with(b"0X")
}

/// An int in any of Python 2's notations, or a float.
fn number(text: &str) -> Option<Token> {
    let digits = text.strip_suffix('l').unwrap_or(text);
    let radix = |prefix: &str, radix| {
        digits.strip_prefix(prefix).map(|digits| i64::from_str_radix(digits, radix).ok())
    };
    let other = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2));
    if let Some(parsed) = other {
        return parsed.map(Token::Int);
    }
    if digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let octal = digits.len() > 1 && digits.starts_with('0');
        return i64::from_str_radix(digits, if octal { 8 } else { 10 }).ok().map(Token::Int);
    }
    let shape = |letter: u8| letter.is_ascii_digit() || b".e+-".contains(&letter);
    let float: Option<f64> = text.bytes().all(shape).then(|| text.parse().ok())?;
    float.filter(|float| float.is_finite()).map(Token::Float)
}

/// Line ends as Python reads them.
fn lines(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut letters = text.iter().copied().peekable();
    while let Some(letter) = letters.next() {
        if letter != b'\r' || letters.peek() != Some(&b'\n') {
            out.push(letter);
        }
    }
    out
}

/// Decodes the escapes of a byte string. Unknown ones stay unchanged, as in Python.
fn bytes(text: &[u8]) -> Vec<u8> {
    let text = lines(text);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match escape(&text[at..], false) {
            Some((value, used)) => {
                out.extend(value.map(|value| value as u8));
                at += used;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// Decodes the escapes of a unicode string; in a raw one only those of characters.
fn unicode_text(text: &[u8], raw: bool) -> Result<String, String> {
    let text = lines(text);
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let found = match text[at..] {
            [b'\\', b'u' | b'U', ..] => escape(&text[at..], true),
            _ if raw => None,
            _ => escape(&text[at..], true),
        };
        match found {
            Some((value, used)) => {
                if let Some(value) = value {
                    let letter = char::from_u32(value)
                        .ok_or_else(|| format!("\\u{value:x} is not a character"))?;
                    out.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                }
                at += used;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    Ok(String::from_utf8(out)
        .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect()))
}

/// The meaning of an escape at the start of the text, and its length. A backslash before a
/// line end means nothing.
fn escape(text: &[u8], unicode: bool) -> Option<(Option<u32>, usize)> {
    let (b'\\', rest) = text.split_first()? else { return None };
    let first = *rest.first()?;
    let plain = |value: u32| Some((Some(value), 2));
    let digits = |count: usize| {
        let digits = std::str::from_utf8(rest.get(1..=count)?).ok()?;
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let value = all.then(|| u32::from_str_radix(digits, 16).ok())??;
        Some((Some(value), 2 + count))
    };
    match first {
        b'\n' => Some((None, 2)),
        b'\\' | b'\'' | b'"' => plain(u32::from(first)),
        b'a' => plain(7),
        b'b' => plain(8),
        b't' => plain(9),
        b'n' => plain(10),
        b'v' => plain(11),
        b'f' => plain(12),
        b'r' => plain(13),
        b'x' => digits(2),
        b'u' if unicode => digits(4),
        b'U' if unicode => digits(8),
        b'0'..=b'7' => {
            let octal = rest.iter().take(3).take_while(|digit| (b'0'..=b'7').contains(digit));
            let (value, count) = octal.fold((0, 0), |(value, count), digit| {
                (value * 8 + u32::from(digit - b'0'), count + 1)
            });
            Some((Some(value & 0xff), 1 + count))
        }
        _ => None,
    }
}
