//! A list's settings, for its owners: forms generated from the table of settings, a preview of changes,
//! and the history.

use crate::desk::{Fields, PageProblem, Sent};
use crate::held::since;
use crate::page::{self, Frame};
use crate::questions::{Answer, GUIDES, PRESETS};
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_mail::mime;
use dormouse_pipeline::example;
use dormouse_store::settings::{GROUPS, ListSettingEntry};
use dormouse_store::value::Choice;
use dormouse_store::{ListSettings, SettingChange, StoreError, audit};
use dormouse_words::say;
use std::sync::Arc;

/// The name of the page with search results.
const SEARCH: &str = "search";
/// Settings that only the command line changes, or that have a page of their own.
const ELSEWHERE: [&str; 1] = ["pipeline"];
/// The number of changes on a page of the history.
pub const MOST_CHANGES: u32 = 50;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(list_page("/settings/{list}", overview, Some(choose_preset)))
        .merge(list_page("/settings/{list}/{page}", show, Some(change)))
        .merge(list_page("/changes/{list}", changes, Some(revert)))
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Overview {
    frame: Frame,
    list: String,
    action: String,
    groups: Vec<GroupLine>,
    guides: Vec<GuideLine>,
    search: String,
    changes: String,
}

/// A link to a page of questions.
struct GuideLine {
    title: &'static str,
    doc: &'static str,
    url: String,
}

/// A group of settings, and how many of them differ from the defaults.
struct GroupLine {
    title: &'static str,
    url: String,
    changed: usize,
}

#[derive(Template)]
#[template(path = "settings_form.html")]
pub struct FormPage {
    pub frame: Frame,
    pub title: String,
    pub action: String,
    pub back: String,
    pub query: String,
    pub is_search: bool,
    pub settings: Vec<SettingField>,
    pub said: String,
    pub problem: String,
}

/// A setting in a form.
pub struct SettingField {
    pub name: String,
    pub doc: String,
    pub kind: String,
    pub value: String,
    pub default: String,
    pub is_changed: bool,
    pub choices: Vec<Choice>,
    /// The command that changes a setting that pages only show.
    pub command: String,
}

impl SettingField {
    /// How many lines its value may need.
    pub fn lines(&self) -> usize {
        self.value.matches('\n').count().clamp(0, 12) + 1
    }
}

#[derive(Template)]
#[template(path = "settings_diff.html")]
pub struct DiffPage {
    pub frame: Frame,
    pub action: String,
    pub back: String,
    pub query: String,
    pub changes: Vec<ShownChange>,
    pub example: Option<Example>,
}

/// An example post.
pub struct Example {
    pub subject: String,
    pub text: String,
}

/// A setting with its value before and after.
pub struct ShownChange {
    pub name: String,
    pub old: String,
    pub new: String,
}

#[derive(Template)]
#[template(path = "changes.html")]
pub struct ChangesPage {
    pub frame: Frame,
    pub list: String,
    pub action: String,
    pub back: String,
    pub said: String,
    pub changes: Vec<ChangeLine>,
    pub older: Option<String>,
}

/// A change in the history.
pub struct ChangeLine {
    id: i64,
    name: String,
    old: String,
    new: String,
    who: String,
    via: String,
    at: String,
    is_revertible: bool,
    is_secret: bool,
}

/// The settings that pages change.
pub fn entries(settings: &ListSettings) -> impl Iterator<Item = ListSettingEntry> {
    let is_here = |entry: &ListSettingEntry| {
        !audit::is_secret(entry.name) && !ELSEWHERE.contains(&entry.name)
    };
    settings.entries().into_iter().filter(is_here)
}

/// A value in the form in which a form sends it.
pub fn as_sent(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn overview(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let new = ListSettings::default();
    let changed: Vec<ListSettingEntry> = entries(&seat.list.settings)
        .filter(|entry| is_changed(&seat.list.settings, &new, entry.name))
        .collect();
    let groups = GROUPS.iter().map(|group| GroupLine {
        title: group.title,
        url: format!("{}/{}", seat.place("settings"), group.page),
        changed: changed.iter().filter(|entry| entry.page == group.page).count(),
    });
    let guides = GUIDES.iter().map(|guide| GuideLine {
        title: guide.title,
        doc: guide.doc,
        url: format!("{}/{}", seat.place("guide"), guide.name),
    });
    let page = Overview {
        frame: seat.frame(),
        list: seat.name(),
        action: seat.place("settings"),
        groups: groups.collect(),
        guides: guides.collect(),
        search: format!("{}/{SEARCH}", seat.place("settings")),
        changes: seat.place("changes"),
    };
    Ok(page::page(StatusCode::OK, &page))
}

impl Overview {
    fn presets(&self) -> &'static [Answer] {
        &PRESETS
    }
}

/// Whether a setting differs from its default.
pub fn is_changed(settings: &ListSettings, new: &ListSettings, name: &str) -> bool {
    settings.kept(name) != new.kept(name)
}

