//! Mailman's site settings, `mm_cfg.py` and `Defaults.py`: read, not executed.
//!
//! Assignments of what can be computed from literals and earlier settings are read, and the calls
//! that fill lists and dictionaries. Everything else that Python could do is reported with its
//! line. [`token`] splits the file, [`expression`] computes, [`value`] is what comes out.

mod expression;
mod token;
mod value;

pub use value::PyValue;

use crate::TakeoverError;
use dormouse_mail::charset;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use token::{Line, Token};

/// The settings that the files make.
#[derive(Debug, Clone, Default)]
pub struct MmCfg {
    names: BTreeMap<String, PyValue>,
    /// Where `mm_cfg.py` sets what, by line; what only `Defaults.py` sets is not here.
    set: BTreeMap<String, usize>,
    /// Charsets by language, where a file says so.
    charsets: BTreeMap<String, String>,
    /// What could not be read in `mm_cfg.py`.
    pub unread: Vec<Unread>,
}

/// A line that was not read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unread {
    /// Its number, from 1.
    pub line: usize,
    /// How it begins.
    pub source: String,
    /// Why not.
    pub reason: String,
    /// The settings that it may change.
    pub settings: Vec<String>,
}

/// What Python and `Defaults.py` name.
const CONSTANTS: [(&str, PyValue); 11] = [
    ("None", PyValue::None),
    ("True", PyValue::Bool(true)),
    ("False", PyValue::Bool(false)),
    ("Yes", PyValue::Bool(true)),
    ("yes", PyValue::Bool(true)),
    ("On", PyValue::Bool(true)),
    ("on", PyValue::Bool(true)),
    ("No", PyValue::Bool(false)),
    ("no", PyValue::Bool(false)),
    ("Off", PyValue::Bool(false)),
    ("off", PyValue::Bool(false)),
];

/// What sites change most often without setting it whole: lists and dictionaries that are there
/// before `mm_cfg.py` begins (spec/cli.md §7), and what its expressions name.
const BUILT_IN: &str = include_str!("built_in.py");

impl MmCfg {
    /// The settings of a site without files.
    pub fn built_in() -> MmCfg {
        let mut settings = MmCfg::default();
        for (name, value) in CONSTANTS {
            settings.names.insert(name.to_owned(), value);
        }
        settings.run(BUILT_IN);
        settings.set.clear();
        settings.unread.clear();
        settings
    }

    /// Reads the defaults, if there is a file of them, and the site's own settings.
    pub fn read(defaults: Option<&Path>, own: Option<&Path>) -> Result<MmCfg, TakeoverError> {
        let mut settings = MmCfg::built_in();
        for (path, is_own) in [(defaults, false), (own, true)] {
            let Some(path) = path else { continue };
            let bytes = fs::read(path).map_err(TakeoverError::io("read", path))?;
            settings.run(&charset::decode_raw(&bytes));
            if !is_own {
                settings.set.clear();
                settings.unread.clear();
            }
        }
        Ok(settings)
    }

    /// Reads more settings.
    pub fn run(&mut self, source: &str) {
        let lines = token::lines(source);
        let mut rest = lines.iter().peekable();
        while let Some(line) = rest.next() {
            // What is indented belongs to the statement above.
            let mut block = Vec::new();
            while let Some(inner) = rest.next_if(|inner| inner.indent > line.indent) {
                block.push(inner);
            }
            if let Err(reason) = self.statement(line) {
                let mut settings: Vec<String> =
                    std::iter::once(line).chain(block).filter_map(assigned).collect();
                settings.sort();
                settings.dedup();
                let source = line.source.clone();
                self.unread.push(Unread { line: line.number, source, reason, settings });
            }
        }
    }

    /// A setting's value.
    pub fn get(&self, name: &str) -> Option<&PyValue> {
        self.names.get(name)
    }

