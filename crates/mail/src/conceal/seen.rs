//! A text as a reader sees it, with the place in the source of each character: the same
//! words look different in plain text, HTML and RTF.

use crate::charset;
use std::ops::Range;
use unicode_normalization::char::decompose_compatible;

/// Characters, and where they come from.
#[derive(Debug, Default)]
pub struct Seen {
    /// The visible text.
    pub text: String,
    runs: Vec<Run>,
}

/// A span of the text. If it is as long as its source, they are equal; otherwise it is one character
/// that the source writes differently.
#[derive(Debug)]
struct Run {
    text: Range<usize>,
    source: Range<usize>,
}

impl Run {
    fn is_verbatim(&self) -> bool {
        self.text.len() == self.source.len()
    }
}

impl Seen {
    fn push(&mut self, letter: char, source: Range<usize>) {
        let start = self.text.len();
        self.text.push(letter);
        let text = start..self.text.len();
        if let Some(last) = self.runs.last_mut()
            && last.is_verbatim()
            && text.len() == source.len()
            && last.source.end == source.start
        {
            last.text.end = text.end;
            last.source.end = source.end;
            return;
        }
        self.runs.push(Run { text, source });
    }

    /// A text without markup.
    pub fn plain(source: &str) -> Seen {
        let whole = 0..source.len();
        let runs = vec![Run { text: whole.clone(), source: whole }];
        Seen { text: source.to_owned(), runs }
    }

    /// HTML without tags. Tags that begin or end a line become line ends.
    pub fn html(source: &str) -> Seen {
        let mut seen = Seen::default();
        let mut at = 0;
        let last_close = memchr::memrchr(b'>', source.as_bytes()).unwrap_or(0);
        while let Some(letter) = source[at..].chars().next() {
            let rest = &source[at..];
            // After the last `>` there are no tags, so stop looking for them.
            let tag = if letter == '<' && at < last_close { tag(rest) } else { None };
            if let Some((length, is_break)) = tag {
                if is_break {
                    seen.push('\n', at..at);
                }
                at += length;
                continue;
            }
            at = seen.entity_or(letter, source, at);
        }
        seen
    }

    /// The source with its escapes decoded, including tags: to find text in attributes and addresses.
    pub fn unescaped(source: &str) -> Seen {
        let mut seen = Seen::default();
        let mut at = 0;
        while let Some(letter) = source[at..].chars().next() {
            at = match letter {
                '%' => seen.percent(source, at),
                _ => seen.entity_or(letter, source, at),
            };
        }
        seen
    }

    /// RTF without its control words.
    pub fn rtf(source: &str) -> Seen {
        let mut seen = Seen::default();
        let mut at = 0;
        while let Some(letter) = source[at..].chars().next() {
            let end = at + letter.len_utf8();
            at = match letter {
                '\\' => seen.control(source, at),
                '{' | '}' | '\r' | '\n' => end,
                _ => {
                    seen.push(letter, at..end);
                    end
                }
            };
        }
        seen
    }

    fn entity_or(&mut self, letter: char, source: &str, at: usize) -> usize {
        let end = at + letter.len_utf8();
        if letter == '&'
            && source[end..].starts_with(|next: char| next == '#' || next.is_ascii_alphabetic())
        {
            let name: usize = source[end..]
                .bytes()
                .take(32)
                .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#')
                .count();
            let has_end = source[end + name..].starts_with(';');
            let stop = end + name + usize::from(has_end);
            let entity = format!("{};", source[at..stop].trim_end_matches(';'));
            let decoded = html_escape::decode_html_entities(&entity);
            if *decoded != *entity {
                for letter in decoded.chars() {
                    self.push(letter, at..stop);
                }
                return stop;
            }
        }
        self.push(letter, at..end);
        end
    }

    /// A run of `%C3%BC`.
    fn percent(&mut self, source: &str, at: usize) -> usize {
        let digits = |at: usize| {
            let digits = source.as_bytes().get(at..at + 3)?;
            let is_escape = digits[0] == b'%' && digits[1..].iter().all(u8::is_ascii_hexdigit);
            is_escape.then(|| u8::from_str_radix(&source[at + 1..at + 3], 16).ok()).flatten()
        };
        let mut bytes = Vec::new();
        let mut end = at;
        while let Some(byte) = digits(end) {
            bytes.push(byte);
            end += 3;
        }
        if bytes.is_empty() {
            self.push('%', at..at + 1);
            return at + 1;
        }
        let is_text = std::str::from_utf8(&bytes).is_ok();
        let mut place = at;
        for letter in charset::decode_raw(&bytes).chars() {
            let length = 3 * if is_text { letter.len_utf8() } else { 1 };
            self.push(letter, place..place + length);
            place += length;
        }
        end
    }

