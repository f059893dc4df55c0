//! A message as plain text: everything else is removed and replaced by its address
//! (docs/spec/archives.md §5). Archives, plain digests and, if the list wants it, posts consist of
//! such texts.
//!
//! [`scrub`] does not access the disk: it returns the text and the attachments, and the caller must
//! store these before using the text.

use crate::compose::Composed;
use crate::decorate::{is_flowed, without_flow};
use crate::mime::{self, Part};
use crate::{Message, date, html};
use dormouse_clock::Timestamp;
use sha1::{Digest, Sha1};
use std::collections::HashMap;

/// How a message is scrubbed.
#[derive(Debug, Clone)]
pub struct ScrubOptions<'o> {
    /// What happens to HTML.
    pub html: Html,
    /// Attachments keep the names from their senders as far as these are harmless; otherwise
    /// they are called `attachment`.
    pub keep_names: bool,
    /// The prefix of an attachment's address, ending with a slash; empty if attachments have no
    /// address:
    /// then only the path is named.
    pub base_url: &'o str,
    /// When the message was received; its day names the directory if the message has no date.
    pub received: Timestamp,
}

/// What happens to HTML (Mailman: ARCHIVE_HTML_SANITIZER). Its text replaces it if the
/// message has no plain text for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Html {
    /// It is removed.
    Remove,
    /// It is stored without anything that a browser would execute or load.
    Clean,
    /// It is stored as a page that shows its source.
    Escape,
    /// Its source stays in the text.
    Inline,
    /// It is stored unchanged.
    Store,
}

/// A message as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// The text, with LF line ends.
    pub text: String,
    /// The same in pieces.
    pub pieces: Vec<Piece>,
    /// The `format` and `delsp` parameters of the first text (RFC 3676).
    pub flow: Vec<(&'static str, String)>,
    /// The attachments, in the order of the message.
    pub attachments: Vec<Attachment>,
    /// The message was more than one text: something was removed, joined or converted.
    pub is_changed: bool,
}

/// The text of one part of the message, or its replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text, with LF line ends.
    pub text: String,
    /// Whether its lines flow (RFC 3676).
    pub is_flowed: bool,
    /// Whether the blank at the end of a flowed line is removed (RFC 3676 §4.2).
    pub deletes_space: bool,
    /// The attachment that it replaces.
    pub attachment: Option<usize>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its path below the directory of the list's archive:
    /// `attachments/YYYYMMDD/HHHHHHHH/NAME`. No component is `..` or begins with a dot.
    pub path: String,
    /// The content.
    pub content: Vec<u8>,
    /// The name from its sender; it may be empty, and must not be used for a file.
    pub name: String,
    /// The content type.
    pub content_type: String,
}

/// Scrubs a message. `is_taken` says whether a file with other content already has that path;
/// then the attachment gets another one. The same message always gets the same paths if
/// `is_taken` returns the same, so repeating the work after a crash changes nothing.
pub fn scrub<E>(
    message: &Message,
    options: &ScrubOptions<'_>,
    is_taken: impl FnMut(&str, &[u8]) -> Result<bool, E>,
) -> Result<Scrubbed, E> {
    let root = mime::structure(message);
    let is_changed = !is_kept_text(&root);
    let mut scrubber = Scrubber {
        body: message.body(),
        options,
        is_taken,
        dir: directory(message, options.received),
        pieces: Vec::new(),
        flow: None,
        attachments: Vec::new(),
        used: HashMap::new(),
        known: HashMap::new(),
        next: HashMap::new(),
    };
    scrubber.part(&root, message, false)?;
    let pieces = scrubber.pieces.iter().enumerate();
    let mut text = String::new();
    for (index, piece) in pieces {
        if index > 0 {
            text.push_str(NEXT_PART);
        }
        let is_last = index + 1 == scrubber.pieces.len();
        let closed = (piece.is_flowed && !is_last).then(|| without_flow(piece.text.as_bytes()));
        match closed.flatten() {
            Some(closed) => {
                text.push_str(&piece.text[..closed.len()]);
                text.push('\n');
            }
            None => text.push_str(&piece.text),
        }
    }
    Ok(Scrubbed {
        text,
        pieces: scrubber.pieces,
        flow: scrubber.flow.unwrap_or_default(),
        attachments: scrubber.attachments,
        is_changed,
    })
}

