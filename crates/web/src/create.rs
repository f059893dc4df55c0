//! The site's administrators create lists; a list's owners remove it, after the page has shown what is
//! removed.

use crate::desk::{Fields, LanguageChoice, PageProblem, Sent};
use crate::page::{self, Frame};
use crate::questions::PRESETS;
use crate::seat::{Anybody, Owns, Room, RunsSite, Seat, list_page, room_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_mail::AddressKey;
use dormouse_membership::lists::{self, Going, NewList};
use dormouse_store::{List, Store};
use dormouse_words::{Language, Text, say, say_as};
use std::borrow::Cow;
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new().merge(room_page("/create", ask_create, Some(create))).merge(list_page(
        "/rmlist/{list}",
        ask_remove,
        Some(remove),
    ))
}

#[derive(Template)]
#[template(path = "create.html")]
struct CreatePage {
    frame: Frame,
    action: String,
    host: String,
    name: String,
    owners: String,
    languages: Vec<LanguageChoice>,
    preset: String,
    tell: bool,
    problem: String,
}

impl CreatePage {
    fn presets(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, bool)> {
        PRESETS
            .iter()
            .map(|preset| (preset.name, preset.title, preset.doc, preset.name == self.preset))
    }
}

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage {
    frame: Frame,
    list: String,
    /// The text to type.
    name: String,
    address: String,
    action: String,
    back: String,
    going: Going,
    problem: String,
}

fn languages() -> impl Iterator<Item = &'static str> {
    Language::all().into_iter().map(Language::code)
}

fn ask_create(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    match room.rise::<RunsSite>() {
        Ok(room) => form(&room, None, String::new()),
        Err(PageProblem::NotYours) => Ok(page::message(
            StatusCode::OK,
            say("Lists are created by the site's administrators"),
            say(
                "You are signed in, but not as one of them. Ask them for a list, or sign in with the site password or another address.",
            ),
        )),
        Err(problem) => Err(problem),
    }
}

/// The form, with the refused input.
fn form(
    room: &Room<RunsSite>,
    typed: Option<&Fields>,
    problem: String,
) -> Result<Response, PageProblem> {
    let sent = |name| typed.map_or("", |typed: &Fields| typed.get(name));
    let own = room.account.addresses().next().map_or("", AddressKey::as_str);
    let page = CreatePage {
        frame: room.frame(),
        action: room.place("create"),
        host: room.app.site.config().host.clone(),
        name: sent("name").to_owned(),
        owners: typed.map_or(own, |typed| typed.get("owners")).to_owned(),
        languages: languages()
            .map(|code| LanguageChoice::of(code, code == sent("language")))
            .collect(),
        preset: sent("preset").to_owned(),
        tell: typed.is_none_or(|typed| typed.has("tell")),
        problem,
    };
    let status =
        if page.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page(status, &page))
}