    /// A control word or an escaped letter of RTF.
    fn control(&mut self, source: &str, at: usize) -> usize {
        let bytes = source.as_bytes();
        let after = at + 1;
        match bytes.get(after) {
            Some(b'\'') => {
                let code = source.get(after + 1..after + 3);
                match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                    Some(byte) => {
                        let decoded = charset::decode("windows-1252", &[byte]);
                        decoded.chars().for_each(|letter| self.push(letter, at..after + 3));
                        after + 3
                    }
                    None => after + 1,
                }
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                let word =
                    bytes[after..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                let digits = after + word;
                let number = bytes[digits..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit() || **byte == b'-')
                    .count();
                let mut end = digits + number;
                if &source[after..digits] == "u"
                    && let Ok(code) = source[digits..end].parse::<i32>()
                    && let Some(letter) =
                        u32::try_from(code.rem_euclid(65_536)).ok().and_then(char::from_u32)
                {
                    // A replacement for older programs follows.
                    let shown = source[end..].trim_start_matches(' ').chars().next();
                    if let Some(shown) = shown.filter(|letter| *letter != '\\') {
                        end = end + usize::from(source[end..].starts_with(' ')) + shown.len_utf8();
                    }
                    self.push(letter, at..end);
                    return end;
                }
                if ["par", "line", "row"].contains(&&source[after..digits]) {
                    self.push('\n', at..at);
                }
                end + usize::from(bytes.get(end) == Some(&b' '))
            }
            Some(b'\\' | b'{' | b'}') => {
                self.push(char::from(bytes[after]), at..after + 1);
                after + 1
            }
            _ => after,
        }
    }

    /// Without blanks and invisible characters, each letter in its simplest form. The places refer to
    /// this text.
    pub fn dense(&self) -> Seen {
        let mut dense = Seen::default();
        for (at, letter) in self.text.char_indices() {
            let place = at..at + letter.len_utf8();
            if letter.is_ascii() {
                if !letter.is_ascii_whitespace() && !letter.is_ascii_control() {
                    dense.push(letter, place);
                }
                continue;
            }
            decompose_compatible(letter, |letter| {
                if !is_unseen(letter) {
                    dense.push(letter, place.clone());
                }
            });
        }
        dense
    }

    /// Where a span of the text comes from.
    pub fn sources(&self, wanted: Range<usize>) -> Vec<Range<usize>> {
        let first = self.runs.partition_point(|run| run.text.end <= wanted.start);
        self.runs[first..]
            .iter()
            .take_while(|run| run.text.start < wanted.end)
            .map(|run| {
                if !run.is_verbatim() {
                    return run.source.clone();
                }
                let start = wanted.start.max(run.text.start) - run.text.start;
                let end = wanted.end.min(run.text.end) - run.text.start;
                run.source.start + start..run.source.start + end
            })
            .filter(|source| !source.is_empty())
            .collect()
    }

    /// The span of the source from the first to the last of some characters.
    pub fn span(&self, wanted: Range<usize>) -> Range<usize> {
        let sources = self.sources(wanted);
        match (sources.first(), sources.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }
}

/// Blanks, and characters without width.
fn is_unseen(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// Inline elements.
const INLINE: [&str; 26] = [
    "a", "abbr", "b", "big", "bold", "code", "color", "del", "em", "excerpt", "fixed", "font", "i",
    "ins", "italic", "kbd", "mark", "o:p", "s", "small", "span", "strong", "sub", "sup", "tt", "u",
];

/// The length of the tag, comment, script or style at the start of a text, and whether it ends a line;
/// `None` if there is none.
fn tag(text: &str) -> Option<(usize, bool)> {
    let close = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if text.starts_with("<!--") {
        return Some((close("-->"), false));
    }
    let next = text[1..].chars().next()?;
    if !next.is_ascii_alphabetic() && !matches!(next, '/' | '!' | '?') {
        return None;
    }
    let length = memchr::memchr(b'>', text.as_bytes())? + 1;
    let inner = text[1..length].trim_start_matches('/');
    let name: String = inner
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == ':')
        .take(16)
        .collect::<String>()
        .to_ascii_lowercase();
    if matches!(name.as_str(), "script" | "style") && next != '/' {
        let lower_end = format!("</{name}");
        let end = find_ignoring_case(&text[length..], &lower_end);
        return Some((length + end.unwrap_or(text.len() - length), true));
    }
    Some((length, !INLINE.contains(&name.as_str())))
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    memchr::memchr_iter(b'<', text.as_bytes()).find(|&at| {
        text.as_bytes()
            .get(at..at + wanted.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(wanted.as_bytes()))
    })
}
