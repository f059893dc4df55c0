//! Formats a value like Python 2's `pprint`, with an indent of four and a width of eighty.

use crate::compat::call::Trouble;
use dormouse_clock::Timestamp;
use dormouse_mail::date;
use dormouse_pickle::{Graph, NodeId, Value, View};
use dormouse_python_literal::Literal;
use dormouse_spool::message_object;
use std::borrow::Cow;

const INDENT: usize = 4;
const WIDTH: usize = 80;
/// The depth to which values are printed; Mailman's files need ten.
const DEEPEST: usize = 200;
/// The maximum output: a file may share values so often that printing them would never end.
const LARGEST: usize = 1 << 30;
/// The bytes that are printed together.
const TOGETHER: usize = 64 << 10;

/// Prints the root with a line end, in parts. A string at the root is printed as it is.
///
/// # Errors
/// If the value cannot be printed, and those of `print`.
pub fn pretty(
    graph: &Graph<'_>,
    print: &mut dyn FnMut(&[u8]) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let root = graph.root();
    let mut printer = Printer { print, out: Vec::new(), printed: 0, open: Vec::new() };
    match root.node() {
        View::Bytes(bytes) => printer.write(bytes),
        _ => printer.value(root, 0, 0)?,
    }
    printer.write("\n");
    (printer.print)(&printer.out)
}

struct Printer<'p> {
    print: &'p mut dyn FnMut(&[u8]) -> Result<(), Trouble>,
    /// What is not printed yet.
    out: Vec<u8>,
    printed: usize,
    /// The containers that are being printed, to detect one that contains itself.
    open: Vec<NodeId>,
}

impl Printer<'_> {
    fn value(&mut self, value: Value<'_, '_>, indent: usize, behind: usize) -> Result<(), Trouble> {
        if self.out.len() > TOGETHER {
            (self.print)(&self.out)?;
            self.printed += self.out.len();
            self.out.clear();
        }
        if self.printed > LARGEST {
            let text = "the content of the file is too large to print";
            return Err(Trouble::Said(text.to_owned()));
        }
        if self.open.len() > DEEPEST {
            return Err(Trouble::Said(format!(
                "the content of the file is nested more than {DEEPEST} levels deep"
            )));
        }
        if self.open.contains(&value.id()) {
            self.write(format!("<Recursion on {}>", value.kind()));
            return Ok(());
        }
        let room = (WIDTH - 1).saturating_sub(indent + behind);
        let long = || one_line(value, room, &mut Vec::new()).is_none();
        self.open.push(value.id());
        match value.node() {
            View::Dict(_) => self.dict(value, indent, behind, long())?,
            View::List(_) | View::Tuple(_) => self.sequence(value, indent, behind, long())?,
            _ => self.write(plain(value)),
        }
        self.open.pop();
        Ok(())
    }

    fn write(&mut self, text: impl AsRef<[u8]>) {
        self.out.extend_from_slice(text.as_ref());
    }

    fn dict(
        &mut self,
        value: Value<'_, '_>,
        indent: usize,
        behind: usize,
        long: bool,
    ) -> Result<(), Trouble> {
        self.write("{");
        self.write(" ".repeat(INDENT - 1));
        let indent = indent + INDENT;
        for (index, (key, item)) in sorted(value).into_iter().enumerate() {
            let key = plain(key);
            self.separate(index, indent, long);
            self.write(&key);
            self.write(": ");
            self.value(item, indent + key.len() + 2, behind + 1)?;
        }
        self.write("}");
        Ok(())
    }

    fn sequence(
        &mut self,
        value: Value<'_, '_>,
        indent: usize,
        behind: usize,
        long: bool,
    ) -> Result<(), Trouble> {
        let tuple = matches!(value.node(), View::Tuple(_));
        self.write(if tuple { "(" } else { "[" });
        if long {
            self.write(" ".repeat(INDENT - 1));
        }
        let indent = indent + INDENT;
        for (index, item) in value.items().enumerate() {
            self.separate(index, indent, long);
            self.value(item, indent, behind + 1)?;
        }
        if tuple && value.len() == 1 {
            self.write(",");
        }
        self.write(if tuple { ")" } else { "]" });
        Ok(())
    }

    /// Writes the separator before every item but the first.
    fn separate(&mut self, index: usize, indent: usize, long: bool) {
        if index > 0 {
            self.write(if long { format!(",\n{:indent$}", "") } else { ", ".to_owned() });
        }
    }
}

