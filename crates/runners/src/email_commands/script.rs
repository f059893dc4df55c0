//! Finds the lines of a mail that may be commands (docs/spec/commands.md §1).

use dormouse_mail::html::{self, Links};
use dormouse_mail::{Message, mime, subject};
use std::str::SplitWhitespace;

/// The maximum number of lines that are read (Mailman: DEFAULT_MAIL_COMMANDS_MAX_LINES).
pub const MOST_LINES: usize = 25;
/// Longer lines are truncated: they are not commands.
const LONGEST: usize = 2000;

/// The lines of a mail that may be commands.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Script {
    /// The subject; empty if there is none.
    pub subject: String,
    /// The first lines of the text.
    pub lines: Vec<String>,
    /// The lines after them.
    pub ignored: Vec<String>,
    /// Whether the mail has other parts than this text.
    pub is_partial: bool,
}

impl Script {
    /// Reads a mail: its subject, and its first plain text, otherwise the text of its HTML.
    pub fn read(message: &Message) -> Script {
        let root = mime::structure(message);
        let parts = root.walk();
        let of_type = |wanted: &str| {
            parts.iter().find(|part| part.parts.is_empty() && part.content_type.value == wanted)
        };
        let text = match (of_type("text/plain"), of_type("text/html")) {
            (Some(plain), _) => plain.text(message.body()),
            (None, Some(part)) => html::to_text_with(&part.text(message.body()), Links::Omitted),
            (None, None) => String::new(),
        };
        let mut lines = text.lines().map(clean);
        Script {
            subject: clean(&message.text("Subject").unwrap_or_default()),
            lines: lines.by_ref().take(MOST_LINES).collect(),
            ignored: lines.collect(),
            is_partial: parts.iter().filter(|part| part.parts.is_empty()).count() > 1,
        }
    }
}

