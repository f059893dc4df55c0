//! The trace of a message: for a list's owners the steps about their list, for the site's
//! administrators all.

use crate::desk::PageProblem;
use crate::page::{self, Frame};
use crate::seat::{Owns, Room, RunsSite, Seat, list_page, room_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_mail::date;
use dormouse_membership::RunError;
use dormouse_store::Site;
use dormouse_trace::{Event, Story};
use std::sync::Arc;

/// The number of steps shown.
const SHOWN: usize = 500;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new().merge(list_page::<Owns>("/trace/{list}", of_list, None)).merge(room_page::<
        RunsSite,
    >(
        "/site/trace",
        of_site,
        None,
    ))
}

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    frame: Frame,
    /// The list's name and page; `None` for the whole site.
    of: Option<(String, String)>,
    action: String,
    id: String,
    recipient: String,
    steps: Vec<Line>,
    more: usize,
    kept: String,
}

/// A step.
struct Line {
    at: String,
    step: String,
    list: String,
    words: String,
    outputs: Vec<String>,
}

fn line(event: &Event, own: &str) -> Line {
    Line {
        at: date::rfc5322(event.at),
        step: event.step.to_string(),
        list: event.list.clone(),
        words: event.words(own),
        outputs: event
            .outputs
            .iter()
            .map(|place| format!("{}/{}", place.queue, place.entry))
            .collect(),
    }
}

/// What is known of the requested message.
fn find(site: &Site, id: &str) -> Result<Story, PageProblem> {
    if id.is_empty() {
        return Ok(Story::default());
    }
    dormouse_trace::find(site, id).map_err(|source| {
        let path = dormouse_trace::directory(site.dir());
        PageProblem::Broken(RunError::Io { action: "read the trace in", path, source })
    })
}

fn show(
    frame: Frame,
    site: &Site,
    of: Option<(String, String)>,
    action: String,
    (id, recipient): (&str, &str),
    mut story: Story,
) -> Response {
    if !recipient.is_empty() {
        story.events.retain_mut(|event| event.narrow(recipient));
    }
    let own = story.events.first().map(|event| event.id.clone()).unwrap_or_default();
    let page = TracePage {
        frame,
        of,
        action,
        id: id.to_owned(),
        recipient: recipient.to_owned(),
        more: story.events.len().saturating_sub(SHOWN),
        steps: story.events.iter().take(SHOWN).map(|event| line(event, &own)).collect(),
        kept: site.config().trace_keep.to_string(),
    };
    page::page(StatusCode::OK, &page)
}

fn of_list(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let (id, recipient) = (seat.asked.query.get("id"), seat.asked.query.get("recipient"));
    let former = seat.store.read().former_names(seat.list.id)?;
    let former = former.into_iter().map(|former| former.name);
    let names = std::iter::once(seat.list.name.clone()).chain(former);
    let names: Vec<String> = names.map(String::from).collect();
    let story = find(&seat.app.site, id)?.of_list(&names);
    let of = Some((seat.name(), seat.place("admin")));
    let action = seat.place("trace");
    Ok(show(seat.frame(), &seat.app.site, of, action, (id, recipient), story))
}

fn of_site(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let (id, recipient) = (room.asked.query.get("id"), room.asked.query.get("recipient"));
    let story = find(&room.app.site, id)?;
    let action = room.place("site/trace");
    Ok(show(room.frame(), &room.app.site, None, action, (id, recipient), story))
}
