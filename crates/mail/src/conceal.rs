//! Passwords in messages. Moderators write `Approved: PASSWORD` into a post, and their
//! mail programs repeat it in HTML, break it over lines, encode it, or attach it. [`attempts()`] finds
//! what looks like such a line, and [`conceal`] removes every occurrence of a password from
//! every part.

mod attempts;
mod fields;
mod seen;

pub use attempts::{Attempts, attempts};

use crate::mime::{self, Encoding, Part};
use crate::{Field, Message, charset, transfer};
use fields::conceal_fields;
use memchr::memmem;
use seen::Seen;
use std::borrow::Cow;
use std::ops::Range;

/// The names before a password, in a header field or at the beginning of a line.
pub const NAMES: [&str; 4] = ["Approved", "Approve", "X-Approved", "X-Approve"];

/// The depth of messages within messages. Deeper ones are not opened, and are removed as a whole if
/// their bytes contain a password.
const DEEPEST: usize = 16;
/// The maximum length of a password in bytes.
const LONGEST: usize = 500;
/// A shorter password, in bytes, also occurs in other words: it counts only after its label.
const SHORTEST: usize = 4;

/// Something that must not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    dense: String,
    is_known: bool,
}

impl Secret {
    /// A password: it is removed wherever it occurs.
    pub fn password(text: &str) -> Secret {
        Secret::new(text, true)
    }

    /// A wrong password: it is removed after its label.
    pub fn mistyped(text: &str) -> Secret {
        Secret::new(text, false)
    }

    fn new(text: &str, is_known: bool) -> Secret {
        let text = text.trim_matches(is_blank).to_owned();
        let dense = Seen::plain(&text).dense().text;
        let is_known = is_known && dense.len() >= SHORTEST;
        Secret { text, dense, is_known }
    }
}

/// The result for a message.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Concealed {
    /// Something was removed.
    pub is_changed: bool,
    /// A secret could not be removed by itself: the whole part, or field, was removed.
    pub is_damaged: bool,
}

impl Concealed {
    const CLEAN: Concealed = Concealed { is_changed: false, is_damaged: false };
    const CHANGED: Concealed = Concealed { is_changed: true, is_damaged: false };
    const DAMAGED: Concealed = Concealed { is_changed: true, is_damaged: true };

    fn and(&mut self, other: Concealed) {
        self.is_changed |= other.is_changed;
        self.is_damaged |= other.is_damaged;
    }
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{a0}' | '\u{200b}' | '\u{feff}')
}

/// `Approved: value`, after any marks for quoted or bold lines.
fn named(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(|letter: char| is_blank(letter) || ">|*_-".contains(letter));
    let name = NAMES.iter().find(|name| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && line[name.len()..]
                .trim_start_matches(|letter: char| is_blank(letter) || "*_".contains(letter))
                .starts_with([':', '：'])
    })?;
    let rest = &line[name.len()..];
    let rest = &rest[rest.find([':', '：'])?..];
    let rest = rest.trim_start_matches([':', '：']);
    Some(rest.trim_start_matches(['*', '_']).trim_matches(is_blank))
}

/// Whether a text may contain such a line; a fast check.
fn mentions_a_name(text: &[u8]) -> bool {
    memchr::memchr2_iter(b'p', b'P', text)
        .any(|at| text.get(at..at + 5).is_some_and(|found| found.eq_ignore_ascii_case(b"pprov")))
        || memmem::find(text, b"&#").is_some()
}

/// A leaf as text, if it is text by its type, or because it is valid UTF-8.
fn text_of<'b>(part: &Part, decoded: &'b [u8]) -> Option<Cow<'b, str>> {
    if part.main_type() == "text" {
        let label = part.charset();
        return Some(Cow::Owned(charset::decode(&label, decoded)));
    }
    if memchr::memchr(0, decoded).is_some() {
        return None;
    }
    std::str::from_utf8(decoded).ok().map(Cow::Borrowed)
}

