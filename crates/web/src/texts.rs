//! The texts of a list's notices and pages, for its owners: in each language, next to ours, with a
//! preview before saving and a way to restore ours.

use crate::desk::{PageProblem, Sent};
use crate::page::{self, Frame};
use crate::prose;
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_archive::percent;
use dormouse_membership::notices::editing::{self, ListText, PAGES, TextError};
use dormouse_membership::notices::templates::{self, BUILT_IN};
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new().merge(list_page("/texts/{list}", all, None)).merge(list_page(
        "/texts/{list}/{name}",
        one,
        Some(change),
    ))
}

#[derive(Template)]
#[template(path = "texts.html")]
struct TextsPage {
    frame: Frame,
    list: String,
    back: String,
    languages: Vec<Language>,
    pages: Vec<Line>,
    texts: Vec<Line>,
}

/// A language, and the same page in it.
struct Language {
    code: String,
    url: String,
    is_chosen: bool,
}

/// A text in the table.
struct Line {
    name: &'static str,
    url: String,
    /// Its subject, or how it begins; for a page, where it is shown.
    about: String,
    is_own: bool,
}

#[derive(Template)]
#[template(path = "text.html")]
struct TextPage {
    frame: Frame,
    list: String,
    name: String,
    language: String,
    action: String,
    back: String,
    languages: Vec<Language>,
    text: String,
    lines: usize,
    is_own: bool,
    /// Whether the site has a text that replaces ours.
    is_sites: bool,
    built_in: String,
    is_of_page: bool,
    fields: Vec<&'static str>,
    example: Option<Example>,
    said: String,
    problem: String,
}

/// A preview of a mail or of a page's text.
struct Example {
    subject: String,
    body: String,
    /// For a page, harmless HTML.
    page: String,
}

/// The requested language, or the list's.
fn language<'s>(seat: &'s Seat<Owns>, wanted: &'s str) -> &'s str {
    if wanted.is_empty() { &seat.list.settings.preferred_language } else { wanted }
}

fn languages(seat: &Seat<Owns>, place: &str, chosen: &str) -> Vec<Language> {
    let languages = editing::languages(&seat.list).into_iter().map(|code| Language {
        url: format!("{place}?language={}", percent(&code)),
        is_chosen: code == chosen,
        code,
    });
    languages.collect()
}

/// A text, if there is one of that name.
fn find<'s>(seat: &'s Seat<Owns>, name: &str, language: &str) -> Option<ListText<'s>> {
    ListText::of(&seat.app.site, &seat.list, name, language).ok()
}

fn broken(error: TextError) -> Response {
    page::trouble(&error)
}

