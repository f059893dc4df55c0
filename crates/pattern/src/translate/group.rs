//! Groups: `(…)`, `(?:…)`, named groups, conditions and flags.

use super::{Item, Reader};
use crate::PatternError;

impl Reader {
    pub(super) fn group(
        &mut self,
        depth: usize,
        inside: &mut u64,
        before: Item,
    ) -> Result<Item, PatternError> {
        const FORMS: [(&str, bool); 5] =
            [("?:", true), ("?=", false), ("?!", false), ("?<=", false), ("?<!", false)];
        for (form, is_text) in FORMS {
            if self.take(form) {
                self.out.push('(');
                self.out.push_str(form);
                *inside = self.close(depth)?;
                return Ok(if is_text { Item::Text } else { Item::Place });
            }
        }
        if self.take("?#") {
            while self.next().ok_or_else(|| self.error("a comment has no end"))? != ')' {}
            return Ok(before);
        }
        if self.take("?P<") {
            let name = self.name('>')?;
            // Named groups have numbers, too; the other syntax allows only one of both in a pattern.
            if self.names.insert(name, self.groups + 1).is_some() {
                return Err(self.error("two groups have the same name"));
            }
            self.out.push('(');
        } else if self.take("?P=") {
            let name = self.name(')')?;
            let number = self.number_of(&name)?;
            self.out.push_str(&format!(r"(?:\{number})"));
            return Ok(Item::Text);
        } else if self.take("?(") {
            let number = self.condition()?;
            self.out.push_str(&format!("(?({number})"));
            *inside = self.close(depth)?;
            return Ok(Item::Text);
        } else if self.peek() == Some('?') {
            self.at += 1;
            return self.set_flags(before);
        } else {
            self.out.push('(');
        }
        self.groups += 1;
        self.open.push(self.groups);
        *inside = self.close(depth)?;
        self.open.pop();
        Ok(Item::Text)
    }

    pub(super) fn close(&mut self, depth: usize) -> Result<u64, PatternError> {
        let inside = self.alternatives(depth + 1)?;
        if !self.take(")") {
            return Err(self.error("there is a ( without its )"));
        }
        self.out.push(')');
        Ok(inside)
    }

    pub(super) fn name(&mut self, end: char) -> Result<String, PatternError> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some(character) if character == end => break,
                Some(character) if character.is_ascii_alphanumeric() || character == '_' => {
                    name.push(character);
                }
                _ => return Err(self.error("this is not a name for a group")),
            }
        }
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(self.error("this is not a name for a group"));
        }
        Ok(name)
    }

    pub(super) fn number_of(&self, name: &str) -> Result<usize, PatternError> {
        let number = self.names.get(name).copied().filter(|number| !self.open.contains(number));
        number.ok_or_else(|| self.error("it refers to a group that does not exist"))
    }

    /// The group that `(?(group)yes|no)` asks for.
    pub(super) fn condition(&mut self) -> Result<usize, PatternError> {
        let digits = self.digits();
        if digits.is_empty() {
            let name = self.name(')')?;
            return self.number_of(&name);
        }
        match digits.parse() {
            Ok(number) if (1..=self.groups).contains(&number) && self.take(")") => Ok(number),
            _ => Err(self.error("it refers to a group that does not exist")),
        }
    }

    /// `(?im)`: the text between `?` and `)`.
    pub(super) fn set_flags(&mut self, before: Item) -> Result<Item, PatternError> {
        let mut any = false;
        loop {
            match self.next() {
                Some('i') => self.flags.ignore_case = true,
                Some('m') => self.flags.multiline = true,
                Some('s') => self.flags.dot_all = true,
                Some('u') => self.flags.unicode = true,
                Some('x') => self.flags.verbose = true,
                // The letters of the server's locale: those of ASCII, in a service.
                Some('L') => {}
                Some(')') if any => return Ok(before),
                _ => return Err(self.error("Python does not know this kind of group")),
            }
            any = true;
        }
    }
}
