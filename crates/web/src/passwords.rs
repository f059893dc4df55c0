//! The passwords of a list. Owners set and remove them; nobody can read them.

use crate::desk::{PageProblem, Sent};
use crate::page::{self, Frame};
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_membership::lists;
use dormouse_membership::role::Role;
use dormouse_words::msgid;
use std::sync::Arc;

/// The roles that have a password on a list: how forms call each, and what it lets one do.
const ROLES: [(Role, &str, &str, &str); 3] = [
    (
        Role::Owner,
        "owner",
        msgid("Owners"),
        msgid("For everything about the list: to sign in here, and in emails that approve posts."),
    ),
    (
        Role::Moderator,
        "moderator",
        msgid("Moderators"),
        msgid("For moderation: to sign in here, and in emails that approve posts."),
    ),
    (
        Role::Poster,
        "poster",
        msgid("Posters"),
        msgid(
            "For the Approved header of a post, which is then not held. Nobody can sign in with it.",
        ),
    ),
];

/// The page.
pub fn routes() -> Router<Arc<App>> {
    list_page("/settings/{list}/passwords", show, Some(change))
}

#[derive(Template)]
#[template(path = "passwords.html")]
struct PasswordsPage {
    frame: Frame,
    list: String,
    action: String,
    back: String,
    roles: Vec<RoleForm>,
    said: String,
    problem: String,
}

/// The form of one role.
struct RoleForm {
    key: &'static str,
    title: &'static str,
    doc: &'static str,
    is_set: bool,
}

fn show(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let (frame, query) = (seat.frame(), &seat.asked.query);
    let said = match (query.has("set"), query.has("removed")) {
        (true, _) => frame
            .say("The password was changed. Anyone who signed in with the old one is signed out.")
            .to_string(),
        (_, true) => frame
            .say("The password was removed. Anyone who signed in with it is signed out.")
            .to_string(),
        _ => String::new(),
    };
    form(seat, &said, "")
}

fn form(seat: &Seat<Owns>, said: &str, problem: &str) -> Result<Response, PageProblem> {
    let settings = &seat.list.settings;
    let is_set = |role: Role| {
        let hash = role.setting().and_then(|setting| settings.get(setting));
        hash.is_some_and(|hash| !hash.trim().is_empty())
    };
    let forms = ROLES.into_iter().map(|(role, key, title, doc)| RoleForm {
        key,
        title,
        doc,
        is_set: is_set(role),
    });
    let page = PasswordsPage {
        frame: seat.frame(),
        list: seat.name(),
        action: format!("{}/passwords", seat.place("settings")),
        back: seat.place("settings"),
        roles: forms.collect(),
        said: said.to_owned(),
        problem: problem.to_owned(),
    };
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page(status, &page))
}

fn change(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let (verb, key) = sent.get("do").split_once(':').unwrap_or_default();
    let Some((role, ..)) = ROLES.into_iter().find(|role| role.1 == key) else {
        return Ok(page::not_found());
    };
    let password = sent.get("password");
    let done = match verb {
        "set" if password != sent.get("again") => {
            return form(
                seat,
                "",
                &seat.frame().say("The two passwords are not the same.").to_string(),
            );
        }
        "set" => lists::set_password(&seat.store, &seat.list, role, password),
        "remove" => lists::remove_password(&seat.store, &seat.list, role),
        _ => return Ok(page::not_found()),
    };
    match done {
        Ok(()) => {
            tracing::info!("{}: {} password: {verb} on the web", seat.list.name, role.whose());
            let said = if verb == "set" { "set" } else { "removed" };
            let place = seat.place("settings");
            Ok(page::see_other(&format!("{place}/passwords?{said}=1")))
        }
        Err(error) => match error.advice() {
            Some(advice) => form(seat, "", &page::sentence(&advice)),
            None => Ok(page::trouble(&error)),
        },
    }
}
