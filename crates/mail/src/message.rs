//! A message as header fields and a body.

use crate::AddressKey;
use crate::address::{Mailbox, parse_list};
use crate::encoded_word;
use crate::field::{Field, name_of};
use memchr::memchr;
use std::collections::HashSet;
use std::ops::Range;

/// The maximum number of addresses from which a message may come.
pub const MOST_SENDERS: usize = 20;

/// A message. Untouched parts are spans of the received bytes.
#[derive(Debug, Clone)]
pub struct Message {
    raw: Vec<u8>,
    unix_from: Range<usize>,
    fields: Vec<Piece>,
    /// The empty line between header and body, as received.
    blank: Piece,
    body: Piece,
    /// The body had no empty line before it: its first line is not a header field.
    runs_on: bool,
    eol: &'static [u8],
}

#[derive(Debug, Clone)]
enum Piece {
    Span(Range<usize>),
    Own(Vec<u8>),
}

impl Piece {
    fn bytes<'m>(&'m self, raw: &'m [u8]) -> &'m [u8] {
        match self {
            Piece::Span(span) => &raw[span.clone()],
            Piece::Own(bytes) => bytes,
        }
    }
}

impl Message {
    /// Parses any bytes. A first line that begins with `From ` belongs to an mbox, and not to the
    /// message. The header ends with an empty line, or before the first line that is not a field.
    pub fn parse(raw: impl Into<Vec<u8>>) -> Message {
        let raw = raw.into();
        let unix_from = if raw.starts_with(b"From ") { 0..line_end(&raw, 0) } else { 0..0 };
        Message::parse_header(raw, unix_from)
    }

    fn parse_header(raw: Vec<u8>, unix_from: Range<usize>) -> Message {
        let mut at = unix_from.end;
        let first = line_end(&raw, at);
        let eol: &[u8] = if raw[at..first].ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        let mut fields: Vec<Range<usize>> = Vec::new();
        let mut blank = None;
        while at < raw.len() {
            let end = line_end(&raw, at);
            match HeaderLine::of(&raw[at..end]) {
                HeaderLine::Empty => {
                    blank = Some(at..end);
                    break;
                }
                HeaderLine::None => break,
                HeaderLine::Fold if !fields.is_empty() => {
                    let last = fields.len() - 1;
                    fields[last].end = end;
                }
                HeaderLine::Fold | HeaderLine::Field => fields.push(at..end),
            }
            at = end;
        }
        let runs_on = blank.is_none() && at < raw.len();
        // `From here on …`
        if runs_on && fields.len() > 1 {
            let last = fields.pop_if(|last| raw[last.clone()].starts_with(b"From "));
            at = last.map_or(at, |last| last.start);
        }
        let blank = blank.unwrap_or(at..at);
        let body = blank.end..raw.len();
        Message {
            raw,
            unix_from,
            fields: fields.into_iter().map(Piece::Span).collect(),
            blank: Piece::Span(blank),
            body: Piece::Span(body),
            runs_on,
            eol,
        }
    }

    /// Parses a message in which a first line that begins with `From ` is an ordinary line.
    pub fn parse_mail(raw: Vec<u8>) -> Message {
        Message::parse_header(raw, 0..0)
    }

    /// Parses a part of a multipart, in which a line that begins with `From ` is an ordinary line.
    pub(crate) fn parse_part(raw: &[u8]) -> Message {
        Message::parse_header(raw.to_vec(), 0..0)
    }

    /// Parses the header of a part. `has_content`: something follows it.
    pub(crate) fn parse_head(raw: &[u8], has_content: bool) -> Message {
        let header = Message::parse_part(raw);
        Message { runs_on: has_content && !header.ends_header(), ..header }
    }

    /// Parses only the header of a message.
    pub fn parse_header_of(raw: &[u8]) -> Message {
        let mut end = if raw.starts_with(b"From ") { line_end(raw, 0) } else { 0 };
        while end < raw.len() {
            let line = end..line_end(raw, end);
            match HeaderLine::of(&raw[line.clone()]) {
                HeaderLine::None => break,
                HeaderLine::Empty => {
                    end = line.end;
                    break;
                }
                HeaderLine::Field | HeaderLine::Fold => end = line.end,
            }
        }
        Message::parse(&raw[..end])
    }

    /// The header by itself, with the mbox line and the empty line after it.
    pub fn without_body(&self) -> Message {
        let mut raw = self.raw[self.unix_from.clone()].to_vec();
        let unix_from = 0..raw.len();
        for piece in self.fields.iter().chain([&self.blank]) {
            raw.extend_from_slice(piece.bytes(&self.raw));
        }
        Message { eol: self.eol, runs_on: self.runs_on, ..Message::parse_header(raw, unix_from) }
    }

