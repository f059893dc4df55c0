//! The subject prefix (docs/spec/pipeline.md §3).

use crate::encoded_word;

/// A subject with its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixed {
    /// The new subject.
    pub new: String,
    /// The subject without prefix and reply marks.
    pub stripped: String,
}

/// Adds a prefix to a subject, once: earlier ones are removed, and a sequence of reply marks
/// becomes one `Re:`. `old_style` puts that before a prefix without a number. Does nothing for an
/// empty prefix.
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

/// A decoded subject without reply marks at its start.
pub fn without_answers(subject: &str) -> &str {
    strip_answers(subject).1
}

/// The command at the start of a subject of ours, which a reply repeats: `confirm CODE`. The rest
/// of the subject is for people.
pub fn confirmation(subject: &str) -> Option<&str> {
    const COMMAND: &str = "confirm";
    let begins = subject.get(..COMMAND.len())?.eq_ignore_ascii_case(COMMAND);
    let behind = &subject[if begins { COMMAND.len() } else { return None }..];
    let code = behind.split_whitespace().next()?;
    let is_code = code.len() >= 32 && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let end = subject.len() - behind.trim_start().len() + code.len();
    (is_code && behind.starts_with(char::is_whitespace)).then(|| &subject[..end])
}

/// A decoded subject without the list's prefix and reply marks.
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

/// Removes every occurrence of the prefix, and the blanks after it if there are some before
/// it; its number may differ. An empty prefix never occurs.
pub fn remove_prefix(subject: &str, template: &str) -> String {
    let template = template.trim();
    if template.is_empty() {
        return subject.to_owned();
    }
    let mut out = String::with_capacity(subject.len());
    let mut rest = subject;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = prefix_at(rest, template) {
            rest = &rest[length..];
            if out.ends_with(char::is_whitespace) {
                rest = rest.trim_start();
            }
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The digits of a post's number, and blanks before them.
const LONGEST_NUMBER: usize = 20;

/// The length of the prefix at the start of a text, if there is one.
fn prefix_at(text: &str, template: &str) -> Option<usize> {
    let Some(place) = number_place(template) else {
        return text.starts_with(template).then_some(template.len());
    };
    let rest = text.strip_prefix(&template[..place.start])?;
    let count = |text: &str, belongs: fn(&u8) -> bool| {
        text.bytes().take(LONGEST_NUMBER).take_while(belongs).count()
    };
    let blanks = count(rest, |byte| *byte == b' ');
    let digits = count(&rest[blanks..], u8::is_ascii_digit);
    let after = rest[blanks + digits..].strip_prefix(&template[place.end..])?;
    (digits > 0).then(|| text.len() - after.len())
}

/// The marks of replies in the languages of mail programs.
const ANSWERS: [&str; 21] = [
    "re",
    "aw",
    "antw",
    "antwort",
    "antw.",
    "sv",
    "res",
    "\u{56de}\u{5fa9}",
    "vs",
    "rv",
    "tr",
    "r",
    "rif",
    "odp",
    "ynt",
    "\u{56de}\u{590d}",
    "\u{56de}\u{8986}",
    "\u{7b54}\u{590d}",
    "\u{7b54}\u{8986}",
    "\u{8fd4}\u{4fe1}",
    "\u{d68c}\u{c2e0}",
];

/// Removes reply marks from the start: whether there were any, and the rest.
fn strip_answers(subject: &str) -> (bool, &str) {
    let mut rest = subject.trim_start();
    let mut found = false;
    while let Some(after) = answer_at(rest) {
        found = true;
        rest = after.trim_start();
    }
    (found, rest.trim())
}

/// The text after the reply mark at the start: one of [`ANSWERS`], an optional number, optional
/// blanks, a colon.
pub fn answer_at(text: &str) -> Option<&str> {
    ANSWERS.iter().find_map(|mark| {
        let start = text.get(..mark.len())?;
        if !start.eq_ignore_ascii_case(mark) {
            return None;
        }
        let rest = text[mark.len()..].trim_start();
        let rest = without_number(rest).unwrap_or(rest).trim_start();
        rest.strip_prefix([':', '\u{ff1a}', '\u{fe55}'])
    })
}

/// `[2]`, `(2)`, `^2`
fn without_number(text: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let open = text.chars().next().filter(|letter| "[(^".contains(*letter))?;
    let (number, rest) = text[1..].split_at(digits(&text[1..]));
    let close = match open {
        '[' => "]",
        '(' => ")",
        _ => "",
    };
    rest.strip_prefix(close).filter(|_| !number.is_empty())
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
    fn answers_are_known_however_programs_mark_them() {
        for mark in [
            "Re:",
            "RE :",
            "Re\u{a0}:",
            "re  :",
            "TR :",
            "Tr:",
            "Re\u{ff1a}",
            "\u{56de}\u{590d}\u{ff1a}",
            "\u{56de}\u{590d}:",
            "\u{7b54}\u{590d}: ",
            "AW:",
            "SV:",
            "VS:",
            "Antw:",
            "RV:",
            "R:",
            "Odp:",
            "Re[2]:",
            "Re(2):",
            "Re (2) :",
            "Re^3:",
            "RE: AW : Re[12]:",
            "Rif: Ynt:",
        ] {
            assert_eq!(new(&format!("{mark} [Talk] hi"), "[Talk]"), "Re: [Talk] hi", "{mark}");
            assert_eq!(new(&format!("[Talk] {mark}hi"), "[Talk]"), "Re: [Talk] hi", "{mark}");
        }
        for subject in [
            "Rest: hi",
            "R hi",
            "Re",
            "Re[x]: hi",
            "Re(): hi",
            "Trust: hi",
            "\u{56de}: hi",
            "Re[2: hi",
        ] {
            assert_eq!(new(subject, "[Talk]"), format!("[Talk] {subject}"));
        }
    }

    #[test]
    fn where_the_prefix_was_one_blank_is_left() {
        assert_eq!(new("Fwd: [Talk] hi", "[Talk]"), "[Talk] Fwd: hi");
        assert_eq!(new("Fwd: [Talk]  [Talk] hi", "[Talk]"), "[Talk] Fwd: hi");
        assert_eq!(new("WG: [Talk 12] hi", "[Talk %d]"), "[Talk 7] WG: hi");
        assert_eq!(new("Fwd:[Talk] hi", "[Talk]"), "[Talk] Fwd: hi");
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
