//! The lists that the visitor runs, and an overview of each.

use crate::desk::PageProblem;
use crate::page::{self, Frame};
use crate::seat::{Anybody, Moderates, Room, RunsSite, Seat, list_page, room_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_membership::account::{Power, Standing};
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new().merge(room_page("/admin", all, None)).merge(list_page("/admin/{list}", one, None))
}

#[derive(Template)]
#[template(path = "lists.html")]
struct ListsPage {
    frame: Frame,
    lists: Vec<Line>,
    must_show_again: bool,
    runs_site: bool,
}

/// A list in the overview.
struct Line {
    name: String,
    url: String,
    description: String,
    members: u64,
    waiting: usize,
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    line: Line,
    address: String,
    is_owner: bool,
    moderation: String,
    roster: String,
    settings: String,
    members: String,
    texts: String,
    remove: String,
    close: String,
    rename: String,
    copy: String,
    charts: String,
    trace: String,
    runs_site: bool,
    is_closed: bool,
    archive: Option<String>,
    owners: Vec<String>,
    moderators: Vec<String>,
}

fn line(seat: &Seat<Moderates>) -> Result<Line, PageProblem> {
    let (store, id) = (&seat.store, seat.list.id);
    Ok(Line {
        name: seat.name(),
        url: seat.place("admin"),
        description: seat.list.settings.description.clone(),
        members: store.read().count_members(id)?,
        waiting: store.read().held_posts(id)?.len() + store.read().held_requests(id)?.len(),
    })
}

fn all(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    let (seats, must_show_again) = room.seats::<Moderates>()?;
    if seats.is_empty() && must_show_again {
        return Err(crate::session::sign_in(&room.visitor, true));
    }
    let lists = seats.iter().map(line).collect::<Result<_, _>>()?;
    let runs_site = room.rise::<RunsSite>().is_ok();
    let page = ListsPage { frame: room.frame(), lists, must_show_again, runs_site };
    Ok(page::page(StatusCode::OK, &page))
}

fn one(seat: &Seat<Moderates>) -> Result<Response, PageProblem> {
    let settings = &seat.list.settings;
    let page = ListPage {
        frame: seat.frame(),
        line: line(seat)?,
        address: seat.list.address(),
        is_owner: seat.standing(Power::Owner) == Standing::Has,
        moderation: seat.place("admindb"),
        roster: seat.place("roster"),
        archive: seat.archive(),
        settings: seat.place("settings"),
        members: seat.place("members"),
        texts: seat.place("texts"),
        remove: seat.place("rmlist"),
        close: seat.place("close"),
        rename: seat.place("rename"),
        copy: seat.place("copy"),
        charts: seat.place("charts"),
        trace: seat.place("trace"),
        runs_site: seat.standing(Power::Site) == Standing::Has,
        is_closed: settings.closed,
        owners: settings.owner.clone(),
        moderators: settings.moderator.clone(),
    };
    Ok(page::page(StatusCode::OK, &page))
}
