//! A message prepared for the detectors.

use crate::origin;
use dormouse_mail::mime::{Part, structure};
use dormouse_mail::{AddressKey, Message, html};

/// The maximum length of the text above the returned message.
const MOST_TEXT: usize = 64 * 1024;
/// The maximum length of the subject.
const MOST_HEADER: usize = 1_000;
/// The maximum number of lines.
const MOST_LINES: usize = 2_000;
/// The number of lines that are searched for a reason.
const MOST_STORY: usize = 100;

/// A line, and the same in lower case for comparing phrases.
#[derive(Debug)]
pub(crate) struct Line {
    pub text: String,
    pub lower: String,
}

impl Line {
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub fn has(&self, phrase: &str) -> bool {
        self.lower.contains(phrase)
    }

    pub fn starts(&self, phrase: &str) -> bool {
        self.lower.trim_start().starts_with(phrase)
    }
}

/// A message that may be a bounce, prepared once for all detectors.
#[derive(Debug)]
pub struct BounceReport<'m> {
    pub(crate) message: &'m Message,
    pub(crate) root: Part,
    /// The visible text: the texts above the returned message.
    pub(crate) lines: Vec<Line>,
    /// The subject in lower case.
    pub(crate) subject: String,
    /// The recipients: texts may contain the sender of the returned message.
    pub(crate) to: Vec<AddressKey>,
    /// The From addresses.
    pub(crate) from: Vec<AddressKey>,
    /// Their display names in lower case.
    pub(crate) from_names: String,
    /// Whether it has the null sender; `None` if unknown.
    pub(crate) null_sender: Option<bool>,
}

impl<'m> BounceReport<'m> {
    /// Prepares a message.
    pub fn of(message: &'m Message, envelope_sender: Option<&str>) -> BounceReport<'m> {
        let root = structure(message);
        let addresses = |name| -> Vec<AddressKey> {
            let mailboxes = message.mailboxes(name).into_iter();
            mailboxes.map(|mailbox| mailbox.key()).collect()
        };
        BounceReport {
            lines: lines(message, &root),
            root,
            subject: start_of(message, "Subject"),
            to: addresses("To"),
            from: addresses("From"),
            from_names: start_of(message, "From"),
            null_sender: origin::null_sender(message, envelope_sender),
            message,
        }
    }

    /// Returns whether a mail system wrote it to report a problem.
    pub fn is_from_mail_system(&self) -> bool {
        origin::is_from_mail_system(self)
    }

    /// Returns the parts of the message, including the message itself, but not those of a returned
    /// message.
    pub(crate) fn parts(&self) -> Vec<&Part> {
        self.root.walk()
    }

    /// Returns a report within this message: gateways wrap the reports that they inspect, with or
    /// without their own text.
    pub(crate) fn wrapped(&self) -> Option<Message> {
        let part =
            self.parts().into_iter().find(|part| part.content_type.value == "message/rfc822")?;
        Some(Message::parse(part.decoded(self.message.body())))
    }

    /// Returns the visible text, without the quotation below.
    pub(crate) fn story(&self) -> String {
        let story = self
            .lines
            .iter()
            .take(MOST_STORY)
            .take_while(|line| !begins_original(line) && !begins_footer(line));
        story.map(|line| line.text.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Returns a part's text, truncated to the examined size.
    pub(crate) fn text_of(&self, part: &Part) -> String {
        text_of(self.message, part, MOST_TEXT)
    }

    /// Returns the lines after the first one that contains a phrase.
    pub(crate) fn after(&self, phrase: &str) -> Option<&[Line]> {
        self.lines.iter().position(|line| line.has(phrase)).map(|at| &self.lines[at + 1..])
    }

    /// Returns whether a header field, in lower case, begins with one of these prefixes.
    pub(crate) fn header_starts(&self, name: &str, starts: &[&str]) -> bool {
        let value = self.message.text(name).unwrap_or_default().to_lowercase();
        starts.iter().any(|start| value.starts_with(start))
    }
}

/// Returns the start of a header field's text, in lower case.
fn start_of(message: &Message, name: &str) -> String {
    let text = message.text(name).unwrap_or_default();
    text.chars().take(MOST_HEADER).flat_map(char::to_lowercase).collect()
}

fn lines(message: &Message, root: &Part) -> Vec<Line> {
    let mut all = String::new();
    let parts = root.walk();
    let leaves: Vec<&Part> = parts
        .into_iter()
        .filter(|part| part.parts.is_empty())
        .take_while(|part| !is_returned(part))
        .collect();
    let plain = |part: &&Part| kind(part) == "text/plain" && !part.content.is_empty();
    let has_plain = leaves.iter().any(plain);
    for part in leaves {
        let room = MOST_TEXT.saturating_sub(all.len());
        if room == 0 {
            break;
        }
        match kind(part) {
            "text/plain" => all.push_str(&text_of(message, part, room)),
            "text/html" if !has_plain => {
                all.push_str(&html::to_text_with(
                    &text_of(message, part, room),
                    html::Links::Omitted,
                ));
            }
            // Some systems write their text into a part of a private type.
            "text/delivery-status" | "text/x-delivery-status" => {
                all.push_str(&text_of(message, part, room));
            }
            _ => continue,
        }
        all.push('\n');
    }
    let mut lines: Vec<Line> = Vec::new();
    for text in all.lines().take(MOST_LINES) {
        let line = Line { text: text.to_owned(), lower: text.to_lowercase() };
        // The header of the returned message begins here.
        if !lines.is_empty() && (line.starts("received: from ") || line.starts("return-path:")) {
            break;
        }
        lines.push(line);
    }
    lines
}

/// Returns the type of a part without parts. A multipart without its boundary lines is treated as
/// text; so is one with garbage after its type.
fn kind(part: &Part) -> &str {
    let kind = part.content_type.value.as_str();
    if kind.starts_with("multipart/") {
        return "text/plain";
    }
    kind.split_whitespace().next().unwrap_or_default()
}

/// Returns whether the returned message follows a line.
pub(crate) fn begins_original(line: &Line) -> bool {
    const STARTS: &[&str] = &[
        "original message",
        "original mail",
        "the header of the original message",
        "below is a copy of",
        "below this line is a copy",
        "this is a copy of",
        "copy of your message",
        "copy of the message",
        "returned message",
        "unsent message",
        "message headers follow",
        "message header follows",
        "message text follows",
        "your original message",
    ];
    let plain = line.lower.trim_start_matches(['-', '=', '*', '>', '_', ' ', '\t']);
    STARTS.iter().any(|words| plain.starts_with(words))
}

/// Returns whether a virus scanner's standard text follows a line.
pub(crate) fn begins_footer(line: &Line) -> bool {
    line.starts("_____") || line.starts("*****") || line.has("been scanned")
}

/// Returns whether a part is the returned message or its header.
fn is_returned(part: &Part) -> bool {
    let kind = part.content_type.value.as_str();
    kind.starts_with("message/rfc822") || kind == "message/global" || kind.contains("-headers")
}

/// Returns a part's decoded text, truncated to at most `most` bytes without splitting a character.
fn text_of(message: &Message, part: &Part, most: usize) -> String {
    let mut part = part.clone();
    // Base64 and quoted-printable are longer than the decoded text.
    part.content.end = part.content.end.min(part.content.start + most * 3);
    let mut text = part.text(message.body());
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}
