//! The parts of archives that are not static pages: search, single messages, and threads as feeds.

use crate::desk::{Desk, Fields, PageProblem, at, blocking};
use crate::page::{self, Frame};
use crate::private;
use crate::server::App;
use crate::session;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form, Router, routing};
use dormouse_archive::search::SearchHit;
use dormouse_archive::source::SourcePurpose;
use dormouse_archive::{ArchiveError, plain, search, source, thread_feed};
use dormouse_membership::RunError;
use dormouse_store::{List, Site, Store};
use std::rc::Rc;
use std::sync::Arc;

/// The number of messages on a page of results.
const SHOWN: u64 = 50;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/search/{list}", routing::get(find)))
        .merge(at("/search", routing::get(find_everywhere)))
        .merge(at("/message/{list}/{name}", routing::get(message)))
        .merge(at("/feed/{list}/{number}", routing::get(feed)))
}

#[derive(Template, Default)]
#[template(path = "archive_search.html")]
struct SearchPage {
    frame: Frame,
    /// The list, if only one is searched.
    list: String,
    action: String,
    archive: String,
    is_signed_in: bool,
    /// The number of lists searched, on the page that searches several.
    lists: usize,
    query: String,
    /// The query, encoded for a link.
    encoded: String,
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
    list: String,
    subject: Marked,
    author: String,
    iso: String,
    day: String,
    excerpt: Marked,
}

/// A text in pieces, each with whether it matches the search.
type Marked = Vec<(String, bool)>;

/// The search's words, combined with the other fields of the form.
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

/// Refuses visitors who may not read the list's archive.
fn only_readers(desk: &Desk) -> Result<(), PageProblem> {
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
        let search = SearchPage {
            frame: desk.frame_with("page-archive"),
            list: desk.name(),
            action: desk.place("search"),
            archive: desk.list.archive_url(desk.app.site.config()),
            ..SearchPage::default()
        };
        search.answer(&desk.app.site, std::slice::from_ref(&desk.list), &Fields(wanted))
    })
    .await
}

/// Searches all archives that the visitor may read: public ones of advertised lists, and those of the
/// visitor's own lists.
async fn find_everywhere(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(wanted): Form<Vec<(String, String)>>,
) -> Response {
    blocking(move || {
        let found = || {
            let store = Rc::new(Store::open(&app.site)?);
            let account = session::account(&store, &visitor)?;
            let frame = Frame::of(&visitor, account.as_ref());
            let is_signed_in = account.is_some();
            let mut lists = Vec::new();
            for list in store.read().iter_lists() {
                let list = list?;
                if !list.settings.archive {
                    continue;
                }
                let settings = &list.settings;
                let is_open = !settings.archive_private && settings.advertised;
                let desk = Desk::new(&app, Rc::clone(&store), list, &visitor, account.clone())?;
                // A person whose proof is too old for a moderator's power still reads what members
                // read.
                if is_open || private::reader(&desk).is_ok_and(|reader| reader.is_some()) {
                    lists.push(desk.list);
                }
            }
            let search = SearchPage {
                action: format!("{}search", frame.base),
                frame,
                is_signed_in,
                lists: lists.len(),
                ..SearchPage::default()
            };
            search.answer(&app.site, &lists, &Fields(wanted))
        };
        found().unwrap_or_else(PageProblem::page)
    })
    .await
}

impl SearchPage {
    /// The page with the results on some lists.
    fn answer(self, site: &Site, lists: &[List], wanted: &Fields) -> Result<Response, PageProblem> {
        let query = query(wanted);
        let (found, problem) = match query.as_str() {
            "" => (Vec::new(), String::new()),
            query => match search::search(site, lists, query, SHOWN) {
                Err(ArchiveError::Query(problem)) => (Vec::new(), page::sentence(&problem)),
                found => (found.map_err(RunError::from)?, String::new()),
            },
        };
        let is_cut = found.len() as u64 == SHOWN;
        let found = found.into_iter().filter_map(|found| {
            let list = lists.iter().find(|list| list.name == found.list)?;
            Some(line(found, list, wanted.get("q"), site))
        });
        let page = SearchPage {
            query: wanted.get("q").to_owned(),
            encoded: dormouse_archive::percent(wanted.get("q")),
            author: wanted.get("author").to_owned(),
            after: wanted.get("after").to_owned(),
            before: wanted.get("before").to_owned(),
            is_narrowed: ["author", "after", "before"]
                .iter()
                .any(|name| !wanted.get(name).is_empty()),
            has_searched: !query.is_empty(),
            is_cut,
            found: found.collect(),
            problem,
            ..self
        };
        let status = if page.problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        Ok(page::page(status, &page))
    }
}

fn line(found: SearchHit, list: &List, query: &str, site: &Site) -> Line {
    let is_obscured = list.obscures(site.config());
    let day = found.date.split('T').next().unwrap_or_default().to_owned();
    Line {
        url: found.url,
        list: list.settings.real_name.clone(),
        subject: search::marked(&plain(&found.subject, is_obscured), query),
        author: plain(&found.author, is_obscured),
        iso: found.date,
        day,
        excerpt: search::marked(&plain(&found.excerpt, is_obscured), query),
    }
}

/// `000123.txt` to be shown, `000123.eml` for a mail program.
async fn message(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, name)): Path<(String, String)>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        only_readers(desk)?;
        let (number, kind, disposition, purpose) = match name.rsplit_once('.') {
            Some((number, "txt")) => {
                (number, "text/plain; charset=utf-8", "inline", SourcePurpose::Reading)
            }
            Some((number, "eml")) => {
                (number, "message/rfc822", "attachment", SourcePurpose::Program)
            }
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

/// The thread of a message as a feed.
async fn feed(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, number)): Path<(String, String)>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        only_readers(desk)?;
        let Ok(number) = number.parse() else { return Ok(page::not_found()) };
        let feed = thread_feed(&desk.app.site, &desk.list, number).map_err(RunError::from)?;
        let Some(feed) = feed else { return Ok(page::not_found()) };
        let kind = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")];
        Ok((page::headers(), kind, feed).into_response())
    })
    .await
}
