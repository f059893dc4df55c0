//! Header and footer texts around a message's own (docs/spec/pipeline.md §7).
//!
//! Only what must change is changed: the text keeps the charset and encoding of the message if
//! that can represent it. A signed or encrypted message is never changed.

use crate::compose::{Composed, with_eol};
use crate::mime::{self, Encoding, Parameterized, Part};
use crate::tree::{Content, Node};
use crate::{Message, charset, html, transfer};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decorated {
    /// Nothing, for this reason.
    Unchanged(&'static str),
    /// The texts are in the message's own text, or in each of its alternatives.
    InPlace,
    /// They are separate parts in the message's multipart.
    Parts,
    /// The message is a part in a new multipart with them.
    Wrapped,
}

/// Adds the texts to the message's text if possible, in plain text and in HTML
/// alike; otherwise as separate parts.
pub fn decorate(message: &mut Message, header: &str, footer: &str) -> Decorated {
    let (header, footer) = (normal(header), normal(footer));
    if header.is_empty() && footer.is_empty() {
        return Decorated::Unchanged("there is nothing to add");
    }
    let root = mime::structure(message);
    if is_sealed(&root, message.body()) {
        return Decorated::Unchanged("it is signed or encrypted");
    }
    let mut node = Node::of(message);
    if put_into(&mut node, &header, &footer) {
        *message = node.into_message();
        if message.has("Content-Type") {
            message.set_default("MIME-Version", "1.0");
        }
        return Decorated::InPlace;
    }
    let is_mixed = root.content_type.value == "multipart/mixed" && !root.parts.is_empty();
    if is_mixed && as_parts(message, &root, &header, &footer) {
        return Decorated::Parts;
    }
    wrap(message, &header, &footer);
    Decorated::Wrapped
}

/// Whether it is signed or encrypted, by MIME or inside its text: then no byte may change.
pub(crate) fn is_sealed(root: &Part, body: &[u8]) -> bool {
    const KINDS: [&str; 4] = [
        "multipart/signed",
        "multipart/encrypted",
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
    ];
    KINDS.contains(&root.content_type.value.as_str())
        || root.walk().into_iter().any(|part| {
            part.content_type.value == "text/plain"
                && part.disposition.value != "attachment"
                && memchr::memmem::find(&part.decoded(body), b"-----BEGIN PGP ").is_some()
        })
}

/// Adds the texts to those of a part, to all or none. False if that is not possible.
fn put_into(node: &mut Node, header: &str, footer: &str) -> bool {
    if node.is_attachment() {
        return false;
    }
    let kind = node.content_type().value;
    match (&mut node.content, kind.as_str()) {
        (Content::Leaf(_), "text/plain") => {
            let mut part = node.clone().into_message();
            let root = mime::structure(&part);
            let decoded = root.decoded(part.body());
            let done = in_place(&mut part, &root, &decoded, header, footer);
            if done {
                *node = Node::of(&part);
            }
            done
        }
        (Content::Leaf(_), "text/html") => in_html(node, header, footer),
        (Content::Multipart(multipart), "multipart/related") => {
            multipart.parts_mut().first_mut().is_some_and(|first| put_into(first, header, footer))
        }
        (Content::Multipart(multipart), "multipart/alternative") => {
            // Each reader sees one of the alternatives. Non-text alternatives, such as invitations,
            // are for programs.
            let mut changed = multipart.clone();
            let mut texts = changed.parts_mut().iter_mut().filter(|part| is_text(part)).peekable();
            let done = texts.peek().is_some() && texts.all(|text| put_into(text, header, footer));
            if done {
                *multipart = changed;
            }
            done
        }
        (Content::Multipart(multipart), "multipart/mixed") => {
            // If there are several texts, the end of the first is not the end of the message.
            let parts = multipart.parts_mut();
            parts.iter().filter(|part| is_text(part)).count() == 1
                && parts.first_mut().is_some_and(|first| put_into(first, header, footer))
        }
        _ => false,
    }
}

/// An inline text.
fn is_text(node: &Node) -> bool {
    let kind = node.content_type().value;
    !node.is_attachment()
        && (matches!(kind.as_str(), "text/plain" | "text/html") || kind.starts_with("multipart/"))
}

/// Adds the texts to HTML. They are escaped so that any charset that contains ASCII can represent them.
fn in_html(node: &mut Node, header: &str, footer: &str) -> bool {
    let charset = node.content_type().parameter("charset").unwrap_or_default().to_owned();
    let encoding = Encoding::parse(node.header.text("Content-Transfer-Encoding"));
    let Content::Leaf(content) = &mut node.content else { return false };
    if encoding == Encoding::Unknown || !charset::is_ascii_superset(&charset) {
        return false;
    }
    let eol = body_eol(content, b"\n");
    let around = |decoded: &[u8]| html::surround(decoded, header, footer);
    *content = match encoding {
        Encoding::QuotedPrintable => {
            let decoded = transfer::quoted_printable_decode(content);
            transfer::quoted_printable_encode(&around(&decoded), eol)
        }
        Encoding::Base64 => {
            transfer::base64_encode(&around(&transfer::base64_decode(content)), eol)
        }
        Encoding::Identity | Encoding::Unknown => around(content),
    };
    true
}

/// LF line ends, with one at the end; empty for a blank text. Blanks at line ends are removed, except
/// those of a signature mark.
fn normal(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let mut out = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        out.push_str(if line == "-- " { line } else { line.trim_end() });
        out.push('\n');
    }
    out
}

