//! One header field.

use crate::encoded_word;
use std::borrow::Cow;

/// A header field as in the message: name, colon, value, line end.
#[derive(Debug, Clone, Copy)]
pub struct Field<'m> {
    pub(crate) raw: &'m [u8],
}

impl<'m> Field<'m> {
    /// The name; empty for a line that is not a field.
    pub fn name(&self) -> &'m [u8] {
        name_of(self.raw)
    }

    /// Whether its line has an end; the last one of a truncated message has none.
    pub(crate) fn ends(&self) -> bool {
        self.raw.ends_with(b"\n")
    }

    /// Whether it has this name, ignoring case.
    pub fn is(&self, name: &str) -> bool {
        // Nearly every field of a message is asked, and most differ in the first bytes.
        let begins = self.raw.get(..name.len());
        begins.is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
            && self.name().len() == name.len()
    }

    /// The value as received, including folds, trimmed.
    pub fn value(&self) -> &'m [u8] {
        match self.raw.iter().position(|&byte| byte == b':') {
            Some(colon) => self.raw[colon + 1..].trim_ascii(),
            None => self.raw.trim_ascii(),
        }
    }

    /// The value on one line, without folds (RFC 5322 §2.2.3).
    pub fn unfolded(&self) -> Cow<'m, [u8]> {
        let value = self.value();
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            Cow::Owned(
                value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect(),
            )
        } else {
            Cow::Borrowed(value)
        }
    }

    /// The value as text: unfolded, with encoded words decoded (RFC 2047).
    pub fn text(&self) -> String {
        encoded_word::decode(&self.unfolded())
    }
}

/// The text before the colon, trimmed; empty if it is not a valid name.
pub(crate) fn name_of(raw: &[u8]) -> &[u8] {
    let line = raw.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Some(colon) = line.iter().position(|&byte| byte == b':') else { return b"" };
    let name = line[..colon].trim_ascii_end();
    let fits = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic());
    if fits { name } else { b"" }
}
