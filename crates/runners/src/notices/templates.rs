//! The texts of notices: ours, and those a site or list puts in their place.
//!
//! A file `NAME.txt` in one of these directories of the site, the first one found, replaces ours,
//! as in Mailman (spec/web.md "Templates"): `lists/LIST/LANGUAGE/`, `templates/HOST/LANGUAGE/`,
//! `templates/site/LANGUAGE/`; first in the reader's language, then in the list's. It may begin with
//! a `Subject:` line and an empty one.

use dormouse_mail::charset;
use dormouse_store::{List, Site};
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
    "digest"
    "disabled"
    "forwarded"
    "goodbye"
    "heldexpired"
    "help"
    "hostile"
    "howtoconfirm"
    "howtoconfirmbymail"
    "invite"
    "login"
    "membersadded"
    "newlist"
    "newpassword"
    "masthead"
    "pending"
    "policystorm"
    "postack"
    "postauth"
    "postheld"
    "privacyalert"
    "probe"
    "refuse"
    "rejected"
    "removed"
    "setoptions"
    "subauth"
    "subscribeack"
    "subscribeackpages"
    "unrecognized"
    "unsub"
    "verify"
}

/// A text, not yet filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The subject, if the text has one.
    pub subject: Option<String>,
    /// The text.
    pub body: String,
}

impl Template {
    fn parse(text: &str) -> Template {
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

/// Where a file may replace the text called `name` for a list, the most particular place first.
/// `language` is the reader's; the list's when empty.
pub fn places(site: &Site, list: &List, name: &str, language: &str) -> Vec<PathBuf> {
    let own = list.settings.preferred_language.as_str();
    let host = &list.settings.host_name;
    let file = format!("{name}.txt");
    let mut languages = vec![language, own];
    languages.dedup();
    languages
        .into_iter()
        .filter(|language| !language.is_empty())
        .flat_map(|language| {
            [
                format!("lists/{}/{language}", list.name),
                format!("templates/{host}/{language}"),
                format!("templates/site/{language}"),
            ]
        })
        // A language or host with a slash in it would lead elsewhere.
        .filter(|dir| dir.split('/').count() == 3 && !dir.split('/').any(|part| part == ".."))
        .map(|dir| site.dir().join(dir).join(&file))
        .collect()
}

/// The text called `name` for a list and a reader's language (the list's when empty). One that
/// cannot be read is named in the log and passed over.
pub fn find(site: &Site, list: &List, name: &str, language: &str) -> Template {
    for path in places(site, list, name, language) {
        match std::fs::read(&path) {
            Ok(bytes) => return Template::parse(&charset::decode_raw(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!("{}: {error}; our own text is used", path.display()),
        }
    }
    built_in(name)
}

/// Our own text called `name`.
pub fn built_in(name: &str) -> Template {
    Template::parse(BUILT_IN.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text))
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
        store.write(|tx| tx.create_list("dev", "lists.example", &[]).map(drop)).unwrap();
        let list = store.list("dev").unwrap().unwrap();
        assert!(find(&site, &list, "postheld", "").body.contains("moderator"));
        let places = places(&site, &list, "postheld", "de");
        // The reader's language before the list's, each for the list, the host and the site.
        let texts = ["Lde", "Hde", "Sde", "L", "H", "S"];
        assert_eq!(places.len(), texts.len());
        for (path, text) in places.iter().zip(texts).rev() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("Subject: {text} %(subject)s\n\n{text}\n")).unwrap();
            let found = find(&site, &list, "postheld", "de");
            assert_eq!(found.subject.as_deref(), Some(&*format!("{text} %(subject)s")));
            assert_eq!(found.body, format!("{text}\n"));
        }
        assert_eq!(find(&site, &list, "postheld", "").body, "L\n");
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
}
