//! Private archives, for the members of their lists: the static pages, at Mailman's addresses. Each
//! request checks that the visitor is still a member.

use crate::desk::{Desk, Fields, PageProblem, at};
use crate::files::{self, StaticTarget};
use crate::page;
use crate::server::App;
use crate::visitor::Visitor;
use crate::{session, signin};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_archive::{ArchivePlace, percent};
use dormouse_membership::RunError;
use dormouse_membership::account::{Power, Standing};
use dormouse_words::say;
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/private/{list}", routing::get(enter)))
        .merge(at("/private/{list}/", routing::get(front).post(ask_at_front)))
        .merge(at("/private/{list}/{*path}", routing::get(show).post(ask)))
}

async fn enter(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
) -> Response {
    Desk::serve(app, visitor, list, |desk| Ok(page::see_other(&place(desk, "")))).await
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
    form: Form<Vec<(String, String)>>,
) -> Response {
    ask(app, visitor, Path((list, String::new())), form).await
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, path)): Path<(String, String)>,
) -> Response {
    // Mailman serves the whole mbox, too: `private/dev.mbox/dev.mbox`.
    let whole = list.strip_suffix(".mbox").filter(|_| path == list).map(str::to_owned);
    let is_whole = whole.is_some();
    Desk::serve(app, visitor, whole.unwrap_or(list), move |desk| {
        let is_public = !is_whole && !desk.list.settings.archive_private;
        if !is_public && reader(desk)?.is_none() {
            return Err(desk.sign_in());
        }
        let files = ArchivePlace::of(&desk.app.site, &desk.list.name);
        let (root, path) = match is_whole {
            true => (files.mbox_dir(), format!("{}.mbox", desk.list.name)),
            false => (files.tree(), path),
        };
        let found = files::find(&root, &path).map_err(|source| RunError::Io {
            action: "look for",
            path: root.join(&path),
            source,
        })?;
        Ok(match found {
            // Only if the page exists: for missing ones, the web server may redirect to here.
            Some(_) if is_public => {
                let url = desk.list.archive_url(desk.app.site.config());
                page::see_other(&format!("{url}{}", encoded(&path)))
            }
            Some(StaticTarget::File(file)) => file.send(),
            Some(StaticTarget::Directory) => page::see_other(&format!("{}/", place(desk, &path))),
            None if path.is_empty() => page::message(
                StatusCode::OK,
                say("No posts yet"),
                say("Nothing has been posted to {list} since it has an archive.")
                    .with("list", desk.name()),
            ),
            None => page::not_found(),
        })
    })
    .await
}

/// Sends a link or accepts a password, as Mailman's page did.
async fn ask(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, path)): Path<(String, String)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let fields = Fields(fields);
    let address = match fields.get("email") {
        "" => fields.get("username").to_owned(),
        address => address.to_owned(),
    };
    if fields.get("password").is_empty() {
        let goal = visitor.here();
        return signin::send_link(&app, visitor, address, goal).await;
    }
    Desk::serve(app, visitor, list, move |desk| {
        signin::with_password(desk, &signin::READERS, &address, fields.get("password"))??;
        let account = desk.account.as_ref().ok_or(PageProblem::StaleForm)?;
        session::keep(&desk.visitor, account, page::see_other(&place(desk, &path)))
    })
    .await
}

/// A visitor who may read the archive and see the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A member.
    Member,
    /// An owner or moderator of the list, or the site's administrator.
    Keeper,
}

/// The visitor as a reader. The power to run the list expires as it does everywhere else.
pub fn reader(desk: &Desk) -> Result<Option<Reader>, PageProblem> {
    if desk.standing(Power::Moderator) == Standing::Has {
        return Ok(Some(Reader::Keeper));
    }
    if desk.member()?.is_some() {
        return Ok(Some(Reader::Member));
    }
    match desk.standing(Power::Moderator) {
        Standing::MustShowAgain => Err(session::sign_in(&desk.visitor, true)),
        _ => Ok(None),
    }
}

/// The address of a page of the list's archive.
fn place(desk: &Desk, path: &str) -> String {
    format!("{}/{}", desk.place("private"), encoded(path))
}

fn encoded(path: &str) -> String {
    path.split('/').map(percent).collect::<Vec<_>>().join("/")
}
