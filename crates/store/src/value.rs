//! Reading the types of settings from text, and writing them back.

use crate::units::{Size, Span};

/// One of a closed set of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The value as it is written.
    pub name: &'static str,
    /// Its meaning; empty if the name is clear.
    pub doc: String,
}

/// A type of settings.
pub trait SettingValue: Sized {
    /// A description of the allowed values.
    const KIND: &'static str;

    /// Parses a value. The error says which values are allowed.
    fn read(text: &str) -> Result<Self, String>;

    /// Formats the value so that [`SettingValue::read`] returns the same value.
    fn write(&self) -> String;

    /// Parses the form in the database and in Mailman's files.
    fn read_kept(text: &str) -> Result<Self, String> {
        Self::read(text)
    }

    /// Formats the value for [`SettingValue::read_kept`].
    fn write_kept(&self) -> String {
        self.write()
    }

    /// Returns the allowed values, if there is a closed set.
    fn choices() -> Vec<Choice> {
        Vec::new()
    }

    /// Returns the value for programs.
    fn json(&self) -> serde_json::Value {
        self.write().into()
    }

    /// Returns Mailman's number for the value, if it is one of a closed set.
    fn as_number(&self) -> Option<i64> {
        None
    }
}

impl SettingValue for String {
    const KIND: &'static str = "text";

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        self.clone()
    }
}

impl SettingValue for bool {
    const KIND: &'static str = "yes or no";

    fn choices() -> Vec<Choice> {
        ["yes", "no"].map(|name| Choice { name, doc: String::new() }).into()
    }

    fn read(text: &str) -> Result<Self, String> {
        match text.trim().to_lowercase().as_str() {
            "yes" | "on" | "true" | "1" => Ok(true),
            "no" | "off" | "false" | "0" => Ok(false),
            _ => Err(format!("{text:?} is neither yes nor no")),
        }
    }

    fn write(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }

    fn json(&self) -> serde_json::Value {
        (*self).into()
    }

    fn as_number(&self) -> Option<i64> {
        Some(i64::from(*self))
    }
}

impl SettingValue for i64 {
    const KIND: &'static str = "a whole number";

    fn read(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| format!("{text:?} is not a whole number"))
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn json(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl SettingValue for u64 {
    const KIND: &'static str = "a whole number from 0";

    fn read(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| format!("{text:?} is not a whole number from 0"))
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn json(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl SettingValue for f64 {
    const KIND: &'static str = "a number";

    fn read(text: &str) -> Result<Self, String> {
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| format!("{text:?} is not a number"))
    }

    fn write(&self) -> String {
        format!("{self:?}")
    }

    fn json(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl SettingValue for Span {
    const KIND: &'static str = "a span of time such as 90s, 15min, 1h, 5d";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for Size {
    const KIND: &'static str = "a size such as 40 KB, 50 MiB";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// One item on each line; items on a single line can be separated by commas.
impl SettingValue for Vec<String> {
    const KIND: &'static str = "items separated by commas or lines";

    fn read(text: &str) -> Result<Self, String> {
        let separator = if text.contains('\n') { '\n' } else { ',' };
        Ok(text
            .split(separator)
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect())
    }

    fn write(&self) -> String {
        // A line feed at the end keeps a single item with a comma in it one item.
        self.iter().flat_map(|item| [item, "\n"]).collect()
    }

    fn json(&self) -> serde_json::Value {
        self.clone().into()
    }
}

/// A structure without a simpler form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub serde_json::Value);

impl Default for Json {
    fn default() -> Json {
        Json(serde_json::Value::Array(Vec::new()))
    }
}

impl SettingValue for Json {
    const KIND: &'static str = "a JSON array";

    fn read(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(value @ serde_json::Value::Array(_)) => Ok(Json(value)),
            Ok(_) => Err("it must be a JSON array".to_owned()),
            Err(error) => Err(format!("it is not JSON: {error}")),
        }
    }

    fn write(&self) -> String {
        self.0.to_string()
    }

    fn json(&self) -> serde_json::Value {
        self.0.clone()
    }
}

/// Defines a type with a closed set of values, each with a name and Mailman's number. Both can be
/// read; the name is written.
macro_rules! choice {
    ($(#[$meta:meta])* $type:ident { $($(#[doc = $doc:literal])+ $variant:ident = $number:literal $name:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type { $($(#[doc = $doc])+ $variant = $number),+ }

        impl $type {
            /// Returns Mailman's number for the value.
            pub fn number(self) -> i64 {
                self as i64
            }
        }

        impl $crate::value::SettingValue for $type {
            const KIND: &'static str = concat!("one of" $(, " ", $name, " (", stringify!($number), ")")+);

            fn read(text: &str) -> Result<Self, String> {
                let text = text.trim();
                $(if text.eq_ignore_ascii_case($name) || text == stringify!($number) {
                    return Ok($type::$variant);
                })+
                Err(format!("{text:?} is not {}", <$type as $crate::value::SettingValue>::KIND))
            }

            fn choices() -> Vec<$crate::value::Choice> {
                vec![$($crate::value::Choice {
                    name: $name,
                    doc: [$($doc),+].map(str::trim).join(" "),
                }),+]
            }

            fn write(&self) -> String {
                match self { $($type::$variant => $name),+ }.to_owned()
            }

            fn as_number(&self) -> Option<i64> {
                Some(self.number())
            }
        }
    };
}
pub(crate) use choice;

/// Returns the known name that is most similar to a wrong one, if one is similar enough.
pub fn nearest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|name| (distance(wrong, name), name))
        .min()
        // With more than half of the letters wrong it is a different word.
        .filter(|(far, _)| *far <= 3.min(wrong.chars().count() / 2))
        .map(|(_, name)| name)
}

/// Returns the Levenshtein distance: the number of letters to add, remove or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_misspelt_name_is_near_the_right_one() {
        let known = ["subject_prefix", "msg_footer"];
        assert_eq!(nearest("subject_prefx", known.into_iter()), Some("subject_prefix"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }

    proptest! {
        #[test]
        fn values_are_read_back_as_they_were_written(
            text: String,
            number: i64,
            real in prop::num::f64::NORMAL,
            list in prop::collection::vec("[^\\s,][^\\n\\r]*[^\\s]", 0..5),
        ) {
            prop_assert_eq!(String::read(&text.write()).unwrap(), text);
            prop_assert_eq!(i64::read(&number.write()).unwrap(), number);
            prop_assert_eq!(f64::read(&real.write()).unwrap(), real);
            prop_assert_eq!(Vec::<String>::read(&list.write()).unwrap(), list);
        }
    }
}