/// The settings of a page: those of a group, or the search results.
fn of_page(seat: &Seat<Owns>, page: &str, query: &str) -> Vec<ListSettingEntry> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let has_words = |entry: &ListSettingEntry| {
        let text = format!("{} {} {}", entry.name, entry.doc, entry.group).to_lowercase();
        !words.is_empty() && words.iter().all(|word| text.contains(word))
    };
    entries(&seat.list.settings)
        .filter(|entry| if page == SEARCH { has_words(entry) } else { entry.page == page })
        .collect()
}

fn show(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let query = seat.asked.query.get("q").to_owned();
    let saved: usize = seat.asked.query.get("saved").parse().unwrap_or(0);
    let said = said_saved(&seat.frame(), saved);
    form(seat, seat.asked.part("page"), query, &Fields::default(), said, String::new())
}

/// How many settings were saved, in words.
pub fn said_saved(frame: &Frame, saved: usize) -> String {
    match saved {
        0 => String::new(),
        saved => frame
            .count("{count} setting was changed.", "{count} settings were changed.", saved)
            .to_string(),
    }
}

/// The form of a page, with the refused input.
fn form(
    seat: &Seat<Owns>,
    page: &str,
    query: String,
    typed: &Fields,
    said: String,
    problem: String,
) -> Result<Response, PageProblem> {
    let group = GROUPS.iter().find(|group| group.page == page);
    if group.is_none() && page != SEARCH {
        return Ok(page::not_found());
    }
    let frame = seat.frame();
    let new = ListSettings::default();
    let settings = of_page(seat, page, &query).into_iter().map(|entry| {
        let is_changed = is_changed(&seat.list.settings, &new, entry.name);
        field(&frame, entry, is_changed, typed)
    });
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let template = FormPage {
        frame: seat.frame(),
        title: group
            .map_or_else(|| seat.frame().say("Search"), |group| seat.frame().say(group.title))
            .to_string(),
        action: format!("{}/{page}", seat.place("settings")),
        back: seat.place("settings"),
        query,
        is_search: page == SEARCH,
        settings: settings.collect(),
        said,
        problem,
    };
    Ok(page::page(status, &template))
}

pub fn field(
    frame: &Frame,
    entry: ListSettingEntry,
    is_changed: bool,
    typed: &Fields,
) -> SettingField {
    let sent = typed.all(&format!("set-{}", entry.name)).next().map(as_sent);
    let value = sent.unwrap_or_else(|| entry.value.clone());
    let choice = |choice: Choice| Choice { doc: frame.doc(choice.doc), ..choice };
    SettingField {
        name: entry.name.to_owned(),
        kind: frame.doc(entry.kind.to_owned()),
        default: match entry.default {
            "" => frame.say("empty").to_string(),
            default => default.to_owned(),
        },
        is_changed,
        choices: entry.choices.into_iter().map(choice).collect(),
        command: String::new(),
        doc: frame.doc(entry.doc),
        value,
    }
}

/// The changes in a form: settings with their new values as they may be typed.
pub fn differences(seat: &Seat<Owns>, sent: &Fields) -> Result<Vec<ShownChange>, String> {
    let settings = &seat.list.settings;
    let mut changes = Vec::new();
    for entry in entries(settings) {
        let Some(text) = sent.all(&format!("set-{}", entry.name)).next().map(as_sent) else {
            continue;
        };
        let mut new = settings.clone();
        new.put(entry.name, &text)?;
        if new.kept(entry.name) != settings.kept(entry.name) {
            changes.push(ShownChange { name: entry.name.to_owned(), old: entry.value, new: text });
        }
    }
    Ok(changes)
}

/// Changes settings, or only checks that they can be changed.
pub fn put(seat: &Seat<Owns>, changes: &[ShownChange], for_good: bool) -> Result<(), StoreError> {
    let pairs: Vec<(&str, &str)> =
        changes.iter().map(|change| (change.name.as_str(), change.new.as_str())).collect();
    let name = &seat.list.name;
    if for_good {
        seat.store.write(|tx| tx.change_settings(name, &pairs))
    } else {
        seat.store.rehearse(|tx| tx.change_settings(name, &pairs))
    }
}

fn change(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let page = seat.asked.part("page");
    let query = sent.get("q").to_owned();
    let refused = |problem: String| form(seat, page, query.clone(), sent, String::new(), problem);
    let mut fields = Fields::clone(sent);
    if let Some(name) = sent.get("do").strip_prefix("default:") {
        let Some(entry) = entries(&seat.list.settings).find(|entry| entry.name == name) else {
            return Ok(page::not_found());
        };
        fields = Fields(vec![(format!("set-{name}"), entry.default.to_owned())]);
    }
    let changes = match differences(seat, &fields) {
        Ok(changes) => changes,
        Err(problem) => return refused(problem),
    };
    if changes.is_empty() {
        return form(
            seat,
            page,
            query,
            &Fields::default(),
            seat.frame().say("Nothing was changed.").to_string(),
            String::new(),
        );
    }
    let is_confirmed = sent.get("do") == "save";
    match put(seat, &changes, is_confirmed) {
        Err(StoreError::Setting(problem)) => refused(problem),
        Err(error) => Err(error.into()),
        Ok(()) if is_confirmed => {
            tracing::info!("{}: {} settings changed on the web", seat.list.name, changes.len());
            let place = format!("{}/{page}", seat.place("settings"));
            let query = dormouse_archive::percent(&query);
            Ok(page::see_other(&format!("{place}?saved={}&q={query}", changes.len())))
        }
        Ok(()) => preview(seat, page, query, changes),
    }
}