    /// A setting that is a text, and not an empty one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text().filter(|text| !text.is_empty())
    }

    /// Every setting that `mm_cfg.py` makes or changes, with its line and value.
    pub fn own(&self) -> impl Iterator<Item = (&str, usize, &PyValue)> {
        self.set.iter().filter_map(|(name, line)| Some((name.as_str(), *line, self.get(name)?)))
    }

    /// The charset of a language's texts.
    pub fn charset(&self, language: &str) -> &str {
        self.charsets.get(language).map_or("us-ascii", String::as_str)
    }

    fn statement(&mut self, line: &Line) -> Result<(), String> {
        let tokens = line.tokens.as_ref().map_err(Clone::clone)?;
        // Several statements on one line.
        let mut depth = 0i32;
        for part in tokens.split(|token| {
            match token {
                Token::Sign("(" | "[" | "{") => depth += 1,
                Token::Sign(")" | "]" | "}") => depth -= 1,
                _ => {}
            }
            depth == 0 && *token == Token::Sign(";")
        }) {
            self.simple(part, line.number)?;
        }
        Ok(())
    }

    fn simple(&mut self, tokens: &[Token], line: usize) -> Result<(), String> {
        let Some(first) = tokens.first() else { return Ok(()) };
        let Token::Name(name) = first else {
            // A text alone is a comment.
            return match tokens {
                [Token::Text(_)] => Ok(()),
                _ => Err("it is no assignment".to_owned()),
            };
        };
        match (name.as_str(), &tokens[1..]) {
            ("import", _) | ("pass", []) | ("del", _) => return Ok(()),
            ("from", rest) => return import(rest),
            (
                "if" | "elif" | "else" | "try" | "except" | "finally" | "for" | "while" | "with"
                | "def" | "class",
                _,
            ) => {
                return Err(format!("{name} decides while Mailman runs; its block is not read"));
            }
            ("exec" | "execfile" | "print" | "raise" | "assert" | "return" | "global", _) => {
                return Err(format!("{name} is not read"));
            }
            _ => {}
        }
        match &tokens[1..] {
            [Token::Sign("="), rest @ ..] => self.assign(name, rest, line),
            [Token::Sign(sign @ ("+=" | "-=" | "*=" | "/=" | "%=" | "|=")), rest @ ..] => {
                let value = expression::evaluate(rest, &self.names)?;
                let old = self.known(name)?;
                let value = expression::apply(&sign[..1], old, value)?;
                self.put(name, value, line);
                Ok(())
            }
            [Token::Sign("["), ..] => self.set_item(name, &tokens[1..], line),
            [Token::Sign("."), Token::Name(method), rest @ ..] => {
                self.change(name, method, rest, line)
            }
            rest @ [Token::Sign("("), ..] => self.call(name, rest, line),
            _ => Err("it is no assignment".to_owned()),
        }
    }

    fn known(&self, name: &str) -> Result<PyValue, String> {
        self.get(name).cloned().ok_or_else(|| format!("{name} is not known"))
    }

    fn put(&mut self, name: &str, value: PyValue, line: usize) {
        self.names.insert(name.to_owned(), value);
        self.set.insert(name.to_owned(), line);
    }

    /// `NAME = value`, and `NAME = OTHER = value`.
    fn assign(&mut self, name: &str, rest: &[Token], line: usize) -> Result<(), String> {
        if let [Token::Name(other), Token::Sign("="), rest @ ..] = rest {
            self.assign(other, rest, line)?;
            let value = self.known(other)?;
            self.put(name, value, line);
            return Ok(());
        }
        let value = expression::evaluate(rest, &self.names)?;
        self.put(name, value, line);
        Ok(())
    }

    /// `NAME[key] = value`
    fn set_item(&mut self, name: &str, rest: &[Token], line: usize) -> Result<(), String> {
        let end = rest.iter().position(|token| *token == Token::Sign("]"));
        let end = end.ok_or("\"]\" is missing")?;
        let (key, Some((Token::Sign("="), rest))) = (&rest[1..end], rest[end + 1..].split_first())
        else {
            return Err("it is no assignment".to_owned());
        };
        let key = expression::evaluate(key, &self.names)?;
        let value = expression::evaluate(rest, &self.names)?;
        let mut whole = self.known(name)?;
        match &mut whole {
            PyValue::Dict(entries) => expression::set(entries, key, value),
            PyValue::List(items) => {
                let place = key.as_int().and_then(|at| usize::try_from(at).ok());
                let place = place.and_then(|at| items.get_mut(at));
                *place.ok_or_else(|| format!("{name} has no {key}"))? = value;
            }
            _ => return Err(format!("{name} is neither a list nor a dictionary")),
        }
        self.put(name, whole, line);
        Ok(())
    }

    /// `NAME.append(value)` and its like.
    fn change(
        &mut self,
        name: &str,
        method: &str,
        rest: &[Token],
        line: usize,
    ) -> Result<(), String> {
        let arguments = expression::arguments(rest, &self.names)?;
        let mut whole = self.known(name)?;
        let place = |items: &[PyValue], item: &PyValue| {
            let at = items.iter().position(|found| found == item);
            at.ok_or_else(|| format!("{name} has no {item}"))
        };
        match (&mut whole, method, arguments.as_slice()) {
            (PyValue::List(items), "append", [item]) => items.push(item.clone()),
            (PyValue::List(items), "extend", [more]) => items.extend_from_slice(more.items()),
            (PyValue::List(items), "insert", [at, item]) => {
                let at = at.as_int().ok_or("the place is no number")?;
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if at < 0 { (length + at).max(0) } else { at.min(length) };
                items.insert(usize::try_from(at).unwrap_or(0), item.clone());
            }
            (PyValue::List(items), "remove", [item]) => {
                items.remove(place(items, item)?);
            }
            (PyValue::List(items), "reverse", []) => {
                items.reverse();
            }
            (PyValue::Dict(entries), "clear", []) => entries.clear(),
            (PyValue::Dict(entries), "update", [PyValue::Dict(more)]) => {
                for (key, value) in more {
                    expression::set(entries, key.clone(), value.clone());
                }
            }
            (PyValue::Dict(entries), "pop", [key, ..]) => entries.retain(|(known, _)| known != key),
            _ => return Err(format!("{name}.{method}() is not read")),
        }
        self.put(name, whole, line);
        Ok(())
    }

    /// The functions of `Defaults.py` that change settings.
    fn call(&mut self, name: &str, rest: &[Token], line: usize) -> Result<(), String> {
        let arguments = expression::arguments(rest, &self.names)?;
        let texts: Vec<Option<&str>> = arguments.iter().map(PyValue::as_text).collect();
        match (name, texts.as_slice()) {
            ("add_virtualhost", [Some(url), email @ ..]) if email.len() <= 1 => {
                let email = match email {
                    [Some(email)] => (*email).to_owned(),
                    // Without its first label.
                    _ => url.split_once('.').map_or("", |(_, host)| host).to_owned(),
                };
                let mut hosts = self.known("VIRTUAL_HOSTS")?;
                if let PyValue::Dict(entries) = &mut hosts {
                    let url = PyValue::Text(url.to_lowercase());
                    expression::set(entries, url, PyValue::Text(email.to_lowercase()));
                }
                self.put("VIRTUAL_HOSTS", hosts, line);
                Ok(())
            }
            ("add_language", [Some(code), _, Some(charset), ..]) => {
                self.charsets.insert((*code).to_owned(), (*charset).to_owned());
                Ok(())
            }
            _ => Err(format!("{name}() is not read")),
        }
    }
}

/// `from X import *`: of Mailman's own files it is what is read anyway.
fn import(rest: &[Token]) -> Result<(), String> {
    match rest {
        [Token::Name(module), Token::Name(import), Token::Sign("*")] if import == "import" => {
            if module == "Defaults" {
                Ok(())
            } else {
                Err(format!("the settings of {module} are not read"))
            }
        }
        [.., Token::Sign("*")] if matches!(rest.iter().rev().nth(2), Some(Token::Name(name)) if name == "Defaults") => {
            Ok(())
        }
        [.., Token::Sign("*")] => Err("the settings of another file are not read".to_owned()),
        _ => Ok(()),
    }
}

/// The setting that a line assigns or changes.
fn assigned(line: &Line) -> Option<String> {
    let tokens = line.tokens.as_deref().unwrap_or_default();
    match tokens {
        [Token::Name(name), Token::Sign("=" | "+=" | "[" | "."), ..] => Some(name.clone()),
        [] => {
            // A line that cannot be split says at least its first word.
            let word = line.source.split(|l: char| !l.is_alphanumeric() && l != '_').next()?;
            (word.len() > 2 && word.chars().all(|l| !l.is_lowercase())).then(|| word.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
