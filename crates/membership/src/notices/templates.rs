//! The texts of notices: ours, and those that replace them on a site or list.
//!
//! A file `NAME.txt` in one of these directories of the site, the first one found, replaces ours, as in
//! Mailman (docs/spec/web.md §7): `lists/LIST/LANGUAGE/`, `templates/HOST/LANGUAGE/`,
//! `templates/site/LANGUAGE/`. It may begin with a `Subject:` line and an empty one.
//!
//! The reader's language comes first, then the list's, then English; in each, the files come before our
//! own text. Ours are English, and their translations are in the catalogue (`po/`): a letter under its
//! name, a phrase under its text's name and its key.

use dormouse_mail::charset;
use dormouse_store::check::{LIST_FIELDS, NOTICE_FIELDS};
use dormouse_store::{List, Site};
use dormouse_words::Language;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

macro_rules! templates {
    ($($name:literal)+) => {
        /// Our own texts by name, in English.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("texts/en/", $name, ".txt")))),+];
    };
}

templates! {
    "adminsubscribeack"
    "adminunsubscribeack"
    "approvebymail"
    "autodiscard"
    "badpatterns"
    "bounce"
    "changeaddr"
    "commands"
    "complaint"
    "contentfilter"
    "decidebymail"
    "digest"
    "disabled"
    "forwarded"
    "givenup"
    "goodbye"
    "heldexpired"
    "help"
    "hostile"
    "howtocancel"
    "howtocancelbymail"
    "howtoconfirm"
    "howtoconfirmbymail"
    "invite"
    "login"
    "membersadded"
    "newlist"
    "newlistnopassword"
    "newlistpassword"
    "newpassword"
    "masthead"
    "moved"
    "options"
    "pending"
    "pendingpages"
    "policystorm"
    "postack"
    "postauth"
    "postheld"
    "privacyalert"
    "probe"
    "refuse"
    "rejected"
    "removed"
    "reviewpages"
    "setoptions"
    "signin"
    "subauth"
    "subscribeack"
    "subscribeackpages"
    "unrecognized"
    "unsendable"
    "unsub"
    "verify"
    "words"
}

/// A text before its fields are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The subject, if the text has one.
    pub subject: Option<String>,
    /// The text.
    pub body: String,
}

impl Template {
    pub(super) fn parse(text: &str) -> Template {
        let text = text.replace("\r\n", "\n");
        if let Some((first, body)) = text.split_once("\n\n")
            && let Some(subject) = first.strip_prefix("Subject:")
            && !subject.contains('\n')
        {
            return Template { subject: Some(subject.trim().to_owned()), body: body.to_owned() };
        }
        Template { subject: None, body: text }
    }
}

/// The file that replaces the text `name` for readers of a language (if empty, the list's); `None` if
/// ours is used.
pub fn file(site: &Site, list: &List, name: &str, language: &str) -> Option<PathBuf> {
    for language in languages(list, language) {
        let mut places = places_in(site, list, name, language).into_iter();
        if let Some(file) = places.find(|place| place.exists()) {
            return Some(file);
        }
        if ours(name, language).is_some() {
            return None;
        }
    }
    None
}

/// The reader's language, then the list's.
fn languages<'l>(list: &'l List, reader: &'l str) -> Vec<&'l str> {
    let mut languages = vec![reader, list.settings.preferred_language.as_str()];
    languages.dedup();
    languages.retain(|language| !language.is_empty());
    languages
}

fn places_in(site: &Site, list: &List, name: &str, language: &str) -> Vec<PathBuf> {
    let host = &list.settings.host_name;
    let file = format!("{name}.txt");
    [
        format!("lists/{}/{language}", list.name),
        format!("templates/{host}/{language}"),
        format!("templates/site/{language}"),
    ]
    .into_iter()
    // A language or host with a slash would escape the directory.
    .filter(|dir| dir.split('/').count() == 3 && !dir.split('/').any(|part| part == ".."))
    .map(|dir| site.dir().join(dir).join(&file))
    .collect()
}

/// The path of a list's own text `name`, whether or not it exists; `None` if the language cannot be the
/// name of a directory.
pub(super) fn of_list(site: &Site, list: &List, name: &str, language: &str) -> Option<PathBuf> {
    let place = places_in(site, list, name, language).into_iter().next();
    place.filter(|place| place.starts_with(site.dir().join("lists")))
}

/// Whether a text `name` exists in a language, ours or a file.
pub fn is_in(site: &Site, list: &List, name: &str, language: &str) -> bool {
    ours(name, language).is_some()
        || places_in(site, list, name, language).iter().any(|place| place.exists())
}