/// Formats the value on one line, if it fits into `room`.
fn one_line(value: Value<'_, '_>, room: usize, open: &mut Vec<NodeId>) -> Option<Vec<u8>> {
    // Each item takes a letter.
    if open.contains(&value.id()) || value.len() > room {
        return None;
    }
    let mut out = Vec::new();
    open.push(value.id());
    let mut part = |out: &mut Vec<u8>, item| {
        out.extend(one_line(item, room.checked_sub(out.len())?, open)?);
        Some(())
    };
    match value.node() {
        View::Dict(_) => {
            out.push(b'{');
            for (index, (key, item)) in sorted(value).into_iter().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b"" });
                part(&mut out, key)?;
                out.extend_from_slice(b": ");
                part(&mut out, item)?;
            }
            out.push(b'}');
        }
        View::List(_) | View::Tuple(_) => {
            let tuple = matches!(value.node(), View::Tuple(_));
            out.push(if tuple { b'(' } else { b'[' });
            for (index, item) in value.items().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b"" });
                part(&mut out, item)?;
            }
            out.extend_from_slice(match (tuple, value.len()) {
                (true, 1) => b",)",
                (true, _) => b")",
                (false, _) => b"]",
            });
        }
        _ => out = plain(value),
    }
    open.pop();
    (out.len() <= room).then_some(out)
}

/// Entries by their keys in Python 2's order; of two with the same key, the later one.
fn sorted<'g, 'a>(dict: Value<'g, 'a>) -> Vec<(Value<'g, 'a>, Value<'g, 'a>)> {
    let mut entries: Vec<_> = dict.entries().collect();
    entries.reverse();
    entries.sort_by(|(a, _), (b, _)| {
        let (a, b) = (rank(*a), rank(*b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then_with(|| a.2.cmp(&b.2))
    });
    entries.dedup_by(|(a, _), (b, _)| rank(*a) == rank(*b));
    entries
}

/// Returns the rank of a key: None before numbers before everything else.
fn rank<'g>(key: Value<'g, '_>) -> (u8, f64, Cow<'g, [u8]>) {
    match (key.is_none(), key.as_float(), key.as_bytes()) {
        (true, ..) => (0, 0.0, Cow::default()),
        (_, Some(number), _) => (1, number, Cow::default()),
        (_, _, Some(bytes)) => (2, 0.0, Cow::Borrowed(bytes)),
        _ => (3, 0.0, Cow::Owned(plain(key))),
    }
}

/// Returns Python's `repr` of a value that is always on one line.
fn plain(value: Value<'_, '_>) -> Vec<u8> {
    let text = match value.node() {
        View::Bytes(bytes) => Literal::Bytes(bytes.to_vec()).to_string(),
        View::Text(text) => Literal::Text(String::from_utf8_lossy(text).into_owned()).to_string(),
        View::ByteArray(bytes) => format!("bytearray(b{})", Literal::Bytes(bytes.to_vec())),
        View::Long(_) => format!("{}L", value.to_text_lossy()),
        View::Set(_) => format!("set([{}])", items(value)),
        View::FrozenSet(_) => format!("frozenset([{}])", items(value)),
        View::Global(class) => format!("<class {}.{}>", class.module, class.name),
        View::Object(_) => return object(value),
        _ => one_line_or_dots(value),
    };
    text.into_bytes()
}

/// Formats a value inside a key, a set or an object. Containers among them are short.
fn one_line_or_dots(value: Value<'_, '_>) -> String {
    match value.node() {
        View::Dict(_) | View::List(_) | View::Tuple(_) => {
            let line = one_line(value, 4 * WIDTH, &mut Vec::new());
            line.map_or("...".to_owned(), |line| String::from_utf8_lossy(&line).into_owned())
        }
        _ => value.to_text_lossy().into_owned(),
    }
}

fn items(value: Value<'_, '_>) -> String {
    let items = value.items().map(|item| {
        let line = one_line(item, 4 * WIDTH, &mut Vec::new()).unwrap_or_else(|| b"...".to_vec());
        String::from_utf8_lossy(&line).into_owned()
    });
    items.collect::<Vec<_>>().join(", ")
}

/// Formats the instances in Mailman's files as Mailman does.
fn object(value: Value<'_, '_>) -> Vec<u8> {
    let (module, class) = value.class().unwrap_or(("?", "?"));
    let attribute = |name: &str, none: &str| -> String {
        let found = value.state().and_then(|state| state.get(name));
        found.map_or_else(|| none.to_owned(), one_line_or_dots)
    };
    match class {
        "_BounceInfo" => format!(
            "<bounce info for member {}\n        current score: {}\n        last bounce date: {}\n        \
             email notices left: {}\n        last notice date: {}\n        confirmation cookie: {}\n        >",
            attribute("member", "None"),
            attribute("score", "None"),
            attribute("date", "None"),
            attribute("noticesleft", "None"),
            attribute("lastnotice", "None"),
            attribute("cookie", "None"),
        )
        .into_bytes(),
        "UserDesc" => {
            let digest = match attribute("digest", "n/a").as_str() {
                "0" | "False" => "no".to_owned(),
                "1" | "True" => "yes".to_owned(),
                other => other.to_owned(),
            };
            format!(
                "<UserDesc {} ({}) [{}] [digest? {digest}] [{}]>",
                attribute("address", "n/a"),
                attribute("fullname", "n/a"),
                attribute("password", "n/a"),
                attribute("language", "n/a"),
            )
            .into_bytes()
        }
        _ => match message_object::to_bytes(value) {
            Ok(message) => with_from_line(&message),
            Err(_) => format!("<{module}.{class} instance>").into_bytes(),
        },
    }
}

/// Returns a message in mbox format with its first line; one without gets today's.
fn with_from_line(message: &[u8]) -> Vec<u8> {
    let mut text = match from_line(message) {
        Some(end) => message[..end].to_vec(),
        None => format!("From nobody {}\n", date::ctime(Timestamp::now())).into_bytes(),
    };
    text.extend(for_mailbox(message));
    text
}

/// Returns a message in mbox format without its first line: a `From ` at the start of a line of the
/// body gets a `>`.
pub fn for_mailbox(message: &[u8]) -> Vec<u8> {
    let message = &message[from_line(message).unwrap_or(0)..];
    let mut text = Vec::with_capacity(message.len());
    let mut body = false;
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if body && line.starts_with(b"From ") {
            text.push(b'>');
        }
        body |= line == b"\n";
        text.extend_from_slice(line);
    }
    text
}

