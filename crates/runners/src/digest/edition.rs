//! The editions of an issue: both forms, in every language that readers can choose and that has
//! texts.

use dormouse_membership::notices::templates;
use dormouse_pipeline::recipients::{DigestIssue, Rule};
use dormouse_store::{List, Site};

/// The texts of a digest.
const TEXTS: [&str; 2] = ["masthead", "digest"];

/// The form of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A multipart/digest (RFC 2046 §5.1.5).
    Mime,
    /// One text (RFC 1153).
    Plain,
}

/// One form in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// The form.
    pub form: Form,
    /// The language; the list's if it is empty.
    pub language: String,
    /// The languages of the other editions, whose readers do not get the one in the list's
    /// language.
    others: Vec<String>,
}

impl Edition {
    /// Returns all editions of a list's digest.
    pub fn all(site: &Site, list: &List) -> Vec<Edition> {
        let own = &list.settings.preferred_language;
        let others: Vec<String> = list
            .settings
            .available_languages
            .iter()
            .filter(|language| *language != own && has_texts(site, list, language))
            .cloned()
            .collect();
        let languages = std::iter::once(String::new()).chain(others.iter().cloned());
        languages
            .flat_map(|language| {
                [Form::Mime, Form::Plain].map(|form| {
                    let others = if language.is_empty() { others.clone() } else { Vec::new() };
                    Edition { form, language: language.clone(), others }
                })
            })
            .collect()
    }

    /// Returns a label that is unique among the issue's editions.
    pub fn label(&self) -> String {
        let form = match self.form {
            Form::Mime => "mime",
            Form::Plain => "plain",
        };
        format!("{form} {}", self.language).trim_end().to_owned()
    }

    /// Returns the rule for its readers; `count` is the digest's number on the list.
    pub fn readers(&self, list: &List, count: i64) -> Rule {
        Rule {
            lists: vec![list.name.to_string()],
            digest: Some(DigestIssue { plain: self.form == Form::Plain, count }),
            only_language: self.language.clone(),
            except_languages: self.others.clone(),
            ..Rule::default()
        }
    }
}

fn has_texts(site: &Site, list: &List, language: &str) -> bool {
    TEXTS.iter().any(|name| templates::is_in(site, list, name, language))
}
