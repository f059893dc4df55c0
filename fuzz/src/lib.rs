//! The fuzz targets: each function passes any bytes to one parser, and panics if the result breaks
//! one of its promises. A new target is a function here, a line in [`TARGETS`], a file in
//! `fuzz_targets/`, a `[[bin]]` in `Cargo.toml`, and samples in `corpus/`.

use dormouse_archive::mbox;
use dormouse_lmtp::command;
use dormouse_lmtp::input::{CommandLine, Input, ReceivedMessage};
use dormouse_mail::{Message, address, encoded_word, html as pages, mime as parts, tree::Node};
use dormouse_pattern::{Flags, Pattern};
use dormouse_pickle::{Limits, Protocol, dump, load, load_from, marshal};
use dormouse_python_literal::{Scope, What, parse};
use std::io::{self, Read};
use std::path::Path;

/// A target; it panics if an invariant does not hold.
pub type Target = fn(&[u8]);

/// All targets by their names, which are also those of their corpora.
pub const TARGETS: [(&str, Target); 8] = [
    ("pickle", pickle),
    ("python_literal", python_literal),
    ("mime", mime),
    ("html", html),
    ("bounce", bounce),
    ("lmtp", lmtp),
    ("pattern", pattern),
    ("mbox", mbox),
];

/// A pickle that was read can be written, and has the same value when it is read again.
pub fn pickle(input: &[u8]) {
    if let Ok((graph, used)) = marshal::load(input) {
        assert!(used <= input.len());
        // Not every value can be written as marshal.
        let _refused = marshal::dump(&graph);
    }
    let streamed = load_from(input, input.len(), &Limits::default());
    let (graph, used) = match load(input, &Limits::default()) {
        Ok(loaded) => loaded,
        Err(error) => {
            assert_eq!(streamed.err(), Some(error), "{}", input.escape_ascii());
            return;
        }
    };
    assert!(used <= input.len());
    assert!(streamed.is_ok_and(|(streamed, _)| streamed == graph), "{}", input.escape_ascii());
    for protocol in [Protocol::Zero, Protocol::One, Protocol::Two] {
        let mut written = Vec::new();
        dump(&graph, protocol, &mut written).expect("what was read can be written");
        let (again, length) = load(&written, &Limits::default()).expect("what was written is read");
        assert_eq!(length, written.len());
        assert!(again == graph, "{} became {}", input.escape_ascii(), written.escape_ascii());
    }
}

/// Every statement and problem has a line of the file; values are computed or refused.
pub fn python_literal(input: &[u8]) {
    let file = parse(input);
    let lines = input.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count() + 1;
    for statement in &file.statements {
        assert!((1..=lines).contains(&statement.line), "line {} of {lines}", statement.line);
        if let What::Assign { value, .. } = &statement.what
            && let Ok(value) = Scope::default().evaluate(value)
        {
            assert!(value.equals(&value) || format!("{value:?}").contains("NaN"));
        }
    }
    for problem in &file.problems {
        assert!((1..=lines).contains(&problem.line), "line {} of {lines}", problem.line);
    }
}

/// A message that nobody changes has the same bytes at the end, also after it was parsed.
pub fn mime(input: &[u8]) {
    let message = Message::parse(input);
    // An mbox line before the message is not part of it.
    assert!(input.ends_with(&message.to_bytes()));
    assert!(message.unix_from().is_some() || message.to_bytes() == input);
    for part in parts::structure(&message).walk() {
        let _ = (part.decoded(message.body()), part.text(message.body()), part.file_name());
    }
    let whole = Node::of(&message);
    let _ = (whole.text(), whole.decoded(), whole.is_empty());
    let _ = whole.into_message().to_bytes();
    let text = encoded_word::decode(input);
    assert_eq!(
        encoded_word::decode(encoded_word::encode(&text, 0).as_bytes()).is_empty(),
        text.trim().is_empty()
    );
    for mailbox in address::parse_list(input) {
        let _ = address::format_mailbox("", &mailbox.address);
    }
}

