//! The available languages, and the choice of one for a reader.

use crate::catalogue::{self, Catalogue};

/// A language that texts are written in. Its default is English, which needs no translation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Language(
    /// The position of its catalogue, from 1; 0 is English.
    usize,
);

/// Mailman's code for English.
const ENGLISH: &str = "en";

impl Language {
    /// English.
    pub const ENGLISH: Language = Language(0);

    /// All languages, by code.
    pub fn all() -> Vec<Language> {
        let mut all: Vec<Language> = (0..=catalogue::all().len()).map(Language).collect();
        all.sort_by_key(|language| language.code());
        all
    }

    /// The language of a code, as Mailman writes it (`pt_BR`) or a browser (`pt-br`). A region
    /// without texts gets those of the language.
    pub fn of(code: &str) -> Option<Language> {
        let code = code.trim().replace('-', "_").to_lowercase();
        let code = match code.as_str() {
            "zh" | "zh_hans" | "zh_hans_cn" | "zh_sg" => "zh_cn",
            "pt" | "pt_pt" => "pt_br",
            code => code,
        };
        let named = |wanted: &str| {
            if wanted == ENGLISH {
                return Some(Language::ENGLISH);
            }
            let at =
                catalogue::all().iter().position(|one| one.code.eq_ignore_ascii_case(wanted))?;
            Some(Language(at + 1))
        };
        // Chinese in traditional characters is not Chinese in simplified ones.
        let bare = code.split('_').next().filter(|bare| *bare != "zh");
        named(code).or_else(|| named(bare?))
    }

    /// The language of a code, or English.
    pub fn or_english(code: &str) -> Language {
        Language::of(code).unwrap_or_default()
    }

    /// The best available language for an `Accept-Language` header (RFC 9110 §12.5.4).
    pub fn best(accepted: &str) -> Option<Language> {
        let ranges = accepted.split(',').take(50).filter_map(|range| {
            let (tag, parameter) = range.split_once(';').unwrap_or((range, "q=1"));
            let quality = parameter.trim().strip_prefix("q=")?.trim().parse::<f32>().ok()?;
            Some((Language::of(tag)?, quality)).filter(|(_, quality)| *quality > 0.0)
        });
        let mut best: Option<(Language, f32)> = None;
        for (language, quality) in ranges {
            if best.is_none_or(|(_, most)| quality > most) {
                best = Some((language, quality));
            }
        }
        best.map(|(language, _)| language)
    }

    fn catalogue(self) -> Option<&'static Catalogue> {
        catalogue::all().get(self.0.checked_sub(1)?)
    }

    /// Mailman's code: `pt_BR`.
    pub fn code(self) -> &'static str {
        self.catalogue().map_or(ENGLISH, |catalogue| catalogue.code)
    }

    /// The tag of pages (BCP 47): `pt-BR`.
    pub fn tag(self) -> String {
        self.code().replace('_', "-")
    }

    /// What its speakers call it: `Deutsch`.
    pub fn name(self) -> &'static str {
        // A language's translation of this is its own name.
        crate::say_as("name of this language", "English").template(self)
    }

    /// Whether its script runs from right to left.
    pub fn is_right_to_left(self) -> bool {
        // As HTML names directions.
        crate::say_as("direction of the script", "ltr").template(self) == "rtl"
    }

    /// The translation of a text, if it has one; if it has a plural, all forms, separated by NUL.
    pub fn find(self, context: &str, id: &str) -> Option<&'static str> {
        self.catalogue()?.find(context, id)
    }

    /// The form of a text for a number.
    pub(crate) fn form(self, forms: &'static str, number: u64) -> Option<&'static str> {
        let at = (self.catalogue()?.form)(number);
        forms.split('\0').nth(usize::try_from(at).ok()?).filter(|form| !form.is_empty())
    }
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_as_mailman_and_as_browsers_write_it() {
        let code = |text: &str| Language::of(text).map(Language::code);
        for (text, found) in [
            ("de", Some("de")),
            ("de-AT", Some("de")),
            ("pt_BR", Some("pt_BR")),
            ("pt-br", Some("pt_BR")),
            ("pt", Some("pt_BR")),
            ("zh_CN", Some("zh_CN")),
            ("zh-Hans", Some("zh_CN")),
            ("zh_TW", None),
            ("zh-Hant-HK", None),
            ("en-GB", Some("en")),
            ("xx", None),
            ("", None),
        ] {
            assert_eq!(code(text), found, "{text}");
        }
        assert_eq!(Language::or_english("tlh"), Language::ENGLISH);
    }

    #[test]
    fn a_browser_s_wishes_are_heard_in_their_order() {
        let best = |text: &str| Language::best(text).map(Language::code);
        assert_eq!(best("de-CH,de;q=0.9,en;q=0.8"), Some("de"));
        assert_eq!(best("en;q=0.2, fr;q=0.7, xx"), Some("fr"));
        assert_eq!(best("ru;q=0, ja;q=0.1"), Some("ja"));
        assert_eq!(best("xx, *;q=0.5"), None);
        assert_eq!(best("de;q=much, it"), Some("it"));
        assert_eq!(best(""), None);
    }

    #[test]
    fn a_language_knows_its_name_and_its_direction() {
        let of = |code: &str| Language::of(code).unwrap();
        assert_eq!([of("de").name(), of("en").name()], ["Deutsch", "English"]);
        assert!(of("ar").is_right_to_left() && !of("de").is_right_to_left());
        assert_eq!(of("zh_CN").tag(), "zh-CN");
        assert!(Language::all().len() >= 12);
    }
}