fn is_markup(part: &Part) -> bool {
    let kind = &part.content_type.value;
    ["html", "xml", "enriched", "richtext"].iter().any(|markup| kind.contains(markup))
}

fn is_rtf(part: &Part, text: &str) -> bool {
    part.content_type.value.ends_with("rtf") || text.trim_start().starts_with("{\\rtf")
}

/// The text of a leaf as a reader sees it.
fn shown(part: &Part, text: &str) -> Seen {
    if is_markup(part) {
        Seen::html(text)
    } else if is_rtf(part, text) {
        Seen::rtf(text)
    } else {
        Seen::plain(text)
    }
}

/// A message in a part, parsed as one.
fn inner_message(part: &Part, body: &[u8]) -> Option<Message> {
    let is_one = part.main_type() == "message" || part.content_type.value == "text/rfc822-headers";
    is_one.then(|| Message::parse_part(&part.decoded(body)))
}

/// The text before, between and after the parts of a multipart.
fn gaps(part: &Part) -> Vec<Range<usize>> {
    let mut at = part.content.start;
    let mut gaps = Vec::with_capacity(part.parts.len() + 1);
    for inner in &part.parts {
        gaps.push(at..inner.head.start.max(at));
        at = inner.content.end;
    }
    gaps.push(at..part.content.end.max(at));
    gaps
}

/// Removes secrets from a message, wherever they occur. Fields named in [`NAMES`] are always removed
/// from the message's own header.
pub fn conceal(message: &mut Message, secrets: &[Secret]) -> Concealed {
    let mut done = Concealed::CLEAN;
    for name in NAMES {
        done.is_changed |= message.remove(name) > 0;
    }
    let secrets: Vec<Secret> =
        secrets.iter().filter(|secret| !secret.dense.is_empty()).cloned().collect();
    if !secrets.is_empty() {
        done.and(conceal_below(message, &secrets, 0));
        done.and(without_leftovers(message, &secrets));
    }
    done
}

/// The same for a text by itself.
pub fn conceal_text(text: &str, secrets: &[Secret]) -> String {
    without(text, &[Seen::plain(text), Seen::unescaped(text)], secrets, true)
        .unwrap_or_else(|| text.to_owned())
}

fn conceal_below(message: &mut Message, secrets: &[Secret], depth: usize) -> Concealed {
    let mut done = conceal_fields(message, secrets);
    let root = mime::structure(message);
    let body = message.body();
    let eol = message.eol();
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for part in root.walk() {
        if !part.parts.is_empty() {
            for gap in gaps(part) {
                let text = charset::decode_raw(&body[gap.clone()]);
                if let Some(without) = cleaned(&text, &[Seen::plain(&text)], secrets) {
                    done.and(Concealed::CHANGED);
                    edits.push((gap, without.into_bytes()));
                }
            }
        } else if let Some(content) = conceal_leaf(part, body, eol, secrets, depth, &mut done) {
            match content {
                Some(content) => edits.push((part.content.clone(), content)),
                None if part.head.is_empty() => {
                    dropped_whole(message);
                    return Concealed::DAMAGED;
                }
                None => {
                    edits.push((part.head.start..part.content.end, placeholder(eol)));
                    continue;
                }
            }
        }
        if !part.head.is_empty() {
            let mut header = part.header(body);
            let of_header = conceal_fields(&mut header, secrets);
            if of_header.is_changed {
                edits.push((part.head.clone(), header.to_bytes()));
            }
            done.and(of_header);
        }
    }
    if !edits.is_empty() {
        edits.sort_by_key(|(place, _)| place.start);
        let mut edited = Vec::with_capacity(body.len());
        let mut at = 0;
        for (place, content) in edits {
            edited.extend_from_slice(&body[at..place.start]);
            edited.extend_from_slice(&content);
            at = place.end;
        }
        edited.extend_from_slice(&body[at..]);
        message.set_body(edited);
    }
    done
}

