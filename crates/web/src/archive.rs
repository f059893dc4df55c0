//! What archives offer beside their static pages: search, and messages as they came.

use crate::desk::{Desk, Problem, at};
use crate::server::App;
use crate::visitor::Visitor;
use crate::{page, private};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form, Router, routing};
use dormouse_archive::search::Found;
use dormouse_archive::{ArchiveError, plain, search, source};
use dormouse_runners::RunError;
use serde::Deserialize;
use std::sync::Arc;

/// How many messages are shown.
const SHOWN: u64 = 50;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/search/{list}", routing::get(find)))
        .merge(at("/message/{list}/{name}", routing::get(message)))
}

#[derive(Template)]
#[template(path = "archive_search.html")]
struct SearchPage {
    list: String,
    action: String,
    archive: String,
    query: String,
    problem: String,
    is_cut: bool,
    found: Vec<Line>,
}

struct Line {
    url: String,
    subject: String,
    author: String,
    iso: String,
    day: String,
    excerpt: String,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
}

/// Sends those away who may not read the list's archive.
fn unless_reader(desk: &Desk<'_>) -> Result<Option<Response>, Problem> {
    if !desk.list.settings.archive_private || private::reader(desk)?.is_some() {
        return Ok(None);
    }
    Ok(Some(page::see_other(&format!("{}/", desk.place("private")))))
}

async fn find(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| {
        if let Some(away) = unless_reader(desk)? {
            return Ok(away);
        }
        let query = wanted.q.trim();
        let lists = std::slice::from_ref(&desk.list);
        let (found, problem) = match query {
            "" => (Vec::new(), String::new()),
            query => match search::search(&app.site, lists, query, SHOWN) {
                Err(ArchiveError::Query(problem)) => (Vec::new(), page::sentence(&problem)),
                found => (found.map_err(RunError::from)?, String::new()),
            },
        };
        let is_obscured = desk.list.obscures(app.site.config());
        let page = SearchPage {
            list: desk.name(),
            action: desk.place("search"),
            archive: desk.list.archive_url(app.site.config()),
            query: query.to_owned(),
            problem,
            is_cut: found.len() as u64 == SHOWN,
            found: found.into_iter().map(|found| line(found, is_obscured)).collect(),
        };
        Ok(page::page(StatusCode::OK, &page))
    })
}

fn line(found: Found, is_obscured: bool) -> Line {
    let day = found.date.split('T').next().unwrap_or_default().to_owned();
    Line {
        url: found.url,
        subject: plain(&found.subject, is_obscured),
        author: plain(&found.author, is_obscured),
        iso: found.date,
        day,
        excerpt: plain(&found.excerpt, is_obscured),
    }
}

/// `000123.txt` to be looked at, `000123.eml` for a mail program.
async fn message(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, name)): Path<(String, String)>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| {
        if let Some(away) = unless_reader(desk)? {
            return Ok(away);
        }
        let (number, kind, disposition) = match name.rsplit_once('.') {
            Some((number, "txt")) => (number, "text/plain; charset=utf-8", "inline"),
            Some((number, "eml")) => (number, "message/rfc822", "attachment"),
            _ => return Ok(page::not_found()),
        };
        let Ok(number) = number.parse() else { return Ok(page::not_found()) };
        let source = source::public(&app.site, &desk.list, number).map_err(RunError::from)?;
        let Some(source) = source else { return Ok(page::not_found()) };
        let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)];
        Ok((page::HEADERS, headers, source).into_response())
    })
}
