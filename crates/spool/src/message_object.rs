//! Converts Mailman's pickled message objects to text (docs/spec/pickles.md §6).
//!
//! Everything that Mailman creates itself or requeues is stored as an instance of one of its
//! message classes: a tree of header lists and payloads. Its bytes are rebuilt as Python's own
//! generator does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dormouse_pickle::Value;
use sha1::{Digest, Sha1};

/// The maximum depth of parts; Python reaches its recursion limit much earlier.
const DEEPEST: usize = 100;
/// Longer header lines are folded, at the top level only.
const LONGEST_LINE: usize = 78;

/// The message's text. Line ends are LF, as Mailman keeps them.
///
/// # Errors
/// What is missing or of the wrong type.
pub fn to_bytes(message: Value<'_, '_>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    if let Some(from) = attribute(message, "_unixfrom").and_then(|from| from.raw_bytes()) {
        out.extend_from_slice(trim_end(&from));
        out.push(b'\n');
    }
    write(message, &mut out, 0)?;
    Ok(out)
}

fn write(message: Value<'_, '_>, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("the message object nests its parts more than {DEEPEST} deep"));
    }
    let headers = attribute(message, "_headers").ok_or_else(|| match message.class() {
        Some((module, class)) => format!("an instance of {module}.{class} is not a message object"),
        None => "the first pickle is neither text nor a message object".to_owned(),
    })?;
    let mut head = Head::read(headers)?;
    let payload = attribute(message, "_payload");
    let parts: Option<Vec<Value<'_, '_>>> =
        payload.filter(|payload| payload.is_sequence()).map(|parts| parts.items().collect());
    let boundary = parts.is_some().then(|| head.boundary()).flatten();
    for (name, value) in &head.fields {
        write_field(name, value, depth == 0, out);
    }
    out.push(b'\n');
    match (parts, boundary) {
        (Some(parts), Some(boundary)) => write_multipart(message, &parts, &boundary, out, depth),
        (Some(parts), None) => write_parts(&parts, &head.content_type, out, depth),
        (None, _) => {
            if let Some(text) = payload.and_then(|payload| payload.raw_bytes()) {
                out.extend_from_slice(&text);
            }
            Ok(())
        }
    }
}

/// The fields of a message object's header.
struct Head {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The value of the last Content-Type field; empty without one.
    content_type: Vec<u8>,
}

impl Head {
    fn read(headers: Value<'_, '_>) -> Result<Head, String> {
        let mut head = Head { fields: Vec::new(), content_type: Vec::new() };
        for header in headers.items() {
            let mut pair = header.items();
            let (Some(name), Some(value)) = (pair.next(), pair.next()) else {
                return Err("a header of the message object is not a (name, value) pair".to_owned());
            };
            let name = name.as_bytes().unwrap_or_default().to_vec();
            let value = header_text(value);
            if name.eq_ignore_ascii_case(b"content-type") {
                head.content_type.clone_from(&value);
            }
            head.fields.push((name, value));
        }
        Ok(head)
    }

    /// The boundary between the parts of a multipart; one that is missing is added to the fields.
    fn boundary(&mut self) -> Option<Vec<u8>> {
        let main_type = self.content_type.split(|&byte| byte == b'/').next().unwrap_or_default();
        if !main_type.trim_ascii().eq_ignore_ascii_case(b"multipart") {
            return None;
        }
        if let Some(boundary) = parameter(&self.content_type, "boundary") {
            return Some(boundary);
        }
        let made = make_boundary(&self.fields);
        let mut fields = self.fields.iter_mut();
        if let Some((_, value)) =
            fields.find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"))
        {
            value.extend_from_slice(format!("; boundary=\"{made}\"").as_bytes());
        }
        Some(made.into_bytes())
    }
}