fn all(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let language = language(seat, seat.asked.query.get("language"));
    let place = seat.place("texts");
    let frame = seat.frame();
    let (mut pages, mut texts) = (Vec::new(), Vec::new());
    let all = PAGES.iter().map(|(name, about)| (*name, Some(*about)));
    for (name, about) in all.chain(BUILT_IN.iter().map(|(name, _)| (*name, None))) {
        let Some(text) = find(seat, name, language) else { return Ok(page::not_found()) };
        let own = match text.own() {
            Ok(own) => own,
            Err(error) => return Ok(broken(error)),
        };
        let first = own.as_deref().unwrap_or(&text.built_in).lines().next().unwrap_or_default();
        let first = first.strip_prefix("Subject:").unwrap_or(first).trim();
        let line = Line {
            name,
            url: format!("{place}/{name}?language={}", percent(language)),
            about: about.map_or(first.to_owned(), |about| frame.say(about).to_string()),
            is_own: own.is_some(),
        };
        if about.is_some() { pages.push(line) } else { texts.push(line) }
    }
    let page = TextsPage {
        frame,
        list: seat.name(),
        back: seat.place("admin"),
        languages: languages(seat, &place, language),
        pages,
        texts,
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn one(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let query = &seat.asked.query;
    let Some(text) = find(seat, seat.asked.part("name"), language(seat, query.get("language")))
    else {
        return Ok(page::not_found());
    };
    let frame = seat.frame();
    let said = match (query.has("saved"), query.has("reverted")) {
        (true, _) if text.is_of_page() => {
            frame.say("Saved. The page shows this text now.").to_string()
        }
        (true, _) => frame.say("Saved. Emails have this text from now on.").to_string(),
        (_, true) => frame.say("The list uses the default text again.").to_string(),
        _ => String::new(),
    };
    Ok(form(seat, &text, query.get("language"), None, &said, None, String::new()))
}

/// The form for a text, with the input.
fn form(
    seat: &Seat<Owns>,
    text: &ListText<'_>,
    wanted: &str,
    typed: Option<String>,
    said: &str,
    example: Option<Example>,
    problem: String,
) -> Response {
    let own = match text.own() {
        Ok(own) => own,
        Err(error) => return broken(error),
    };
    let (language, name) = (language(seat, wanted), seat.asked.part("name"));
    let place = format!("{}/{name}", seat.place("texts"));
    let found = templates::find(&seat.app.site, &seat.list, name, language);
    let file = templates::file(&seat.app.site, &seat.list, name, language);
    let is_own = own.is_some();
    let current = own.unwrap_or_else(|| match found.subject {
        Some(subject) => format!("Subject: {subject}\n\n{}", found.body),
        None => found.body,
    });
    let shown = typed.unwrap_or(current);
    let page = TextPage {
        frame: seat.frame(),
        list: seat.name(),
        name: name.to_owned(),
        language: language.to_owned(),
        action: place.clone(),
        back: format!("{}?language={}", seat.place("texts"), percent(language)),
        languages: languages(seat, &place, language),
        lines: shown.lines().count().clamp(4, 30) + 1,
        text: shown,
        is_own,
        is_sites: !is_own && file.is_some(),
        built_in: text.built_in.clone().into_owned(),
        is_of_page: text.is_of_page(),
        fields: text.fields(),
        example,
        said: said.to_owned(),
        problem,
    };
    let status =
        if page.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page::page(status, &page)
}

fn change(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let (name, wanted) = (seat.asked.part("name"), sent.get("language"));
    let language = language(seat, wanted);
    let Some(text) = find(seat, name, language) else { return Ok(page::not_found()) };
    let typed = sent.all("text").next().unwrap_or_default().replace("\r\n", "\n");
    let (done, said) = match sent.get("do") {
        "preview" => {
            if let Err(error) = text.check(&typed) {
                let problem = page::sentence(&error);
                return Ok(form(seat, &text, wanted, Some(typed), "", None, problem));
            }
            let example = text.example(&typed);
            let page = if text.is_of_page() { prose::shown(&example.body) } else { String::new() };
            let subject = example.subject.unwrap_or_default();
            let example = Example { subject, body: example.body, page };
            return Ok(form(seat, &text, wanted, Some(typed), "", Some(example), String::new()));
        }
        "save" => (text.save(&typed), "saved"),
        "revert" => (text.revert(), "reverted"),
        _ => return Ok(page::not_found()),
    };
    match done {
        Ok(()) => {
            let who = seat.account.as_ref().map(|account| account.name()).unwrap_or_default();
            tracing::info!("{}: the text {language}/{name} {said} by {who}", seat.list.name);
            let place = seat.place("texts");
            let language = percent(language);
            Ok(page::see_other(&format!("{place}/{name}?language={language}&{said}=1")))
        }
        Err(error @ TextError::Run(_)) => Ok(broken(error)),
        Err(error) => {
            let problem = page::sentence(&error);
            Ok(form(seat, &text, wanted, Some(typed), "", None, problem))
        }
    }
}

/// Mailman's files for pages, and the texts that replace them.
const MAILMANS: [(&str, &str); 5] = [
    ("listinfo.html", "page-listinfo"),
    ("subscribe.html", "page-join"),
    ("options.html", "page-options"),
    ("roster.html", "page-roster"),
    ("private.html", "page-archive"),
];

/// The address of the text that replaces one of Mailman's files, if there is one.
pub fn place_of(seat: &Seat<Owns>, file: &str) -> String {
    let name = match MAILMANS.iter().find(|(page, _)| *page == file) {
        Some((_, name)) => name,
        None => file.strip_suffix(".txt").unwrap_or(file),
    };
    let mut known = PAGES.iter().chain(BUILT_IN).map(|(known, _)| *known);
    match known.find(|known| *known == name) {
        Some(name) => format!("{}/{name}", seat.place("texts")),
        None => seat.place("texts"),
    }
}
