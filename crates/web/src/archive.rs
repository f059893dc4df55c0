//! What archives offer beside their static pages: search, and messages as they came.

use crate::desk::{Desk, Fields, Problem, at};
use crate::page::{self, Frame};
use crate::private;
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form, Router, routing};
use dormouse_archive::search::Found;
use dormouse_archive::source::Purpose;
use dormouse_archive::{ArchiveError, plain, search, source};
use dormouse_membership::RunError;
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
    frame: Frame,
    list: String,
    action: String,
    archive: String,
    query: String,
    author: String,
    after: String,
    before: String,
    is_narrowed: bool,
    has_searched: bool,
    problem: String,
    is_cut: bool,
    found: Vec<Line>,
}

struct Line {
    url: String,
    subject: Marked,
    author: String,
    iso: String,
    day: String,
    excerpt: Marked,
}

/// A text in pieces, each with whether it was searched for.
type Marked = Vec<(String, bool)>;

/// What is searched for: words, and what the form asks beside them.
fn query(wanted: &Fields) -> String {
    let mut query = wanted.get("q").to_owned();
    let author = wanted.get("author").replace('"', " ");
    if !author.trim().is_empty() {
        query.push_str(&format!(" from:\"{}\"", author.trim()));
    }
    for day in ["after", "before"] {
        let value = wanted.get(day);
        if !value.is_empty() {
            query.push_str(&format!(" {day}:\"{}\"", value.replace('"', " ")));
        }
    }
    query.trim().to_owned()
}

/// Sends those away who may not read the list's archive.
fn only_readers(desk: &Desk) -> Result<(), Problem> {
    if !desk.list.settings.archive_private || private::reader(desk)?.is_some() {
        return Ok(());
    }
    Err(desk.sign_in())
}

async fn find(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(wanted): Form<Vec<(String, String)>>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        only_readers(desk)?;
        let wanted = Fields(wanted);
        let query = query(&wanted);
        let lists = std::slice::from_ref(&desk.list);
        let (found, problem) = match query.as_str() {
            "" => (Vec::new(), String::new()),
            query => match search::search(&desk.app.site, lists, query, SHOWN) {
                Err(ArchiveError::Query(problem)) => (Vec::new(), page::sentence(&problem)),
                found => (found.map_err(RunError::from)?, String::new()),
            },
        };
        let is_obscured = desk.list.obscures(desk.app.site.config());
        let page = SearchPage {
            frame: desk.frame(),
            list: desk.name(),
            action: desk.place("search"),
            archive: desk.list.archive_url(desk.app.site.config()),
            query: wanted.get("q").to_owned(),
            author: wanted.get("author").to_owned(),
            after: wanted.get("after").to_owned(),
            before: wanted.get("before").to_owned(),
            is_narrowed: ["author", "after", "before"]
                .iter()
                .any(|name| !wanted.get(name).is_empty()),
            has_searched: !query.is_empty(),
            is_cut: found.len() as u64 == SHOWN,
            found: found
                .into_iter()
                .map(|found| line(found, wanted.get("q"), is_obscured))
                .collect(),
            problem,
        };
        let status = if page.problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        Ok(page::page(status, &page))
    })
    .await
}

fn line(found: Found, query: &str, is_obscured: bool) -> Line {
    let day = found.date.split('T').next().unwrap_or_default().to_owned();
    Line {
        url: found.url,
        subject: search::marked(&plain(&found.subject, is_obscured), query),
        author: plain(&found.author, is_obscured),
        iso: found.date,
        day,
        excerpt: search::marked(&plain(&found.excerpt, is_obscured), query),
    }
}

/// `000123.txt` to be looked at, `000123.eml` for a mail program.
async fn message(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, name)): Path<(String, String)>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        only_readers(desk)?;
        let (number, kind, disposition, purpose) = match name.rsplit_once('.') {
            Some((number, "txt")) => {
                (number, "text/plain; charset=utf-8", "inline", Purpose::Reading)
            }
            Some((number, "eml")) => (number, "message/rfc822", "attachment", Purpose::Program),
            _ => return Ok(page::not_found()),
        };
        let Ok(number) = number.parse() else { return Ok(page::not_found()) };
        let source =
            source::public(&desk.app.site, &desk.list, number, purpose).map_err(RunError::from)?;
        let Some(source) = source else { return Ok(page::not_found()) };
        let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)];
        Ok((page::headers(), headers, source).into_response())
    })
    .await
}
