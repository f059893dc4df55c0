//! A message's MIME structure as an editable tree. Unchanged parts stay the same byte for
//! byte, including the lines between parts.

use crate::Message;
use crate::compose::Composed;
use crate::mime::{self, Encoding, Parameterized, Part};

/// The maximum depth of messages within messages.
const DEEPEST: usize = 16;

/// The types whose content is a message.
fn encloses(kind: &str) -> bool {
    [mime::ENCLOSED, "message/global", "message/news"].contains(&kind)
}

/// A message, or a part of one.
#[derive(Debug, Clone)]
pub struct Node {
    /// The header; its body is empty.
    pub header: Message,
    /// The content.
    pub content: Content,
    /// The default type.
    implied: &'static str,
}

/// The content below a header.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes, still encoded.
    Leaf(Vec<u8>),
    /// Parts, and the text between them.
    Multipart(Multipart),
    /// An enclosed message.
    Message(Box<Node>),
}

/// Parts with the lines around them.
#[derive(Debug, Clone)]
pub struct Multipart {
    /// The text before each part: the preamble for the first one, and always the boundary's
    /// line.
    glue: Vec<Vec<u8>>,
    parts: Vec<Node>,
    /// The text after the last one.
    tail: Vec<u8>,
}

impl Multipart {
    /// The parts.
    pub fn parts(&self) -> &[Node] {
        &self.parts
    }

    /// The parts, mutable.
    pub fn parts_mut(&mut self) -> &mut [Node] {
        &mut self.parts
    }

    /// Keeps the parts for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Node) -> bool) {
        let mut first = None;
        let glue = std::mem::take(&mut self.glue);
        let parts = std::mem::take(&mut self.parts);
        for (glue, mut part) in glue.into_iter().zip(parts) {
            let kept = keep(&mut part);
            // The preamble stays, whatever happens to the part after it.
            let glue = if self.glue.is_empty() { first.get_or_insert(glue).clone() } else { glue };
            if kept {
                self.glue.push(glue);
                self.parts.push(part);
            }
        }
    }

    /// Removes bytes from the lines between the parts, which nobody reads. The boundaries' lines
    /// stay.
    pub(crate) fn mend_between(&mut self, boundary: &str, is_unfit: impl Fn(u8) -> bool) {
        let delimiter = format!("--{boundary}");
        for text in self.glue.iter_mut().chain([&mut self.tail]) {
            if !text.iter().any(|byte| is_unfit(*byte)) {
                continue;
            }
            for line in text.split_mut(|&byte| byte == b'\n') {
                if !line.starts_with(delimiter.as_bytes()) {
                    line.iter_mut().filter(|byte| is_unfit(**byte)).for_each(|byte| *byte = b'?');
                }
            }
        }
    }

    /// Removes the first part.
    pub fn into_first(self) -> Option<Node> {
        self.parts.into_iter().next()
    }

    /// Removes the first part that is not empty, or else the first one.
    pub fn into_first_filled(mut self) -> Option<Node> {
        let filled = self.parts.iter().position(|part| !part.is_empty());
        (!self.parts.is_empty()).then(|| self.parts.swap_remove(filled.unwrap_or(0)))
    }
}

impl Node {
    /// The tree of a message.
    pub fn of(message: &Message) -> Node {
        Node::build(message.without_body(), message.body(), &mime::structure(message), 0)
    }

    fn build(header: Message, body: &[u8], part: &Part, depth: usize) -> Node {
        let bytes = &body[part.content.clone()];
        let is_message = encloses(&part.content_type.value) && part.encoding == Encoding::Identity;
        let content = if !part.parts.is_empty() {
            let mut glue = Vec::with_capacity(part.parts.len());
            let mut parts = Vec::with_capacity(part.parts.len());
            let mut at = part.content.start;
            for inner in &part.parts {
                glue.push(body[at..inner.head.start].to_vec());
                let mut node = Node::build(inner.header(body), body, inner, depth);
                if part.content_type.value == "multipart/digest" {
                    node.implied = mime::ENCLOSED;
                }
                parts.push(node);
                at = inner.content.end;
            }
            let tail = body[at..part.content.end].to_vec();
            Content::Multipart(Multipart { glue, parts, tail })
        } else if is_message && depth < DEEPEST {
            let inner = Message::parse_part(bytes);
            let structure = mime::structure(&inner);
            let node = Node::build(inner.without_body(), inner.body(), &structure, depth + 1);
            Content::Message(Box::new(node))
        } else {
            Content::Leaf(bytes.to_vec())
        };
        Node::new(header, content)
    }

    /// Opens messages that are encoded as a whole, which is forbidden (RFC 2046 §5.2.1), but which
    /// mail programs open anyway. They lose their encoding.
    pub fn open_encoded(&mut self) {
        self.open_below(0);
    }