/// The settings for the chosen purpose and language, or what is wrong with the choice.
fn chosen_settings(sent: &Sent) -> Result<Vec<(&'static str, Cow<'static, str>)>, Text> {
    let mut settings: Vec<(&str, Cow<'_, str>)> = Vec::new();
    match (sent.get("preset"), PRESETS.iter().find(|preset| preset.name == sent.get("preset"))) {
        ("", _) => {}
        (_, Some(preset)) => {
            settings.extend(preset.settings.iter().map(|(key, value)| (*key, (*value).into())));
        }
        (_, None) => return Err(say("There is no such purpose.")),
    }
    match (sent.get("language"), languages().find(|code| *code == sent.get("language"))) {
        ("", _) => {}
        (_, Some(code)) => {
            settings.push(("preferred_language", code.into()));
            settings.push(("available_languages", format!("{code}\nen\n").into()));
        }
        (_, None) => return Err(say("There are no texts in this language.")),
    }
    Ok(settings)
}

fn create(room: &Room<Anybody>, sent: &Sent) -> Result<Response, PageProblem> {
    let room = room.rise::<RunsSite>()?;
    let owners: Vec<String> = sent
        .get("owners")
        .split([',', '\n', '\r', ' '])
        .map(str::trim)
        .filter(|owner| !owner.is_empty())
        .map(str::to_owned)
        .collect();
    let frame = room.frame();
    let refused = |problem: String| form(&room, Some(sent), problem);
    if owners.is_empty() {
        return refused(
            frame
                .say("A list needs an owner who makes decisions and is told about problems.")
                .to_string(),
        );
    }
    let settings = match chosen_settings(sent) {
        Ok(settings) => settings,
        Err(problem) => return refused(frame.tell(&problem).to_string()),
    };
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, &**value)).collect();
    let (site, store) = (&room.app.site, &room.store);
    let new = NewList { name: sent.get("name"), owners: &owners, like: None, settings: &settings };
    let list = match lists::create(site, store, new) {
        Ok(list) => list,
        Err(error) => {
            return match error.advice() {
                Some(advice) => refused(page::sentence(&advice)),
                None => Ok(page::trouble(&error)),
            };
        }
    };
    tracing::info!("{}: created on the web by {}", list.name, room.account.name());
    let mut troubles = Vec::new();
    if sent.has("tell")
        && let Err(error) = lists::tell_owners(site, &list, None)
    {
        troubles.push(format!("its owners were not told: {error}"));
    }
    troubles.extend(mta_hears(&room.app, store));
    let place = room.desk(list)?.place("admin");
    Ok(match troubles.is_empty() {
        true => page::see_other(&place),
        false => page::message(
            StatusCode::OK,
            say("The list was created, but there was a problem"),
            page::sentence(&troubles.join("; ")),
        ),
    })
}

/// Rewrites the MTA's files; returns the error, if any.
pub fn mta_hears(app: &App, store: &Store) -> Option<String> {
    let error = (app.program.lists_changed)(&app.site, store).err()?;
    tracing::error!("the MTA's files were not updated: {error}");
    Some(format!("the MTA does not know it yet, because its files were not written: {error}"))
}

fn ask_remove(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    remove_form(seat, String::new())
}

fn remove_form(seat: &Seat<Owns>, problem: String) -> Result<Response, PageProblem> {
    let page = RemovePage {
        frame: seat.frame(),
        list: seat.name(),
        name: seat.list.name.to_string(),
        address: seat.list.address(),
        action: seat.place("rmlist"),
        back: seat.place("admin"),
        going: lists::going(&seat.app.site, seat.store.read(), &seat.list)?,
        problem,
    };
    let status =
        if page.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page(status, &page))
}

/// Whether the typed text is the list's name, in the store or in its address.
fn is_named(list: &List, typed: &str) -> bool {
    let typed = typed.to_lowercase();
    typed == list.name.to_lowercase() || typed == list.local_part().to_lowercase()
}

fn remove(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    if !is_named(&seat.list, sent.get("name")) {
        let name = &seat.list.name;
        let problem = seat.frame().say("Enter the name of the list, {name}, to remove it.");
        return remove_form(seat, problem.with("name", name).to_string());
    }
    let removed = lists::remove(&seat.app.site, &seat.store, &seat.list, sent.has("archives"))?;
    let who = seat.account.as_ref().map(|account| account.name()).unwrap_or_default();
    tracing::info!(
        "{}: removed on the web by {who}; `dormouse list restore {}` restores it",
        seat.list.name,
        removed.kept.display()
    );
    let file = removed.kept.file_name().unwrap_or_default().to_string_lossy();
    let kept =
        say("It is kept in the file {file}, from which the site's administrators can restore it \
         (dormouse list restore).");
    let archive = if removed.archive_is_gone {
        say("Its archive was deleted.")
    } else if removed.archive_stays.is_some() {
        say("Its archive stays on the server, but is no longer visible to anyone.")
    } else {
        Text::default()
    };
    let trouble = mta_hears(&seat.app, &seat.store).map(|trouble| page::sentence(&trouble));
    let said = say_as("sentences", "{first} {second} {third}")
        .with_text("first", kept.with("file", file))
        .with_text("second", archive)
        .with("third", trouble.unwrap_or_default());
    let title = say("{list} was removed").with("list", seat.name());
    Ok(page::message(StatusCode::OK, title, said))
}
