//! The pages behind the links in mails that ask for a confirmation. Looking confirms nothing, so
//! that a mail program that follows links does no harm.

use crate::desk::{Desk, Problem, at};
use crate::page::{self, Frame};
use crate::server::App;
use crate::visitor::Visitor;
use crate::{session, signin};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_mail::address::format_mailbox;
use dormouse_runners::membership::confirm::{Choice, Confirmed};
use dormouse_runners::membership::{Refusal, account};
use dormouse_runners::moderation;
use dormouse_runners::moderation::desk::{Decision, Taken};
use dormouse_spool::Spool;
use dormouse_store::{Held, Request};
use serde::Deserialize;
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/confirm/{list}", routing::get(ask).post(find)))
        .merge(at("/confirm/{list}/{cookie}", routing::get(show).post(confirm)))
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    frame: Frame,
    list: String,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    title: String,
    facts: Vec<(&'static str, String)>,
    note: String,
    button: &'static str,
    cancel: &'static str,
    /// The name and whether digests are wanted, where they may still be changed.
    wish: Option<(String, bool)>,
    has_digests: bool,
    languages: Vec<(String, bool)>,
}

#[derive(Debug, Deserialize)]
struct Code {
    #[serde(default)]
    cookie: String,
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    cancel: Option<String>,
    realname: Option<String>,
    digests: Option<String>,
    language: Option<String>,
}

async fn ask(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
) -> Response {
    Desk::serve(app, visitor, list, |desk| {
        let page = CodePage { frame: desk.frame(), list: desk.name() };
        Ok(page::page(StatusCode::OK, &page))
    })
    .await
}

async fn find(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(code): Form<Code>,
) -> Response {
    let cookie = code.cookie.trim().to_lowercase();
    if !cookie.bytes().all(|byte| byte.is_ascii_alphanumeric()) || cookie.is_empty() {
        return Problem::from(Refusal::Unknown).page();
    }
    Desk::serve(app, visitor, list, move |desk| {
        Ok(page::see_other(&format!("{}/{cookie}", desk.list.local_part())))
    })
    .await
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, cookie)): Path<(String, String)>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        let shown = match held(desk, &cookie)? {
            Some(held) => describe_held(desk, &held),
            None => describe(desk, &desk.act(|registry| registry.waiting(&cookie))??.request),
        };
        Ok(page::page(StatusCode::OK, &shown))
    })
    .await
}

async fn confirm(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, cookie)): Path<(String, String)>,
    Form(answer): Form<Answer>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        if let Some(held) = held(desk, &cookie)? {
            return take_back(desk, &held, &answer);
        }
        if answer.cancel.is_some() {
            desk.act(|registry| registry.cancel(&cookie))??;
            return Ok(page::message(
                StatusCode::OK,
                "Taken back",
                "Nothing happens, and the request is forgotten.",
            ));
        }
        let choice = Choice {
            real_name: answer.realname.clone(),
            digest: answer.digests.as_deref().map(|digests| digests == "1"),
            language: answer.language.as_deref().and_then(|code| desk.language(code)),
        };
        let confirmed = desk.act(|registry| registry.confirm(&cookie, &choice))??;
        said(desk, confirmed)
    })
    .await
}

fn said(desk: &mut Desk, confirmed: Confirmed) -> Result<Response, Problem> {
    let name = desk.name();
    let (title, text) = match confirmed {
        Confirmed::Joined(address) => ("Welcome", format!("{address} is a member of {name} now.")),
        Confirmed::Held(_) => (
            "Your address is confirmed",
            format!("Now your request waits for those who run {name}. You hear of their decision."),
        ),
        Confirmed::Left(address) => {
            ("Goodbye", format!("{address} is no member of {name} any more."))
        }
        Confirmed::Moved { new, lists } => (
            "Your address is changed",
            format!("Mail goes to {new} from now on: {}.", lists.join(", ")),
        ),
        Confirmed::ReEnabled(address) => {
            ("Welcome back", format!("{address} gets the mail of {name} again."))
        }
        Confirmed::OptionsSet(_) => ("Done", "The options are set.".to_owned()),
        Confirmed::LoggedIn(address) => {
            // One who shares the computer with another is not the other one, too.
            let key = address.to_lowercase();
            desk.account = desk.account.take().filter(|known| known.addresses().any(|a| a == key));
            let proved = account::by_link(&desk.store, &desk.list, &address)?;
            signin::admit(desk, proved)?;
            let account = desk.account.as_ref().ok_or(Problem::StaleForm)?;
            return session::keep(&desk.visitor, account, page::see_other(&desk.place("options")));
        }
    };
    Ok(page::message(StatusCode::OK, title, &text))
}

