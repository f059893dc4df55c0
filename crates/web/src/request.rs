//! The page behind a moderator's link to a request to join or leave.

use crate::desk::{Desk, PageProblem, at, blocking};
use crate::held::{self, since};
use crate::page::{self, Frame};
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_membership::link::{BadLink, LinkError};
use dormouse_membership::requests::{self, RequestDecision, describe};
use dormouse_store::{HeldRequest, Store};
use dormouse_words::say;
use serde::Deserialize;
use std::rc::Rc;
use std::sync::Arc;

/// The page.
pub fn routes() -> Router<Arc<App>> {
    at("/request/{token}", routing::get(show).post(decide))
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    frame: Frame,
    list: String,
    request: String,
    address: String,
    how: String,
    since: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    decision: String,
    #[serde(default)]
    reason: String,
}

/// The request of a link, or the page that explains why there is none.
fn follow(
    app: &Arc<App>,
    visitor: &Visitor,
    token: &str,
) -> Result<Result<(Desk, HeldRequest), Response>, PageProblem> {
    let store = Rc::new(Store::open(&app.site)?);
    let Some(list) = requests::list_of(store.read(), token)? else {
        // The list is found by the request; without it the message is that of a forged link.
        return Ok(Err(gone(&requests::why_decided(store.read(), token)?)));
    };
    let desk = Desk::new(app, store, list, visitor, None)?;
    let found = desk.act(|registry| Ok(registry.follow(token)))??;
    Ok(match found {
        Ok(held) => Ok((desk, held)),
        Err(LinkError::Store(error)) => return Err(error.into()),
        Err(error) => Err(gone(&error)),
    })
}

fn gone(error: &LinkError) -> Response {
    if let LinkError::Bad(BadLink::Forged) = error {
        return page::message(StatusCode::GONE, say("Nothing to decide"), held::not_ours());
    }
    page::message(StatusCode::GONE, say("Nothing to decide"), page::sentence(error))
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
) -> Response {
    blocking(move || look(&app, &visitor, &token)).await
}

fn look(app: &Arc<App>, visitor: &Visitor, token: &str) -> Response {
    match follow(app, visitor, token) {
        Ok(Ok((desk, held))) => {
            let frame = desk.frame();
            let page = RequestPage {
                list: desk.name(),
                request: frame.tell(&describe(&held.request)).to_string(),
                address: held.request.address().to_owned(),
                how: held.how,
                since: since(&frame, held.held_at),
                frame,
            };
            page::page(StatusCode::OK, &page)
        }
        Ok(Err(gone)) => gone,
        Err(problem) => problem.page(),
    }
}

async fn decide(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
    Form(answer): Form<Answer>,
) -> Response {
    blocking(move || carry_out(&app, &visitor, &token, &answer)).await
}

fn carry_out(app: &Arc<App>, visitor: &Visitor, token: &str, answer: &Answer) -> Response {
    let decided = || -> Result<Response, PageProblem> {
        let (desk, held) = match follow(app, visitor, token)? {
            Ok(found) => found,
            Err(gone) => return Ok(gone),
        };
        let (decision, said) = match answer.decision.as_str() {
            "approve" => (RequestDecision::Approve, say("Done.")),
            "reject" => {
                let reason = answer.reason.replace("\r\n", "\n");
                (RequestDecision::Reject { reason }, say("The address gets your message."))
            }
            "discard" => (
                RequestDecision::Discard { ban: false },
                say("The request was discarded. Nobody was told."),
            ),
            "ban" => (
                RequestDecision::Discard { ban: true },
                say("The request was discarded, and the address cannot ask again."),
            ),
            _ => {
                return Ok(page::message(
                    StatusCode::BAD_REQUEST,
                    say("Not understood"),
                    say("This decision is not possible here. Nothing was changed."),
                ));
            }
        };
        if !desk.act(|registry| registry.decide(&held, &decision))?? {
            return Ok(gone(&requests::why_decided(desk.store.read(), token)?));
        }
        Ok(page::spoken(desk.language, page::message(StatusCode::OK, say("Decided"), said)))
    };
    decided().unwrap_or_else(PageProblem::page)
}
