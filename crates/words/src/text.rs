//! Texts that are not in a language yet.

use crate::Language;
use std::fmt::{self, Display, Formatter};

/// A text with fields: English in the program, and written in its reader's language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    context: &'static str,
    id: &'static str,
    /// The plural in English, and the number that decides.
    many: Option<(&'static str, u64)>,
    fields: Vec<(&'static str, Field)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// The same in all languages.
    Plain(String),
    /// A text, in the language of the text that contains it.
    Text(Text),
}

/// A text. It refers to fields by name, as in `Join {list}`.
pub const fn say(id: &'static str) -> Text {
    Text { context: "", id, many: None, fields: Vec::new() }
}

/// A text that means different things in different places: `context` says which.
pub const fn say_as(context: &'static str, id: &'static str) -> Text {
    Text { context, id, many: None, fields: Vec::new() }
}

/// A text about a number of things, which is its field `count`.
pub fn count(one: &'static str, many: &'static str, number: u64) -> Text {
    let text = Text { context: "", id: one, many: Some((many, number)), fields: Vec::new() };
    text.with("count", number)
}

/// Marks a text for the catalogue that is passed to [`say`] elsewhere, where it is not a literal.
pub const fn msgid(id: &'static str) -> &'static str {
    id
}

/// A text that is the same in all languages: a name, or a message of another program.
pub fn verbatim(text: impl Into<String>) -> Text {
    Text { fields: vec![("", Field::Plain(text.into()))], ..Text::default() }
}

impl Text {
    /// What a field stands for.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Text {
        self.fields.push((name, Field::Plain(value.to_string())));
        self
    }

    /// A field that is a text itself.
    #[must_use]
    pub fn with_text(mut self, name: &'static str, text: Text) -> Text {
        self.fields.push((name, Field::Text(text)));
        self
    }

    /// Whether it is the empty text.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
            && self.fields.iter().all(|(_, field)| match field {
                Field::Plain(text) => text.is_empty(),
                Field::Text(text) => text.is_empty(),
            })
    }

    /// The text in a language.
    pub fn to(self, language: Language) -> Said {
        Said { text: self, language }
    }

    /// The text in a language, as HTML: its own markup is kept, and its fields are escaped.
    pub fn to_html(&self, language: Language) -> String {
        let mut html = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut html, language, &|text| escaped(text));
        html
    }

    /// The text in a language, without its fields.
    pub(crate) fn template(&self, language: Language) -> &'static str {
        let found = language.find(self.context, self.id);
        match self.many {
            None => found.unwrap_or(self.id),
            Some((many, number)) => found
                .and_then(|forms| language.form(forms, number))
                .unwrap_or(if number == 1 { self.id } else { many }),
        }
    }

    fn write(
        &self,
        out: &mut dyn fmt::Write,
        language: Language,
        escape: &dyn Fn(&str) -> String,
    ) -> fmt::Result {
        if self.id.is_empty() {
            return self
                .fields
                .iter()
                .try_for_each(|(_, field)| field.write(out, language, escape));
        }
        let mut rest = self.template(language);
        while let Some(at) = rest.find('{') {
            out.write_str(&rest[..at])?;
            rest = &rest[at..];
            let name = rest.find('}').map(|end| &rest[1..end]);
            let field = name.and_then(|name| {
                self.fields.iter().rev().find(|(known, _)| *known == name && !name.is_empty())
            });
            match field {
                Some((name, field)) => {
                    field.write(out, language, escape)?;
                    rest = &rest[name.len() + 2..];
                }
                None => {
                    out.write_char('{')?;
                    rest = &rest[1..];
                }
            }
        }
        out.write_str(rest)
    }
}

impl Field {
    fn write(
        &self,
        out: &mut dyn fmt::Write,
        language: Language,
        escape: &dyn Fn(&str) -> String,
    ) -> fmt::Result {
        match self {
            Field::Plain(text) => out.write_str(&escape(text)),
            Field::Text(text) => text.write(out, language, escape),
        }
    }
}

/// In English, for logs and readers whose language is unknown.
impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write(f, Language::ENGLISH, &str::to_owned)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        verbatim(text)
    }
}

/// A text in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    text: Text,
    language: Language,
}

impl Said {
    /// What a field stands for.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Display) -> Said {
        Said { text: self.text.with(name, value), ..self }
    }

    /// A field that is a text itself.
    #[must_use]
    pub fn with_text(self, name: &'static str, text: Text) -> Said {
        Said { text: self.text.with_text(name, text), ..self }
    }

    /// As HTML: its own markup is kept, and its fields are escaped.
    pub fn to_html(&self) -> String {
        self.text.to_html(self.language)
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.text.write(f, self.language, &str::to_owned)
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_(code: &str, text: Text) -> String {
        text.to(Language::of(code).unwrap()).to_string()
    }

    #[test]
    fn fields_are_filled_in_and_what_is_none_stays() {
        let text = say("{a} and {b}, {c} {").with("a", 1).with("b", "{a}");
        assert_eq!(text.to_string(), "1 and {a}, {c} {");
        assert_eq!(text.with("a", 2).to_string(), "2 and {a}, {c} {");
        assert_eq!(verbatim("{count}").to_string(), "{count}");
        assert!(verbatim("").is_empty() && Text::default().is_empty() && !say("x").is_empty());
    }

    #[test]
    fn a_text_within_a_text_is_said_in_the_same_language() {
        let nested = say("{what}!").with_text("what", say("Search"));
        assert_eq!(in_("de", nested), "Suche!");
    }

    #[test]
    fn what_has_no_translation_is_said_in_english() {
        assert_eq!(
            in_("de", say("a text that nobody translates")),
            "a text that nobody translates"
        );
        assert_eq!(in_("de", count("{count} unheard", "{count} unheards", 2)), "2 unheards");
    }

    #[test]
    fn fields_cannot_bring_markup() {
        let text = say("<b>{name}</b>").with("name", "<script>\"'&");
        let html = text.to_html(Language::ENGLISH);
        assert_eq!(html, "<b>&lt;script&gt;&quot;&#39;&amp;</b>");
    }

    #[test]
    fn numbers_take_the_forms_of_their_language() {
        let said =
            |code: &str, number| in_(code, count("{count} member", "{count} members", number));
        for (code, number, expected) in [
            ("en", 0, "0 members"),
            ("en", 1, "1 member"),
            ("de", 1, "1 Mitglied"),
            ("de", 2, "2 Mitglieder"),
            ("fr", 0, "0 membre"),
            ("fr", 2, "2 membres"),
            ("pt_BR", 0, "0 membro"),
            ("pl", 1, "1 subskrybent"),
            ("pl", 3, "3 subskrybentów"),
            ("ru", 1, "1 участник"),
            ("ru", 2, "2 участника"),
            ("ru", 5, "5 участников"),
            ("ru", 11, "11 участников"),
            ("ru", 21, "21 участник"),
            ("ru", 112, "112 участников"),
            ("ja", 1, "1人のメンバー"),
            ("ja", 7, "7人のメンバー"),
            ("zh_CN", 3, "3 位成员"),
        ] {
            assert_eq!(said(code, number), expected, "{code} {number}");
        }
    }
}