/// Finds the text `name` for a list and a reader's language (if empty, the list's). A file that cannot
/// be read is logged and ignored.
pub fn find(site: &Site, list: &List, name: &str, language: &str) -> Template {
    for language in languages(list, language) {
        for path in places_in(site, list, name, language) {
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let found = Template::parse(&charset::decode_raw(&bytes));
                    let subject = found.subject.or_else(|| usual_subject(list, name, language));
                    return Template { subject, ..found };
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!("{}: {error}; our own text is used", path.display()),
            }
        }
        if let Some(text) = ours(name, language) {
            return Template::parse(&text);
        }
    }
    Template::parse(english(name))
}

/// The subject for a text without one, such as Mailman's: that of ours.
fn usual_subject(list: &List, name: &str, language: &str) -> Option<String> {
    let mut languages = languages(list, language);
    languages.push(ENGLISH);
    let text = languages.into_iter().find_map(|language| ours(name, language))?;
    Template::parse(&text).subject
}

/// The languages in which a list has texts: ours, and those with files for it.
pub fn languages_there(site: &Site, list: &List) -> BTreeSet<String> {
    let ours = Language::all().into_iter().map(|language| language.code().to_owned());
    let dirs = ["site", &list.settings.host_name].map(|of| site.dir().join("templates").join(of));
    let dirs = dirs.into_iter().chain([site.dir().join("lists").join(&list.name)]);
    let files = dirs.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    let has_texts = |dir: &std::fs::DirEntry| {
        let texts = std::fs::read_dir(dir.path()).into_iter().flatten().flatten();
        texts.map(|text| text.path()).any(|text| text.extension().is_some_and(|end| end == "txt"))
    };
    let theirs = files.filter(has_texts).map(|dir| dir.file_name().to_string_lossy().into_owned());
    ours.chain(theirs).collect()
}

/// The fields that Mailman's text of a name may use, and of ours only the one with that name
/// (docs/spec/gotchas.md §7.11).
const MAILMANS: [(&str, &[&str]); 17] = [
    ("adminsubscribeack", &["member", "whence"]),
    ("adminunsubscribeack", &["member", "whence"]),
    ("bounce", &["addr", "but", "did", "negative", "reenable"]),
    ("disabled", &["confirmurl", "noticesleft", "reason"]),
    ("help", &["commands", "version"]),
    ("invite", &["confirmurl", "cookie", "email"]),
    ("masthead", &["got_list_email", "got_listinfo_url", "got_owner_email", "got_request_email"]),
    ("newlist", &["admin_url"]),
    ("postack", &["subject"]),
    ("postauth", &["admindb_url", "reason", "sender", "subject"]),
    ("postheld", &["confirmurl", "reason", "subject"]),
    ("probe", &["address"]),
    ("refuse", &["reason", "request"]),
    ("subauth", &["admindb_url", "username"]),
    ("subscribeack", &["welcome"]),
    ("unsub", &["confirmurl", "cookie", "email", "remote"]),
    ("verify", &["confirmurl", "cookie", "email", "remote"]),
];

/// The fields in a text `name` that would have no value: they would be sent as they are written.
pub fn unknown_fields<'t>(name: &str, text: &'t str) -> BTreeSet<&'t str> {
    let own = fields(english(name));
    let mailmans =
        MAILMANS.iter().find(|(known, _)| *known == name).map_or(&[][..], |entry| entry.1);
    let mut said = fields(text);
    said.retain(|field| !(own.contains(field) || mailmans.contains(field) || is_anywhere(field)));
    said
}

/// Whether all notices have the field.
pub(super) fn is_anywhere(field: &str) -> bool {
    LIST_FIELDS.contains(&field) || NOTICE_FIELDS.contains(&field)
}

/// The names of the fields `%(name)s` in a text.
pub fn fields(text: &str) -> BTreeSet<&str> {
    let parts = text.split("%(").skip(1);
    parts.filter_map(|rest| rest.split_once(")s")).map(|found| found.0).collect()
}

/// The fallback language of texts.
pub(super) const ENGLISH: &str = "en";

/// Our own text called `name` in a language.
pub(super) fn ours(name: &str, code: &str) -> Option<Cow<'static, str>> {
    let english = BUILT_IN.iter().find(|(known, _)| *known == name)?.1;
    let language = Language::of(code)?;
    if language == Language::ENGLISH {
        return Some(english.into());
    }
    if !OF_PHRASES.contains(&name) {
        return language.find(name, english).map(Cow::from);
    }
    let phrases = phrases(english);
    let is_there =
        |(key, phrase): &(&str, &str)| language.find(&context(name, key), phrase).is_some();
    phrases.iter().any(is_there).then(|| {
        let lines = phrases.iter().map(|(key, phrase)| {
            let said = language.find(&context(name, key), phrase).unwrap_or(phrase);
            format!("{key}: {said}\n")
        });
        lines.collect::<String>().into()
    })
}

