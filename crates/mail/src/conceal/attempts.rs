//! Finding what looks like a password in a message.

use super::*;

/// A possible password in a message.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Attempts {
    /// In the message's own header.
    pub in_header: Option<String>,
    /// In the first non-blank line of the text.
    pub in_text: Option<String>,
    /// Directly below that line.
    pub below: Vec<String>,
    /// Anywhere else: in further lines, other fields, attached messages. Also variants of the
    /// above, because lines may have been broken or joined.
    pub elsewhere: Vec<String>,
}

/// The maximum number of different values of each kind, which is more than anybody tries. Each is
/// searched in the whole message, so the work is their number times its size.
const MOST: usize = 50;

impl Attempts {
    /// Whether somebody tried to approve the message.
    pub fn is_meant(&self) -> bool {
        self.in_header.is_some() || self.in_text.is_some()
    }

    fn add(&mut self, reading: &str) {
        let reading = reading.trim_matches(is_blank);
        if !reading.is_empty()
            && reading.len() <= LONGEST
            && self.elsewhere.len() < MOST
            && !self.elsewhere.iter().any(|known| known == reading)
        {
            self.elsewhere.push(reading.to_owned());
        }
    }

    /// The value after a label: unchanged, its first word without surrounding marks, and joined with
    /// the next line, where it may have been broken.
    fn add_readings(&mut self, value: &str, next: Option<&str>) {
        self.add(value);
        let around = |letter: char| is_blank(letter) || "\"'`<>()[]*_.,;!“”„‘’«»".contains(letter);
        self.add(value.trim_matches(around));
        if let Some(word) = value.split(is_blank).next() {
            self.add(word);
            self.add(word.trim_matches(around));
        }
        if let Some(next) = next {
            self.add(&format!("{} {}", value.trim_matches(is_blank), next.trim_matches(is_blank)));
            self.add(&format!("{}{}", value.trim_matches(is_blank), next.trim_matches(is_blank)));
        }
    }
}

/// Finds possible passwords in a message. Nearly no message has any.
pub fn attempts(message: &Message) -> Attempts {
    let mut found = Attempts::default();
    collect(message, &mut found, 0);
    found
}

fn collect(message: &Message, found: &mut Attempts, depth: usize) {
    let is_own = depth == 0;
    for name in NAMES {
        for field in message.fields_named(name) {
            let value = field.text();
            if is_own && found.in_header.is_none() {
                found.in_header = Some(value.trim_matches(is_blank).to_owned());
            }
            found.add_readings(&value, None);
        }
    }
    collect_from_fields(message, found);
    let body = message.body();
    let root = mime::structure(message);
    let mut texts = 0;
    for part in root.walk() {
        if !part.head.is_empty() {
            let header = part.header(body);
            for name in NAMES {
                header.fields_named(name).for_each(|field| found.add_readings(&field.text(), None));
            }
            collect_from_fields(&header, found);
        }
        if !part.parts.is_empty() {
            for gap in gaps(part) {
                collect_from_lines(&charset::decode_raw(&body[gap]), found, false);
            }
            continue;
        }
        if let Some(inner) = inner_message(part, body) {
            if depth < DEEPEST {
                collect(&inner, found, depth + 1);
            }
            continue;
        }
        let decoded = part.decoded(body);
        let is_wide = part.charset().starts_with("utf-16") || part.charset().starts_with("utf-32");
        if !mentions_a_name(&decoded) && !is_wide {
            texts += usize::from(part.main_type() == "text");
            continue;
        }
        let Some(text) = text_of(part, &decoded) else { continue };
        let is_first = is_own && texts == 0 && part.main_type() == "text";
        texts += usize::from(part.main_type() == "text");
        collect_from_lines(&shown(part, &text).text, found, is_first);
    }
}

/// `Subject: Approved: PASSWORD` and the like.
fn collect_from_fields(header: &Message, found: &mut Attempts) {
    for field in header.fields() {
        if mentions_a_name(field.raw) && !NAMES.iter().any(|name| field.is(name)) {
            let text = field.text();
            for (at, _) in text.match_indices([':', '：']) {
                let start = text[..at].rfind(is_blank).map_or(0, |blank| blank + 1);
                let start = (start..=at).find(|&start| text.is_char_boundary(start)).unwrap_or(at);
                if let Some(value) = named(&text[start..]) {
                    found.add_readings(value, None);
                }
            }
        }
    }
}

fn collect_from_lines(text: &str, found: &mut Attempts, is_first: bool) {
    let lines: Vec<&str> = text.lines().collect();
    // At the top of the text: nothing else has been seen yet.
    let mut is_top = is_first;
    for (number, line) in lines.iter().enumerate() {
        let Some(value) = named(line) else {
            is_top = is_top && line.trim_matches(is_blank).is_empty();
            continue;
        };
        let next = lines[number + 1..].iter().find(|line| !line.trim_matches(is_blank).is_empty());
        if is_top && !value.is_empty() {
            if found.in_text.is_none() {
                found.in_text = Some(value.to_owned());
            } else if found.below.len() < MOST && !found.below.iter().any(|known| known == value) {
                found.below.push(value.to_owned());
            }
        }
        found.add_readings(value, next.copied().filter(|_| is_top || value.is_empty()));
    }
}
