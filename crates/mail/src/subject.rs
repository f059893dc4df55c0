//! The subject prefix (spec/pipeline.md §3).

use crate::encoded_word;

/// A subject with its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixed {
    /// The new subject.
    pub new: String,
    /// The subject without prefix and answer marks.
    pub stripped: String,
}

/// Puts a prefix before a subject, once: earlier ones go, and a run of answer marks becomes one
/// `Re:`. `old_style` puts that before a prefix without a number. Nothing to do for an empty
/// prefix.
pub fn prefix(
    subject: Option<&[u8]>,
    template: &str,
    post_id: i64,
    old_style: bool,
) -> Option<Prefixed> {
    let template = template.trim();
    if template.is_empty() {
        return None;
    }
    let subject = subject.map(|raw| {
        let line: Vec<u8> =
            raw.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        encoded_word::decode(&line)
    });
    let subject = remove_prefix(&subject.unwrap_or_default(), template);
    let (answer, stripped) = strip_answers(subject.trim());
    let stripped = if stripped.is_empty() { "(no subject)" } else { stripped };
    let number = number_place(template);
    let prefix = match &number {
        Some(place) => format!(
            "{}{}{}",
            &template[..place.start],
            place.print(post_id),
            &template[place.end..]
        ),
        None => template.to_owned(),
    };
    let new = match (answer, old_style && number.is_none()) {
        (false, _) => format!("{prefix} {stripped}"),
        (true, true) => format!("Re: {prefix} {stripped}"),
        (true, false) => format!("{prefix} Re: {stripped}"),
    };
    Some(Prefixed { new, stripped: stripped.to_owned() })
}

/// A decoded subject without answer marks at its start.
pub fn without_answers(subject: &str) -> &str {
    strip_answers(subject).1
}

/// A decoded subject without the list's prefix and answer marks.
pub fn without_prefix(subject: &str, template: &str) -> String {
    let template = template.trim();
    let rest =
        if template.is_empty() { subject.to_owned() } else { remove_prefix(subject, template) };
    strip_answers(&rest).1.to_owned()
}

/// `%d` or `%05d` in a template.
struct NumberPlace {
    start: usize,
    end: usize,
    width: usize,
    zeros: bool,
}

impl NumberPlace {
    fn print(&self, number: i64) -> String {
        if self.zeros {
            format!("{number:0width$}", width = self.width)
        } else {
            format!("{number:width$}", width = self.width)
        }
    }
}

fn number_place(template: &str) -> Option<NumberPlace> {
    let mut from = 0;
    while let Some(at) = template[from..].find('%') {
        let start = from + at;
        let digits: String =
            template[start + 1..].chars().take_while(char::is_ascii_digit).collect();
        let end = start + 1 + digits.len();
        if template[end..].starts_with('d') && digits.len() < 4 {
            let width = digits.parse().unwrap_or(0);
            return Some(NumberPlace {
                start,
                end: end + 1,
                width,
                zeros: digits.starts_with('0'),
            });
        }
        from = start + 1;
    }
    None
}

/// Takes every occurrence of the prefix out; in place of its number any number may stand. An empty
/// prefix is nowhere.
pub fn remove_prefix(subject: &str, template: &str) -> String {
    let template = template.trim();
    if template.is_empty() {
        return subject.to_owned();
    }
    let mut out = String::with_capacity(subject.len());
    let mut rest = subject;
    while !rest.is_empty() {
        if let Some(length) = prefix_at(rest, template) {
            rest = &rest[length..];
        } else {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..first]);
            rest = &rest[first..];
        }
    }
    out
}

/// How long the prefix at the start of a text is, if one is there.
fn prefix_at(text: &str, template: &str) -> Option<usize> {
    let Some(place) = number_place(template) else {
        return text.starts_with(template).then_some(template.len());
    };
    let rest = text.strip_prefix(&template[..place.start])?;
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    let digits = rest[blanks..].chars().take_while(char::is_ascii_digit).count();
    let after = rest[blanks + digits..].strip_prefix(&template[place.end..])?;
    (digits > 0).then(|| text.len() - after.len())
}

/// Takes `Re:`, `AW:`, `SV:`, `VS:` and their numbered forms from the start: whether there was
/// any, and the rest.
fn strip_answers(subject: &str) -> (bool, &str) {
    let mut rest = subject.trim_start();
    let mut found = false;
    while let Some(after) = answer_at(rest) {
        found = true;
        rest = after.trim_start();
    }
    (found, rest.trim())
}

fn answer_at(text: &str) -> Option<&str> {
    let mark = text.get(..2)?.to_ascii_lowercase();
    if !["re", "aw", "sv", "vs"].contains(&mark.as_str()) {
        return None;
    }
    let rest = &text[2..];
    let rest = match rest.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']')?;
            if end == 0 || !inner[..end].bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            &inner[end + 1..]
        }
        None => rest,
    };
    rest.strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn new(subject: &str, template: &str) -> String {
        prefix(Some(subject.as_bytes()), template, 7, true).unwrap().new
    }

    #[test]
    fn a_prefix_stands_once_and_behind_the_answer_mark() {
        assert_eq!(new("hello", "[dev] "), "[dev] hello");
        assert_eq!(new("Re: [dev] hello", "[dev] "), "Re: [dev] hello");
        assert_eq!(new("[dev] Re: AW: Re[2]: [dev] hello", "[dev]"), "Re: [dev] hello");
        assert_eq!(new("", "[dev]"), "[dev] (no subject)");
        assert_eq!(new("Research: x", "[dev]"), "[dev] Research: x");
        assert_eq!(prefix(None, "[dev]", 7, true).unwrap().new, "[dev] (no subject)");
        assert_eq!(prefix(Some(b"Re: x"), "[dev]", 7, false).unwrap().new, "[dev] Re: x");
        assert_eq!(prefix(Some(b"x"), "  ", 7, true), None);
    }

    #[test]
    fn a_number_is_counted_and_an_old_one_goes() {
        assert_eq!(new("Re: [dev 3] hello", "[dev %d]"), "[dev 7] Re: hello");
        assert_eq!(new("[dev 00012] x", "[dev %05d]"), "[dev 00007] x");
        assert_eq!(new("[dev x] y", "[dev %d]"), "[dev 7] [dev x] y");
    }

    #[test]
    fn encoded_subjects_are_read() {
        assert_eq!(new("Re: =?utf-8?q?=5Bdev=5D_Gr=C3=BC=C3=9Fe?=", "[dev]"), "Re: [dev] Grüße");
    }

    proptest! {
        #[test]
        fn prefixing_twice_is_prefixing_once(subject in "\\PC{0,40}", template in "\\[[a-z]{1,6}( %d)?\\]") {
            let once = prefix(Some(subject.as_bytes()), &template, 7, true).unwrap();
            let twice = prefix(Some(once.new.as_bytes()), &template, 7, true).unwrap();
            // Encoded words may be decoded a second time; then the text differs for another reason.
            prop_assume!(!once.new.contains("=?"));
            prop_assert_eq!(twice.stripped, once.stripped);
        }
    }
}
