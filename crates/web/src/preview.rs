//! A post as moderators see it: complete, but nothing of it runs or is loaded from elsewhere.

use crate::page::Frame;
use dormouse_mail::{Message, html, mime};

/// The maximum length of the text shown, in characters.
const SHOWN: usize = 20_000;
/// Larger HTML is not shown, in bytes.
const LARGEST_HTML: usize = 200_000;
/// The numbers of header fields, and of characters of each.
const FIELDS: usize = 100;
const FIELD: usize = 1000;

/// Header fields of spam filters, and about the sender's authentication.
const VERDICTS: [&str; 8] = [
    "Authentication-Results",
    "ARC-Authentication-Results",
    "Received-SPF",
    "X-Spam-Status",
    "X-Spam-Flag",
    "X-Spam-Score",
    "X-Spam-Level",
    "X-Rspamd-Score",
];

/// A post as it is shown.
#[derive(Debug, Default)]
pub struct Preview {
    pub from: String,
    pub date: String,
    pub text: String,
    pub is_cut: bool,
    /// Its HTML without anything that a browser would run or load.
    pub html: Option<String>,
    /// What is not shown: name, type and size.
    pub attachments: Vec<String>,
    pub verdicts: Vec<(String, String)>,
    pub header: Vec<(String, String)>,
}

impl Preview {
    /// Creates the preview of a message.
    pub fn of(message: &Message, frame: &Frame) -> Preview {
        let root = mime::structure(message);
        let parts = root.walk();
        let page = parts.iter().find(|part| part.content_type.value == "text/html");
        let page = page.filter(|part| part.content.len() <= LARGEST_HTML);
        let text = mime::first_text(message).unwrap_or_default();
        let (text, is_cut) = cut(&text, SHOWN);
        let fields = || {
            message.fields().take(FIELDS).map(|field| {
                let name = String::from_utf8_lossy(field.name()).into_owned();
                let value = message_text(message, &name, field.value());
                (name, cut(&value, FIELD).0)
            })
        };
        let is_verdict = |name: &str| VERDICTS.iter().any(|known| known.eq_ignore_ascii_case(name));
        let field = |name: &str| message.text(name).unwrap_or_default();
        Preview {
            from: field("From"),
            date: field("Date"),
            text,
            is_cut,
            html: page.and_then(|part| html::clean(&part.text(message.body()))),
            attachments: parts.iter().filter_map(|part| attachment(part, frame)).collect(),
            verdicts: fields().filter(|(name, _)| is_verdict(name)).collect(),
            header: fields().collect(),
        }
    }
}

fn message_text(message: &Message, name: &str, raw: &[u8]) -> String {
    // A field that occurs once is decoded; repeated ones are shown raw.
    let is_alone = message.fields_named(name).count() == 1;
    let decoded = is_alone.then(|| message.text(name)).flatten();
    decoded.unwrap_or_else(|| String::from_utf8_lossy(raw).trim().to_owned())
}

/// The beginning of a text, and whether it was cut.
pub fn cut(text: &str, letters: usize) -> (String, bool) {
    match text.char_indices().nth(letters) {
        Some((end, _)) => (text[..end].to_owned(), true),
        None => (text.to_owned(), false),
    }
}

fn attachment(part: &mime::Part, frame: &Frame) -> Option<String> {
    if !part.parts.is_empty() || part.content_type.value == "text/plain" {
        return None;
    }
    let name = part.file_name().unwrap_or_else(|| frame.say("(no name)").to_string());
    let size = frame.count("{count} byte", "{count} bytes", part.content.len());
    Some(format!("{name} ({}, {size})", part.content_type.value))
}
