//! The lines of a digest: the list of topics, and folded header fields.

/// The maximum width of a subject in the list of topics, and of the line with the author.
const SUBJECT: usize = 65;
const LINE: usize = 70;

/// Returns the list of topics: the number, subject and author of each message.
pub fn topics<'a>(articles: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (index, (subject, author)) in articles.enumerate() {
        let mut lines = wrap(&format!("{:2}. {subject}", index + 1), SUBJECT);
        if !author.is_empty() {
            let author = format!(" ({author})");
            match lines.last_mut() {
                Some(last) if width(last) + width(&author) <= LINE => last.push_str(&author),
                _ => lines.push(author.trim_start().to_owned()),
            }
        }
        for (index, line) in lines.iter().enumerate() {
            text.push_str(if index == 0 { "  " } else { "      " });
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Returns a header field for people: decoded, and folded before column 70.
pub fn field(name: &str, value: &str) -> String {
    let mut lines = wrap(&format!("{name}: {value}"), LINE).join("\n\t");
    lines.push('\n');
    lines
}

/// Returns a body as RFC 1153 requires: without blank lines around it, and without lines that look
/// like a separator.
pub fn body(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    let is_blank = |line: &&str| line.trim().is_empty();
    let first = lines.iter().position(|line| !is_blank(line)).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !is_blank(line)).map_or(first, |last| last + 1);
    let mut out = String::with_capacity(text.len());
    for line in &lines[first..last] {
        let line: String =
            line.chars().filter(|&letter| letter == '\t' || !letter.is_control()).collect();
        if line == SEPARATOR {
            out.push(' ');
            out.push_str(&SEPARATOR[1..]);
        } else {
            out.push_str(&line);
        }
        out.push('\n');
    }
    out
}

/// The line between messages.
pub const SEPARATOR: &str = "------------------------------";

/// Returns the line below the list of topics.
pub fn rule() -> String {
    "-".repeat(LINE)
}

/// Wraps words into lines of at most `most` letters; a longer word gets a separate line.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // The blanks before a number stay.
    let indent: String = text.chars().take_while(|&letter| letter == ' ').collect();
    let mut line = indent;
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && width(&line) + 1 + width(word) > most {
            lines.push(std::mem::take(&mut line));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.extend(word.chars().filter(|letter| !letter.is_control()));
        is_empty = false;
    }
    lines.push(line);
    lines
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Returns a line of as many stars as the text has letters.
pub fn underline(text: &str) -> String {
    "*".repeat(width(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn topics_have_a_number_a_subject_and_an_author() {
        let long =
            "A subject that goes on and on until it does not fit on the line any more at all";
        let articles = [
            ("hello", "Anna"),
            ("Re: hello", ""),
            (long, "Bert"),
            (long, "A name of fourty letters, neither more nor less than that"),
        ];
        assert_eq!(
            topics(articles.into_iter()),
            "   1. hello (Anna)\n   2. Re: hello\n\
             \x20  3. A subject that goes on and on until it does not fit on the\n\
             \x20     line any more at all (Bert)\n\
             \x20  4. A subject that goes on and on until it does not fit on the\n\
             \x20     line any more at all\n\
             \x20     (A name of fourty letters, neither more nor less than that)\n"
        );
    }

    #[test]
    fn a_body_has_no_blank_lines_around_it_and_no_separator_in_it() {
        let line = SEPARATOR;
        let text = body(&format!("\n \nhello\r\n{line}\n{line}-\n\nbye\n\n"));
        assert_eq!(text, format!("hello\n {}\n{line}-\n\nbye\n", &line[1..]));
        assert_eq!(body("\n\n"), "");
    }

    #[test]
    fn long_fields_are_folded() {
        let folded = field("To", &["anna@example.org,"; 8].join(" "));
        assert!(
            folded.lines().count() == 3
                && folded.lines().skip(1).all(|line| line.starts_with('\t'))
        );
        assert_eq!(field("Subject", "x"), "Subject: x\n");
    }

    proptest! {
        #[test]
        fn no_line_of_a_body_is_a_separator(text in "(-{30}\r?\n|-{29,31}|[a-z \0]{0,3}\n){0,8}") {
            prop_assert!(body(&text).lines().all(|line| line != SEPARATOR));
        }

        #[test]
        fn words_are_kept(text in "[a-zä ]{0,200}", author in "[a-z ]{0,80}") {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&wrap(&text, 20).join("\n")), words(&text));
            topics([(text.as_str(), author.as_str())].into_iter());
        }
    }
}