    fn open_below(&mut self, depth: usize) {
        let is_closed =
            matches!(self.content, Content::Leaf(_)) && encloses(&self.content_type().value);
        if is_closed && depth < DEEPEST {
            let inner = Message::parse_part(&self.decoded());
            self.header.remove("Content-Transfer-Encoding");
            self.content = Content::Message(Box::new(Node::of(&inner)));
        }
        match &mut self.content {
            Content::Leaf(_) => {}
            Content::Message(inner) => inner.open_below(depth + 1),
            Content::Multipart(multipart) => {
                multipart.parts.iter_mut().for_each(|part| part.open_below(depth));
            }
        }
    }

    /// Whether something in it was nested too deeply to be opened.
    pub fn is_closed(&self) -> bool {
        let Content::Leaf(bytes) = &self.content else { return false };
        let content_type = self.content_type();
        if content_type.value.starts_with("multipart/") {
            let boundary = content_type.parameter("boundary").unwrap_or_default().trim_end();
            let line = format!("--{boundary}");
            return !boundary.is_empty() && memchr::memmem::find(bytes, line.as_bytes()).is_some();
        }
        encloses(&content_type.value)
    }

    /// A message of a header and a content.
    pub(crate) fn new(header: Message, content: Content) -> Node {
        Node { header, content, implied: "text/plain" }
    }

    /// Converts back to a message.
    pub fn into_message(self) -> Message {
        let mut body = Vec::new();
        self.content.write(&mut body);
        if body.is_empty() && !self.header.ends_header() {
            return self.header;
        }
        self.header.with_body(body)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.header.write_to(out);
        let end = out.len();
        self.content.write(out);
        // A part that was only a header may have got a content.
        if out.len() > end && !self.header.leads_to(&out[end..]) {
            let eol = self.header.eol();
            let is_open = self.header.fields().last().is_some_and(|field| !field.ends());
            let gap = if is_open { eol.repeat(2) } else { eol.to_vec() };
            out.splice(end..end, gap);
        }
    }

    /// The content type; the default depends on its place (RFC 2045 §5.2).
    pub fn content_type(&self) -> Parameterized {
        mime::content_type(&self.header, self.implied)
    }

    /// The file name.
    pub fn file_name(&self) -> Option<String> {
        let of = |field: &str, name: &str| {
            let field = self.header.field(field)?;
            let parsed = Parameterized::parse(&field.unfolded());
            parsed.parameter(name).map(|name| crate::encoded_word::decode(name.as_bytes()))
        };
        of("Content-Disposition", "filename").or_else(|| of("Content-Type", "name"))
    }

    /// Whether its disposition is `attachment`.
    pub fn is_attachment(&self) -> bool {
        let field = self.header.field("Content-Disposition");
        field.is_some_and(|field| Parameterized::parse(&field.unfolded()).value == "attachment")
    }

    /// The text of a leaf, decoded.
    pub fn text(&self) -> String {
        let charset = self.content_type().parameter("charset").unwrap_or_default().to_owned();
        crate::charset::decode(&charset, &self.decoded())
    }

    /// The decoded bytes of a leaf; of anything else the raw bytes.
    pub fn decoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.content.write(&mut bytes);
        if !matches!(self.content, Content::Leaf(_)) {
            return bytes;
        }
        match Encoding::parse(self.header.text("Content-Transfer-Encoding")) {
            Encoding::QuotedPrintable => crate::transfer::quoted_printable_decode(&bytes),
            Encoding::Base64 => crate::transfer::base64_decode(&bytes),
            Encoding::Identity | Encoding::Unknown => bytes,
        }
    }

    /// Sets the content to a text.
    pub fn set_text(&mut self, text: &str) {
        self.header.remove("Content-Disposition");
        self.header.remove("Content-Type");
        self.header.remove("Content-Transfer-Encoding");
        let (fields, bytes) = Composed::text(text, b"\n").into_parts();
        for (name, value) in fields {
            self.header.append_raw(name, value.as_bytes());
        }
        self.content = Content::Leaf(bytes);
    }

    /// Replaces it by one of its parts: the content and the fields that describe it.
    pub fn become_part(&mut self, part: Node) {
        let describes = |name: &[u8]| name.to_ascii_lowercase().starts_with(b"content-");
        self.header.retain(|field| !describes(field.name()));
        if !part.header.has("Content-Type") && part.implied != self.implied {
            self.header.append_raw("Content-Type", part.implied.as_bytes());
        }
        for field in part.header.fields().filter(|field| describes(field.name())) {
            let name = String::from_utf8_lossy(field.name()).into_owned();
            self.header.append_raw(&name, field.value());
        }
        self.content = part.content;
    }

    /// Whether a reader would see nothing: blanks of any kind, HTML without text and images,
    /// only empty parts.
    pub fn is_empty(&self) -> bool {
        let kind = self.content_type().value;
        match &self.content {
            Content::Message(_) => false,
            // The first part shows what the others are for.
            Content::Multipart(multipart) if kind == "multipart/related" => {
                multipart.parts.first().is_none_or(Node::is_empty)
            }
            Content::Multipart(multipart) => multipart.parts.iter().all(Node::is_empty),
            Content::Leaf(_) if kind == "text/html" => crate::html::is_empty(&self.text()),
            Content::Leaf(_) if kind.starts_with("text/") || kind.starts_with("multipart/") => {
                self.text().chars().all(crate::html::is_invisible)
            }
            Content::Leaf(bytes) => bytes.trim_ascii().is_empty(),
        }
    }
}