/// The texts that consist of phrases.
const OF_PHRASES: [&str; 2] = ["digest", "words"];

/// The phrases of a text with their keys.
fn phrases(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, phrase)| (key.trim(), phrase.trim())).collect()
}

/// The context of a phrase in the catalogue.
fn context(name: &str, key: &str) -> String {
    format!("{name} {key}")
}

/// Our own text of that name in English.
pub fn english(name: &str) -> &'static str {
    BUILT_IN.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| *text)
}

/// Short texts within others. A file of them has one on each line, after its key and a colon.
#[derive(Debug, Clone)]
pub struct Phrases {
    /// The text's name.
    name: &'static str,
    /// The file's content, or our text.
    text: String,
    /// The languages in which our phrases are looked up.
    languages: Vec<Language>,
}

impl Phrases {
    /// The phrases of the text `name`, in a reader's language (if empty, the list's).
    pub fn of(site: &Site, list: &List, name: &'static str, language: &str) -> Phrases {
        let known = languages(list, language).into_iter().filter_map(Language::of).collect();
        Phrases { name, text: find(site, list, name, language).body, languages: known }
    }

    /// The phrase of a key; empty if there is none.
    pub fn get(&self, key: &str) -> String {
        let of_key = |text: &str| {
            let found = phrases(text).into_iter().find(|(known, _)| *known == key);
            found.map(|(_, phrase)| phrase.to_owned())
        };
        of_key(&self.text).unwrap_or_else(|| {
            let Some(english) = of_key(english(self.name)) else { return String::new() };
            let context = context(self.name, key);
            let said = self.languages.iter().find_map(|language| language.find(&context, &english));
            said.map_or(english.clone(), str::to_owned)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::Store;

    #[test]
    fn a_file_of_the_list_comes_before_one_of_the_site_and_that_before_ours() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "lists.example").unwrap();
        let store = Store::open(&site).unwrap();
        store
            .write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example", &[]).map(drop))
            .unwrap();
        let list = store.read().list("dev").unwrap().unwrap();
        assert!(find(&site, &list, "postheld", "").body.contains("moderator"));
        let places_of = |language| places_in(&site, &list, "postheld", language);
        let places = [places_of("fi"), places_of("en")].concat();
        // The reader's language before the list's, each for the list, the host and the site.
        let texts = ["Lfi", "Hfi", "Sfi", "L", "H", "S"];
        assert_eq!(places.len(), texts.len());
        for (path, text) in places.iter().zip(texts).rev() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("Subject: {text} %(subject)s\n\n{text}\n")).unwrap();
            let found = find(&site, &list, "postheld", "fi");
            assert_eq!(found.subject.as_deref(), Some(&*format!("{text} %(subject)s")));
            assert_eq!(found.body, format!("{text}\n"));
            assert_eq!(file(&site, &list, "postheld", "fi").as_ref(), Some(path));
        }
        assert_eq!(file(&site, &list, "postheld", "de"), None);
        assert_eq!(find(&site, &list, "postheld", "").body, "L\n");
        assert!(find(&site, &list, "postheld", "de").body.contains("Moderation"));
        assert_eq!(find(&site, &list, "postheld", "../fr").body, "L\n");
    }

    #[test]
    fn a_text_without_a_subject_line_is_all_body() {
        assert_eq!(Template::parse("Dear you,\n\nhello\n").subject, None);
        assert_eq!(Template::parse("Subject: x\ny\n\nz").body, "Subject: x\ny\n\nz");
    }

    #[test]
    fn every_text_of_ours_has_something_to_say() {
        for (name, text) in BUILT_IN {
            assert!(Template::parse(text).body.len() > 20, "{name}");
        }
    }

    #[test]
    fn phrases_that_a_file_lacks_are_ours() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "lists.example").unwrap();
        let store = Store::open(&site).unwrap();
        store
            .write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example", &[]).map(drop))
            .unwrap();
        let list = store.read().list("dev").unwrap().unwrap();
        let dir = site.dir().join("lists/dev/de");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("digest.txt"), "topics: Inhalt\n").unwrap();
        let get =
            |language: &str, key: &str| Phrases::of(&site, &list, "digest", language).get(key);
        assert_eq!([get("de", "topics"), get("de", "end")], ["Inhalt", "Ende von %(title)s"]);
        assert_eq!([get("", "topics"), get("fi", "end")], ["Today's Topics", "End of %(title)s"]);
        assert_eq!(get("de", "nothing"), "");
    }
}
