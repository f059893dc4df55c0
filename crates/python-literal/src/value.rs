//! A plain value.

use std::fmt;

/// A Python 2 value that consists only of data.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An `int` or `long` of up to 64 bits
    Int(i64),
    /// A `float`
    Float(f64),
    /// A `str`: bytes in the charset of the file
    Bytes(Vec<u8>),
    /// A `unicode`
    Text(String),
    /// A `tuple`
    Tuple(Vec<Literal>),
    /// A `list`
    List(Vec<Literal>),
    /// A `dict`, in the order of the file
    Dict(Vec<(Literal, Literal)>),
}

impl Literal {
    /// A whole number, or a bool.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Literal::Bool(flag) => Some(i64::from(*flag)),
            Literal::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Any number, or a bool.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Literal::Float(number) => Some(*number),
            other => other.as_int().map(|number| number as f64),
        }
    }

    /// A string as text. Invalid UTF-8 is read as ISO-8859-1, the charset of most old files.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Literal::Text(text) => Some(text.clone()),
            Literal::Bytes(bytes) => Some(
                String::from_utf8(bytes.clone())
                    .unwrap_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect()),
            ),
            _ => None,
        }
    }

    /// A string as text, if it is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Literal::Text(text) => Some(text),
            Literal::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The result of `str()`.
    pub fn to_text(&self) -> String {
        self.as_text().unwrap_or_else(|| self.to_string())
    }

    /// A whole number of any type, or a bool.
    pub fn as_whole(&self) -> Option<i64> {
        match self {
            Literal::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Some(*number as i64)
            }
            other => other.as_int(),
        }
    }

    /// Whether Python considers it true.
    pub fn is_true(&self) -> bool {
        match self {
            Literal::None => false,
            Literal::Bool(_) | Literal::Int(_) | Literal::Float(_) => self.as_float() != Some(0.0),
            Literal::Bytes(bytes) => !bytes.is_empty(),
            Literal::Text(text) => !text.is_empty(),
            Literal::Tuple(items) | Literal::List(items) => !items.is_empty(),
            Literal::Dict(entries) => !entries.is_empty(),
        }
    }

    /// Whether Python's `==` considers two equal: numbers by value, strings by text.
    pub fn equals(&self, other: &Literal) -> bool {
        if let (Some(one), Some(other)) = (self.as_float(), other.as_float()) {
            return one == other;
        }
        match (self, other) {
            (Literal::Bytes(one), Literal::Bytes(other)) => one == other,
            _ => match (self.as_text(), other.as_text()) {
                (Some(one), Some(other)) => one == other,
                _ => self == other,
            },
        }
    }

    /// The size, in values and bytes of strings.
    pub fn size(&self) -> usize {
        1 + match self {
            Literal::Bytes(bytes) => bytes.len(),
            Literal::Text(text) => text.len(),
            Literal::List(items) | Literal::Tuple(items) => items.iter().map(Literal::size).sum(),
            Literal::Dict(entries) => {
                entries.iter().map(|(key, value)| key.size() + value.size()).sum()
            }
            _ => 0,
        }
    }

    /// `self[index]`; an error if it does not exist.
    pub fn item(&self, index: &Literal) -> Result<Literal, String> {
        let missing = || format!("the value has no {index}");
        if let Literal::Dict(entries) = self {
            let found = entries.iter().find(|(key, _)| key.equals(index));
            return found.map(|(_, value)| value.clone()).ok_or_else(missing);
        }
        let items = self.items().ok_or_else(missing)?;
        let at = index.as_int().ok_or_else(missing)?;
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let at = usize::try_from(if at < 0 { at + length } else { at }).map_err(|_| missing())?;
        items.get(at).cloned().ok_or_else(missing)
    }

    /// The same with all strings as bytes in UTF-8, for comparing and searching.
    #[must_use]
    pub fn in_utf8(self) -> Literal {
        let all = |items: Vec<Literal>| items.into_iter().map(Literal::in_utf8).collect();
        match self {
            Literal::Bytes(_) | Literal::Text(_) => Literal::Bytes(self.to_text().into_bytes()),
            Literal::List(items) => Literal::List(all(items)),
            Literal::Tuple(items) => Literal::Tuple(all(items)),
            Literal::Dict(entries) => {
                let entries = entries.into_iter();
                Literal::Dict(
                    entries.map(|(key, value)| (key.in_utf8(), value.in_utf8())).collect(),
                )
            }
            other => other,
        }
    }

    /// The items of a list or tuple.
    pub fn items(&self) -> Option<&[Literal]> {
        match self {
            Literal::List(items) | Literal::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The type's name, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Literal::None => "None",
            Literal::Bool(_) => "a bool",
            Literal::Int(_) => "an int",
            Literal::Float(_) => "a float",
            Literal::Bytes(_) | Literal::Text(_) => "a string",
            Literal::Tuple(_) => "a tuple",
            Literal::List(_) => "a list",
            Literal::Dict(_) => "a dictionary",
        }
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Literal {
        Literal::Bytes(text.as_bytes().to_vec())
    }
}

/// Formats it like Python 2's `repr`.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::None => f.write_str("None"),
            Literal::Bool(flag) => f.write_str(if *flag { "True" } else { "False" }),
            Literal::Int(number) => write!(f, "{number}"),
            Literal::Float(number) => write!(f, "{number:?}"),
            Literal::Bytes(bytes) => quote(bytes.iter().map(|byte| u32::from(*byte)), f),
            Literal::Text(text) => {
                f.write_str("u")?;
                quote(text.chars().map(u32::from), f)
            }
            Literal::List(items) => row("[", items, "]", f),
            Literal::Tuple(items) if items.len() == 1 => row("(", items, ",)", f),
            Literal::Tuple(items) => row("(", items, ")", f),
            Literal::Dict(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn row(open: &str, items: &[Literal], close: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{item}")?;
    }
    f.write_str(close)
}

/// Single quotes, unless the string contains some and no double ones; everything but printable ASCII
/// is escaped.
fn quote(letters: impl Iterator<Item = u32> + Clone, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let has = |quote| letters.clone().any(|letter| letter == u32::from(quote));
    let mark = if has('\'') && !has('"') { '"' } else { '\'' };
    write!(f, "{mark}")?;
    for letter in letters.clone() {
        match char::from_u32(letter) {
            Some('\\') => f.write_str("\\\\")?,
            Some('\n') => f.write_str("\\n")?,
            Some('\r') => f.write_str("\\r")?,
            Some('\t') => f.write_str("\\t")?,
            Some(plain) if plain == mark => write!(f, "\\{plain}")?,
            Some(plain @ ' '..='~') => write!(f, "{plain}")?,
            _ if letter <= 0xff => write!(f, "\\x{letter:02x}")?,
            _ if letter <= 0xffff => write!(f, "\\u{letter:04x}")?,
            _ => write!(f, "\\U{letter:08x}")?,
        }
    }
    write!(f, "{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_does() {
        let text = |text: &str| Literal::from(text).to_string();
        assert_eq!(text("a'b"), "\"a'b\"");
        assert_eq!(text("a'\"b"), "'a\\'\"b'");
        assert_eq!(text("caf\u{e9}\n\0\\"), "'caf\\xc3\\xa9\\n\\x00\\\\'");
        assert_eq!(Literal::Text("\u{e9}\u{20ac}".into()).to_string(), "u'\\xe9\\u20ac'");
        assert_eq!(Literal::Tuple(vec![Literal::Int(1)]).to_string(), "(1,)");
        assert_eq!(Literal::Float(5.0).to_string(), "5.0");
    }
}