impl Content {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Content::Leaf(bytes) => out.extend_from_slice(bytes),
            Content::Message(node) => node.write(out),
            Content::Multipart(multipart) => {
                for (glue, part) in multipart.glue.iter().zip(&multipart.parts) {
                    out.extend_from_slice(glue);
                    part.write(out);
                }
                out.extend_from_slice(&multipart.tail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RAW: &str = "From: a\nContent-Type: multipart/mixed; boundary=b\n\npre\n--b\nX: 1\n\none\n--b \nContent-Type: message/rfc822\n\nSubject: in\n\ninner\n--b\n\ntwo\n\n--b--\npost\n";

    fn of(raw: &str) -> Node {
        Node::of(&Message::parse(raw))
    }

    fn text(node: Node) -> String {
        String::from_utf8(node.into_message().to_bytes()).unwrap()
    }

    #[test]
    fn parts_can_be_taken_out_and_the_rest_stays() {
        let mut root = of(RAW);
        let Content::Multipart(multipart) = &mut root.content else { panic!() };
        assert_eq!(multipart.parts().len(), 3);
        let Content::Message(inner) = &multipart.parts()[1].content else { panic!() };
        assert_eq!(inner.header.text("Subject").as_deref(), Some("in"));
        let mut number = 0;
        multipart.retain(|_| {
            number += 1;
            number > 1
        });
        assert_eq!(text(root), RAW.replace("X: 1\n\none\n--b \n", ""));
    }

    #[test]
    fn a_message_may_become_one_of_its_parts() {
        let mut root = of(
            "From: a\nContent-Type: multipart/mixed; boundary=b\nSubject: s\n\n--b\nContent-Type: text/html\nX: y\n\n<p>\n--b--\n",
        );
        let Content::Multipart(multipart) = root.content.clone() else { panic!() };
        root.become_part(multipart.into_first().unwrap());
        assert_eq!(text(root), "From: a\nSubject: s\nContent-Type: text/html\n\n<p>");
    }

    #[test]
    fn a_part_that_was_only_a_header_may_get_a_text() {
        for part in ["", "Content-Type: text/plain", "Content-Type: text/plain\n"] {
            let mut root =
                of(&format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{part}\n--b--\n"));
            let Content::Multipart(multipart) = &mut root.content else { panic!() };
            multipart.parts_mut()[0].content = Content::Leaf(b"hello".to_vec());
            let message = root.into_message();
            let structure = mime::structure(&message);
            assert_eq!(structure.parts[0].text(message.body()), "hello", "{part:?}");
        }
    }

    #[test]
    fn file_names_are_decoded() {
        let name = |field: &str| of(&format!("{field}\n\nx")).file_name();
        assert_eq!(
            name("Content-Disposition: attachment; filename=\"=?utf-8?q?=C3=A4?=.exe\"").as_deref(),
            Some("ä.exe")
        );
        assert_eq!(name("Content-Type: a/b; name*=utf-8''%C3%A4.exe").as_deref(), Some("ä.exe"));
        assert_eq!(name("X: y"), None);
    }

    #[test]
    fn messages_in_messages_have_an_end() {
        let nested = "Content-Type: message/rfc822\n\n".repeat(10_000);
        assert_eq!(text(of(&nested)), nested);
    }

    proptest! {
        #[test]
        fn what_is_not_changed_stays_byte_for_byte(
            body in "(--b\r?\n|--b--\n|--c\n|--c--|Content-Type: multipart/x; boundary=c\n|Content-Type: message/rfc822\n|[a-z]{0,4}\r?\n|\r?\n|x){0,24}",
            header in "(Content-Type: multipart/mixed; boundary=b\r?\n|A: b\n){0,2}",
        ) {
            let raw = format!("{header}\n{body}");
            let message = Message::parse(raw);
            prop_assert_eq!(Node::of(&message).into_message().to_bytes(), message.to_bytes());
        }
    }
}
