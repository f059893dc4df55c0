//! `cleanarch`: escapes `From ` lines that do not begin a message.

use super::call::{Call, Done, Trouble, warn};
use super::getopt::{HELP as H, flag, with};
use std::io::{self, BufRead, BufWriter, Write};

pub const HELP: &str = "\
Reads an mbox file and writes it with a > before each line that begins with 'From ' but does not begin
a message. It works on files of any size in constant memory.

Usage: cleanarch [options] < BEFORE > AFTER

  -s N, --status=N   print a # every N lines
  -q, --quiet        do not print the numbers of changed lines
  -n, --dry-run      write nothing
  -h, --help         print this
";

pub fn run(call: &Call) -> Done {
    let options =
        call.options(&[H, flag('q', "quiet"), flag('n', "dry-run"), with('s', "status")])?;
    let status = match options.value("status") {
        None => 0,
        Some(number) => number
            .parse::<i64>()
            .map_err(|_| Trouble::usage(format!("Bad status number: {number}")))?,
    };
    if !options.rest.is_empty() {
        return Err(Trouble::usage(""));
    }
    let out: Box<dyn Write> =
        if options.has("dry-run") { Box::new(io::sink()) } else { Box::new(io::stdout().lock()) };
    let mut cleaner = Cleaner {
        out: BufWriter::new(out),
        say: !options.has("quiet"),
        status: u64::try_from(status).unwrap_or(0),
        line: 0,
        marks: 0,
        messages: 0,
    };
    cleaner.clean(io::stdin().lock())?;
    warn(format_args!("{} messages found", cleaner.messages));
    Ok(0)
}

struct Cleaner<W: Write> {
    out: W,
    say: bool,
    /// A mark is printed after this number of lines; 0 means never.
    status: u64,
    line: u64,
    marks: u32,
    messages: u64,
}

impl<W: Write> Cleaner<W> {
    fn clean(&mut self, mut input: impl BufRead) -> io::Result<()> {
        let (mut line, mut next) = (Vec::new(), Vec::new());
        // Whether the previous line was empty; the start of the file counts as empty.
        let mut gap = true;
        while read(&mut input, &mut line)? {
            self.line += 1;
            if !line.starts_with(b"From ") {
                self.out.write_all(&line)?;
            } else if !is_from_line(&line) {
                self.escape(&line)?;
            } else {
                let more = read(&mut input, &mut next)?;
                self.line += 1;
                if more && is_field(&next) {
                    self.messages += 1;
                    if !gap {
                        self.out.write_all(b"\n")?;
                    }
                    self.out.write_all(&line)?;
                } else {
                    self.escape(&line)?;
                }
                if more {
                    self.out.write_all(&next)?;
                }
            }
            if self.status > 0 && self.line.is_multiple_of(self.status) {
                self.marks += 1;
                let end = if self.marks.is_multiple_of(51) { "\n" } else { "" };
                let _unread = write!(std::io::stderr(), "#{end}");
            }
            gap = line == b"\n";
        }
        self.out.flush()
    }

    fn escape(&mut self, line: &[u8]) -> io::Result<()> {
        if self.say {
            warn(format_args!("Unix-From line changed: {}", self.line));
            warn(String::from_utf8_lossy(line).trim_end_matches('\n'));
        }
        self.out.write_all(b">")?;
        self.out.write_all(line)
    }
}

fn read(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(input.read_until(b'\n', line)? > 0)
}

/// `From SENDER Mon Nov 23 10:00[:00] [ZONE] 2026`, as Python's `mailbox` wants it.
fn is_from_line(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_number = |word: &str, least: usize, most: usize| {
        (least..=most).contains(&word.len()) && word.bytes().all(|digit| digit.is_ascii_digit())
    };
    let is_name = |word: &&str| word.len() == 3 && word.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_time = |word: &str| {
        let parts: Vec<&str> = word.split(':').collect();
        matches!(parts.len(), 2 | 3)
            && is_number(parts[0], 1, 2)
            && parts[1..].iter().all(|part| is_number(part, 2, 2))
    };
    // The sender is one word. After the time comes the year, or a zone and the year; the year may
    // have a suffix, or one word after it.
    let rest = match words.get(2..) {
        Some([day, month, number, time, rest @ ..])
            if is_name(day) && is_name(month) && is_number(number, 1, 2) && is_time(time) =>
        {
            rest
        }
        _ => return false,
    };
    let is_year = |word: &str| word.len() >= 4 && word.bytes().take(4).all(|b| b.is_ascii_digit());
    (0..2).any(|zones| match rest.get(zones..) {
        Some([year]) => is_year(year),
        Some([year, _]) => is_year(year) && year.len() == 4,
        _ => false,
    })
}

/// `Name:` without blanks in the name.
fn is_field(line: &[u8]) -> bool {
    let name = line.iter().position(|&byte| byte == b':').map(|colon| &line[..colon]);
    name.is_some_and(|name| name.first().is_some_and(|byte| (b'!'..=b'~').contains(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(input: &str) -> (String, u64) {
        let mut cleaner =
            Cleaner { out: Vec::new(), say: false, status: 0, line: 0, marks: 0, messages: 0 };
        cleaner.clean(input.as_bytes()).unwrap();
        (String::from_utf8(cleaner.out).unwrap(), cleaner.messages)
    }

    #[test]
    fn only_lines_that_begin_a_message_stay_as_they_are() {
        let before = "From a@b  Mon Nov 23 10:00:00 2026\nSubject: x\n\nFrom here on\nFrom a@b Mon Nov 23 10:00:00 2026\nno field\n\
                      From c@d Mon Nov 23 10:00 +0100 2026\nTo: y\n\nbody\n";
        let after = "From a@b  Mon Nov 23 10:00:00 2026\nSubject: x\n\n>From here on\n>From a@b Mon Nov 23 10:00:00 2026\nno field\n\
                     \nFrom c@d Mon Nov 23 10:00 +0100 2026\nTo: y\n\nbody\n";
        assert_eq!(clean(before), (after.to_owned(), 2));
    }

    #[test]
    fn what_has_been_cleaned_stays_so() {
        let once = clean("x\nFrom a\nFrom a@b Mon Nov 23 10:00:00 2026\nS: x\n").0;
        assert_eq!(clean(&once).0, once);
        assert_eq!(clean("").0, "");
        assert_eq!(
            clean("From a@b Mon Nov 23 10:00:00 2026").0,
            ">From a@b Mon Nov 23 10:00:00 2026"
        );
    }
}