fn from_line(message: &[u8]) -> Option<usize> {
    message.starts_with(b"From ").then(|| {
        message.iter().position(|&byte| byte == b'\n').map_or(message.len(), |end| end + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(pickle: &[u8]) -> String {
        let (graph, _) =
            dormouse_pickle::load(pickle, &dormouse_pickle::Limits::default()).unwrap();
        let mut text = Vec::new();
        let mut print = |part: &[u8]| {
            text.extend_from_slice(part);
            Ok(())
        };
        pretty(&graph, &mut print).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_printed_in_parts_is_whole() {
        let items: Vec<String> = (0..20_000).map(|number| format!("I{number}\n")).collect();
        let expected: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
        let pickle = format!("({}l.", items.concat());
        assert_eq!(printed(pickle.as_bytes()), format!("[   {}]\n", expected.join(",\n    ")));
    }

    #[test]
    fn values_are_laid_out_as_pprint_does() {
        assert_eq!(printed(b"(d."), "{   }\n");
        assert_eq!(printed(b"(S'a'\nS'b'\nl."), "['a', 'b']\n");
        assert_eq!(printed(b"(I1\nt."), "(1,)\n");
        assert_eq!(printed(b"S'it is'\n."), "it is\n");
        assert_eq!(printed(b"(S'b'\nI1\nS'a'\n(ld."), "{   'a': [], 'b': 1}\n");
    }

    #[test]
    fn what_is_long_gets_a_line_an_item() {
        let long = "x".repeat(50);
        let pickle = format!("(S'{long}'\nS'{long}'\nl.");
        assert_eq!(printed(pickle.as_bytes()), format!("[   '{long}',\n    '{long}']\n"));
    }

    #[test]
    fn what_holds_itself_is_named() {
        assert_eq!(printed(b"(lp0\ng0\na."), "[   <Recursion on a list>]\n");
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let deep = [&b"(".repeat(900)[..], &b"l".repeat(900), b"."].concat();
        let (graph, _) = dormouse_pickle::load(&deep, &dormouse_pickle::Limits::default()).unwrap();
        let refused = pretty(&graph, &mut |_| Ok(())).unwrap_err();
        assert!(matches!(refused, Trouble::Said(text) if text.contains("deep")));
    }

    #[test]
    fn a_message_is_printed_as_in_a_mailbox() {
        assert_eq!(
            for_mailbox(b"From a@b x\nSubject: x\n\nFrom me\nx From y\n"),
            b"Subject: x\n\n>From me\nx From y\n"
        );
    }
}
