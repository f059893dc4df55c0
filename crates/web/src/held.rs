//! The pages behind the signed links of held posts: the post, and buttons to decide. Opening one
//! decides nothing, because some mail programs open links.

use crate::desk::blocking;
use crate::page::{self, Frame};
use crate::preview::Preview;
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_membership::RunError;
use dormouse_membership::link::{BadLink, LinkError};
use dormouse_membership::moderation::desk::{self, ModerationDesk, PostDecision, Taken};
use dormouse_membership::moderation::link::Action;
use dormouse_membership::notices::Notices;
use dormouse_spool::Spool;
use dormouse_store::{Held, List, Store};
use dormouse_words::{Language, Text, date, say};
use serde::Deserialize;
use std::sync::Arc;

/// The pages, with and without a path that the web server in front may keep.
pub fn routes() -> Router<Arc<App>> {
    let pages = routing::get(show).post(decide);
    Router::new().route("/held/{token}", pages.clone()).route("/mailman/held/{token}", pages)
}

#[derive(Template)]
#[template(path = "held.html")]
struct HeldPage {
    frame: Frame,
    list: String,
    subject: String,
    sender: String,
    held_since: String,
    reason: String,
    setting: String,
    preview: Preview,
    is_moderator: bool,
    /// What the sender is told if the moderator writes nothing.
    rejection: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    decision: String,
    #[serde(default)]
    reason: String,
}

/// Why a link shows no post.
enum Problem {
    Link(LinkError),
    Run(RunError),
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
) -> Response {
    blocking(move || look(&app, &visitor, &token)).await
}

fn look(app: &App, visitor: &Visitor, token: &str) -> Response {
    let shown = with_desk(app, |desk| {
        let (list, held, action) = follow(desk, token)?;
        let entry = desk.entry(&held).map_err(Problem::Run)?;
        let rejection = desk::rejection_notice(&entry).unwrap_or_default();
        let message = Message::parse(entry.message);
        let frame = Frame::of(visitor, None);
        let reader = Language::of(&list.settings.preferred_language).unwrap_or(frame.language);
        let frame = Frame { language: reader, ..frame };
        let reason = Notices { list: &list, site: &app.site };
        let reason = reason.reason(&held.post.reason, reader.code());
        let shown = describe(frame, &list, &held, &message, action);
        Ok(HeldPage { rejection, reason, ..shown })
    });
    match shown {
        Ok(held) => page::page(StatusCode::OK, &held),
        Err(problem) => explain(problem),
    }
}

async fn decide(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Form(answer): Form<Answer>,
) -> Response {
    blocking(move || carry_out(&app, &token, &answer)).await
}

fn carry_out(app: &App, token: &str, answer: &Answer) -> Response {
    let decided = with_desk(app, |desk| {
        let (list, held, action) = follow(desk, token)?;
        let Some((decision, done)) = decision_of(answer, action) else { return Ok(None) };
        match desk.decide(&list, &held, &decision).map_err(Problem::Run)? {
            Taken::Done => Ok(Some(done)),
            Taken::NotRemembered => {
                let text = say(
                    "This applies to this post only. {sender} is not an address, so it could not be \
                     remembered.",
                );
                Ok(Some((say("Only this time"), text.with("sender", &held.post.sender))))
            }
            Taken::TooLate => Err(Problem::Link(match desk.follow(token) {
                Err(error) => error,
                Ok(_) => LinkError::decided_post(None),
            })),
        }
    });
    match decided {
        Ok(Some((title, text))) => page::message(StatusCode::OK, title, text),
        Ok(None) => page::message(
            StatusCode::BAD_REQUEST,
            say("Not understood"),
            say("This decision is not possible here. Nothing was changed."),
        ),
        Err(problem) => explain(problem),
    }
}