/// The body's own line end, by its first line.
fn body_eol(body: &[u8], otherwise: &'static [u8]) -> &'static [u8] {
    match memchr::memchr(b'\n', body) {
        Some(0) => b"\n",
        Some(at) if body[at - 1] == b'\r' => b"\r\n",
        Some(_) => b"\n",
        None => otherwise,
    }
}

/// Whether the texts could be added to the message's.
fn in_place(
    message: &mut Message,
    root: &Part,
    decoded: &[u8],
    header: &str,
    footer: &str,
) -> bool {
    let charset_name = root.charset();
    let ascii = header.is_ascii() && footer.is_ascii();
    let utf8 = matches!(charset_name.as_str(), "utf-8" | "utf8");
    let fits = (ascii && charset::is_ascii_superset(&charset_name)) || utf8;
    let eol = body_eol(message.body(), message.eol());
    if is_flowed(&root.content_type)
        && !footer.is_empty()
        && let Some(closed) = without_flow(decoded)
    {
        // Otherwise the footer would continue the text's last line (RFC 3676 §4.1).
        let content = match root.encoding {
            Encoding::QuotedPrintable => transfer::quoted_printable_encode(closed, eol),
            Encoding::Base64 => transfer::base64_encode(closed, eol),
            Encoding::Identity => closed.to_vec(),
            Encoding::Unknown => return false,
        };
        let closed = closed.to_vec();
        message.set_body(content);
        return in_place(message, root, &closed, header, footer);
    }
    let body = message.body().to_vec();
    if fits {
        let (head, foot) = (with_eol(header, eol), with_eol(footer, eol));
        let changed = match root.encoding {
            Encoding::Identity if ascii || root_is_eight_bit(message) => {
                let gap: &[u8] = if body.is_empty() || body.ends_with(b"\n") || foot.is_empty() {
                    b""
                } else {
                    eol
                };
                [&head, body.as_slice(), gap, &foot].concat()
            }
            Encoding::QuotedPrintable => {
                // A soft break at the end does not end the line.
                let open = !decoded.is_empty() && !decoded.ends_with(b"\n") && !foot.is_empty();
                let gap: &[u8] = if open { eol } else { b"" };
                let quoted = |text: &[u8]| transfer::quoted_printable_encode(text, eol);
                [&quoted(&head), body.as_slice(), gap, &quoted(&foot)].concat()
            }
            Encoding::Base64 => {
                let open = !decoded.is_empty() && !decoded.ends_with(b"\n") && !foot.is_empty();
                let gap: &[u8] = if open { b"\n" } else { b"" };
                transfer::base64_encode(&[&head, decoded, gap, &foot].concat(), eol)
            }
            Encoding::Identity => return recode(message, root, decoded, header, footer),
            Encoding::Unknown => return false,
        };
        message.set_body(changed);
        return true;
    }
    root.encoding != Encoding::Unknown && recode(message, root, decoded, header, footer)
}

/// A text without the blanks that make its last line flow; `None` if it does not flow.
pub(crate) fn without_flow(text: &[u8]) -> Option<&[u8]> {
    let trimmed = text.strip_suffix(b"\n").unwrap_or(text);
    let trimmed = trimmed.strip_suffix(b"\r").unwrap_or(trimmed);
    let start = trimmed.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mark = trimmed[start..].trim_ascii_start();
    if !trimmed.ends_with(b" ") || mark == b"-- " {
        return None;
    }
    let kept = trimmed.iter().rposition(|&byte| byte != b' ').map_or(0, |at| at + 1);
    Some(&text[..kept.max(start)])
}

fn root_is_eight_bit(message: &Message) -> bool {
    let encoding = message.text("Content-Transfer-Encoding").unwrap_or_default();
    encoding.trim().eq_ignore_ascii_case("8bit")
}

/// Converts the whole text to UTF-8, so that it can contain the texts. Not if the message's charset is
/// wrong: then nothing is known about its text.
fn recode(message: &mut Message, root: &Part, decoded: &[u8], header: &str, footer: &str) -> bool {
    let text = charset::decode(&root.charset(), decoded);
    if text.contains('\u{fffd}') {
        return false;
    }
    let gap = if text.is_empty() || text.ends_with('\n') || footer.is_empty() { "" } else { "\n" };
    let whole = format!("{header}{text}{gap}{footer}");
    let eol = message.eol();
    let mut content_type = "text/plain; charset=\"utf-8\"".to_owned();
    for name in ["format", "delsp"] {
        if let Some(value) = root.content_type.parameter(name) {
            content_type.push_str(&format!("; {name}={value}"));
        }
    }
    message.set_raw("Content-Type", content_type.as_bytes());
    message.set("Content-Transfer-Encoding", "quoted-printable");
    message.set_body(transfer::quoted_printable_encode(whole.as_bytes(), eol));
    true
}

/// A part with one of the texts.
fn text_part(text: &str, eol: &[u8]) -> Vec<u8> {
    Composed::text(text, eol).with("Content-Disposition", "inline").to_part(eol)
}

/// Adds the texts before the first and after the last part. False if the last boundary is missing
/// or misplaced: then nothing can be added before it.
fn as_parts(message: &mut Message, root: &Part, header: &str, footer: &str) -> bool {
    let Some(boundary) = root.content_type.parameter("boundary") else { return false };
    let body = message.body();
    let eol = body_eol(body, message.eol());
    let open = format!("--{boundary}");
    let close = format!("--{boundary}--");
    let lines = lines_of(body);
    let place = |wanted: &str| {
        lines.iter().find(|line| body[(*line).clone()].trim_ascii_end() == wanted.as_bytes())
    };
    let (Some(first), Some(last)) = (place(&open), place(&close)) else { return false };
    let mut changed = body[..first.start].to_vec();
    if !header.is_empty() {
        changed.extend_from_slice(open.as_bytes());
        changed.extend_from_slice(eol);
        changed.extend_from_slice(&text_part(header, eol));
        changed.extend_from_slice(eol);
    }
    changed.extend_from_slice(&body[first.start..last.start]);
    if !footer.is_empty() {
        changed.extend_from_slice(open.as_bytes());
        changed.extend_from_slice(eol);
        changed.extend_from_slice(&text_part(footer, eol));
        changed.extend_from_slice(eol);
    }
    changed.extend_from_slice(&body[last.start..]);
    message.set_body(changed);
    true
}

fn lines_of(body: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |found| at + found + 1);
        lines.push(at..end);
        at = end;
    }
    lines
}

/// Makes the message's content one part of a new multipart/mixed. Its Content-* fields move with it.
fn wrap(message: &mut Message, header: &str, footer: &str) {
    let eol = message.eol();
    let mut inner = Vec::new();
    for field in message.fields() {
        if field.name().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-")) {
            inner.extend_from_slice(field.raw);
        }
    }
    if !inner.is_empty() && !inner.ends_with(b"\n") {
        inner.extend_from_slice(eol);
    }
    inner.extend_from_slice(eol);
    inner.extend_from_slice(message.body());
    let parts = [
        (!header.is_empty()).then(|| text_part(header, eol)),
        Some(inner),
        (!footer.is_empty()).then(|| text_part(footer, eol)),
    ];
    let parts: Vec<Vec<u8>> = parts.into_iter().flatten().collect();
    let whole = Composed::mixed(&parts, eol);
    message.retain(|field| {
        !field.name().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
    });
    message.set("MIME-Version", "1.0");
    whole.write_to(message);
}

/// Whether a content type's parameters say that lines may be joined (RFC 3676).
pub fn is_flowed(content_type: &Parameterized) -> bool {
    content_type.parameter("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed"))
}

#[cfg(test)]
mod tests;