impl Scrubbed {
    /// Sets the message's content to the text. A message that was only a text stays unchanged.
    pub fn write_to(&self, message: &mut Message) {
        if !self.is_changed {
            return;
        }
        message.retain(|field| !field.name().to_ascii_lowercase().starts_with(b"content-"));
        message.set("MIME-Version", "1.0");
        let flow = self.flow.iter().map(|(name, value)| (*name, value.as_str()));
        Composed::text(&self.text, b"\n").with_parameters(flow).write_to(message);
    }
}

/// The separator between the texts of the parts, as in Mailman's archives.
const NEXT_PART: &str = "-------------- next part --------------\n";
/// The longest file name, in bytes.
const LONGEST_NAME: usize = 240;

/// Types that are harmless when a browser opens them, with their file extensions, the usual one
/// first. Any other extension is replaced: an archive must not contain files that a browser would
/// execute.
const HARMLESS: &[(&str, &[&str])] = &[
    ("text/plain", &["txt", "text", "log", "diff", "patch", "c", "h", "py", "rs", "sh", "tex"]),
    ("text/csv", &["csv"]),
    ("text/calendar", &["ics"]),
    ("text/vcard", &["vcf"]),
    ("text/x-vcard", &["vcf"]),
    ("text/x-patch", &["patch", "diff"]),
    ("text/x-diff", &["diff", "patch"]),
    ("text/rtf", &["rtf"]),
    ("image/png", &["png"]),
    ("image/jpeg", &["jpg", "jpeg", "jpe"]),
    ("image/gif", &["gif"]),
    ("image/webp", &["webp"]),
    ("image/tiff", &["tif", "tiff"]),
    ("image/bmp", &["bmp"]),
    ("image/heic", &["heic"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/ogg", &["ogg", "oga"]),
    ("audio/x-wav", &["wav"]),
    ("video/mp4", &["mp4"]),
    ("video/quicktime", &["mov"]),
    ("application/pdf", &["pdf"]),
    ("application/postscript", &["ps", "eps"]),
    ("application/rtf", &["rtf"]),
    ("application/msword", &["doc"]),
    ("application/vnd.ms-excel", &["xls"]),
    ("application/vnd.ms-powerpoint", &["ppt"]),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", &["pptx"]),
    ("application/vnd.oasis.opendocument.text", &["odt"]),
    ("application/vnd.oasis.opendocument.spreadsheet", &["ods"]),
    ("application/vnd.oasis.opendocument.presentation", &["odp"]),
    ("application/epub+zip", &["epub"]),
    ("application/zip", &["zip"]),
    ("application/gzip", &["gz", "tgz"]),
    ("application/x-tar", &["tar"]),
    ("application/x-bzip2", &["bz2"]),
    ("application/x-xz", &["xz"]),
    ("application/x-7z-compressed", &["7z"]),
    ("application/json", &["json"]),
    ("application/pgp-signature", &["sig", "asc"]),
    ("application/pgp-keys", &["asc", "key"]),
    ("application/pgp-encrypted", &["asc"]),
    ("application/pkcs7-signature", &["p7s"]),
    ("application/x-pkcs7-signature", &["p7s"]),
    ("application/pkcs7-mime", &["p7m"]),
    ("message/rfc822", &["eml"]),
    ("message/delivery-status", &["txt"]),
    ("text/rfc822-headers", &["txt"]),
];

struct Scrubber<'s, F> {
    body: &'s [u8],
    options: &'s ScrubOptions<'s>,
    is_taken: F,
    dir: String,
    pieces: Vec<Piece>,
    flow: Option<Vec<(&'static str, String)>>,
    attachments: Vec<Attachment>,
    /// The paths already used, with the attachment's index.
    used: HashMap<String, usize>,
    /// The paths found, by the first one tried and a hash of the content.
    known: HashMap<(String, [u8; 20]), String>,
    /// The last number tried for a path.
    next: HashMap<String, u32>,
}

impl<E, F: FnMut(&str, &[u8]) -> Result<bool, E>> Scrubber<'_, F> {
    /// `has_text`: another part has the same content as plain text.
    fn part(&mut self, part: &Part, header: &Message, has_text: bool) -> Result<(), E> {
        if !part.parts.is_empty() {
            let is_alternative = part.content_type.value == "multipart/alternative";
            let plain = |part: &Part| part.walk().into_iter().any(is_kept_text);
            let has_text = has_text || is_alternative && part.parts.iter().any(plain);
            for inner in &part.parts {
                self.part(inner, &inner.header(self.body), has_text)?;
            }
            return Ok(());
        }
        if self.body[part.content.clone()].is_empty() {
            return Ok(());
        }
        match part.content_type.value.as_str() {
            "text/plain" if is_kept_text(part) => {
                self.flow.get_or_insert_with(|| flow(part));
                self.add_text(&part.text(self.body));
                if let Some(piece) = self.pieces.last_mut() {
                    let delsp = part.content_type.parameter("delsp").unwrap_or_default();
                    piece.is_flowed = is_flowed(&part.content_type);
                    piece.deletes_space = delsp.trim().eq_ignore_ascii_case("yes");
                }
                Ok(())
            }
            "text/html" => self.html(part, header, has_text),
            "message/rfc822" => self.message(part),
            _ => {
                let content = part.decoded(self.body);
                self.take_out(part, header, "An attachment was removed from this message.", content)
            }
        }
    }

    fn html(&mut self, part: &Part, header: &Message, has_text: bool) -> Result<(), E> {
        let source = part.text(self.body);
        if self.options.html == Html::Inline {
            self.add_text(&source);
            return Ok(());
        }
        if !has_text {
            self.add_text(&html::to_text(&source));
        }
        let content = match self.options.html {
            Html::Store => part.decoded(self.body),
            Html::Clean => clean_page(&source).into_bytes(),
            Html::Escape => source_page(&source).into_bytes(),
            Html::Remove | Html::Inline => {
                if has_text {
                    self.add_text("The HTML form of this text was removed.\n");
                }
                return Ok(());
            }
        };
        self.take_out(part, header, "The HTML form of this text was removed.", content)
    }

    /// A message within the message.
    fn message(&mut self, part: &Part) -> Result<(), E> {
        let content = part.decoded(self.body);
        let inner = Message::parse_header_of(&content);
        let mut lines = "A message was removed from this message.\n".to_owned();
        for name in ["From", "Subject", "Date"] {
            if let Some(value) = inner.text(name) {
                lines.push_str(&format!("{name}: {}\n", one_line(&value)));
            }
        }
        self.keep(part, lines, content)
    }

    fn take_out(
        &mut self,
        part: &Part,
        header: &Message,
        what: &str,
        content: Vec<u8>,
    ) -> Result<(), E> {
        let mut lines = format!("{what}\n");
        if let Some(name) = part.file_name() {
            lines.push_str(&format!("Name: {}\n", one_line(&name)));
        }
        lines.push_str(&format!("Type: {}\n", one_line(&part.content_type.value)));
        if let Some(description) = header.text("Content-Description") {
            lines.push_str(&format!("Desc: {}\n", one_line(&description)));
        }
        self.keep(part, lines, content)
    }

    /// Finds a path for an attachment, and completes its lines.
    fn keep(&mut self, part: &Part, mut lines: String, content: Vec<u8>) -> Result<(), E> {
        let path = self.path(part, &content)?;
        lines.push_str(&format!("Size: {} bytes\n", content.len()));
        lines.push_str(&match self.options.base_url {
            "" => format!("File: {path}\n"),
            base_url => format!("URL: <{base_url}{path}>\n"),
        });
        let place = *self.used.entry(path.clone()).or_insert(self.attachments.len());
        if place == self.attachments.len() {
            let name = part.file_name().map(|name| one_line(&name)).unwrap_or_default();
            let content_type = one_line(&part.content_type.value);
            self.attachments.push(Attachment { path, content, name, content_type });
        }
        self.add_text(&lines);
        if let Some(piece) = self.pieces.last_mut() {
            piece.attachment = Some(place);
        }
        Ok(())
    }

    /// The same for the same name and content.
    fn path(&mut self, part: &Part, content: &[u8]) -> Result<String, E> {
        let (stem, ending) = self.name(part);
        let first = format!("{}{stem}.{ending}", self.dir);
        let key = (first.clone(), Sha1::digest(content).into());
        if let Some(path) = self.known.get(&key) {
            return Ok(path.clone());
        }
        let mut path = first.clone();
        while self.used.contains_key(&path) || (self.is_taken)(&path, content)? {
            let next = self.next.entry(first.clone()).or_default();
            *next += 1;
            path = format!("{}{stem}-{next:04}.{ending}", self.dir);
        }
        self.known.insert(key, path.clone());
        Ok(path)
    }

    /// The name of a file, and its extension without the dot.
    fn name(&self, part: &Part) -> (String, String) {
        let given = part.file_name().unwrap_or_default();
        let last = given.rsplit(['/', '\\', ':']).next().unwrap_or_default();
        let kept = |letter: char| match letter {
            ' ' => Some('_'),
            '-' | '_' | '.' => Some(letter),
            _ => letter.is_ascii_alphanumeric().then_some(letter),
        };
        let clean: String = last.trim().chars().filter_map(kept).collect();
        let clean = clean.trim_start_matches('.');
        let (stem, ending) = clean.rsplit_once('.').unwrap_or((clean, ""));
        let ending = self.ending(&part.content_type.value, &ending.to_ascii_lowercase());
        let stem = stem.trim_end_matches('.');
        if stem.is_empty() || !self.options.keep_names {
            return ("attachment".to_owned(), ending);
        }
        // Leave room for a dot and for a number.
        let room = LONGEST_NAME - ending.len() - 12;
        (stem.chars().take(room).collect(), ending)
    }

    fn ending(&self, content_type: &str, given: &str) -> String {
        if content_type == "text/html" {
            return "html".to_owned();
        }
        let is_given = |(_, endings): &&(&str, &[&str])| endings.contains(&given);
        if self.options.keep_names && HARMLESS.iter().any(|row| is_given(&row)) {
            return given.to_owned();
        }
        let row = HARMLESS.iter().find(|(name, _)| *name == content_type);
        row.map_or("bin", |(_, endings)| endings[0]).to_owned()
    }

    fn add_text(&mut self, text: &str) {
        let mut text = text.replace("\r\n", "\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.pieces.push(Piece { text, is_flowed: false, deletes_space: false, attachment: None });
    }
}

/// An inline text. A file without a charset is not one: its bytes may be anything.
fn is_kept_text(part: &Part) -> bool {
    part.content_type.value == "text/plain"
        && (part.disposition.value != "attachment" || !part.charset().is_empty())
}

fn flow(part: &Part) -> Vec<(&'static str, String)> {
    let safe = |value: &&str| value.chars().all(|letter| letter.is_ascii_alphanumeric());
    ["format", "delsp"]
        .into_iter()
        .filter_map(|name| Some((name, part.content_type.parameter(name).filter(safe)?.to_owned())))
        .collect()
}

/// `attachments/YYYYMMDD/HHHHHHHH/`: the day in the Date field, and eight
/// digits of a hash of the Message-ID, or of the whole message if there is none.
fn directory(message: &Message, received: Timestamp) -> String {
    let written = message.field("Date").and_then(|field| date::written_day(&field.unfolded()));
    let day = written.unwrap_or_else(|| date::day(received).replace('-', ""));
    let name = match message.field("Message-ID") {
        Some(field) => directory_name(field.value()),
        None => directory_name(&message.to_bytes()),
    };
    format!("attachments/{day}/{name}/")
}

/// The directory's name for attachments of messages with that Message-ID, which is given
/// as in its field.
pub fn directory_name(message_id: &[u8]) -> String {
    let hashed = Sha1::digest(message_id);
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}{}", digits(&hashed[..2]), digits(&hashed[18..]))
}

/// A page that shows HTML as far as it is harmless. Its own policy prevents it from loading anything,
/// should some of it be harmful after all.
fn clean_page(source: &str) -> String {
    let Some(clean) = html::clean(source) else { return source_page(source) };
    format!(
        "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>HTML</title>\n{clean}\n"
    )
}

/// A page that shows the source of HTML. Browsers do nothing else with it.
fn source_page(source: &str) -> String {
    let mut page = "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<tt>\n".to_owned();
    for line in source.lines() {
        for letter in line.chars() {
            match letter {
                '&' => page.push_str("&amp;"),
                '<' => page.push_str("&lt;"),
                '>' => page.push_str("&gt;"),
                '"' => page.push_str("&quot;"),
                ' ' => page.push_str("&nbsp;"),
                _ => page.push(letter),
            }
        }
        page.push_str("<br>\n");
    }
    page + "</tt>\n"
}

fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests;
