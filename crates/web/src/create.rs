//! Lists are created by the site's administrators, and removed by their owners once these have read
//! what goes.

use crate::desk::{Fields, Problem, Sent};
use crate::page::{self, Frame};
use crate::seat::{Anybody, Owns, Room, RunsSite, Seat, list_page, room_page};
use crate::server::App;
use crate::settings::PRESETS;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_runners::lists::{self, Going, NewList};
use dormouse_runners::notices::templates::LANGUAGES;
use dormouse_store::{List, Store};
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
    languages: Vec<(&'static str, bool)>,
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
    /// What has to be typed.
    name: String,
    address: String,
    action: String,
    back: String,
    going: Going,
    problem: String,
}

fn languages() -> impl Iterator<Item = &'static str> {
    ["en"].into_iter().chain(LANGUAGES)
}

fn ask_create(room: &Room<Anybody>) -> Result<Response, Problem> {
    match room.rise::<RunsSite>() {
        Ok(room) => form(&room, None, String::new()),
        Err(Problem::NotYours) => Ok(page::message(
            StatusCode::OK,
            "Lists are created by the site's administrators",
            "You are signed in, but not as one of them. Ask them for a list; or, if you have the \
             site's password or another address, sign in with it.",
        )),
        Err(problem) => Err(problem),
    }
}

/// The form, with what was typed into it where that was refused.
fn form(
    room: &Room<RunsSite>,
    typed: Option<&Fields>,
    problem: String,
) -> Result<Response, Problem> {
    let sent = |name| typed.map_or("", |typed: &Fields| typed.get(name));
    let own = room.account.addresses().next().unwrap_or_default();
    let page = CreatePage {
        frame: room.frame(),
        action: room.place("create"),
        host: room.app.site.config().host.clone(),
        name: sent("name").to_owned(),
        owners: typed.map_or(own, |typed| typed.get("owners")).to_owned(),
        languages: languages().map(|code| (code, code == sent("language"))).collect(),
        preset: sent("preset").to_owned(),
        tell: typed.is_none_or(|typed| typed.has("tell")),
        problem,
    };
    let status =
        if page.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page(status, &page))
}

fn create(room: &Room<Anybody>, sent: &Sent) -> Result<Response, Problem> {
    let room = room.rise::<RunsSite>()?;
    let owners: Vec<String> = sent
        .get("owners")
        .split([',', '\n', '\r', ' '])
        .map(str::trim)
        .filter(|owner| !owner.is_empty())
        .map(str::to_owned)
        .collect();
    let refused = |problem: &str| form(&room, Some(sent), problem.to_owned());
    if owners.is_empty() {
        return refused("A list needs an owner, who decides on it and hears of what goes wrong.");
    }
    let mut settings: Vec<(&str, &str)> = Vec::new();
    match (sent.get("preset"), PRESETS.iter().find(|preset| preset.name == sent.get("preset"))) {
        ("", _) => {}
        (_, Some(preset)) => settings.extend(preset.settings),
        (_, None) => return refused("There is no such purpose."),
    }
    let available;
    match (sent.get("language"), languages().find(|code| *code == sent.get("language"))) {
        ("", _) => {}
        (_, Some(code)) => {
            available = format!("{code}\nen\n");
            settings.push(("preferred_language", code));
            settings.push(("available_languages", &available));
        }
        (_, None) => return refused("There are no texts in this language."),
    }
    let (site, store) = (&room.app.site, &room.store);
    let new = NewList { name: sent.get("name"), owners: &owners, like: None, settings: &settings };
    let list = match lists::create(site, store, new) {
        Ok(list) => list,
        Err(error) => {
            return match error.advice() {
                Some(advice) => refused(&page::sentence(&advice)),
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
    let place = room.desk(list).place("admin");
    Ok(match troubles.is_empty() {
        true => page::see_other(&place),
        false => page::message(
            StatusCode::OK,
            "The list is created, but …",
            &page::sentence(&troubles.join("; ")),
        ),
    })
}

/// Has the MTA's files written anew; what went wrong, if anything did.
fn mta_hears(app: &App, store: &Store) -> Option<String> {
    let error = (app.program.lists_changed)(&app.site, store).err()?;
    tracing::error!("the MTA's files were not written anew: {error}");
    Some(format!("the MTA does not know it yet, because its files were not written: {error}"))
}

fn ask_remove(seat: &Seat<Owns>) -> Result<Response, Problem> {
    remove_form(seat, String::new())
}

fn remove_form(seat: &Seat<Owns>, problem: String) -> Result<Response, Problem> {
    let page = RemovePage {
        frame: seat.frame(),
        list: seat.name(),
        name: seat.list.name.clone(),
        address: seat.list.address(),
        action: seat.place("rmlist"),
        back: seat.place("admin"),
        going: lists::going(&seat.app.site, &seat.store, &seat.list)?,
        problem,
    };
    let status =
        if page.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page(status, &page))
}

/// Whether somebody has typed a list's name: that of the store, or the local part of its address.
fn is_named(list: &List, typed: &str) -> bool {
    let typed = typed.to_lowercase();
    typed == list.name.to_lowercase() || typed == list.local_part().to_lowercase()
}

fn remove(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, Problem> {
    if !is_named(&seat.list, sent.get("name")) {
        let name = &seat.list.name;
        return remove_form(seat, format!("Type the list's name, {name}, to remove it."));
    }
    let removed = lists::remove(&seat.app.site, &seat.store, &seat.list, sent.has("archives"))?;
    let who = seat.account.as_ref().map(|account| account.name()).unwrap_or_default();
    tracing::info!(
        "{}: removed on the web by {who}; `dormouse list restore {}` brings it back",
        seat.list.name,
        removed.kept.display()
    );
    let file = removed.kept.file_name().unwrap_or_default().to_string_lossy();
    let mut said = format!(
        "It is kept in the file {file}, with which the site's administrators can bring it back \
         (dormouse list restore)."
    );
    if removed.archive_is_gone {
        said.push_str(" Its archive is gone.");
    } else if removed.archive_stays.is_some() {
        said.push_str(" Its archive stays on the server, and nobody sees it.");
    }
    if let Some(trouble) = mta_hears(&seat.app, &seat.store) {
        said.push(' ');
        said.push_str(&page::sentence(&trouble));
    }
    Ok(page::message(StatusCode::OK, &format!("{} is removed", seat.name()), &said))
}
