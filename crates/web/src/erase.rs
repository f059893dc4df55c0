//! Exports and erases the data about a person: for owners on their list, for the site's administrators
//! everywhere, and for people themselves.

use crate::desk::{PageProblem, Sent};
use crate::page::{self, Frame};
use crate::seat::{Anybody, Owns, Room, RunsSite, Seat, list_page, room_page};
use crate::server::App;
use crate::session;
use askama::Template;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_runners::person::{self, Erasure};
use dormouse_store::{List, Proof};
use dormouse_words::{msgid, say};
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(list_page("/members/{list}/erase", ask_list, Some(erase_on_list)))
        .merge(room_page("/person", ask_site, Some(erase_everywhere)))
        .merge(room_page("/mine/erase", ask_own, Some(erase_own)))
        .merge(room_page("/mine/export", export_own, None))
}

/// Who erases, which decides on the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Owner,
    Site,
    Oneself,
}

#[derive(Template)]
#[template(path = "erase.html")]
struct ErasePage {
    frame: Frame,
    title: String,
    who: Who,
    action: String,
    back: String,
    address: AddressKey,
    /// What would be erased; `None` until an address is entered.
    going: Option<Erasure>,
    problem: &'static str,
}

/// Shown if no address was entered.
const UNTYPED: &str = msgid("Type the address to erase it.");

impl ErasePage {
    /// The title: whose data is erased, and where.
    fn title(frame: &Frame, address: &str, list: Option<&str>) -> String {
        let title = match (address, list) {
            ("", _) => frame.say("Erase a person"),
            (_, Some(list)) => frame.say("Erase {address} on {list}").with("list", list),
            (_, None) => frame.say("Erase {address}"),
        };
        title.with("address", address).to_string()
    }

    fn is_everywhere(&self) -> bool {
        self.who != Who::Owner
    }

    fn is_own(&self) -> bool {
        self.who == Who::Oneself
    }

    fn is_site(&self) -> bool {
        self.who == Who::Site
    }