/// The content of a leaf without the secrets: `None` if it contains none; `Some(None)` if they
/// cannot be removed.
#[allow(clippy::option_option)]
fn conceal_leaf(
    part: &Part,
    body: &[u8],
    eol: &[u8],
    secrets: &[Secret],
    depth: usize,
    done: &mut Concealed,
) -> Option<Option<Vec<u8>>> {
    let decoded = part.decoded(body);
    let content = if let Some(mut inner) = inner_message(part, body).filter(|_| depth < DEEPEST) {
        let mut of_inner = Concealed::CLEAN;
        let is_one = |field: &Field<'_>| NAMES.iter().any(|name| field.is(name));
        let is_meant = |field: &Field<'_>| {
            let value = Seen::plain(&field.text()).dense().text;
            secrets.iter().any(|secret| value.contains(&secret.dense))
        };
        let mut gone = false;
        inner.retain(|field| {
            let goes = is_one(field) && is_meant(field);
            gone |= goes;
            !goes
        });
        of_inner.is_changed = gone;
        of_inner.and(conceal_below(&mut inner, secrets, depth + 1));
        done.and(of_inner);
        if !of_inner.is_changed {
            return None;
        }
        Some(inner.to_bytes())
    } else if let Some(text) = text_of(part, &decoded) {
        let seen = views(part, &text);
        if !seen.iter().any(|seen| is_in(seen, secrets)) {
            return None;
        }
        done.and(Concealed::CHANGED);
        cleaned_again(part, &text, &seen, secrets).and_then(|text| match part.main_type() {
            "text" => charset::encode(&part.charset(), &text),
            _ => Some(text.into_bytes()),
        })
    } else {
        if !secrets.iter().any(|secret| is_in_bytes(&decoded, secret)) {
            return None;
        }
        None
    };
    let content = content.and_then(|bytes| match part.encoding {
        Encoding::QuotedPrintable => Some(transfer::quoted_printable_encode(&bytes, eol)),
        Encoding::Base64 => Some(transfer::base64_encode(&bytes, eol)),
        Encoding::Identity => Some(bytes),
        Encoding::Unknown => None,
    });
    if content.is_none() {
        done.and(Concealed::DAMAGED);
    }
    Some(content)
}

/// All ways to read a text.
fn views(part: &Part, text: &str) -> Vec<Seen> {
    let mut views = vec![Seen::plain(text)];
    if text.contains(['&', '%']) {
        views.push(Seen::unescaped(text));
    }
    if is_markup(part) {
        views.push(Seen::html(text));
    }
    if is_rtf(part, text) {
        views.push(Seen::rtf(text));
    }
    views
}

/// A text without the secrets, unless some remain after repeated attempts.
fn cleaned_again(part: &Part, text: &str, seen: &[Seen], secrets: &[Secret]) -> Option<String> {
    const ROUNDS: usize = 4;
    let mut text = without(text, seen, secrets, !is_markup(part) && !is_rtf(part, text))?;
    for _ in 0..ROUNDS {
        let seen = views(part, &text);
        match without(&text, &seen, secrets, !is_markup(part)) {
            None => return Some(text),
            Some(less) => text = less,
        }
    }
    None
}

fn cleaned(text: &str, seen: &[Seen], secrets: &[Secret]) -> Option<String> {
    without(text, seen, secrets, true)
}

fn is_in(seen: &Seen, secrets: &[Secret]) -> bool {
    let dense = seen.dense();
    secrets.iter().any(|secret| !found(&dense.text, secret).is_empty())
}

