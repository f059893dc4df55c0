//! The pages behind the signed links of held posts: a look at the post, then a decision. Looking
//! decides nothing, so that a mail program that follows links does no harm.

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
use dormouse_mail::{Message, date};
use dormouse_runners::RunError;
use dormouse_runners::moderation::desk::{self, Decision, Desk, LinkError, Taken};
use dormouse_runners::moderation::link::{Action, BadLink};
use dormouse_spool::Spool;
use dormouse_store::{Held, List, Store};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// The pages, wherever the web server in front puts them.
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
    /// What its sender is told if the moderator writes nothing else.
    rejection: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    decision: String,
    #[serde(default)]
    reason: String,
}

/// Why there is no such page.
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
        Ok(HeldPage { frame, rejection, ..describe(&list, &held, &message, action) })
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
            Taken::Done => Ok(Some((done.0, done.1.to_owned()))),
            Taken::NotRemembered => {
                let text = format!(
                    "It is done for this post. The sender is neither trusted nor shut out, as {:?} is \
                     no address.",
                    held.post.sender
                );
                Ok(Some(("Only this once", text)))
            }
            Taken::TooLate => Err(Problem::Link(match desk.follow(token) {
                Err(error) => error,
                Ok(_) => LinkError::Decided(desk::DECIDED.to_owned()),
            })),
        }
    });
    match decided {
        Ok(Some((title, text))) => page::message(StatusCode::OK, title, &text),
        Ok(None) => page::message(
            StatusCode::BAD_REQUEST,
            "Not understood",
            "This is nothing that can be decided here. Nothing was changed.",
        ),
        Err(problem) => explain(problem),
    }
}

/// What an answer means, and what is said when it is done. A link to take a post back lets nobody
/// approve it.
fn decision_of(
    answer: &Answer,
    action: Action,
) -> Option<(Decision, (&'static str, &'static str))> {
    Some(match (action, answer.decision.as_str()) {
        (Action::Review, "approve") => (
            Decision::Approve { remember: false },
            ("It is on its way", "The post goes to the list."),
        ),
        (Action::Review, "remember") => (
            Decision::Approve { remember: true },
            (
                "It is on its way",
                "The post goes to the list, and this sender's posts are not held again.",
            ),
        ),
        (Action::Review, "reject") => (
            Decision::Reject {
                reason: Some(answer.reason.replace("\r\n", "\n"))
                    .filter(|reason| !reason.trim().is_empty()),
            },
            ("Sent back", "The sender gets the post back with your words."),
        ),
        (Action::Review, "discard") => {
            (Decision::Discard { ban: false }, ("Dropped", "The post is gone. Nobody was told."))
        }
        (Action::Review, "ban") => (
            Decision::Discard { ban: true },
            ("Dropped", "The post is gone, and its sender is shut out."),
        ),
        (Action::Cancel, "cancel") => {
            (Decision::Cancel, ("Taken back", "Your post is gone. Nobody will get it."))
        }
        _ => return None,
    })
}

fn with_desk<T>(
    app: &App,
    work: impl FnOnce(&Desk<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let store = Store::open(&app.site).map_err(|error| Problem::Run(error.into()))?;
    let spool = Spool::new(app.site.qfiles());
    work(&Desk { site: &app.site, spool: &spool, store: &store })
}

fn follow(desk: &Desk<'_>, token: &str) -> Result<(List, Held, Action), Problem> {
    let (held, action) = desk.follow(token).map_err(Problem::Link)?;
    let list = desk.store.list_by_id(held.post.list_id);
    match list.map_err(|error| Problem::Run(error.into()))? {
        Some(list) => Ok((list, held, action)),
        None => Err(Problem::Link(LinkError::Decided(desk::DECIDED.to_owned()))),
    }
}

fn describe(list: &List, held: &Held, message: &Message, action: Action) -> HeldPage {
    HeldPage {
        frame: Frame::default(),
        list: list.settings.real_name.clone(),
        subject: subject(held).to_owned(),
        sender: held.post.sender.clone(),
        held_since: since(held.post.held_at),
        reason: held.post.reason.clone(),
        setting: held.post.setting.clone(),
        preview: Preview::of(message),
        is_moderator: action == Action::Review,
        rejection: String::new(),
    }
}

/// A held post's subject, for people.
pub fn subject(held: &Held) -> &str {
    match held.post.subject.trim() {
        "" => "(no subject)",
        subject => subject,
    }
}

/// A moment, for people.
pub fn since(at: f64) -> String {
    date::rfc5322(UNIX_EPOCH + Duration::try_from_secs_f64(at).unwrap_or_default())
}

fn explain(problem: Problem) -> Response {
    match problem {
        Problem::Link(LinkError::Store(error)) => page::trouble(&error),
        Problem::Run(error) => page::trouble(&error),
        Problem::Link(error @ LinkError::Decided(_)) => {
            page::message(StatusCode::GONE, "Decided already", &page::sentence(&error))
        }
        Problem::Link(error @ LinkError::Bad(BadLink::Expired)) => page::message(
            StatusCode::GONE,
            "This link has expired",
            &format!("{} The daily reminder has a new one.", page::sentence(&error)),
        ),
        Problem::Link(error @ LinkError::Bad(BadLink::Forged)) => {
            page::message(StatusCode::NOT_FOUND, "Nothing here", &page::sentence(&error))
        }
    }
}
