//! Private archives, for the members of their lists: the static pages, at Mailman's addresses.
//!
//! Who opens a link that came by mail, or has a password, gets a cookie, which says for which member
//! and until when it is good. Whether that is still a member is looked up for every page. It is good
//! for looking alone: at the archive, and at who is a member.

use crate::desk::{Desk, Problem, at};
use crate::files::{self, Found};
use crate::page;
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_archive::{Place, percent};
use dormouse_runners::RunError;
use dormouse_runners::membership::link;
use dormouse_runners::membership::login::LoggedIn;
use dormouse_runners::role::Role;
use dormouse_spool::clock;
use dormouse_store::StoreError;
use serde::Deserialize;
use std::sync::Arc;

/// How long the page that somebody wanted to see is remembered for them, in seconds.
const REMEMBERED: u64 = 3600;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/private/{list}", routing::get(enter)))
        .merge(at("/private/{list}/", routing::get(front).post(ask_at_front)))
        .merge(at("/private/{list}/{*path}", routing::get(show).post(ask)))
}

#[derive(Template)]
#[template(path = "archive_login.html")]
struct LoginPage {
    list: String,
    action: String,
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

async fn enter(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| Ok(page::see_other(&place(desk, ""))))
}

async fn front(
    app: State<Arc<App>>,
    visitor: Extension<Visitor>,
    Path(list): Path<String>,
) -> Response {
    show(app, visitor, Path((list, String::new()))).await
}

async fn ask_at_front(
    app: State<Arc<App>>,
    visitor: Extension<Visitor>,
    Path(list): Path<String>,
    form: Form<Asked>,
) -> Response {
    ask(app, visitor, Path((list, String::new())), form).await
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, path)): Path<(String, String)>,
) -> Response {
    // Mailman serves the whole mbox, too: `private/dev.mbox/dev.mbox`.
    let whole = list.strip_suffix(".mbox").filter(|_| path == list);
    Desk::serve(&app, &visitor, whole.unwrap_or(&list), |desk| {
        let is_public = whole.is_none() && !desk.list.settings.archive_private;
        if !is_public && reader(desk)?.is_none() {
            let page = LoginPage { list: desk.name(), action: place(desk, &path) };
            return Ok(page::page(StatusCode::FORBIDDEN, &page));
        }
        let files = Place::of(&app.site, &desk.list.name);
        let (root, path) = match whole {
            Some(_) => (files.mbox_dir(), format!("{}.mbox", desk.list.name)),
            None => (files.tree(), path.clone()),
        };
        let found = files::find(&root, &path).map_err(|source| RunError::Io {
            action: "look for",
            path: root.join(&path),
            source,
        })?;
        Ok(match found {
            // Only to what is there: from what is not, web servers may send back here.
            Some(_) if is_public => {
                let url = desk.list.archive_url(app.site.config());
                page::see_other(&format!("{url}{}", encoded(&path)))
            }
            Some(Found::File(file)) => file.send(),
            Some(Found::Directory) => page::see_other(&format!("{}/", place(desk, &path))),
            None => page::not_found(),
        })
    })
}

/// Sends the link, or takes a password. About the link the same is said to all, whether or not there
/// is such a member.
async fn ask(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, path)): Path<(String, String)>,
    Form(asked): Form<Asked>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| {
        let address = asked.email.trim();
        if !asked.password.is_empty() {
            return log_in(desk, address, &asked.password, &path);
        }
        if let Err(refusal) = desk.act(|registry| registry.send_login(address))? {
            tracing::info!("{}: no link to {address}: {refusal}", desk.list.name);
        }
        let mut response = page::message(
            StatusCode::OK,
            "Look into your mail",
            &format!(
                "If this is the address of a member of {}, a link was sent there. Open it in this \
                 browser, and the page you wanted to see comes up.",
                desk.name()
            ),
        );
        set_cookie(desk, &mut response, &goal_name(desk), &encoded(&path), REMEMBERED)?;
        Ok(response)
    })
}

