//! The pages behind the links in mails that ask for a confirmation. Opening one confirms nothing,
//! because some mail programs open links.

use crate::desk::{Desk, LanguageChoice, PageProblem, at};
use crate::page::{self, Frame};
use crate::server::App;
use crate::visitor::Visitor;
use crate::{session, signin};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_mail::AddressKey;
use dormouse_mail::address::format_mailbox;
use dormouse_membership::confirm::{ConfirmChoice, Confirmed};
use dormouse_membership::moderation;
use dormouse_membership::moderation::desk::{PostDecision, Taken};
use dormouse_membership::{Refusal, account};
use dormouse_spool::Spool;
use dormouse_store::{Held, Request};
use dormouse_words::{Text, msgid, say};
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
    title: Text,
    facts: Vec<(&'static str, String)>,
    note: Option<&'static str>,
    button: &'static str,
    cancel: &'static str,
    /// The name and whether to get digests, if they can still be changed.
    wish: Option<(String, bool)>,
    has_digests: bool,
    languages: Vec<LanguageChoice>,
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
        return PageProblem::from(Refusal::Unknown).page();
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
                say("Withdrawn"),
                say("Nothing will happen; the request is forgotten."),
            ));
        }
        let choice = ConfirmChoice {
            real_name: answer.realname.clone(),
            digest: answer.digests.as_deref().map(|digests| digests == "1"),
            language: answer.language.as_deref().and_then(|code| desk.language(code)),
        };
        let confirmed = desk.act(|registry| registry.confirm(&cookie, &choice))??;
        said(desk, confirmed)
    })
    .await
}

fn said(desk: &mut Desk, confirmed: Confirmed) -> Result<Response, PageProblem> {
    let name = desk.name();
    let (title, text) = match confirmed {
        Confirmed::Joined(address) => (
            say("Welcome"),
            say("{address} is now a member of {list}.")
                .with("address", address)
                .with("list", &name),
        ),
        Confirmed::Held(_) => (
            say("Your address is confirmed"),
            say("The moderators of {list} decide on your request and let you know.")
                .with("list", &name),
        ),
        Confirmed::Left(address) => (
            say("Goodbye"),
            say("{address} is no longer a member of {list}.")
                .with("address", address)
                .with("list", &name),
        ),
        Confirmed::Moved { new, lists } => (
            say("Your address was changed"),
            say("Mail of these lists now goes to {address}: {lists}")
                .with("address", new)
                .with("lists", lists.join(", ")),
        ),
        Confirmed::ReEnabled(address) => (
            say("Welcome back"),
            say("{address} receives the mail of {list} again.")
                .with("address", address)
                .with("list", &name),
        ),
        Confirmed::OptionsSet(_) => (say("Done"), say("Your options are saved.")),
        Confirmed::LoggedIn(address) => {
            // Two people who share a computer must not share a session.
            let key = AddressKey::of(&address);
            desk.account = desk.account.take().filter(|known| known.addresses().any(|a| *a == key));
            let proved = account::by_link(desk.store.read(), &desk.list, &address)?;
            signin::admit(desk, proved)?;
            let account = desk.account.as_ref().ok_or(PageProblem::StaleForm)?;
            return session::keep(&desk.visitor, account, page::see_other(&desk.place("options")));
        }
    };
    Ok(page::message(StatusCode::OK, title, text))
}

fn held(desk: &Desk, cookie: &str) -> Result<Option<Held>, PageProblem> {
    let held = desk.store.read().held_by_cookie(&cookie.to_lowercase())?;
    Ok(held.filter(|held| held.post.list_id == desk.list.id))
}

/// Cancels a post, as with the links in Mailman's notices (docs/spec/commands.md §3).
fn take_back(desk: &Desk, held: &Held, answer: &Answer) -> Result<Response, PageProblem> {
    if answer.cancel.is_none() {
        return Ok(page::message(
            StatusCode::OK,
            say("Your post is still waiting"),
            say("Nothing was changed. A moderator will decide on your post."),
        ));
    }
    let spool = Spool::new(desk.app.site.qfiles());
    let moderators = moderation::desk::ModerationDesk {
        site: &desk.app.site,
        spool: &spool,
        store: &desk.store,
    };
    if moderators.decide(&desk.list, held, &PostDecision::Cancel)? == Taken::TooLate {
        return Err(Refusal::Unknown.into());
    }
    Ok(page::message(
        StatusCode::OK,
        say("Withdrawn"),
        say("Your post was deleted. Nobody will receive it."),
    ))
}

fn describe_held(desk: &Desk, held: &Held) -> ConfirmPage {
    ConfirmPage {
        frame: desk.frame(),
        title: say("Your post is waiting for a moderator"),
        facts: vec![
            (msgid("Subject"), held.post.subject.clone()),
            (msgid("From"), held.post.sender.clone()),
            (msgid("Reason"), desk.reason(&held.post.reason)),
        ],
        note: Some(msgid("You can withdraw it; then nobody receives it.")),
        button: msgid("Let it wait"),
        cancel: msgid("Withdraw it"),
        wish: None,
        has_digests: false,
        languages: Vec::new(),
    }
}

fn describe(desk: &Desk, request: &Request) -> ConfirmPage {
    let name = desk.name();
    let mut page = ConfirmPage {
        frame: desk.frame(),
        title: Text::default(),
        facts: Vec::new(),
        note: None,
        button: msgid("Yes, confirm"),
        cancel: msgid("No, cancel it"),
        wish: None,
        has_digests: desk.list.settings.digestable && desk.list.settings.nondigestable,
        languages: Vec::new(),
    };
    match request {
        Request::Subscribe { address, real_name, digest, language, .. } => {
            page.title = say("Join {list}?").with("list", name);
            page.facts = vec![(msgid("Address"), address.clone())];
            page.wish = Some((real_name.clone(), *digest));
            page.languages = desk.languages(language);
            page.button = msgid("Yes, join");
        }
        Request::Unsubscribe { address } => {
            page.title = say("Leave {list}?").with("list", name);
            page.facts = vec![(msgid("Address"), address.clone())];
            page.button = msgid("Yes, leave");
            page.cancel = msgid("No, stay");
        }
        Request::ChangeAddress { address, new, globally } => {
            page.title = say("Change your address on {list}?").with("list", name);
            page.facts =
                vec![(msgid("Old address"), address.clone()), (msgid("New address"), new.clone())];
            if *globally {
                page.note = Some(msgid("This applies to all your lists on this server."));
            }
        }
        Request::ReEnable { address } => {
            page.title = say("Receive mail from {list} again?").with("list", name);
            page.facts = vec![(msgid("Address"), address.clone())];
            page.note = Some(msgid("Mail to this address bounced, so delivery was turned off."));
            page.button = msgid("Yes, resume delivery");
            page.cancel = msgid("No");
        }
        Request::SetOptions { address, changes } => {
            page.title = say("Change your options on {list}?").with("list", name);
            page.facts =
                vec![(msgid("Address"), address.clone()), (msgid("Options"), changes.join(", "))];
        }
        Request::LogIn { address } => {
            page.title = say("Your options on {list}").with("list", name);
            page.facts = vec![(msgid("Member"), format_mailbox("", address))];
            page.note = Some(msgid("This link works once."));
            page.button = msgid("Open my options");
        }
        // Never shown: see `Registry::waiting`.
        Request::Probe { .. } => {}
    }
    page
}
