//! Unsubscribing with one click (RFC 8058): the link in a post, and its page for people. A mail program
//! posts to it; opening the page changes nothing.

use crate::desk::{Desk, PageProblem, at};
use crate::held;
use crate::page::{self, Frame};
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Router, routing};
use dormouse_membership::link::{self, BadLink};
use dormouse_membership::{Asked, Refusal};
use dormouse_words::say;
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    at("/unsubscribe/{list}/{token}", routing::get(show).post(leave))
}

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct UnsubscribePage {
    frame: Frame,
    list: String,
    address: String,
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, token)): Path<(String, String)>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        Ok(match link::open_unsubscribe(&desk.list, &desk.secret()?, &token) {
            Ok((address, _)) => {
                let (frame, list) = (desk.frame(), desk.name());
                page::page(StatusCode::OK, &UnsubscribePage { frame, list, address })
            }
            Err(error) => not_ours(&error),
        })
    })
    .await
}

async fn leave(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, token)): Path<(String, String)>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        let (address, since) = match link::open_unsubscribe(&desk.list, &desk.secret()?, &token) {
            Ok(address) => address,
            Err(error) => return Ok(not_ours(&error)),
        };
        let name = desk.name();
        let left = desk.act(|registry| registry.leave_by_link(&address, since))?;
        Ok(match left {
            // A second click is not an error.
            Ok(Asked::Done) | Err(Refusal::NotMember) => page::message(
                StatusCode::OK,
                say("Goodbye"),
                say("{address} is no longer a member of {list}.")
                    .with("address", &address)
                    .with("list", &name),
            ),
            Ok(Asked::Held | Asked::Confirm) => page::message(
                StatusCode::OK,
                say("Your request is waiting for a moderator"),
                say("The moderators of {list} decide on it and let you know.").with("list", &name),
            ),
            Err(refusal) => PageProblem::from(refusal).page(),
        })
    })
    .await
}

fn not_ours(error: &BadLink) -> Response {
    match error {
        BadLink::Forged => {
            page::message(StatusCode::NOT_FOUND, say("Page not found"), held::not_ours())
        }
        error => page::message(StatusCode::NOT_FOUND, say("Page not found"), page::sentence(error)),
    }
}
