//! Translates Python's syntax to `fancy_regex`'s. They look alike and differ in details, so every
//! pattern is parsed completely and written again.

mod group;

use crate::class::{literal, named};
use crate::{Flags, PatternError};
use std::collections::HashMap;

/// The maximum depth of groups.
const DEEPEST: usize = 100;
/// The maximum product of all bounds of nested repetitions.
const MOST_REPEATS: u64 = 100_000;

/// The translated pattern, and the flags including those that it sets itself.
pub fn translate(pattern: &str, flags: Flags) -> Result<(String, Flags), PatternError> {
    // Python 2's flags apply to the whole pattern, wherever they are; so they come first.
    let mut reader = Reader::new(pattern, flags);
    reader.alternatives(0)?;
    let found = reader.flags;
    if found != flags {
        reader = Reader::new(pattern, found);
        reader.alternatives(0)?;
    }
    if reader.peek().is_some() {
        return Err(reader.error("there is a ) without its ("));
    }
    if reader.repeats > MOST_REPEATS {
        return Err(PatternError::TooLarge(
            "its repetitions inside repetitions are too many".to_owned(),
        ));
    }
    Ok((reader.out, reader.flags))
}

struct Reader {
    text: Vec<char>,
    at: usize,
    out: String,
    flags: Flags,
    /// Groups opened so far, and their names.
    groups: usize,
    names: HashMap<String, usize>,
    /// Groups that are still open.
    open: Vec<usize>,
    /// The largest product of bounds found so far.
    repeats: u64,
}

/// What may precede a repetition.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Item {
    /// Nothing, or a position.
    Place,
    /// Something that can be repeated.
    Text,
    /// Something that was already repeated.
    Repeated,
}

