//! Python source as logical lines of tokens.

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name or a keyword.
    Name(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or exponent.
    Float(f64),
    /// A string of any spelling, its escapes resolved.
    Text(String),
    /// An operator or bracket.
    Sign(&'static str),
}

/// A statement's line, with those that continue it.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The number of its first line in the file, from 1.
    pub number: usize,
    /// How far it is indented.
    pub indent: usize,
    /// Its first line, for people.
    pub source: String,
    /// What it consists of, or why it cannot be read.
    pub tokens: Result<Vec<Token>, String>,
}

/// The longest first, so that `**=` is not read as `*`.
const SIGNS: [&str; 40] = [
    "**=", "//=", ">>=", "<<=", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "<>", "+=", "-=",
    "*=", "/=", "%=", "|=", "&=", "^=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=", ";", "+",
    "-", "*", "/", "%", "<", ">", "|",
];
const MORE_SIGNS: [&str; 5] = ["&", "^", "~", "@", "`"];

/// Splits a file. What cannot be read makes its own line unreadable and no other.
pub fn lines(source: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut scanner = Scanner { text: source, at: 0, number: 1 };
    while let Some(line) = scanner.line() {
        lines.push(line);
    }
    lines
}

struct Scanner<'s> {
    text: &'s str,
    at: usize,
    number: usize,
}

