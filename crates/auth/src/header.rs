//! The header of a message as signatures cover it: raw fields in order.

/// A header field: its name and everything after the colon, with folds and line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'m> {
    /// The name as it is written, perhaps with blanks before the colon.
    pub name: &'m [u8],
    pub value: &'m [u8],
}

impl Field<'_> {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Returns the value as text. Bytes that are not UTF-8 occur in no valid tag.
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.value)
    }
}

/// Splits a message into the fields of its header and the body. Lines that are not fields are
/// skipped.
pub(crate) fn split(message: &[u8]) -> (Vec<Field<'_>>, &[u8]) {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        if let Some(body) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            return (fields, body);
        }
        let mut end = 0;
        loop {
            end += match memchr::memchr(b'\n', &rest[end..]) {
                Some(length) => length + 1,
                None => rest.len() - end,
            };
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, behind) = rest.split_at(end);
        if let Some(colon) = memchr::memchr(b':', field)
            && is_name(field[..colon].trim_ascii_end())
        {
            fields.push(Field { name: &field[..colon], value: &field[colon + 1..] });
        }
        rest = behind;
    }
    (fields, rest)
}

/// Whether a text can be a field's name, unlike the text before the first colon of an mbox line.
fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| !byte.is_ascii_whitespace())
}