impl Reader {
    fn new(pattern: &str, flags: Flags) -> Reader {
        Reader {
            text: pattern.chars().collect(),
            at: 0,
            out: String::with_capacity(pattern.len() * 2),
            flags,
            groups: 0,
            names: HashMap::new(),
            open: Vec::new(),
            repeats: 1,
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn take(&mut self, expected: &str) -> bool {
        let matches = expected
            .chars()
            .enumerate()
            .all(|(index, character)| self.text.get(self.at + index) == Some(&character));
        if matches {
            self.at += expected.chars().count();
        }
        matches
    }

    fn error(&self, problem: &str) -> PatternError {
        PatternError::Syntax { problem: problem.to_owned(), at: self.at.max(1) }
    }

    /// Parses up to the end or the closing parenthesis; returns the largest product of bounds inside.
    fn alternatives(&mut self, depth: usize) -> Result<u64, PatternError> {
        if depth > DEEPEST {
            return Err(PatternError::TooLarge(format!(
                "it has more than {DEEPEST} groups inside each other"
            )));
        }
        let mut most = 1;
        let mut item = Item::Place;
        let mut inside = 1;
        // Where the repeated item begins in the output.
        while let Some(character) = self.peek() {
            match character {
                ')' => break,
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                    item = Item::Place;
                }
                '*' | '+' | '?' | '{' => {
                    let Some((low, high)) = self.bounds()? else {
                        self.at += 1;
                        self.out.push_str(&literal('{'));
                        (item, inside) = (Item::Text, 1);
                        continue;
                    };
                    match item {
                        Item::Place => return Err(self.error("there is nothing to repeat")),
                        Item::Repeated => {
                            return Err(self.error("a repetition is repeated"));
                        }
                        Item::Text => {}
                    }
                    self.write_bounds(low, high);
                    if high.is_some() || low > 1 {
                        inside = u64::from(high.unwrap_or(low).max(1)).saturating_mul(inside);
                    }
                    most = most.max(inside);
                    item = Item::Repeated;
                }
                _ => {
                    inside = 1;
                    item = self.atom(depth, &mut inside, item)?;
                    most = most.max(inside);
                }
            }
        }
        self.repeats = self.repeats.max(most);
        Ok(most)
    }

    /// The bounds of a repetition; `None` for a literal brace.
    fn bounds(&mut self) -> Result<Option<(u32, Option<u32>)>, PatternError> {
        let start = self.at;
        Ok(Some(match self.next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            _ => {
                let low = self.digits();
                let comma = self.take(",");
                let high = if comma { self.digits() } else { low.clone() };
                if !self.take("}") || (low.is_empty() && !comma) {
                    self.at = start;
                    return Ok(None);
                }
                let number = |digits: &str, otherwise| {
                    if digits.is_empty() { Ok(otherwise) } else { digits.parse().map(Some) }
                };
                let too_large = |_| PatternError::TooLarge("a repetition is too long".to_owned());
                let low = number(&low, Some(0)).map_err(too_large)?.unwrap_or(0);
                let high = number(&high, None).map_err(too_large)?;
                if high.is_some_and(|high: u32| high < low) {
                    return Err(self.error("a repetition ends before it begins"));
                }
                if low.max(high.unwrap_or(0)) > 65_535 {
                    return Err(PatternError::TooLarge("a repetition is too long".to_owned()));
                }
                (low, high)
            }
        }))
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            digits.push(digit);
            self.at += 1;
        }
        digits
    }

    fn write_bounds(&mut self, low: u32, high: Option<u32>) {
        match (low, high) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (low, None) => self.out.push_str(&format!("{{{low},}}")),
            (low, Some(high)) => self.out.push_str(&format!("{{{low},{high}}}")),
        }
        if self.take("?") {
            self.out.push('?');
        }
    }

    /// An item that is not a repetition; returns `before` if the item is empty.
    fn atom(&mut self, depth: usize, inside: &mut u64, before: Item) -> Result<Item, PatternError> {
        let Some(character) = self.next() else { return Ok(before) };
        if self.flags.verbose {
            if character.is_ascii_whitespace() || character == '\x0b' {
                return Ok(before);
            }
            if character == '#' {
                while self.next().is_some_and(|character| character != '\n') {}
                return Ok(before);
            }
        }
        match character {
            '.' => self.out.push_str(if self.flags.dot_all { "(?s:.)" } else { "(?-s:.)" }),
            '^' => {
                self.out.push_str(if self.flags.multiline { "(?m:^)" } else { r"\A" });
                return Ok(Item::Place);
            }
            '$' => {
                // Without MULTILINE: at the end, or before a line feed at the end of the text.
                self.out.push_str(if self.flags.multiline { "(?m:$)" } else { r"(?=\n?\z)" });
                return Ok(Item::Place);
            }
            '[' => self.class()?,
            '(' => return self.group(depth, inside, before),
            '\\' => return self.escape(),
            other => self.out.push_str(&literal(other)),
        }
        Ok(Item::Text)
    }

    fn escape(&mut self) -> Result<Item, PatternError> {
        let Some(character) = self.next() else {
            return Err(self.error("it ends with a \\"));
        };
        match character {
            'A' => {
                self.out.push_str(r"\A");
                return Ok(Item::Place);
            }
            'Z' => {
                self.out.push_str(r"\z");
                return Ok(Item::Place);
            }
            'b' | 'B' => {
                let word = named('w', self.flags);
                self.out.push_str(&if character == 'b' {
                    format!("(?:(?<={word})(?!{word})|(?<!{word})(?={word}))")
                } else {
                    format!("(?:(?<={word})(?={word})|(?<!{word})(?!{word}))")
                });
                return Ok(Item::Place);
            }
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                self.out.push_str(&named(character, self.flags));
            }
            '1'..='9' => {
                if let Some(octal) = self.octal(character) {
                    self.out.push_str(&literal(octal));
                } else {
                    self.reference(character)?;
                }
            }
            other => {
                let meant = self.escaped(other)?;
                self.out.push_str(&literal(meant));
            }
        }
        Ok(Item::Text)
    }

    /// Three octal digits are a character, not a reference.
    fn octal(&mut self, first: char) -> Option<char> {
        let digits: Vec<u32> = std::iter::once(first)
            .chain(self.text[self.at..].iter().copied().take(2))
            .map_while(|digit| digit.to_digit(8))
            .collect();
        if digits.len() < 3 {
            return None;
        }
        self.at += 2;
        char::from_u32(digits.iter().fold(0, |value, digit| value * 8 + digit) & 0xff)
    }

    fn reference(&mut self, first: char) -> Result<(), PatternError> {
        let mut digits = first.to_string();
        if let Some(second) = self.peek().filter(char::is_ascii_digit) {
            digits.push(second);
            self.at += 1;
        }
        let number: usize = digits.parse().unwrap_or(usize::MAX);
        if number > self.groups || self.open.contains(&number) {
            return Err(self.error("it refers to a group that does not exist"));
        }
        // In a separate group, so that following digits are not read as part of its number.
        self.out.push_str(&format!(r"(?:\{number})"));
        Ok(())
    }

    /// The character for an escape that means a character.
    fn escaped(&mut self, character: char) -> Result<char, PatternError> {
        Ok(match character {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => {
                let digits: String = self.text[self.at..]
                    .iter()
                    .take(2)
                    .filter(|digit| digit.is_ascii_hexdigit())
                    .collect();
                let value = (digits.len() == 2).then(|| u32::from_str_radix(&digits, 16).ok());
                let Some(value) = value.flatten().and_then(char::from_u32) else {
                    return Err(self.error("\\x wants two hexadecimal digits"));
                };
                self.at += 2;
                value
            }
            '0' => {
                let mut value = 0;
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|digit| digit.to_digit(8)) else {
                        break;
                    };
                    value = value * 8 + digit;
                    self.at += 1;
                }
                char::from_u32(value).unwrap_or('\0')
            }
            // In Python 2, every other character means itself.
            other => other,
        })
    }

    fn class(&mut self) -> Result<(), PatternError> {
        let mut out = String::from("[");
        if self.take("^") {
            out.push('^');
        }
        let mut first = true;
        loop {
            let Some(character) = self.next() else {
                return Err(self.error("there is a [ without its ]"));
            };
            if character == ']' && !first {
                break;
            }
            first = false;
            let low = match self.member(character)? {
                Member::Class(class) => {
                    // As a class in a class.
                    out.push_str(&class);
                    continue;
                }
                Member::Character(low) => low,
            };
            let is_range = self.peek() == Some('-')
                && self.text.get(self.at + 1).is_some_and(|&next| next != ']');
            if !is_range {
                out.push_str(&literal(low));
                continue;
            }
            self.at += 1;
            let Some(end) = self.next() else {
                return Err(self.error("there is a [ without its ]"));
            };
            match self.member(end)? {
                Member::Character(high) if high >= low => {
                    out.push_str(&format!("{}-{}", literal(low), literal(high)));
                }
                _ => return Err(self.error("a range in [ ] ends before it begins")),
            }
        }
        out.push(']');
        self.out.push_str(&out);
        Ok(())
    }

    fn member(&mut self, character: char) -> Result<Member, PatternError> {
        if character != '\\' {
            return Ok(Member::Character(character));
        }
        let Some(escaped) = self.next() else {
            return Err(self.error("it ends with a \\"));
        };
        Ok(match escaped {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => Member::Class(named(escaped, self.flags)),
            'b' => Member::Character('\x08'),
            '1'..='7' => match self.octal(escaped) {
                Some(octal) => Member::Character(octal),
                None => {
                    // One or two octal digits are a character here.
                    let mut value = escaped.to_digit(8).unwrap_or(0);
                    if let Some(digit) = self.peek().and_then(|digit| digit.to_digit(8)) {
                        value = value * 8 + digit;
                        self.at += 1;
                    }
                    Member::Character(char::from_u32(value).unwrap_or('\0'))
                }
            },
            other => Member::Character(self.escaped(other)?),
        })
    }
}

/// An item of a class.
enum Member {
    Character(char),
    Class(String),
}