/// Removes invisible characters, and replaces control characters and no-break spaces by blanks:
/// mail programs insert them, not people.
fn clean(line: &str) -> String {
    line.chars()
        .take(LONGEST)
        .filter(|letter| !matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}'))
        .map(|letter| if letter.is_control() || letter == '\u{a0}' { ' ' } else { letter })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Splits a line into its command, in lower case, and its arguments, which are split lazily.
pub fn words(line: &str) -> Option<(String, SplitWhitespace<'_>)> {
    let mut words = line.split_whitespace();
    let command = words.next()?.to_lowercase();
    Some((command, words))
}

/// The maximum number of words with a colon that are removed from a subject.
const MOST_MARKS: usize = 10;

/// Returns the possible readings of a subject, the most likely first: unchanged, without `Re:` and
/// the like, and without its first word.
pub fn readings(subject: &str) -> Vec<&str> {
    let mut readings = vec![subject.trim()];
    let mut rest = subject.trim();
    while readings.len() <= MOST_MARKS {
        let behind_colon = |word: &str| word.rfind([':', '\u{ff1a}']).map(|at| &rest[at..]);
        let marked = subject::answer_at(rest).or_else(|| {
            let behind = rest.split_whitespace().next().and_then(behind_colon)?;
            Some(behind.trim_start_matches([':', '\u{ff1a}']))
        });
        let Some(behind) = marked else { break };
        rest = behind.trim_start();
        readings.push(rest);
    }
    if let Some(word) = rest.split_whitespace().next() {
        readings.push(rest[word.len()..].trim_start());
    }
    readings.retain(|reading| !reading.is_empty());
    // The text after a code in the subject of our mail is for people.
    readings.into_iter().map(|reading| subject::confirmation(reading).unwrap_or(reading)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn script(raw: &str) -> Script {
        Script::read(&Message::parse(raw))
    }

    #[test]
    fn a_subject_is_read_without_what_answers_put_before_it() {
        assert_eq!(readings("subscribe"), ["subscribe"]);
        assert_eq!(readings("Re:subscribe"), ["Re:subscribe", "subscribe"]);
        assert_eq!(readings("Re: confirm abc")[1], "confirm abc");
        assert_eq!(readings("AW: Re: confirm abc")[2], "confirm abc");
        let code = "0123456789abcdef".repeat(2);
        let ours = format!("Re: confirm {code} (Bitte bestätigen Sie es)");
        assert_eq!(readings(&ours)[1], format!("confirm {code}"));
        assert_eq!(readings("Re: confirm abc (x)")[1], "confirm abc (x)");
        for mark in
            ["RE :", "Re\u{a0}:", "TR :", "Re\u{ff1a}", "\u{56de}\u{590d}\u{ff1a}", "Re (2) :"]
        {
            assert_eq!(readings(&format!("{mark} confirm abc"))[1], "confirm abc", "{mark}");
        }
        assert_eq!(readings("please help"), ["please help", "help"]);
        assert!(readings("  ").is_empty());
    }

    #[test]
    fn encoded_subjects_and_html_are_understood() {
        let read = script(
            "Subject: =?utf-8?b?UmU6IGNvbmZpcm0=?= =?utf-8?q?_abc?=\nContent-Type: text/html\n\n<html><body><p>unsubscribe</p><p>end</p></body></html>",
        );
        assert_eq!(read.subject, "Re: confirm abc");
        assert_eq!(
            read.lines.iter().filter(|line| !line.is_empty()).collect::<Vec<_>>(),
            ["unsubscribe", "end"]
        );
    }

    #[test]
    fn the_plain_text_comes_first_and_the_rest_of_the_mail_is_named() {
        let read = script(
            "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>help</p>\n--b\nContent-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\ndwBoAG8A\n--b--\n",
        );
        assert_eq!(read.lines, ["who"]);
        assert!(read.is_partial);
    }

    #[test]
    fn lines_behind_the_25th_are_ignored() {
        let read = script(&format!("Subject: x\n\n{}", "help\n".repeat(30)));
        assert_eq!((read.lines.len(), read.ignored.len()), (25, 5));
    }

    /// Each reading may be looked up and each line split: both must stay small.
    #[test]
    fn a_subject_of_any_length_has_few_readings_and_short_ones() {
        let read = script(&format!("Subject: {}\n\n", "a: ".repeat(400_000)));
        assert!(read.subject.chars().count() <= LONGEST);
        assert!(readings(&read.subject).len() <= MOST_MARKS + 2);
        assert!(readings(&"a: ".repeat(400_000)).len() <= MOST_MARKS + 2);
    }

    proptest! {
        #[test]
        fn any_mail_has_a_script(bytes: Vec<u8>) {
            let script = Script::read(&Message::parse(bytes));
            prop_assert!(script.lines.len() <= MOST_LINES);
            prop_assert!(script.lines.iter().all(|line| line.trim() == line));
        }

        #[test]
        fn any_line_has_words_or_is_blank(line: String) {
            match words(&line) {
                Some((command, arguments)) => {
                    prop_assert!(!command.is_empty() && !command.contains(char::is_whitespace));
                    let count = line.split_whitespace().count();
                    prop_assert_eq!(arguments.count() + 1, count);
                }
                None => prop_assert!(line.trim().is_empty()),
            }
        }

        #[test]
        fn every_reading_ends_as_the_subject_does(
            marks in prop::collection::vec("(Re|AW|Fwd|SV\\[2\\])", 0..4),
            command in "[a-z]{1,8}( [a-z0-9]{1,8}){0,2}"
        ) {
            let before: String = marks.iter().map(|mark| format!("{mark}: ")).collect();
            let subject = format!("{before}{command}");
            let readings = readings(&subject);
            prop_assert!(readings.contains(&command.as_str()), "{:?}", readings);
            prop_assert!(readings.iter().all(|reading| subject.ends_with(reading)));
        }
    }
}