/// A text without the secrets found in any view of it; `None` if there are none. A line without
/// other text is removed with its end, if `by_lines`.
fn without(text: &str, seen: &[Seen], secrets: &[Secret], by_lines: bool) -> Option<String> {
    let mut gone: Vec<Range<usize>> = Vec::new();
    for seen in seen {
        let dense = seen.dense();
        for secret in secrets {
            for place in found(&dense.text, secret) {
                gone.extend(seen.sources(dense.span(place)));
            }
        }
    }
    if gone.is_empty() {
        return None;
    }
    gone.sort_by_key(|place| place.start);
    let mut left = String::with_capacity(text.len());
    let mut at = 0;
    let mut line_start = 0;
    let mut had_hole = false;
    let mut holes = gone.into_iter().peekable();
    for line in text.split_inclusive('\n') {
        let (start, end) = (line_start, line_start + line.len());
        line_start = end;
        let mut kept = String::new();
        at = at.max(start);
        while let Some(hole) = holes.next_if(|hole| hole.start < end) {
            had_hole = true;
            kept.push_str(text.get(at..hole.start.max(at)).unwrap_or_default());
            at = at.max(hole.end);
        }
        if at < end {
            kept.push_str(&text[at..end]);
            at = end;
        }
        let is_empty = kept.trim_matches(is_blank).is_empty();
        if !(by_lines && had_hole && is_empty) {
            left.push_str(&kept);
        }
        had_hole = at > end;
    }
    Some(left)
}

/// The place of a secret in a dense text, with its label.
fn found(dense: &str, secret: &Secret) -> Vec<Range<usize>> {
    if secret.dense.is_empty() {
        return Vec::new();
    }
    memmem::find_iter(dense.as_bytes(), secret.dense.as_bytes())
        .filter_map(|start| {
            let end = start + secret.dense.len();
            match label(&dense[..start]) {
                Some(label) => Some(label..end),
                None => secret.is_known.then_some(start..end),
            }
        })
        .collect()
}

/// Where the label begins that ends a dense text.
fn label(dense: &str) -> Option<usize> {
    let around = |letter: char| "*_\"'`<>“”„‘’«»".contains(letter);
    let rest = dense.trim_end_matches(around).strip_suffix([':', '：'])?.trim_end_matches(around);
    let name = ["X-Approved", "Approved", "X-Approve", "Approve"].into_iter().find(|name| {
        let start = rest.len().checked_sub(name.len());
        start.and_then(|start| rest.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(name))
    })?;
    Some(rest.len() - name.len())
}

/// Whether binary data contains a password, in any common encoding.
fn is_in_bytes(bytes: &[u8], secret: &Secret) -> bool {
    if !secret.is_known {
        return false;
    }
    let text = &secret.text;
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let mut forms = vec![text.clone().into_bytes(), wide(u16::to_le_bytes), wide(u16::to_be_bytes)];
    forms.extend(charset::encode("windows-1252", text));
    forms.iter().any(|form| memmem::find(bytes, form).is_some())
}

const REMOVED: &str = "[This part contained a password of the list and was removed.]";

/// The replacement for a removed part.
fn placeholder(eol: &[u8]) -> Vec<u8> {
    let lines = ["Content-Type: text/plain; charset=us-ascii", "", REMOVED, ""];
    lines.map(str::as_bytes).join(eol)
}

/// Leaves only the header of a message.
fn dropped_whole(message: &mut Message) {
    for name in ["Content-Transfer-Encoding", "Content-Disposition"] {
        message.remove(name);
    }
    message.set_raw("Content-Type", b"text/plain; charset=us-ascii");
    let body = [REMOVED.as_bytes(), message.eol()].concat();
    message.set_body(body);
}

/// A secret that was not found in any part, but is in the bytes: the part of the message that
/// contains it is removed.
fn without_leftovers(message: &mut Message, secrets: &[Secret]) -> Concealed {
    let is_there = |bytes: &[u8]| {
        secrets
            .iter()
            .any(|secret| secret.is_known && memmem::find(bytes, secret.text.as_bytes()).is_some())
    };
    let mut done = Concealed::CLEAN;
    if is_there(message.body()) {
        dropped_whole(message);
        done = Concealed::DAMAGED;
    }
    let mut gone = false;
    message.retain(|field| {
        let stays = !is_there(field.raw);
        gone |= !stays;
        stays
    });
    if gone {
        done.and(Concealed::DAMAGED);
    }
    done
}