/// Parts without a boundary: the one of `message/rfc822`, or the blocks of headers of
/// `message/delivery-status`.
fn write_parts(
    parts: &[Value<'_, '_>],
    content_type: &[u8],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), String> {
    parts.iter().try_for_each(|&part| write(part, out, depth + 1))?;
    // Python puts line feeds between the blocks, but none after the last.
    let status = b"message/delivery-status";
    let start = content_type.get(..status.len()).unwrap_or_default();
    if start.eq_ignore_ascii_case(status) && out.ends_with(b"\n\n") {
        out.pop();
    }
    Ok(())
}

fn write_multipart(
    message: Value<'_, '_>,
    parts: &[Value<'_, '_>],
    boundary: &[u8],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), String> {
    let text = |name| attribute(message, name).and_then(|text| text.raw_bytes());
    if let Some(preamble) = text("preamble") {
        out.extend_from_slice(&preamble);
        out.push(b'\n');
    }
    for (index, &part) in parts.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"--" } else { b"\n--" });
        out.extend_from_slice(boundary);
        out.push(b'\n');
        write(part, out, depth + 1)?;
    }
    if parts.is_empty() {
        out.extend_from_slice(b"--");
        out.extend_from_slice(boundary);
        out.push(b'\n');
    }
    out.extend_from_slice(b"\n--");
    out.extend_from_slice(boundary);
    out.extend_from_slice(b"--\n");
    if let Some(epilogue) = text("epilogue") {
        out.extend_from_slice(&epilogue);
    }
    Ok(())
}

fn attribute<'g, 'a>(message: Value<'g, 'a>, name: &str) -> Option<Value<'g, 'a>> {
    message.state()?.get(name).filter(|value| !value.is_none())
}

/// A header's value: unchanged text, or a `Header` instance encoded by RFC 2047.
pub fn header_text(value: Value<'_, '_>) -> Vec<u8> {
    if let Some(text) = value.raw_bytes() {
        return text.into_owned();
    }
    let Some(chunks) = attribute(value, "_chunks") else { return Vec::new() };
    let mut words: Vec<Vec<u8>> = Vec::new();
    for chunk in chunks.items() {
        let mut pair = chunk.items();
        let (Some(text), charset) = (pair.next(), pair.next()) else { continue };
        let text = text.raw_bytes().unwrap_or_default();
        words.extend(encode_chunk(&text, charset));
    }
    words.join(&b' ')
}

/// One chunk as plain text or as encoded words of at most 75 characters (RFC 2047 §2).
fn encode_chunk(text: &[u8], charset: Option<Value<'_, '_>>) -> Vec<Vec<u8>> {
    let name = charset.and_then(|charset| {
        // Old versions of the email package store only the charset's name.
        charset
            .as_bytes()
            .or_else(|| attribute(charset, "output_charset").and_then(|name| name.as_bytes()))
            .or_else(|| attribute(charset, "input_charset").and_then(|name| name.as_bytes()))
            .map(|name| String::from_utf8_lossy(name).into_owned())
    });
    let name = name.unwrap_or_else(|| "us-ascii".to_owned());
    if name.eq_ignore_ascii_case("us-ascii") && text.is_ascii() {
        return vec![text.trim_ascii().to_vec()];
    }
    let name = if name.eq_ignore_ascii_case("us-ascii") { "unknown-8bit" } else { &name };
    let room = 75usize.saturating_sub(name.len() + 7) / 4 * 3;
    split_characters(text, room.max(3), name.eq_ignore_ascii_case("utf-8"))
        .map(|piece| format!("=?{name}?b?{}?=", BASE64.encode(piece)).into_bytes())
        .collect()
}