fn preview(
    seat: &Seat<Owns>,
    page: &str,
    query: String,
    changes: Vec<ShownChange>,
) -> Result<Response, PageProblem> {
    let example = example(seat, &changes);
    let template = DiffPage {
        frame: seat.frame(),
        action: format!("{}/{page}", seat.place("settings")),
        back: format!("{}/{page}", seat.place("settings")),
        query,
        changes,
        example,
    };
    Ok(page::page(StatusCode::OK, &template))
}

/// An example post, if the changes affect it.
fn example(seat: &Seat<Owns>, changes: &[ShownChange]) -> Option<Example> {
    const SHOWN: [&str; 5] =
        ["msg_header", "msg_footer", "subject_prefix", "personalize", "use_dollar_strings"];
    let is_shown = changes.iter().any(|change| SHOWN.contains(&change.name.as_str()));
    is_shown.then(|| arriving(seat, changes)).flatten()
}

/// An example post after some changes.
pub fn arriving(seat: &Seat<Owns>, changes: &[ShownChange]) -> Option<Example> {
    let mut list = seat.list.clone();
    for change in changes {
        list.settings.put(&change.name, &change.new).ok()?;
    }
    let message = example::post(&list, seat.app.site.config());
    Some(Example {
        subject: message.text("Subject").unwrap_or_default(),
        text: mime::first_text(&message).unwrap_or_default(),
    })
}

fn choose_preset(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let Some(preset) = PRESETS.iter().find(|preset| preset.name == sent.get("preset")) else {
        return Ok(page::not_found());
    };
    let wanted =
        preset.settings.iter().map(|(name, value)| (format!("set-{name}"), (*value).to_owned()));
    match differences(seat, &Fields(wanted.collect())) {
        Ok(changes) if changes.is_empty() => Ok(page::message(
            StatusCode::OK,
            say("Nothing to change"),
            say("The list is already set up like this."),
        )),
        Ok(changes) => preview(seat, "general", String::new(), changes),
        Err(problem) => Ok(page::trouble(&problem)),
    }
}

fn changes(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let before = seat.asked.query.get("before").parse().ok();
    let found = seat.store.read().setting_changes(seat.list.id, before, MOST_CHANGES)?;
    let last =
        found.last().map(|change| change.id).filter(|_| found.len() == MOST_CHANGES as usize);
    let frame = seat.frame();
    let said = match seat.asked.query.has("reverted") {
        true => frame.say("The change was reverted.").to_string(),
        false => String::new(),
    };
    let page = ChangesPage {
        list: seat.name(),
        action: seat.place("changes"),
        back: seat.place("settings"),
        said,
        changes: found.into_iter().map(|change| line(&frame, change)).collect(),
        older: last.map(|id| format!("{}?before={id}", seat.place("changes"))),
        frame,
    };
    Ok(page::page(StatusCode::OK, &page))
}

impl ChangeLine {
    /// The same, but with a button to revert it only if that is allowed.
    pub fn if_revertible(self, may_be: bool) -> ChangeLine {
        ChangeLine { is_revertible: self.is_revertible && may_be, ..self }
    }
}

pub fn line(frame: &Frame, change: SettingChange) -> ChangeLine {
    ChangeLine {
        id: change.id,
        at: since(frame, change.changed_at),
        is_revertible: change.is_revertible(),
        is_secret: change.is_secret(),
        name: change.name,
        old: change.old_value,
        new: change.new_value,
        who: change.who,
        via: change.via,
    }
}

/// Restores the value that a setting had before a change.
fn revert(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let id = sent.get("revert").parse().unwrap_or(0);
    let found = seat.store.read().setting_change(seat.list.id, id)?;
    let Some(change) = found.filter(SettingChange::is_revertible) else {
        return Ok(page::not_found());
    };
    let mut settings = seat.list.settings.clone();
    let kept = settings.put_kept(&change.name, &change.old_value);
    let value = kept.ok().and_then(|()| settings.get(&change.name)).unwrap_or_default();
    let change = ShownChange { name: change.name, old: String::new(), new: value };
    match put(seat, &[change], true) {
        Ok(()) => Ok(page::see_other(&format!("{}?reverted", seat.place("changes")))),
        Err(StoreError::Setting(problem)) => Ok(page::message(
            StatusCode::UNPROCESSABLE_ENTITY,
            say("This cannot be reverted"),
            &problem,
        )),
        Err(error) => Err(error.into()),
    }
}
