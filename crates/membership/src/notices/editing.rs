//! The texts that a list's owners write instead of ours, one file for each text and language in
//! `lists/LIST/LANGUAGE/`: those of notices, and those for parts of the list's pages where we have
//! none.

use super::Notices;
use super::templates::{self, BUILT_IN, Template, english, fields, of_list, ours, unknown_fields};
use crate::{RunError, password, template};
use dormouse_mail::charset;
use dormouse_store::{List, Site};
use dormouse_words::{Language, msgid};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The maximum length of a text, in bytes.
const LONGEST: usize = 50_000;

/// The texts of a list's pages, and where they are shown.
pub const PAGES: [(&str, &str); 5] = [
    ("page-listinfo", msgid("On the page of the list, in place of its setting info")),
    ("page-join", msgid("Above the form to join")),
    ("page-options", msgid("Above the options of a member")),
    ("page-roster", msgid("Above the list of members")),
    ("page-archive", msgid("Above the search in the archive")),
];

/// Returns the text `name` for a page of a list, filled in: in the reader's language, or in the list's.
/// `None` if there is none.
pub fn on_page(site: &Site, list: &List, name: &str, language: &str) -> Option<String> {
    templates::file(site, list, name, language)?;
    let text = templates::find(site, list, name, language).body;
    let text = template::fill(&text, &Notices { list, site }.fields(), false);
    (!text.trim().is_empty()).then_some(text)
}

/// Why a text is not saved.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// No text has this name, or the list does not have this language.
    #[error("there is no such text, or the list does not have this language")]
    NoSuchText,
    /// The text is empty: readers would learn nothing.
    #[error("a text cannot be empty; remove it to use the default")]
    Empty,
    /// The text is too long.
    #[error("the text has more than {LONGEST} letters")]
    TooLong,
    /// The text uses an unknown field.
    #[error("%({0})s is not known here, and would stand in the mail as it is written")]
    UnknownField(String),
    /// A field has no end.
    #[error("%({0} … is not written to its end: a field is %(name)s")]
    BrokenField(String),
    /// The file could not be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// One text of a list, in one language.
#[derive(Debug, Clone)]
pub struct ListText<'t> {
    site: &'t Site,
    list: &'t List,
    name: &'static str,
    file: PathBuf,
    /// Our text in this language, or in English if we have no translation.
    pub built_in: Cow<'static, str>,
}

/// The languages in which a list's texts may be written: ours, and those that the list offers to
/// members.
pub fn languages(list: &List) -> Vec<String> {
    let mut languages: Vec<String> =
        Language::all().into_iter().map(|language| language.code().to_owned()).collect();
    let settings = &list.settings;
    for code in settings.available_languages.iter().chain([&settings.preferred_language]) {
        if !languages.contains(code) {
            languages.push(code.clone());
        }
    }
    languages
}

