//! Recognizes posts that look like commands sent to the wrong address (docs/spec/pipeline.md §8).

use dormouse_mail::{Message, mime, subject};

/// Longer bodies do not contain commands.
const MOST_LINES: usize = 25;
/// A command must be in one of these first lines.
const FIRST_LINES: usize = 5;
/// The commands, with the least and the most arguments.
const COMMANDS: [(&str, usize, usize); 11] = [
    ("confirm", 1, 1),
    ("help", 0, 0),
    ("info", 0, 0),
    ("lists", 0, 0),
    ("options", 0, 0),
    ("password", 2, 2),
    ("remove", 0, 0),
    ("set", 3, 3),
    ("subscribe", 0, 3),
    ("unsubscribe", 0, 1),
    ("who", 0, 1),
];

/// Whether the subject or one of the first lines is a command.
pub fn is_command(message: &Message) -> bool {
    let text = mime::first_text(message).unwrap_or_default();
    // The signature below the mark is the same in every mail of this poster.
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| *line != "-- ")
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.len() > MOST_LINES {
        return false;
    }
    if let [only] = lines[..]
        && COMMANDS.iter().any(|(name, ..)| only.eq_ignore_ascii_case(name))
    {
        return true;
    }
    let subject = message.text("Subject").unwrap_or_default();
    if subject::confirmation(subject::without_answers(subject.trim())).is_some() {
        return true;
    }
    lines.iter().take(FIRST_LINES).copied().chain([subject.trim()]).any(is_command_line)
}

fn is_command_line(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let Some(command) = words.next() else { return false };
    let arguments: Vec<&str> = words.collect();
    COMMANDS.iter().any(|&(name, least, most)| {
        command.eq_ignore_ascii_case(name)
            && (least..=most).contains(&arguments.len())
            && (name != "set" || matches!(arguments[2].to_lowercase().as_str(), "on" | "off"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(subject: &str, body: &str) -> Message {
        Message::parse(format!("Subject: {subject}\n\n{body}").into_bytes())
    }

    #[test]
    fn a_command_in_the_subject_or_the_first_lines_is_one() {
        assert!(is_command(&post("unsubscribe", "please")));
        assert!(is_command(&post("hello", "\n\nsubscribe me@example.org\n")));
        assert!(is_command(&post("", "set digest ack on")));
        assert!(is_command(&post("confirm 0123abc", "")));
        // A reply to the wrong address would show everybody the code.
        let code = "0123456789abcdef".repeat(2);
        assert!(is_command(&post(&format!("Re: confirm {code} (Please confirm)"), "> x\n")));
        assert!(!is_command(&post("confirm the date (please)", "")));
    }

    /// docs/spec/pipeline.md §8.
    #[test]
    fn every_command_takes_its_number_of_arguments() {
        for (name, least, most) in [
            ("confirm", 1, 1),
            ("help", 0, 0),
            ("info", 0, 0),
            ("lists", 0, 0),
            ("options", 0, 0),
            ("password", 2, 2),
            ("remove", 0, 0),
            ("set", 3, 3),
            ("subscribe", 0, 3),
            ("unsubscribe", 0, 1),
            ("who", 0, 1),
        ] {
            for count in 0..5 {
                let line = format!("{}{}", name.to_uppercase(), " on".repeat(count));
                let expected = (least..=most).contains(&count);
                assert_eq!(is_command(&post(&line, "")), expected, "{line}");
                assert_eq!(
                    is_command(&post("x", &format!("{line}\nand more\n"))),
                    expected,
                    "{line}"
                );
            }
            assert!(is_command(&post("x", &format!("\n {name} \n\n"))), "{name} is all there is");
        }
        assert!(!is_command(&post("set digest plain maybe", "")));
    }

    #[test]
    fn talk_about_commands_is_none() {
        assert!(!is_command(&post(
            "how to unsubscribe",
            "You can unsubscribe by writing to the list."
        )));
        assert!(!is_command(&post("set theory", "set theory is fun")));
        assert!(!is_command(&post("x", "a\nb\nc\nd\ne\nhelp\n")));
        assert!(!is_command(&post("x", &format!("help\n{}", "line\n".repeat(30)))));
        assert!(!is_command(&post("x", "hello\n-- \nhelp\n")));
    }
}
