//! The canonical forms (RFC 6376 §3.4). Input lines can end in LF or CRLF; the output has CRLF.

/// Which changes of a header or a body a signature tolerates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// None.
    Simple,
    /// Changes of white space and of the case of names.
    Relaxed,
}

impl Form {
    /// Appends a header field without its last line end.
    pub(crate) fn field(self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self {
            Form::Relaxed => field(name, value, out),
            Form::Simple => {
                out.extend_from_slice(name);
                out.push(b':');
                lines(value.strip_suffix(b"\n").unwrap_or(value), |line, is_last| {
                    out.extend_from_slice(line);
                    if !is_last {
                        out.extend_from_slice(b"\r\n");
                    }
                });
            }
        }
    }

    /// Feeds the body to `sink`.
    pub(crate) fn body(self, text: &[u8], sink: impl FnMut(&[u8])) {
        match self {
            Form::Relaxed => body(text, sink),
            Form::Simple => simple_body(text, sink),
        }
    }
}

/// Calls `each` with the lines of a text without their ends, and whether it is the last. The text
/// after the last line end is a line, too.
fn lines<'t>(text: &'t [u8], mut each: impl FnMut(&'t [u8], bool)) {
    let mut rest = text;
    loop {
        match memchr::memchr(b'\n', rest) {
            Some(end) => {
                let line = &rest[..end];
                each(line.strip_suffix(b"\r").unwrap_or(line), false);
                rest = &rest[end + 1..];
            }
            None => {
                each(rest.strip_suffix(b"\r").unwrap_or(rest), true);
                return;
            }
        }
    }
}

/// Feeds the body to `sink` without empty lines at the end; an empty body becomes an empty line
/// (RFC 6376 §3.4.3).
fn simple_body(text: &[u8], mut sink: impl FnMut(&[u8])) {
    let mut empty_lines = 0;
    let mut is_empty = true;
    lines(text, |line, _| {
        if line.is_empty() {
            empty_lines += 1;
            return;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            sink(b"\r\n");
        }
        is_empty = false;
        sink(line);
        sink(b"\r\n");
    });
    if is_empty {
        sink(b"\r\n");
    }
}

/// Appends a header field, with its name in lower case, one blank for each run of white space, and
/// no folds.
pub(crate) fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut blank = false;
    for &byte in value {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => blank = true,
            _ => {
                if blank && out.len() > start {
                    out.push(b' ');
                }
                blank = false;
                out.push(byte);
            }
        }
    }
}

/// Feeds the body to `sink`, without blanks at line ends and empty lines at the end, and with one
/// blank for each run of blanks.
pub(crate) fn body(body: &[u8], mut sink: impl FnMut(&[u8])) {
    let mut empty_lines = 0;
    let mut line_out = Vec::with_capacity(1024);
    let mut rest = body;
    while !rest.is_empty() {
        let line = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let line = &rest[..end];
                rest = &rest[end + 1..];
                line.strip_suffix(b"\r").unwrap_or(line)
            }
            None => std::mem::take(&mut rest),
        };
        line_out.clear();
        let mut blank = false;
        for &byte in line {
            if matches!(byte, b' ' | b'\t') {
                blank = true;
                continue;
            }
            if std::mem::take(&mut blank) {
                line_out.push(b' ');
            }
            line_out.push(byte);
        }
        if line_out.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            sink(b"\r\n");
        }
        line_out.extend_from_slice(b"\r\n");
        sink(&line_out);
    }
}

#[cfg(test)]
mod tests {
    use super::Form;
    use proptest::prelude::*;

    fn simple_body(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Form::Simple.body(text, |piece| out.extend_from_slice(piece));
        out
    }

    fn body(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        super::body(text, |piece| out.extend_from_slice(piece));
        out
    }

    fn field(name: &str, value: &str) -> String {
        let mut out = Vec::new();
        super::field(name.as_bytes(), value.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The example of RFC 6376 §3.4.5.
    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(field("A", " X\r\n"), "a:X");
        assert_eq!(field("B", " Y\t\r\n\tZ  \r\n"), "b:Y Z");
        assert_eq!(body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        let simple = |name: &str, value: &str| {
            let mut out = Vec::new();
            Form::Simple.field(name.as_bytes(), value.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(simple("A", " X\r\n"), "A: X");
        assert_eq!(simple("B ", " Y\t\r\n\tZ  \r\n"), "B : Y\t\r\n\tZ  ");
        assert_eq!(simple_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C \r\nD \t E\r\n");
        for empty in ["", "\r\n", "\n\r\n"] {
            assert_eq!(simple_body(empty.as_bytes()), b"\r\n", "{empty:?}");
        }
    }

    #[test]
    fn an_empty_body_is_empty_and_a_last_line_gets_its_end() {
        assert_eq!(body(b""), b"");
        assert_eq!(body(b"\r\n\n"), b"");
        assert_eq!(body(b"a"), b"a\r\n");
        assert_eq!(body(b"a\n\nb"), b"a\r\n\r\nb\r\n");
    }

    proptest! {
        #[test]
        fn the_form_is_its_own_form(text in "[ \t\r\nab]{0,60}") {
            let once = body(text.as_bytes());
            prop_assert_eq!(body(&once), once);
            let once = simple_body(text.as_bytes());
            prop_assert_eq!(simple_body(&once), once);
        }
    }
}