impl<'t> ListText<'t> {
    /// The text `name` in a language.
    pub fn of(
        site: &'t Site,
        list: &'t List,
        name: &str,
        language: &str,
    ) -> Result<ListText<'t>, TextError> {
        let pages = PAGES.iter().map(|(page, _)| (*page, ""));
        let known = BUILT_IN.iter().copied().chain(pages).find(|(known, _)| *known == name);
        let (name, english) = known.ok_or(TextError::NoSuchText)?;
        let has_language = languages(list).iter().any(|code| code == language);
        let file = of_list(site, list, name, language).filter(|_| has_language);
        let file = file.ok_or(TextError::NoSuchText)?;
        let built_in = ours(name, language).unwrap_or_else(|| english.into());
        Ok(ListText { site, list, name, file, built_in })
    }

    /// The list's own text, if there is one.
    pub fn own(&self) -> Result<Option<String>, TextError> {
        match fs::read(&self.file) {
            Ok(bytes) => Ok(Some(charset::decode_raw(&bytes).replace("\r\n", "\n"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &self.file)(error).into()),
        }
    }

    /// Whether the text is part of a page, and not a mail.
    pub fn is_of_page(&self) -> bool {
        PAGES.iter().any(|(page, _)| *page == self.name)
    }

    /// Checks that a text can be used, and that all its fields are known.
    pub fn check(&self, text: &str) -> Result<(), TextError> {
        if text.trim().is_empty() {
            return Err(TextError::Empty);
        }
        if text.chars().count() > LONGEST {
            return Err(TextError::TooLong);
        }
        for rest in text.split("%(").skip(1) {
            let length = rest.bytes().take_while(|byte| is_of_a_name(*byte)).count();
            if !rest[length..].starts_with(")s") {
                return Err(TextError::BrokenField(rest.chars().take(20).collect()));
            }
        }
        match unknown_fields(self.name, text).into_iter().next() {
            Some(field) => Err(TextError::UnknownField(field.to_owned())),
            None => Ok(()),
        }
    }

    /// Saves a text in place of ours, and syncs it.
    pub fn save(&self, text: &str) -> Result<(), TextError> {
        self.check(text)?;
        let text = format!("{}\n", text.replace("\r\n", "\n").trim_end_matches('\n'));
        let dir = self.dir();
        fs::create_dir_all(dir).map_err(self.failed("make the directory", dir))?;
        // Two simultaneous savers must not write to each other's file.
        let random = password::random(8)
            .map_err(|problem| self.failed("write", &self.file)(io::Error::other(problem)))?;
        let draft = self.file.with_extension(format!("{random}.new"));
        let written = File::create_new(&draft)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&draft, &self.file));
        if let Err(error) = written {
            // The file may not exist; the error is reported in any case.
            let _left = fs::remove_file(&draft);
            return Err(self.failed("write", &self.file)(error).into());
        }
        self.sync()
    }

    /// Removes the list's text, so that ours is used again.
    pub fn revert(&self) -> Result<(), TextError> {
        match fs::remove_file(&self.file) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed("remove", &self.file)(error).into()),
        }
    }

    /// Shows a mail with this text: fields of the list have their values, the others examples.
    pub fn example(&self, text: &str) -> Template {
        let mut all = Notices { list: self.list, site: self.site }.fields();
        all.extend(EXAMPLES.map(|(field, value)| (field, value.to_owned())));
        let fill = |text: &str| template::fill(text, &all, false);
        let found = Template::parse(text);
        let usual = || Template::parse(&self.built_in).subject;
        let subject = found.subject.or_else(usual).map(|subject| fill(&subject));
        Template { subject, body: fill(&found.body) }
    }

    /// The fields that a text of this name may use in addition to those of all texts.
    pub fn fields(&self) -> Vec<&'static str> {
        fields(english(self.name)).into_iter().collect()
    }

    fn dir(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }

    fn sync(&self) -> Result<(), TextError> {
        let synced = File::open(self.dir()).and_then(|dir| dir.sync_all());
        Ok(synced.map_err(self.failed("write", &self.file))?)
    }

    fn failed(&self, action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
        let path = path.to_owned();
        move |source| RunError::Io { action, path, source }
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Example values of fields that differ in each mail.
const EXAMPLES: [(&str, &str); 39] = [
    ("addr", "anna@example.org"),
    ("address", "anna@example.org"),
    ("addresses", "anna@example.org"),
    ("admindb_url", "https://lists.example.org/mailman/moderation/post/7"),
    ("asker", "192.0.2.7"),
    ("changes", "digest: off"),
    ("confirmurl", "https://lists.example.org/mailman/confirm/list/c0ffee"),
    ("cookie", "c0ffee"),
    ("count", "3"),
    ("days", "3"),
    ("digmode", ""),
    ("email", "anna@example.org"),
    ("expires", "3 May"),
    ("how", ""),
    ("howto", ""),
    ("id", "7"),
    ("issue", "12"),
    ("kind", "address"),
    ("language", "en"),
    ("limit", "40"),
    ("means", "on the web"),
    ("member", "Anna Example <anna@example.org>"),
    ("name", "Anna Example"),
    ("newaddress", "anna@example.net"),
    ("noticesleft", "3"),
    ("oldaddress", "anna@example.org"),
    ("options", ""),
    ("pages", ""),
    ("pattern", "^.*@example\\.com$"),
    ("posts", "dev@lists.example.org"),
    ("reason", "The post is larger than the list allows."),
    ("request", "Posting of your message titled \"Our next meeting\""),
    ("sender", "anna@example.org"),
    ("size", "41234"),
    ("subject", "Our next meeting"),
    ("title", "Dev Digest, Vol 3, Issue 12"),
    ("username", "anna@example.org"),
    ("volume", "3"),
    ("welcome", ""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::templates::find;
    use dormouse_store::Store;

    fn with_text(work: impl FnOnce(&Site, &List)) {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "lists.example").unwrap();
        let store = Store::open(&site).unwrap();
        store
            .write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example", &[]).map(drop))
            .unwrap();
        work(&site, &store.read().list("dev").unwrap().unwrap());
    }

    #[test]
    fn a_text_takes_the_place_of_ours_in_its_language_until_it_is_reverted() {
        with_text(|site, list| {
            let text = ListText::of(site, list, "postheld", "de").unwrap();
            assert_eq!(text.own().unwrap(), None);
            text.save("Subject: Äh, %(listname)s\r\n\r\nWartet: %(subject)s\r\n").unwrap();
            let kept = text.own().unwrap();
            assert_eq!(kept.as_deref(), Some("Subject: Äh, %(listname)s\n\nWartet: %(subject)s\n"));
            assert_eq!(find(site, list, "postheld", "de").body, "Wartet: %(subject)s\n");
            assert_ne!(find(site, list, "postheld", "en").body, "Wartet: %(subject)s\n");
            let files = fs::read_dir(text.dir()).unwrap().count();
            assert_eq!(files, 1, "no draft is left");
            text.revert().unwrap();
            text.revert().unwrap();
            assert_eq!(text.own().unwrap(), None);
        });
    }

    #[test]
    fn a_text_is_refused_that_would_show_its_fields() {
        with_text(|site, list| {
            let text = ListText::of(site, list, "postheld", "en").unwrap();
            for wrong in [
                "",
                " \n",
                "%(nobody)s",
                "Subject: %(cookie)s\n\nx",
                "%(subject)",
                "%(subject) and %(reason)s",
                "%(subject",
                "%( subject)s",
                "%(",
            ] {
                assert!(text.save(wrong).is_err(), "{wrong}");
                assert_eq!(text.own().unwrap(), None, "{wrong}");
            }
            text.save("100% of %(subject)s for %(adminaddr)s %(real_name)s").unwrap();
        });
    }

    #[test]
    fn every_text_of_ours_may_be_saved_as_it_is_and_has_an_example() {
        with_text(|site, list| {
            for (name, _) in BUILT_IN {
                for language in languages(list) {
                    let text = ListText::of(site, list, name, &language).unwrap();
                    text.check(&text.built_in).unwrap();
                    assert!(text.example(&text.built_in).body.len() > 10, "{name}");
                }
            }
            for (name, language) in
                [("nobody", "en"), ("../x", "en"), ("help", "tlh"), ("help", ".."), ("help", "")]
            {
                assert!(ListText::of(site, list, name, language).is_err(), "{name} {language}");
            }
        });
    }

    #[test]
    fn examples_are_in_order() {
        assert!(EXAMPLES.is_sorted_by_key(|(name, _)| *name));
    }
}