/// Pieces of at most `room` bytes, never splitting a UTF-8 character. Multibyte
/// charsets with shift states are not split, because their pieces cannot be read separately.
fn split_characters(text: &[u8], room: usize, utf8: bool) -> impl Iterator<Item = &[u8]> {
    let single_byte = utf8 || !text.contains(&0x1b);
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = if single_byte { rest.len().min(room) } else { rest.len() };
        while utf8 && end > 1 && end < rest.len() && rest[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

fn write_field(name: &[u8], value: &[u8], fold: bool, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(trim_end(value));
    if fold && out[start..].split(|&byte| byte == b'\n').any(|line| line.len() > LONGEST_LINE) {
        let long = out.split_off(start);
        for (index, line) in long.split(|&byte| byte == b'\n').enumerate() {
            if index > 0 {
                out.push(b'\n');
            }
            fold_line(line, out);
        }
    }
    out.push(b'\n');
}

/// Folds at white space, which starts the next line (RFC 5322 §2.2.3).
fn fold_line(mut line: &[u8], out: &mut Vec<u8>) {
    while line.len() > LONGEST_LINE {
        let is_blank = |&byte: &u8| byte == b' ' || byte == b'\t';
        // Not in the white space at the start of the line, nor directly after the name.
        let start = line.iter().position(|byte| !is_blank(byte)).unwrap_or(0);
        let start = line[start..].iter().position(is_blank).map_or(line.len(), |at| start + at + 1);
        let within = start..LONGEST_LINE.max(start);
        let at = line[within.clone()].iter().rposition(is_blank).map(|at| within.start + at);
        let beyond = || line[within.end..].iter().position(is_blank).map(|at| within.end + at);
        let Some(at) = at.or_else(beyond) else { break };
        if line[at..].iter().all(is_blank) {
            break;
        }
        out.extend_from_slice(&line[..at]);
        out.push(b'\n');
        line = &line[at..];
    }
    out.extend_from_slice(line);
}

/// A parameter of a Content-Type value, unquoted.
fn parameter(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|&byte| byte == b';') {
        rest = rest[at + 1..].trim_ascii_start();
        let equals = rest.iter().position(|&byte| byte == b'=' || byte == b';')?;
        if rest[equals] == b'=' && rest[..equals].trim_ascii().eq_ignore_ascii_case(name.as_bytes())
        {
            let text = rest[equals + 1..].trim_ascii_start();
            return Some(match text.strip_prefix(b"\"") {
                Some(quoted) => unquote(quoted),
                None => text.split(|&byte| byte == b';').next()?.trim_ascii().to_vec(),
            });
        }
    }
    None
}

fn unquote(quoted: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    out
}

/// A boundary for a multipart without one: the same for the same message, and too unusual to occur
/// in a part.
fn make_boundary(fields: &[(Vec<u8>, Vec<u8>)]) -> String {
    let mut sha1 = Sha1::new();
    for (name, value) in fields {
        sha1.update(name);
        sha1.update(value);
    }
    let digits: String = sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("==============={digits}==")
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| byte != b'\r' && byte != b'\n').map_or(0, |at| at + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_found_quoted_or_not() {
        assert_eq!(
            parameter(b"multipart/mixed; boundary=\"a;b\\\"c\"", "boundary").unwrap(),
            b"a;b\"c"
        );
        assert_eq!(
            parameter(b"multipart/mixed; x=1;\n Boundary=abc ; y=2", "boundary").unwrap(),
            b"abc"
        );
        assert_eq!(parameter(b"multipart/mixed", "boundary"), None);
    }

    #[test]
    fn a_long_line_is_folded_before_its_last_blank_that_fits() {
        let mut out = Vec::new();
        write_field(b"X-Long", "word ".repeat(40).trim_end().as_bytes(), true, &mut out);
        for line in out.split(|&byte| byte == b'\n') {
            assert!(line.len() <= LONGEST_LINE, "{}", line.len());
        }
        let unfolded: Vec<u8> = out.into_iter().filter(|&byte| byte != b'\n').collect();
        assert_eq!(unfolded, format!("X-Long: {}", "word ".repeat(40).trim_end()).into_bytes());
    }

    #[test]
    fn encoded_words_never_split_a_character() {
        for word in
            encode_chunk("Grüße aus Köln, wo es täglich ümständlicher wird".as_bytes(), None)
        {
            assert!(word.len() <= 75);
        }
        let text = "ä".repeat(100);
        for piece in split_characters(text.as_bytes(), 44, true) {
            assert!(std::str::from_utf8(piece).is_ok());
        }
    }
}