fn held(desk: &Desk, cookie: &str) -> Result<Option<Held>, Problem> {
    let held = desk.store.held_by_cookie(&cookie.to_lowercase())?;
    Ok(held.filter(|held| held.post.list_id == desk.list.id))
}

/// A post may be taken back here, as with the links of Mailman's notices (docs/spec/commands.md §3).
fn take_back(desk: &Desk, held: &Held, answer: &Answer) -> Result<Response, Problem> {
    if answer.cancel.is_none() {
        return Ok(page::message(
            StatusCode::OK,
            "It goes on waiting",
            "Nothing was changed. A moderator decides on the post.",
        ));
    }
    let spool = Spool::new(desk.app.site.qfiles());
    let moderators =
        moderation::desk::Desk { site: &desk.app.site, spool: &spool, store: &desk.store };
    if moderators.decide(&desk.list, held, &Decision::Cancel)? == Taken::TooLate {
        return Err(Refusal::Unknown.into());
    }
    Ok(page::message(StatusCode::OK, "Taken back", "The post is gone. Nobody will get it."))
}

fn describe_held(desk: &Desk, held: &Held) -> ConfirmPage {
    ConfirmPage {
        frame: desk.frame(),
        title: "Your post waits for a moderator".to_owned(),
        facts: vec![
            ("Subject", held.post.subject.clone()),
            ("From", held.post.sender.clone()),
            ("Because", held.post.reason.clone()),
        ],
        note: "You can take it back; then nobody gets it.".to_owned(),
        button: "Let it wait",
        cancel: "Take it back",
        wish: None,
        has_digests: false,
        languages: Vec::new(),
    }
}

fn describe(desk: &Desk, request: &Request) -> ConfirmPage {
    let name = desk.name();
    let mut page = ConfirmPage {
        frame: desk.frame(),
        title: String::new(),
        facts: Vec::new(),
        note: String::new(),
        button: "Yes, confirm",
        cancel: "No, forget it",
        wish: None,
        has_digests: desk.list.settings.digestable && desk.list.settings.nondigestable,
        languages: Vec::new(),
    };
    match request {
        Request::Subscribe { address, real_name, digest, language, .. } => {
            page.title = format!("Join {name}?");
            page.facts = vec![("Address", address.clone())];
            page.wish = Some((real_name.clone(), *digest));
            page.languages = desk.languages(language);
            page.button = "Yes, join";
        }
        Request::Unsubscribe { address } => {
            page.title = format!("Leave {name}?");
            page.facts = vec![("Address", address.clone())];
            page.button = "Yes, leave";
            page.cancel = "No, stay";
        }
        Request::ChangeAddress { address, new, globally } => {
            page.title = format!("Change your address on {name}?");
            page.facts = vec![("Until now", address.clone()), ("From now on", new.clone())];
            if *globally {
                page.note = "On all your lists at this host.".to_owned();
            }
        }
        Request::ReEnable { address } => {
            page.title = format!("Get mail of {name} again?");
            page.facts = vec![("Address", address.clone())];
            page.note = "Mail to this address came back, so it is not sent any more.".to_owned();
            page.button = "Yes, send it again";
            page.cancel = "No";
        }
        Request::SetOptions { address, changes } => {
            page.title = format!("Change your options on {name}?");
            page.facts = vec![("Address", address.clone()), ("Options", changes.join(", "))];
        }
        Request::LogIn { address } => {
            page.title = format!("Your options on {name}");
            page.facts = vec![("Member", format_mailbox("", address))];
            page.note = "This link opens them once.".to_owned();
            page.button = "Open my options";
        }
        // Not shown: see `Registry::waiting`.
        Request::Probe { .. } => {}
    }
    page
}