    /// Whether a body that begins with such bytes may follow the header as it is: there is an
    /// empty line after it, or there was none originally.
    pub(crate) fn leads_to(&self, body: &[u8]) -> bool {
        let line = &body[..line_end(body, 0)];
        self.ends_header() || self.runs_on && matches!(HeaderLine::of(line), HeaderLine::None)
    }

    /// Whether there is an empty line after the header.
    pub(crate) fn ends_header(&self) -> bool {
        !self.blank.bytes(&self.raw).is_empty()
    }

    /// Puts back a body that was removed.
    pub(crate) fn with_body(mut self, body: Vec<u8>) -> Message {
        if self.leads_to(&body) {
            self.body = Piece::Own(body);
        } else {
            self.set_body(body);
        }
        self
    }

    /// The mbox `From ` line, without its line end.
    pub fn unix_from(&self) -> Option<&[u8]> {
        (!self.unix_from.is_empty()).then(|| self.raw[self.unix_from.clone()].trim_ascii_end())
    }

    /// Removes the mbox `From ` line.
    pub fn forget_unix_from(&mut self) {
        self.unix_from = 0..0;
    }

    /// The header fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter().map(|piece| Field { raw: piece.bytes(&self.raw) })
    }

    /// The first field of that name.
    pub fn field(&self, name: &str) -> Option<Field<'_>> {
        self.fields().find(|field| field.is(name))
    }

    /// All fields of that name.
    pub fn fields_named(&self, name: &str) -> impl Iterator<Item = Field<'_>> {
        self.fields().filter(move |field| field.is(name))
    }

    /// The first field's text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name).map(|field| field.text())
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// Sets a field to a text, encoded if necessary and folded. It replaces the first
    /// one of that name; others are removed. If there is none, it is added at the end.
    pub fn set(&mut self, name: &str, text: &str) {
        self.set_raw(name, encoded(name, text).as_bytes());
    }

    /// Sets a field to a text unless there is a field of that name.
    pub fn set_default(&mut self, name: &str, text: &str) {
        if !self.has(name) {
            self.set(name, text);
        }
    }

    /// Adds a field with a text at the end.
    pub fn append(&mut self, name: &str, text: &str) {
        let value = encoded_word::encode(text, room(name));
        self.append_raw(name, value.as_bytes());
    }

    /// Adds a field with a text at the beginning.
    pub fn prepend(&mut self, name: &str, text: &str) {
        let value = encoded_word::encode(text, room(name));
        let piece = self.piece(name, value.as_bytes());
        self.separate();
        self.fields.insert(0, piece);
    }

    /// Sets a field to a value that is already encoded and folded.
    pub fn set_raw(&mut self, name: &str, value: &[u8]) {
        let piece = self.piece(name, value);
        let place = self.fields().position(|field| field.is(name));
        match place {
            Some(place) => {
                self.separate();
                self.fields[place] = piece;
                let raw = &self.raw;
                let mut index = 0;
                self.fields.retain(|piece| {
                    index += 1;
                    index - 1 <= place || !(Field { raw: piece.bytes(raw) }).is(name)
                });
            }
            None => self.push(piece),
        }
    }

    /// Gives fields new values, each by its index, already encoded and folded.
    pub(crate) fn replace_values(&mut self, names: &[String], values: &[Option<String>]) {
        self.separate();
        for (place, (name, value)) in names.iter().zip(values).enumerate() {
            if let Some(value) = value {
                self.fields[place] = if name.is_empty() {
                    // A stray line of an mbox: it has no meaning.
                    Piece::Own(Vec::new())
                } else {
                    self.piece(name, value.as_bytes())
                };
            }
        }
    }

    /// Adds a field with an already encoded and folded value at the end.
    pub fn append_raw(&mut self, name: &str, value: &[u8]) {
        let piece = self.piece(name, value);
        self.push(piece);
    }

    /// Removes every field of that name, and returns how many there were.
    pub fn remove(&mut self, name: &str) -> usize {
        let before = self.fields.len();
        self.retain(|field| !field.is(name));
        before - self.fields.len()
    }

    /// Keeps the fields for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Field<'_>) -> bool) {
        let raw = &self.raw;
        self.fields.retain(|piece| keep(&Field { raw: piece.bytes(raw) }));
    }

    /// Everything after the header.
    pub fn body(&self) -> &[u8] {
        self.body.bytes(&self.raw)
    }

    /// Replaces the body.
    pub fn set_body(&mut self, body: Vec<u8>) {
        if self.blank.bytes(&self.raw).is_empty() {
            self.end_header();
            self.blank = Piece::Own(self.eol.to_vec());
        }
        self.runs_on = false;
        self.body = Piece::Own(body);
    }

    /// The message's line end; new fields have the same.
    pub fn eol(&self) -> &'static [u8] {
        self.eol
    }

    /// The whole message except the mbox line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len() + 1024);
        self.write_to(&mut out);
        out
    }

    /// Appends the whole message except the mbox line.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        for piece in self.fields.iter().chain([&self.blank, &self.body]) {
            out.extend_from_slice(piece.bytes(&self.raw));
        }
    }

    /// The addresses in every field of that name.
    pub fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.fields_named(name).flat_map(|field| parse_list(&field.unfolded())).collect()
    }

    /// All addresses from which the message may come, without duplicates: From, the mbox line,
    /// Reply-To, Sender (docs/spec/pipeline.md "Sender notions"). Only the first [`MOST_SENDERS`],
    /// because each of them costs a lookup.
    pub fn senders(&self) -> Vec<AddressKey> {
        let from = self.mailboxes("From").into_iter().map(|mailbox| mailbox.address);
        let rest = ["Reply-To", "Sender"]
            .into_iter()
            .flat_map(|name| self.mailboxes(name))
            .map(|mailbox| mailbox.address);
        let mut known = HashSet::new();
        from.chain(self.unix_sender())
            .chain(rest)
            .map(|address| AddressKey::of(&address))
            .filter(|address| !address.is_empty() && known.insert(address.clone()))
            .take(MOST_SENDERS)
            .collect()
    }

    /// The sender: the first usable address of From, of Sender, of the mbox line.
    pub fn sender(&self) -> Option<AddressKey> {
        ["From", "Sender"]
            .into_iter()
            .flat_map(|name| self.mailboxes(name))
            .map(|mailbox| mailbox.address)
            .chain(self.unix_sender())
            .map(|address| AddressKey::of(&address))
            .find(|address| !address.is_empty())
    }

    fn unix_sender(&self) -> Option<String> {
        let word = self.unix_from()?.split(|&byte| byte == b' ').nth(1)?;
        let address = String::from_utf8_lossy(word).trim_matches(['<', '>']).to_owned();
        address.contains('@').then_some(address)
    }

    /// A field's bytes with its line end. A line feed in the value that does not fold would end
    /// the field and begin another one: it becomes a fold.
    fn piece(&self, name: &str, value: &[u8]) -> Piece {
        let mut bytes = Vec::with_capacity(name.len() + value.len() + 4);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        let mut lines =
            value.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        bytes.extend_from_slice(lines.next().unwrap_or_default());
        for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
            bytes.extend_from_slice(self.eol);
            if !matches!(line.first(), Some(b' ' | b'\t')) {
                bytes.push(b' ');
            }
            bytes.extend_from_slice(line);
        }
        bytes.extend_from_slice(self.eol);
        Piece::Own(bytes)
    }

    /// A changed header gets the empty line that was missing after it: otherwise other programs may
    /// interpret the next line in any way.
    fn separate(&mut self) {
        if std::mem::take(&mut self.runs_on) && !self.body().is_empty() {
            self.end_header();
            self.blank = Piece::Own(self.eol.to_vec());
        }
    }

    fn push(&mut self, piece: Piece) {
        self.separate();
        self.end_header();
        self.fields.push(piece);
    }

    /// The last field of a truncated message gets a line end.
    fn end_header(&mut self) {
        let raw = &self.raw;
        if let Some(last) = self.fields.last_mut() {
            let bytes = last.bytes(raw);
            if !bytes.ends_with(b"\n") {
                *last = Piece::Own([bytes, self.eol].concat());
            }
        }
    }
}

/// The meaning of a line in a header.
pub(crate) enum HeaderLine {
    /// It ends the header.
    Empty,
    /// It continues the previous field.
    Fold,
    /// It begins a field, or is a stray mbox line.
    Field,
    /// It is part of the body.
    None,
}

impl HeaderLine {
    pub(crate) fn of(line: &[u8]) -> HeaderLine {
        match line {
            b"\n" | b"\r\n" => HeaderLine::Empty,
            [b' ' | b'\t', ..] => HeaderLine::Fold,
            _ if line.starts_with(b"From ") || !name_of(line).is_empty() => HeaderLine::Field,
            _ => HeaderLine::None,
        }
    }
}

pub(crate) fn line_end(raw: &[u8], start: usize) -> usize {
    memchr(b'\n', &raw[start..]).map_or(raw.len(), |at| start + at + 1)
}

/// A text as the value of the field of that name: encoded if necessary, folded.
pub fn encoded(name: &str, text: &str) -> String {
    encoded_word::encode(text, room(name))
}

/// The room on a line of 78 characters after a name.
fn room(name: &str) -> usize {
    76usize.saturating_sub(name.len())
}

#[cfg(test)]
mod tests;