    fn answer(self) -> Response {
        let status = match self.problem {
            "" => StatusCode::OK,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        page::page(status, &self)
    }
}

/// What would be erased of a person.
fn going(
    room: &Room<impl crate::seat::Rank>,
    address: &str,
    list: Option<&List>,
) -> Result<Option<Erasure>, PageProblem> {
    if address.is_empty() {
        return Ok(None);
    }
    Ok(Some(person::erase(&room.app.site, &room.store, address, list, false, true)?))
}

/// Erases a person; returns the page that says so.
fn erase(
    room: &Room<impl crate::seat::Rank>,
    address: &str,
    list: Option<&List>,
    with_posts: bool,
) -> Result<Response, PageProblem> {
    let erased = person::erase(&room.app.site, &room.store, address, list, with_posts, false)?;
    let on = list.map_or_else(|| "the whole site".to_owned(), |list| list.name.to_string());
    // Without the address: the log would keep it.
    tracing::info!("a person was erased on {on}, by {}", room.account.name());
    let frame = room.frame();
    let mut said = vec![frame.say("What was known about the address is erased.").to_string()];
    if erased.posts > 0 {
        let (one, many) = (
            "{count} post was removed from archives.",
            "{count} posts were removed from archives.",
        );
        said.push(frame.count(one, many, erased.posts).to_string());
    }
    for (list, count) in &erased.posts_stay {
        let (one, many) = (
            "{count} post stays in the archive of {list}.",
            "{count} posts stay in the archive of {list}.",
        );
        said.push(frame.count(one, many, *count).with("list", list).to_string());
    }
    for (list, setting) in &erased.settings {
        let text = frame
            .say("The setting {setting} of {list} names the address until an owner changes it.");
        said.push(text.with("setting", setting).with("list", list).to_string());
    }
    Ok(page::message(StatusCode::OK, say("Erased"), said.join(" ").as_str()))
}

/// The address that was typed.
fn key(typed: &str) -> AddressKey {
    AddressKey::of(typed.trim())
}

fn list_form(seat: &Seat<Owns>, who: &str, problem: &'static str) -> Result<Response, PageProblem> {
    let address = key(who);
    let frame = seat.frame();
    let page = ErasePage {
        title: ErasePage::title(&frame, &address, Some(&seat.name())),
        frame,
        who: Who::Owner,
        action: format!("{}/erase", seat.place("members")),
        back: seat.place("members"),
        going: going(&seat.room()?, &address, Some(&seat.list))?,
        address,
        problem,
    };
    Ok(page.answer())
}

fn ask_list(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    list_form(seat, seat.asked.query.get("who"), "")
}

fn erase_on_list(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let address = key(sent.get("who"));
    if address.is_empty() || key(sent.get("typed")) != address {
        return list_form(seat, &address, UNTYPED);
    }
    erase(&seat.room()?, &address, Some(&seat.list), sent.has("posts"))
}

/// The form for erasing an address everywhere; `action` and `back` are addresses of pages.
fn everywhere_form(
    room: &Room<impl crate::seat::Rank>,
    who: Who,
    (action, back): (&str, &str),
    address: AddressKey,
    problem: &'static str,
) -> Result<Response, PageProblem> {
    let frame = room.frame();
    let page = ErasePage {
        title: ErasePage::title(&frame, &address, None),
        frame,
        who,
        action: room.place(action),
        back: room.place(back),
        going: going(room, &address, None)?,
        address,
        problem,
    };
    Ok(page.answer())
}

fn site_form(
    room: &Room<RunsSite>,
    who: &str,
    problem: &'static str,
) -> Result<Response, PageProblem> {
    everywhere_form(room, Who::Site, ("person", "admin"), key(who), problem)
}

fn ask_site(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    site_form(room, room.asked.query.get("who"), "")
}

fn erase_everywhere(room: &Room<RunsSite>, sent: &Sent) -> Result<Response, PageProblem> {
    let address = key(sent.get("who"));
    if address.is_empty() || key(sent.get("typed")) != address {
        return site_form(room, &address, UNTYPED);
    }
    erase(room, &address, None, sent.has("posts"))
}

/// One of the visitor's own addresses: the requested one, or the first.
fn own(room: &Room<Anybody>, wanted: &str) -> Result<AddressKey, PageProblem> {
    let wanted = key(wanted);
    let mut addresses = room.account.addresses();
    let found = addresses.find(|address| wanted.is_empty() || **address == wanted);
    found.cloned().ok_or(PageProblem::NotYours)
}

/// The same, if the visitor has recently proved that mail to it arrives.
fn own_lately(room: &Room<Anybody>, wanted: &str) -> Result<AddressKey, PageProblem> {
    let address = own(room, wanted)?;
    let lifetime = room.app.site.config().members_login_lifetime.duration().as_secs_f64();
    let since = Timestamp::now() - lifetime;
    let is_lately = room.account.session.proofs.iter().any(|proved| {
        proved.at > since && matches!(&proved.proof, Proof::Address(known) if *known == address)
    });
    if is_lately { Ok(address) } else { Err(session::sign_in(&room.visitor, true)) }
}

fn own_form(
    room: &Room<Anybody>,
    who: &str,
    problem: &'static str,
) -> Result<Response, PageProblem> {
    let address = own_lately(room, who)?;
    everywhere_form(room, Who::Oneself, ("mine/erase", "mine"), address, problem)
}

fn ask_own(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    own_form(room, room.asked.query.get("who"), "")
}

/// Posts in archives stay: they are part of other people's threads, and the owners decide on them.
fn erase_own(room: &Room<Anybody>, sent: &Sent) -> Result<Response, PageProblem> {
    let address = own_lately(room, sent.get("who"))?;
    if key(sent.get("typed")) != address {
        return own_form(room, &address, UNTYPED);
    }
    let said = erase(room, &address, None, false)?;
    session::forget(&room.visitor, said)
}

/// All data about the visitor's own address, as a file.
fn export_own(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    let address = own(room, room.asked.query.get("who"))?;
    let known = room.store.read().person(&address)?;
    let text = format!("{:#}\n", person::exported(&room.store, &address, &known)?);
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
    ];
    Ok((page::headers(), headers, text).into_response())
}
