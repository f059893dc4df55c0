//! Settings as questions: each answer shows which settings it would change, and one button saves.

use crate::desk::{Fields, PageProblem, Sent};
use crate::page::{self, Frame};
use crate::questions::{GUIDES, Guide, Question};
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use crate::settings::{self, Example, SettingField, ShownChange};
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_store::{ListSettings, StoreError};
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    list_page("/guide/{list}/{guide}", show, Some(save))
}

#[derive(Template)]
#[template(path = "guide.html")]
struct GuidePage {
    frame: Frame,
    list: String,
    title: &'static str,
    doc: &'static str,
    action: String,
    back: String,
    members: String,
    questions: Vec<Asked>,
    typed: Vec<SettingField>,
    example: Option<Example>,
    said: String,
    problem: String,
}

/// A question on the page.
struct Asked {
    name: &'static str,
    title: &'static str,
    answers: Vec<Choice>,
    /// Whether the list's settings match none of the answers.
    is_other: bool,
}

/// An answer on the page.
struct Choice {
    name: &'static str,
    title: &'static str,
    doc: &'static str,
    is_chosen: bool,
    /// Whether it would change nothing.
    is_in_effect: bool,
    changes: Vec<ShownChange>,
}

fn guide(seat: &Seat<Owns>) -> Option<&'static Guide> {
    GUIDES.iter().find(|guide| guide.name == seat.asked.part("guide"))
}

fn show(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let Some(guide) = guide(seat) else { return Ok(page::not_found()) };
    let saved = seat.asked.query.get("saved").parse().unwrap_or(0);
    let said = settings::said_saved(&seat.frame(), saved);
    form(seat, guide, &Fields::default(), said, String::new())
}

/// What would change if settings got these values; values that are not allowed are left out.
fn changes(seat: &Seat<Owns>, pairs: &[(&str, &str)]) -> Vec<ShownChange> {
    settings::differences(seat, &as_sent(pairs)).unwrap_or_default()
}

/// Settings in the form in which a page sends them.
fn as_sent(pairs: &[(&str, &str)]) -> Fields {
    let field = |(name, value): &(&str, &str)| (format!("set-{name}"), (*value).to_owned());
    Fields(pairs.iter().map(field).collect())
}

fn ask(seat: &Seat<Owns>, question: &Question, sent: &Fields) -> Asked {
    let answers: Vec<Choice> = question
        .answers
        .iter()
        .map(|answer| {
            let changes = changes(seat, answer.settings);
            let is_chosen = match sent.get(question.name) {
                "" => changes.is_empty(),
                chosen => chosen == answer.name,
            };
            let is_in_effect = changes.is_empty();
            let &crate::questions::Answer { name, title, doc, .. } = answer;
            Choice { name, title, doc, is_chosen, is_in_effect, changes }
        })
        .collect();
    let is_other = !answers.iter().any(|answer| answer.is_in_effect);
    Asked { name: question.name, title: question.title, answers, is_other }
}

/// The page, with the submitted choices and input if it is shown again.
fn form(
    seat: &Seat<Owns>,
    guide: &'static Guide,
    sent: &Fields,
    said: String,
    problem: String,
) -> Result<Response, PageProblem> {
    let frame = seat.frame();
    let new = ListSettings::default();
    let typed = settings::entries(&seat.list.settings)
        .filter(|entry| guide.typed.contains(&entry.name))
        .map(|entry| {
            let is_changed = settings::is_changed(&seat.list.settings, &new, entry.name);
            settings::field(&frame, entry, is_changed, sent)
        });
    let example = guide.has_example.then(|| {
        let changes = settings::differences(seat, &wanted(guide, sent)).unwrap_or_default();
        settings::arriving(seat, &changes)
    });
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = GuidePage {
        list: seat.name(),
        title: guide.title,
        doc: guide.doc,
        action: format!("{}/{}", seat.place("guide"), guide.name),
        back: seat.place("settings"),
        members: if guide.name == "posting" { seat.place("members") } else { String::new() },
        questions: guide.questions.iter().map(|question| ask(seat, question, sent)).collect(),
        typed: typed.collect(),
        example: example.flatten(),
        said,
        problem,
        frame,
    };
    Ok(page::page(status, &page))
}

/// The settings that were chosen or typed, without any others.
fn wanted(guide: &Guide, sent: &Fields) -> Fields {
    let chosen = guide.questions.iter().filter_map(|question| {
        let name = sent.get(question.name);
        question.answers.iter().find(|answer| answer.name == name)
    });
    let mut wanted: Vec<(String, String)> =
        chosen.flat_map(|answer| as_sent(answer.settings).0).collect();
    for name in guide.typed {
        let field = format!("set-{name}");
        let typed = sent.all(&field).next().map(str::to_owned);
        wanted.extend(typed.map(|value| (field, value)));
    }
    Fields(wanted)
}

fn save(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let Some(guide) = guide(seat) else { return Ok(page::not_found()) };
    let refused = |problem: String| form(seat, guide, sent, String::new(), problem);
    let changes = match settings::differences(seat, &wanted(guide, sent)) {
        Ok(changes) => changes,
        Err(problem) => return refused(problem),
    };
    let is_saved = sent.get("do") == "save";
    match settings::put(seat, &changes, is_saved) {
        Err(StoreError::Setting(problem)) => refused(problem),
        Err(error) => Err(error.into()),
        Ok(()) if !is_saved => form(seat, guide, sent, String::new(), String::new()),
        Ok(()) => {
            tracing::info!("{}: {} settings changed on the web", seat.list.name, changes.len());
            let place = format!("{}/{}", seat.place("guide"), guide.name);
            Ok(page::see_other(&format!("{place}?saved={}", changes.len())))
        }
    }
}