impl<'s> Scanner<'s> {
    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        if letter == '\n' {
            self.number += 1;
        }
        Some(letter)
    }

    fn take_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> &'s str {
        let start = self.at;
        while self.peek().is_some_and(&mut wanted) {
            self.take();
        }
        &self.text[start..self.at]
    }

    fn skip_line(&mut self) {
        self.take_while(|letter| letter != '\n');
        self.take();
    }

    /// The next line that says something.
    fn line(&mut self) -> Option<Line> {
        loop {
            let start = self.at;
            let blank = self.take_while(|letter| matches!(letter, ' ' | '\t' | '\x0c' | '\r'));
            let indent = blank.chars().map(|letter| if letter == '\t' { 8 } else { 1 }).sum();
            match self.peek()? {
                '\n' => {
                    self.take();
                    continue;
                }
                '#' => {
                    self.skip_line();
                    continue;
                }
                _ => {}
            }
            let number = self.number;
            let source = self.text[start..].lines().next().unwrap_or_default().trim().to_owned();
            let tokens = self.tokens();
            if tokens.is_err() {
                // Behind an unended string there is no knowing; the next line has its chance.
                self.at = start;
                self.number = number;
                self.skip_line();
            }
            return Some(Line { number, indent, source, tokens });
        }
    }

    fn tokens(&mut self) -> Result<Vec<Token>, String> {
        let mut tokens = Vec::new();
        let mut depth = 0usize;
        loop {
            self.take_while(|letter| matches!(letter, ' ' | '\t' | '\x0c' | '\r'));
            let Some(letter) = self.peek() else {
                return if depth == 0 { Ok(tokens) } else { Err("a bracket is not closed".into()) };
            };
            match letter {
                '\n' => {
                    self.take();
                    if depth == 0 {
                        return Ok(tokens);
                    }
                }
                '#' => {
                    self.take_while(|letter| letter != '\n');
                }
                '\\' => {
                    self.take();
                    self.take_while(|letter| letter == '\r');
                    if self.take() != Some('\n') {
                        return Err("a backslash stands in the line".to_owned());
                    }
                }
                _ => {
                    let token = self.token(letter)?;
                    match token {
                        Token::Sign("(" | "[" | "{") => depth += 1,
                        Token::Sign(")" | "]" | "}") => {
                            depth = depth.checked_sub(1).ok_or("a bracket too many is closed")?;
                        }
                        _ => {}
                    }
                    tokens.push(token);
                }
            }
        }
    }

    fn token(&mut self, letter: char) -> Result<Token, String> {
        if letter == '"' || letter == '\'' {
            return self.string("");
        }
        if letter.is_ascii_digit()
            || (letter == '.' && self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()))
        {
            return self.number();
        }
        if letter.is_alphabetic() || letter == '_' {
            let name = self.take_while(|letter| letter.is_alphanumeric() || letter == '_');
            let prefix = name.to_ascii_lowercase();
            let is_prefix = matches!(prefix.as_str(), "u" | "b" | "r" | "ur" | "br" | "rb");
            if is_prefix && matches!(self.peek(), Some('"' | '\'')) {
                return self.string(&prefix);
            }
            return Ok(Token::Name(name.to_owned()));
        }
        let sign = SIGNS.iter().chain(&MORE_SIGNS).find(|sign| self.rest().starts_with(**sign));
        let sign = sign.ok_or_else(|| format!("{letter:?} is not expected here"))?;
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }

    fn number(&mut self) -> Result<Token, String> {
        let start = self.at;
        let mut last = ' ';
        self.take_while(|letter| {
            let sign = matches!(letter, '+' | '-') && matches!(last, 'e' | 'E');
            let wanted = letter.is_ascii_alphanumeric() || letter == '.' || sign;
            last = letter;
            wanted
        });
        let text = &self.text[start..self.at];
        let digits = text.trim_end_matches(['l', 'L']);
        let lower = digits.to_ascii_lowercase();
        let whole = if let Some(hex) = lower.strip_prefix("0x") {
            i64::from_str_radix(hex, 16).ok()
        } else if let Some(octal) = lower.strip_prefix("0o") {
            i64::from_str_radix(octal, 8).ok()
        } else if digits.len() > 1 && digits.starts_with('0') && !digits.contains(['.', 'e', 'E']) {
            i64::from_str_radix(digits, 8).ok()
        } else {
            digits.parse().ok()
        };
        if let Some(whole) = whole {
            return Ok(Token::Int(whole));
        }
        let real = digits.parse::<f64>().ok().filter(|real| real.is_finite());
        match real {
            Some(real) if digits.contains(['.', 'e', 'E']) => Ok(Token::Float(real)),
            _ => Err(format!("{text} is no number that can be read")),
        }
    }

    fn string(&mut self, prefix: &str) -> Result<Token, String> {
        let raw = prefix.contains('r');
        let quote = self.take().unwrap_or('"');
        let triple: String = std::iter::repeat_n(quote, 2).collect();
        let long = self.rest().starts_with(&triple);
        if long {
            self.at += 2;
        }
        let end: String = std::iter::repeat_n(quote, if long { 3 } else { 1 }).collect();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(&end) {
                self.at += end.len();
                return Ok(Token::Text(text));
            }
            match self.take() {
                None => return Err("a string does not end".to_owned()),
                Some('\n') if !long => return Err("a string does not end in its line".to_owned()),
                Some('\\') if raw => {
                    text.push('\\');
                    text.extend(self.take());
                }
                Some('\\') => self.escape(&mut text, prefix.contains('u'))?,
                Some(letter) => text.push(letter),
            }
        }
    }

    /// Behind a backslash. Python keeps one that means nothing.
    fn escape(&mut self, text: &mut String, unicode: bool) -> Result<(), String> {
        let letter = self.take().ok_or("a string does not end")?;
        let coded = |digits: &str, base| {
            let code = u32::from_str_radix(digits, base).ok();
            code.and_then(char::from_u32).ok_or_else(|| format!("\\{digits} is no character"))
        };
        match letter {
            '\n' => {}
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'v' => text.push('\x0b'),
            '\\' | '\'' | '"' => text.push(letter),
            'x' => text.push(coded(self.digits(2, 16), 16)?),
            'u' if unicode => text.push(coded(self.digits(4, 16), 16)?),
            'U' if unicode => text.push(coded(self.digits(8, 16), 16)?),
            '0'..='7' => {
                let start = self.at - 1;
                self.digits(2, 8);
                text.push(coded(&self.text[start..self.at], 8)?);
            }
            _ => text.extend(['\\', letter]),
        }
        Ok(())
    }

    fn digits(&mut self, most: usize, base: u32) -> &'s str {
        let mut left = most;
        self.take_while(|letter| {
            let wanted = left > 0 && letter.is_digit(base);
            left = left.saturating_sub(1);
            wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(source: &str) -> Vec<Token> {
        let found = lines(source);
        assert_eq!(found.len(), 1, "{source}");
        found[0].tokens.clone().unwrap()
    }

    #[test]
    fn strings_of_every_spelling_are_read() {
        let cases = [
            ("'a\\'b'", "a'b"),
            ("\"a\\tb\"", "a\tb"),
            ("r'^\\d+\\''", "^\\d+\\'"),
            ("u'\\u00e9\\xe9'", "éé"),
            ("ur'\\d'", "\\d"),
            ("b'\\101\\0'", "A\0"),
            ("'''one\ntwo''' ", "one\ntwo"),
            ("\"\"\"a\"b\"\"\"", "a\"b"),
            ("'\\d\\u00e9'", "\\d\\u00e9"),
            ("'a\\\nb'", "ab"),
        ];
        for (source, text) in cases {
            assert_eq!(only(source), [Token::Text(text.to_owned())], "{source}");
        }
    }

    #[test]
    fn numbers_of_every_spelling_are_read() {
        for (source, number) in [("10", 10), ("0x1F", 31), ("0660", 432), ("0o17", 15), ("7L", 7)] {
            assert_eq!(only(source), [Token::Int(number)], "{source}");
        }
        for (source, number) in [("5.0", 5.0), (".5", 0.5), ("1e3", 1000.0), ("1.5E-2", 0.015)] {
            assert_eq!(only(source), [Token::Float(number)], "{source}");
        }
    }

    #[test]
    fn brackets_and_backslashes_join_lines_and_comments_are_nothing() {
        let found = lines("# a\nX = [1, # one\n  2]\n\n  Y = \\\n 3\nZ = 'open\nW = 4\n");
        let starts: Vec<(usize, usize, bool)> =
            found.iter().map(|line| (line.number, line.indent, line.tokens.is_ok())).collect();
        assert_eq!(starts, [(2, 0, true), (5, 2, true), (7, 0, false), (8, 0, true)]);
    }
}