/// The decision for an answer, and the words when it is carried out. A sender's link to cancel a post
/// cannot approve it.
fn decision_of(answer: &Answer, action: Action) -> Option<(PostDecision, (Text, Text))> {
    Some(match (action, answer.decision.as_str()) {
        (Action::Review, "approve") => (
            PostDecision::Approve { remember: false },
            (say("Accepted"), say("The post goes to the list.")),
        ),
        (Action::Review, "remember") => (
            PostDecision::Approve { remember: true },
            (
                say("Accepted"),
                say("The post goes to the list, and later posts by this sender are not held."),
            ),
        ),
        (Action::Review, "reject") => (
            PostDecision::Reject {
                reason: Some(answer.reason.replace("\r\n", "\n"))
                    .filter(|reason| !reason.trim().is_empty()),
            },
            (say("Rejected"), say("The sender gets the post back with your message.")),
        ),
        (Action::Review, "discard") => (
            PostDecision::Discard { ban: false },
            (say("Discarded"), say("The post was deleted. Nobody was told.")),
        ),
        (Action::Review, "ban") => (
            PostDecision::Discard { ban: true },
            (say("Discarded"), say("The post was deleted, and its sender is banned.")),
        ),
        (Action::Cancel, "cancel") => (
            PostDecision::Cancel,
            (say("Withdrawn"), say("Your post was deleted. Nobody will receive it.")),
        ),
        _ => return None,
    })
}

fn with_desk<T>(
    app: &App,
    work: impl FnOnce(&ModerationDesk<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let store = Store::open(&app.site).map_err(|error| Problem::Run(error.into()))?;
    let spool = Spool::new(app.site.qfiles());
    work(&ModerationDesk { site: &app.site, spool: &spool, store: &store })
}

fn follow(desk: &ModerationDesk<'_>, token: &str) -> Result<(List, Held, Action), Problem> {
    let (held, action) = desk.follow(token).map_err(Problem::Link)?;
    let list = desk.store.read().list_by_id(held.post.list_id);
    match list.map_err(|error| Problem::Run(error.into()))? {
        Some(list) => Ok((list, held, action)),
        None => Err(Problem::Link(LinkError::decided_post(None))),
    }
}

fn describe(frame: Frame, list: &List, held: &Held, message: &Message, action: Action) -> HeldPage {
    HeldPage {
        list: list.settings.real_name.clone(),
        subject: subject(&frame, held),
        sender: held.post.sender.clone(),
        held_since: since(&frame, held.post.held_at),
        reason: String::new(),
        setting: held.post.setting.clone(),
        preview: Preview::of(message, &frame),
        frame,
        is_moderator: action == Action::Review,
        rejection: String::new(),
    }
}

/// A held post's subject, for people.
pub fn subject(frame: &Frame, held: &Held) -> String {
    match held.post.subject.trim() {
        "" => frame.say("(no subject)").to_string(),
        subject => subject.to_owned(),
    }
}

/// A time, for people.
pub fn since(frame: &Frame, at: Timestamp) -> String {
    frame.tell(&date::minute(at)).to_string()
}

/// The words for a link that has expired.
pub fn expired() -> Text {
    say("The daily reminder contains a new link.")
}

/// The words for a link that is not signed by this site.
pub fn not_ours() -> Text {
    say("This link is not valid, or was damaged in transit.")
}

fn explain(problem: Problem) -> Response {
    match problem {
        Problem::Link(LinkError::Store(error)) => page::trouble(&error),
        Problem::Run(error) => page::trouble(&error),
        Problem::Link(error @ LinkError::Decided { .. }) => {
            page::message(StatusCode::GONE, say("Already decided"), page::sentence(&error))
        }
        Problem::Link(LinkError::Bad(BadLink::Expired)) => {
            page::message(StatusCode::GONE, say("This link has expired"), expired())
        }
        Problem::Link(LinkError::Bad(BadLink::Forged)) => {
            page::message(StatusCode::NOT_FOUND, say("Page not found"), not_ours())
        }
    }
}
