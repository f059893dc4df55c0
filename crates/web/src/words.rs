//! Translated texts in templates, in the language of their frame.

use crate::page::Frame;
use dormouse_words::{Said, Text};
use std::fmt::{self, Display, Formatter};

/// A text of the program in a template: a literal, or a field.
pub trait Id {
    /// The text.
    fn id(self) -> &'static str;
}

impl Id for &'static str {
    fn id(self) -> &'static str {
        self
    }
}

impl<I: Id + Copy> Id for &I {
    fn id(self) -> &'static str {
        (*self).id()
    }
}

/// A number of things in a template.
pub trait Number {
    /// The number.
    fn number(self) -> u64;
}

impl Number for u64 {
    fn number(self) -> u64 {
        self
    }
}

impl Number for usize {
    fn number(self) -> u64 {
        u64::try_from(self).unwrap_or(u64::MAX)
    }
}

impl<N: Number + Copy> Number for &N {
    fn number(self) -> u64 {
        (*self).number()
    }
}

impl Frame {
    /// A text: `{{ frame.say("Join {list}").with("list", list) }}`.
    pub fn say(&self, id: impl Id) -> Said {
        dormouse_words::say(id.id()).to(self.language)
    }

    /// A text about a number of things, its field `count`.
    pub fn count(&self, one: &'static str, many: &'static str, number: impl Number) -> Said {
        dormouse_words::count(one, many, number.number()).to(self.language)
    }

    /// A text with markup: `{{ frame.rich("Posts go to <code>name@{host}</code>.").with("host", host) }}`.
    pub fn rich(&self, id: impl Id) -> Rich {
        Rich(self.say(id))
    }

    /// The documentation of something outside the pages, translated if possible.
    pub fn doc(&self, doc: String) -> String {
        self.language.find("", &doc).map_or(doc, str::to_owned)
    }

    /// A text that comes from other code.
    pub fn tell(&self, text: &Text) -> Said {
        text.clone().to(self.language)
    }
}

/// A text with markup; the values of its fields are escaped.
pub struct Rich(Said);

impl Rich {
    /// Sets a field's value.
    pub fn with(self, name: &'static str, value: impl Display) -> Rich {
        Rich(self.0.with(name, value))
    }
}

impl Display for Rich {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_html())
    }
}

impl askama::filters::HtmlSafe for Rich {}

/// What a template can show: a text, or something that is the same in all languages.
pub trait ToSay {
    /// Converts it to a text.
    fn to_say(self) -> Text;
}

impl ToSay for Text {
    fn to_say(self) -> Text {
        self
    }
}

impl ToSay for &str {
    fn to_say(self) -> Text {
        dormouse_words::verbatim(self)
    }
}

impl ToSay for String {
    fn to_say(self) -> Text {
        dormouse_words::verbatim(self)
    }
}

impl ToSay for &String {
    fn to_say(self) -> Text {
        dormouse_words::verbatim(self.as_str())
    }
}
