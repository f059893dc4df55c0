//! Mailman's site settings, `mm_cfg.py` and `Defaults.py`: read, not executed.
//!
//! It reads assignments of values that can be computed from literals and earlier settings, and calls
//! that fill lists and dictionaries. Everything else is reported with its
//! line. Strings are converted to bytes in UTF-8.

pub use dormouse_python_literal::Literal;

use crate::TakeoverError;
use dormouse_mail::charset;
use dormouse_python_literal::{Expr, Operator, Scope, Statement, What, parse};
use dormouse_store::value::SettingValue as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The settings defined by the files.
#[derive(Debug, Clone, Default)]
pub struct MmCfg {
    names: BTreeMap<String, Literal>,
    /// The settings of `mm_cfg.py` by line; those only in `Defaults.py` are not here.
    set: BTreeMap<String, usize>,
    /// Charsets by language, if a file sets them.
    charsets: BTreeMap<String, String>,
    /// The lines of `mm_cfg.py` that were not understood.
    pub unread: Vec<Unread>,
}

/// A line that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unread {
    /// The number, from 1.
    pub line: usize,
    /// Its beginning.
    pub source: String,
    /// The reason.
    pub reason: String,
    /// The settings that it may change.
    pub settings: Vec<String>,
}

/// What sites most often change without setting it completely: lists and dictionaries that exist
/// before `mm_cfg.py` begins (docs/spec/cli.md §7), and names in its expressions.
const BUILT_IN: &str = include_str!("built_in.py");

impl MmCfg {
    /// Returns the settings of a site without files.
    pub fn built_in() -> MmCfg {
        let mut settings = MmCfg::default();
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
        let file = parse(source.as_bytes());
        let lines: Vec<&str> = source.lines().collect();
        let line_at = |number: usize| lines.get(number - 1).copied().unwrap_or_default();
        let mut rest = file.statements.iter().peekable();
        while let Some(statement) = rest.next() {
            // Indented lines belong to the statement above.
            let mut block = vec![statement.line];
            while let Some(inner) =
                rest.next_if(|inner| inner.indent > statement.indent && inner.line > statement.line)
            {
                block.push(inner.line);
            }
            if let Err(reason) = self.statement(statement, line_at(statement.line)) {
                let settings = block.iter().filter_map(|line| assigned(line_at(*line)));
                let mut settings: Vec<String> = settings.map(str::to_owned).collect();
                settings.sort();
                settings.dedup();
                let source = line_at(statement.line).trim().to_owned();
                self.unread.push(Unread { line: statement.line, source, reason, settings });
            }
        }
    }

    /// Returns a setting's value.
    pub fn get(&self, name: &str) -> Option<&Literal> {
        self.names.get(name)
    }

    /// Returns a setting that is a text, and not an empty one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Returns every setting that `mm_cfg.py` sets or changes, with its line and value.
    pub fn own(&self) -> impl Iterator<Item = (&str, usize, &Literal)> {
        self.set.iter().filter_map(|(name, line)| Some((name.as_str(), *line, self.get(name)?)))
    }

    /// Returns the charset of a language's texts.
    pub fn charset(&self, language: &str) -> &str {
        self.charsets.get(language).map_or("us-ascii", String::as_str)
    }

