//! Who is a member, for those who may know it (`private_roster`).

use crate::desk::{Desk, Problem, at};
use crate::page;
use crate::private::{self, Reader};
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_runners::membership::link::{self, LinkError};
use dormouse_runners::membership::login::LoggedIn;
use dormouse_runners::role::Role;
use dormouse_spool::clock;
use dormouse_store::{Delivery, Member, MemberOption, Roster};
use serde::Deserialize;
use std::sync::Arc;

/// The page.
pub fn routes() -> Router<Arc<App>> {
    at("/roster/{list}", routing::get(ask).post(answer))
}

#[derive(Template)]
#[template(path = "roster.html")]
struct RosterPage {
    list: String,
    action: String,
    members: Vec<Shown>,
    sees_hidden: bool,
    /// Opens the next page.
    page: String,
    /// Behind whom the next page begins, if there is one.
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "roster_login.html")]
struct LoginPage {
    list: String,
    action: String,
    options: String,
    for_members: bool,
    said: String,
}

/// A member as it is shown.
struct Shown {
    address: String,
    note: String,
    is_off: bool,
}

/// Mailman's names.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default, rename = "roster-email")]
    email: String,
    #[serde(default, rename = "roster-pw")]
    password: String,
    /// A member's own page was open.
    session: Option<String>,
    /// A page of members was.
    page: Option<String>,
    #[serde(default)]
    after: String,
}

async fn ask(state: State<Arc<App>>, visitor: Extension<Visitor>, list: Path<String>) -> Response {
    answer(state, visitor, list, Form(Answer::default())).await
}

async fn answer(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(answer): Form<Answer>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| {
        Ok(match look(desk, &answer)? {
            Look::At { sees_hidden } => show(desk, sees_hidden, &answer.after.to_lowercase())?,
            Look::Away { why } => log_in(desk, why),
        })
    })
}

/// Whether somebody may see the members.
enum Look {
    At {
        sees_hidden: bool,
    },
    /// Not without a login.
    Away {
        why: String,
    },
}

fn look(desk: &Desk<'_>, answer: &Answer) -> Result<Look, Problem> {
    let (secret, now) = (desk.secret()?, clock::seconds());
    let roster = desk.list.settings.private_roster;
    let sees = |found: Result<bool, LinkError>| match found {
        Ok(sees_hidden) => Look::At { sees_hidden },
        Err(error) => Look::Away { why: page::sentence(&error) },
    };
    if let Some(token) = &answer.page {
        return Ok(sees(link::open_roster(&desk.list, &secret, token, now)));
    }
    if let Some(session) = answer.session.as_ref().filter(|_| roster != Roster::Owners) {
        let address = match link::open_session(&desk.list, &secret, session, now) {
            Ok(session) => session.address,
            Err(error) => return Ok(sees(Err(error))),
        };
        // Who has left since does not see them any more.
        return Ok(sees(if desk.store.is_member(desk.list.id, &address)? {
            Ok(false)
        } else {
            Err(LinkError::Expired)
        }));
    }
    if !answer.password.is_empty() {
        let roles = [Role::Moderator, Role::Owner, Role::Site];
        let found =
            desk.act(|registry| registry.log_in(&roles, &answer.email, &answer.password))?;
        return Ok(match found {
            Ok(LoggedIn::As(_)) => Look::At { sees_hidden: true },
            Ok(LoggedIn::Member(_)) if roster != Roster::Owners => Look::At { sees_hidden: false },
            Ok(LoggedIn::Member(_)) => {
                Look::Away { why: "Only those who run the list may see its members.".to_owned() }
            }
            Err(refusal) => Look::Away { why: refusal.to_string() },
        });
    }
    Ok(match private::reader(desk)? {
        Some(Reader::Keeper) => Look::At { sees_hidden: true },
        Some(Reader::Member(_)) if roster != Roster::Owners => Look::At { sees_hidden: false },
        _ if roster == Roster::Anyone => Look::At { sees_hidden: false },
        _ => Look::Away { why: String::new() },
    })
}

fn log_in(desk: &Desk<'_>, said: String) -> Response {
    let status = if said.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let page = LoginPage {
        list: desk.name(),
        action: desk.place("roster"),
        options: desk.place("options"),
        for_members: desk.list.settings.private_roster != Roster::Owners,
        said,
    };
    page::page(status, &page)
}

fn show(desk: &Desk<'_>, sees_hidden: bool, after: &str) -> Result<Response, Problem> {
    let found = desk.store.members_after(desk.list.id, after)?;
    let last = found.last().map(|member| member.key.clone());
    let after = match last {
        Some(last) if !desk.store.members_after(desk.list.id, &last)?.is_empty() => Some(last),
        _ => None,
    };
    let is_obscured = desk.list.settings.obscure_addresses && !sees_hidden;
    let members = found
        .iter()
        .filter(|member| sees_hidden || !member.options.has(MemberOption::ConcealSubscription))
        .map(|member| shown(member, is_obscured));
    let page = RosterPage {
        list: desk.name(),
        action: desk.place("roster"),
        members: members.collect(),
        sees_hidden,
        page: link::roster(&desk.list, &desk.secret()?, sees_hidden, desk.login_ends()),
        after,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// Programs that collect addresses look for an @.
fn shown(member: &Member, is_obscured: bool) -> Shown {
    let address = &member.address;
    Shown {
        address: if is_obscured { address.replace('@', " at ") } else { address.clone() },
        note: if member.digest { "digests".to_owned() } else { String::new() },
        is_off: member.delivery != Delivery::Enabled,
    }
}