/// Lets the members in by their old passwords, and those who run the list or the site by theirs.
fn log_in(desk: &Desk<'_>, address: &str, password: &str, path: &str) -> Result<Response, Problem> {
    let roles = [Role::Moderator, Role::Owner, Role::Site];
    let who = match desk.act(|registry| registry.log_in(&roles, address, password))?? {
        LoggedIn::Member(address) => Reader::Member(address),
        LoggedIn::As(_) => Reader::Keeper,
    };
    let mut response = page::see_other(&place(desk, path));
    let_in(desk, &who, &mut response)?;
    Ok(response)
}

/// Somebody who may read the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// The member with this address.
    Member(String),
    /// Somebody who runs the list or the site.
    Keeper,
}

/// What stands for a [`Reader::Keeper`] where a member's address would: no address is empty.
const KEEPER: &str = "";

/// Gives a reader the cookie.
fn let_in(desk: &Desk<'_>, reader: &Reader, response: &mut Response) -> Result<(), Problem> {
    let address = match reader {
        Reader::Member(address) => address,
        Reader::Keeper => KEEPER,
    };
    let lifetime = desk.app.site.config().archives_login_lifetime.duration().as_secs();
    let until = clock::seconds() + lifetime as f64;
    let session = link::reading(&desk.list, &desk.secret()?, address, until);
    set_cookie(desk, response, &reader_name(desk), &session, lifetime)
}

/// Lets somebody who has just shown to be a member read the archive from now on, if it is one for
/// members only; and leads on to the page they wanted to see before, if there was one.
pub fn admit(desk: &Desk<'_>, address: &str, shown: Response) -> Result<Response, Problem> {
    if !desk.list.settings.archive_private {
        return Ok(shown);
    }
    let mut response = match desk.visitor.cookie(&goal_name(desk)) {
        Some(goal) if files::is_inside(&goal.replace('%', "")) => {
            let mut response = page::see_other(&format!("{}{goal}", place(desk, "")));
            set_cookie(desk, &mut response, &goal_name(desk), "", 0)?;
            response
        }
        _ => shown,
    };
    let_in(desk, &Reader::Member(address.to_owned()), &mut response)?;
    Ok(response)
}

/// Whose cookie the visitor has.
pub fn reader(desk: &Desk<'_>) -> Result<Option<Reader>, Problem> {
    let Some(token) = desk.visitor.cookie(&reader_name(desk)) else { return Ok(None) };
    match link::open_reading(&desk.list, &desk.secret()?, token, clock::seconds()) {
        Ok(address) if address == KEEPER => Ok(Some(Reader::Keeper)),
        Ok(address) => {
            let member = desk.store.member(desk.list.id, &address)?;
            Ok(member.map(|member| Reader::Member(member.address)))
        }
        Err(error) => {
            tracing::info!("{}: no reader: {error}", desk.list.name);
            Ok(None)
        }
    }
}

fn reader_name(desk: &Desk<'_>) -> String {
    format!("archive-{}", desk.list.id)
}

fn goal_name(desk: &Desk<'_>) -> String {
    format!("goal-{}", desk.list.id)
}

/// The address of a page of the list's archive.
fn place(desk: &Desk<'_>, path: &str) -> String {
    format!("{}/{}", desk.place("private"), encoded(path))
}

fn encoded(path: &str) -> String {
    path.split('/').map(percent).collect::<Vec<_>>().join("/")
}

/// A cookie for the list server's pages alone, which no script sees.
fn set_cookie(
    desk: &Desk<'_>,
    response: &mut Response,
    name: &str,
    value: &str,
    seconds: u64,
) -> Result<(), Problem> {
    let config = desk.app.site.config();
    let is_secure = desk.list.web_page_url(config).starts_with("https://");
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let value = HeaderValue::try_from(text)
        .map_err(|error| StoreError::Content { what: "a cookie", problem: error.to_string() })?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}