/// Cleaned HTML executes and loads nothing, and cleaning it again changes nothing.
pub fn html(input: &[u8]) {
    let page = String::from_utf8_lossy(input);
    let _ = (pages::to_text(&page), pages::is_empty(&page));
    let _ = pages::surround(input, "<p>top</p>", "<p>bottom</p>");
    let Some(clean) = pages::clean(&page) else { return };
    let small = clean.to_ascii_lowercase();
    for element in ["<script", "<style", "<iframe", "<object", "<img", "<svg"] {
        assert!(!small.contains(element), "{element} stays in {clean}");
    }
    if let Some(again) = pages::clean(&clean) {
        assert_eq!(again, clean);
    }
}

/// A bounce has only possible addresses, and only text that a terminal can show.
pub fn bounce(input: &[u8]) {
    let message = Message::parse(input);
    for sender in [None, Some(""), Some("mailer-daemon@example.net")] {
        if let dormouse_bounce::BounceVerdict::Failed(failures) =
            dormouse_bounce::detect(&message, sender)
        {
            assert!(!failures.is_empty());
            for failure in failures {
                let (local, domain) = failure.address.rsplit_once('@').expect("an address");
                assert!(!local.is_empty() && domain.contains('.'), "{}", failure.address);
                assert!(!failure.text.contains(char::is_control), "{:?}", failure.text);
            }
        }
    }
}

/// A client's input is understood in the same way however it is divided into packets, and no
/// message is larger than the input.
pub fn lmtp(input: &[u8]) {
    let whole = said(Input::new(input));
    assert_eq!(whole, said(Input::new(Slow(input))), "cut elsewhere");
    for one in &whole {
        match one {
            Said::Message(Some(text)) => assert!(text.len() <= input.len()),
            Said::Message(None) | Said::Line(_) => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// A line, and whether it is a command.
    Line(bool),
    /// A message; `None` if it was too large.
    Message(Option<Vec<u8>>),
}

/// Reads everything that a client sends: lines, and a message after each DATA.
fn said(mut input: Input<impl Read>) -> Vec<Said> {
    /// A small limit, so that a fuzzer reaches it.
    const LIMIT: u64 = 512;
    let mut said = Vec::new();
    while let Some(line) = input.line().expect("memory can be read") {
        let CommandLine::Whole(line) = line else {
            said.push(Said::Line(false));
            continue;
        };
        let command = command::parse(&line);
        said.push(Said::Line(command.is_ok()));
        if command == Ok(command::Command::Data) {
            match input.message(LIMIT).expect("memory can be read") {
                None => break,
                Some(ReceivedMessage::TooLarge) => said.push(Said::Message(None)),
                Some(ReceivedMessage::Whole(text)) => said.push(Said::Message(Some(text))),
            }
        }
    }
    said
}

/// A reader that returns one byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

/// The first line is a pattern, the rest a text. If it matches at the start, it is also found by a
/// search.
pub fn pattern(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let (pattern, text) = input.split_once('\n').unwrap_or((&input, ""));
    let plain = Flags::default();
    let all =
        Flags { ignore_case: true, multiline: true, unicode: true, dot_all: true, verbose: true };
    for flags in [plain, all] {
        let Ok(pattern) = Pattern::new(pattern, flags) else { continue };
        if pattern.match_start(text) == Ok(true) {
            assert_ne!(pattern.search(text), Ok(false), "{pattern:?} in {text:?}");
        }
    }
}

/// An mbox is read to its end, and a message that is written to one can be read from it.
pub fn mbox(input: &[u8]) {
    let stored = |bytes: &[u8]| {
        let mut reader =
            mbox::Reader::new(bytes, Path::new("memory"), 0).expect("memory can be read");
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(one) = reader.next_message().expect("memory can be read") {
            assert!(one.start >= at && one.length > 0);
            at = one.start + one.length;
            found.push(one);
        }
        assert!(reader.is_unfinished() || reader.position() == bytes.len() as u64);
        found
    };
    for one in stored(input) {
        let _ = mbox::message(&one.bytes);
    }
    if input.is_empty() {
        return;
    }
    let entry = mbox::entry("anna@example.org", "Sat Jan  3 01:05:34 2026", input);
    let found = stored(&entry);
    assert_eq!(found.len(), 1, "{}", entry.escape_ascii());
    let mut expected = Vec::new();
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        expected.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
        if line.ends_with(b"\r\n") {
            expected.push(b'\n');
        }
    }
    if !expected.ends_with(b"\n") {
        expected.push(b'\n');
    }
    assert_eq!(mbox::message(&found[0].bytes), expected, "{}", entry.escape_ascii());
}