    /// Executes a statement if it only computes.
    fn statement(&mut self, statement: &Statement, source: &str) -> Result<(), String> {
        let line = statement.line;
        match &statement.what {
            What::Assign { targets, value } => {
                let value = self.evaluate(value)?;
                targets.iter().try_for_each(|target| self.assign(target, value.clone(), line))
            }
            What::Augment { target: Expr::Name(name), operator, value } => {
                let value = operator.apply(self.known(name)?, self.evaluate(value)?)?;
                self.put(name, value, line);
                Ok(())
            }
            // A text by itself is a comment.
            What::Expression(Expr::Bytes(_) | Expr::Text(_)) => Ok(()),
            What::Expression(Expr::Call(function, arguments, named)) if named.is_empty() => {
                let arguments: Vec<Literal> =
                    arguments.iter().map(|one| self.evaluate(one)).collect::<Result<_, _>>()?;
                match &**function {
                    Expr::Name(name) => self.call(name, &arguments, line),
                    Expr::Attribute(of, method) => match &**of {
                        Expr::Name(name) => self.change(name, method, &arguments, line),
                        _ => Err("it is not an assignment".to_owned()),
                    },
                    _ => Err("it is not an assignment".to_owned()),
                }
            }
            What::Other { keyword } => match keyword.as_str() {
                "import" | "pass" | "del" => Ok(()),
                "from" => import(source),
                "if" | "elif" | "else" | "try" | "except" | "finally" | "for" | "while"
                | "with" | "def" | "class" => {
                    Err(format!("{keyword} depends on the running Mailman; its block is not read"))
                }
                _ => Err(format!("{keyword} is not read")),
            },
            What::Broken { problem } => Err(problem.clone()),
            What::Augment { .. } | What::Expression(_) => Err("it is not an assignment".to_owned()),
        }
    }

    fn evaluate(&self, expr: &Expr) -> Result<Literal, String> {
        let names = |name: &str| self.get(name).cloned();
        Scope { names: Some(&names), calls: Some(&helper) }.evaluate(expr).map(Literal::in_utf8)
    }

    fn known(&self, name: &str) -> Result<Literal, String> {
        self.get(name).cloned().ok_or_else(|| format!("{name} is unknown"))
    }

    fn put(&mut self, name: &str, value: Literal, line: usize) {
        self.names.insert(name.to_owned(), value);
        self.set.insert(name.to_owned(), line);
    }

    /// `NAME = value` and `NAME[key] = value`
    fn assign(&mut self, target: &Expr, value: Literal, line: usize) -> Result<(), String> {
        let (of, key) = match target {
            Expr::Name(name) => {
                self.put(name, value, line);
                return Ok(());
            }
            Expr::Index(of, key) => (&**of, self.evaluate(key)?),
            _ => return Err("it is not an assignment to a name".to_owned()),
        };
        let Expr::Name(name) = of else {
            return Err("it is not an assignment to a name".to_owned());
        };
        let mut whole = self.known(name)?;
        match &mut whole {
            Literal::Dict(entries) => dormouse_python_literal::set(entries, key, value),
            Literal::List(items) => {
                let place = key.as_int().and_then(|at| usize::try_from(at).ok());
                let place = place.and_then(|at| items.get_mut(at));
                *place.ok_or_else(|| format!("{name} has no {key}"))? = value;
            }
            _ => return Err(format!("{name} is neither a list nor a dictionary")),
        }
        self.put(name, whole, line);
        Ok(())
    }

    /// `NAME.append(value)` and the like.
    fn change(
        &mut self,
        name: &str,
        method: &str,
        arguments: &[Literal],
        line: usize,
    ) -> Result<(), String> {
        let mut whole = self.known(name)?;
        match (&mut whole, method, arguments) {
            (Literal::List(items), "append", [item]) => items.push(item.clone()),
            (Literal::List(items), "extend", [more]) => {
                items.extend_from_slice(more.items().unwrap_or_default());
            }
            (Literal::List(items), "insert", [at, item]) => {
                let at = at.as_int().ok_or("the index is not a number")?;
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if at < 0 { (length + at).max(0) } else { at.min(length) };
                items.insert(usize::try_from(at).unwrap_or(0), item.clone());
            }
            (Literal::List(items), "remove", [item]) => {
                let at = items.iter().position(|found| found.equals(item));
                items.remove(at.ok_or_else(|| format!("{name} has no {item}"))?);
            }
            (Literal::List(items), "reverse", []) => items.reverse(),
            (Literal::Dict(entries), "clear", []) => entries.clear(),
            (Literal::Dict(entries), "update", [Literal::Dict(more)]) => {
                for (key, value) in more {
                    dormouse_python_literal::set(entries, key.clone(), value.clone());
                }
            }
            (Literal::Dict(entries), "pop", [key, ..]) => {
                entries.retain(|(known, _)| !known.equals(key));
            }
            _ => return Err(format!("{name}.{method}() is not read")),
        }
        self.put(name, whole, line);
        Ok(())
    }

