//! Values of Python.

use std::fmt;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum PyValue {
    /// `None`
    None,
    /// `True`, `False` and Mailman's `Yes`, `On` …
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<PyValue>),
    /// A tuple.
    Tuple(Vec<PyValue>),
    /// A dictionary, in the order of its making.
    Dict(Vec<(PyValue, PyValue)>),
}

impl PyValue {
    /// Whether Python takes it for true.
    pub fn is_true(&self) -> bool {
        match self {
            PyValue::None => false,
            PyValue::Bool(value) => *value,
            PyValue::Int(value) => *value != 0,
            PyValue::Float(value) => *value != 0.0,
            PyValue::Text(text) => !text.is_empty(),
            PyValue::List(items) | PyValue::Tuple(items) => !items.is_empty(),
            PyValue::Dict(entries) => !entries.is_empty(),
        }
    }

    /// A whole number, or a flag as one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            PyValue::Bool(value) => Some(i64::from(*value)),
            PyValue::Int(value) => Some(*value),
            PyValue::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                Some(*value as i64)
            }
            _ => None,
        }
    }

    /// A number.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            PyValue::Float(value) => Some(*value),
            _ => self.as_int().map(|value| value as f64),
        }
    }

    /// A string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            PyValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    pub fn items(&self) -> &[PyValue] {
        match self {
            PyValue::List(items) | PyValue::Tuple(items) => items,
            _ => &[],
        }
    }

    /// How large it is, in values and bytes of strings.
    pub fn size(&self) -> usize {
        1 + match self {
            PyValue::Text(text) => text.len(),
            PyValue::List(items) | PyValue::Tuple(items) => items.iter().map(PyValue::size).sum(),
            PyValue::Dict(entries) => {
                entries.iter().map(|(key, value)| key.size() + value.size()).sum()
            }
            _ => 0,
        }
    }

    /// As `str()` gives it.
    pub fn to_text(&self) -> String {
        match self {
            PyValue::Text(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// As `repr()` gives it.
impl fmt::Display for PyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, items: &[PyValue]| {
            items.iter().enumerate().try_for_each(|(index, item)| {
                write!(f, "{}{item}", if index == 0 { "" } else { ", " })
            })
        };
        match self {
            PyValue::None => f.write_str("None"),
            PyValue::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            PyValue::Int(value) => write!(f, "{value}"),
            PyValue::Float(value) => write!(f, "{value:?}"),
            PyValue::Text(text) => {
                f.write_str("'")?;
                for letter in text.chars() {
                    match letter {
                        '\'' | '\\' => write!(f, "\\{letter}")?,
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        '\r' => f.write_str("\\r")?,
                        letter if letter.is_control() => write!(f, "\\x{:02x}", letter as u32)?,
                        letter => write!(f, "{letter}")?,
                    }
                }
                f.write_str("'")
            }
            PyValue::List(items) => {
                f.write_str("[")?;
                row(f, items)?;
                f.write_str("]")
            }
            PyValue::Tuple(items) => {
                f.write_str("(")?;
                row(f, items)?;
                f.write_str(if items.len() == 1 { ",)" } else { ")" })
            }
            PyValue::Dict(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}