    /// Calls one of the functions of `Defaults.py` that change settings.
    fn call(&mut self, name: &str, arguments: &[Literal], line: usize) -> Result<(), String> {
        let texts: Vec<Option<&str>> = arguments.iter().map(Literal::as_str).collect();
        match (name, texts.as_slice()) {
            ("add_virtualhost", [Some(url), email @ ..]) if email.len() <= 1 => {
                let email = match email {
                    [Some(email)] => *email,
                    // Without its first label.
                    _ => url.split_once('.').map_or("", |(_, host)| host),
                };
                let mut hosts = self.known("VIRTUAL_HOSTS")?;
                if let Literal::Dict(entries) = &mut hosts {
                    let lower = |text: &str| Literal::from(&*text.to_lowercase());
                    dormouse_python_literal::set(entries, lower(url), lower(email));
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

/// Formats a value for our own settings.
pub fn setting_text(value: &Literal) -> String {
    match value {
        Literal::None => String::new(),
        Literal::Bool(on) => on.write(),
        Literal::List(items) | Literal::Tuple(items) => {
            items.iter().map(Literal::to_text).collect::<Vec<_>>().write()
        }
        value => value.to_text(),
    }
}

/// Computes the helpers of `Defaults.py`, and a few functions of Python that only compute.
fn helper(name: &str, arguments: &[Literal]) -> Option<Result<Literal, String>> {
    let unit = match name {
        "seconds" => 1,
        "minutes" => 60,
        "hours" => 3600,
        "days" => 86_400,
        _ => 0,
    };
    Some(match (name, arguments) {
        (_, [number]) if unit > 0 => Operator::Multiply.apply(number.clone(), Literal::Int(unit)),
        ("os.path.join", [first, rest @ ..]) => {
            // An absolute path replaces what precedes it.
            let mut path = PathBuf::from(first.to_text());
            path.extend(rest.iter().map(Literal::to_text));
            Ok(Literal::from(&*path.to_string_lossy()))
        }
        // `_` marks a string for translation.
        ("_" | "str", [value]) => Ok(Literal::from(&*value.to_text())),
        ("int", [value]) => {
            let number = value.as_float().map(|number| number.trunc() as i64);
            let number = number.or_else(|| value.as_str()?.trim().parse().ok());
            number.map(Literal::Int).ok_or_else(|| format!("{value} is not a whole number"))
        }
        ("list", [Literal::List(items) | Literal::Tuple(items)]) => {
            Ok(Literal::List(items.clone()))
        }
        ("tuple", [Literal::List(items) | Literal::Tuple(items)]) => {
            Ok(Literal::Tuple(items.clone()))
        }
        _ => return None,
    })
}

/// `from X import *`: Mailman's own files are read anyway.
fn import(source: &str) -> Result<(), String> {
    let words: Vec<&str> = source.split_whitespace().collect();
    match words.as_slice() {
        ["from", module, "import", "*", ..] if module.rsplit('.').next() != Some("Defaults") => {
            Err(format!("the settings of {module} are not read"))
        }
        _ => Ok(()),
    }
}

/// Returns the setting that a line seems to assign or change.
fn assigned(source: &str) -> Option<&str> {
    let source = source.trim_start();
    let end = source.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
    let (name, rest) = source.split_at(end);
    let rest = rest.trim_start();
    let is_assigned = (rest.starts_with('=') && !rest.starts_with("=="))
        || ["+=", "-=", "*=", "|=", "[", "."].iter().any(|mark| rest.starts_with(mark));
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    (is_name && is_assigned).then_some(name)
}

#[cfg(test)]
mod tests;
