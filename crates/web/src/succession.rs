//! Renames, copies or closes a list, after showing the effects.

use crate::create::mta_hears;
use crate::desk::{Fields, PageProblem, Sent};
use crate::page::{self, Frame};
use crate::seat::{Owns, RunsSite, Seat, list_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_archive::ArchiveError;
use dormouse_membership::RunError;
use dormouse_membership::lists::{self, Closing, Consequences};
use dormouse_store::{FormerName, StoreError};
use dormouse_words::{Text, msgid, say};
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(list_page("/rename/{list}", ask_rename, Some(rename)))
        .merge(list_page("/copy/{list}", ask_copy, Some(copy)))
        .merge(list_page("/close/{list}", ask_close, Some(close)))
}

#[derive(Template)]
#[template(path = "rename.html")]
struct RenamePage {
    frame: Frame,
    list: String,
    address: String,
    action: String,
    back: String,
    new: String,
    means: Option<Consequences>,
    former: Vec<FormerName>,
    said: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "copy.html")]
struct CopyPage {
    frame: Frame,
    list: String,
    action: String,
    back: String,
    new: String,
    owners: String,
    members: bool,
    count: u64,
    problem: String,
}

#[derive(Template)]
#[template(path = "close.html")]
struct ClosePage {
    frame: Frame,
    list: String,
    address: String,
    action: String,
    back: String,
    is_closed: bool,
    closing: Closing,
}

fn status(problem: &str) -> StatusCode {
    if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

/// What to do about an error; `None` if the server failed.
fn advice(error: &RunError) -> Option<String> {
    let is_advice = matches!(
        error,
        RunError::Store(StoreError::Setting(_) | StoreError::ListExists(_))
            | RunError::Archive(ArchiveError::Taken { .. })
    );
    is_advice.then(|| page::sentence(error))
}

fn who<R: crate::seat::Rank>(seat: &Seat<R>) -> String {
    seat.account.as_ref().map(|account| account.name()).unwrap_or_default()
}

fn ask_rename(seat: &Seat<RunsSite>) -> Result<Response, PageProblem> {
    rename_form(seat, "", None, String::new())
}

fn rename_form(
    seat: &Seat<RunsSite>,
    new: &str,
    means: Option<Consequences>,
    problem: String,
) -> Result<Response, PageProblem> {
    let frame = seat.frame();
    let said = match seat.asked.query.get("done") {
        "renamed" => frame.say("The list was renamed.").to_string(),
        "released" => {
            let said = "The name was released. Mail to it no longer reaches this list.";
            frame.say(msgid(said)).to_string()
        }
        _ => String::new(),
    };
    let page = RenamePage {
        frame,
        list: seat.name(),
        address: seat.list.address(),
        action: seat.place("rename"),
        back: seat.place("admin"),
        new: new.to_owned(),
        means,
        former: seat.store.read().former_names(seat.list.id)?,
        said,
        problem,
    };
    Ok(page::page(status(&page.problem), &page))
}

fn rename(seat: &Seat<RunsSite>, sent: &Sent) -> Result<Response, PageProblem> {
    let (site, store, new) = (&seat.app.site, &seat.store, sent.get("new"));
    if let Some(old) = sent.get("do").strip_prefix("forget:") {
        if !lists::forget(store, &seat.list, old)? {
            return Ok(page::not_found());
        }
        tracing::info!("{}: {old} was forgotten on the web by {}", seat.list.name, who(seat));
        let place = format!("{}?done=released", seat.place("rename"));
        return Ok(told(seat, &place, say("The name was released, but there was a problem")));
    }
    let refused = |error: RunError| match advice(&error) {
        Some(advice) => rename_form(seat, new, None, advice),
        None => Err(error.into()),
    };
    if sent.get("do") != "rename" {
        return match lists::consequences(site, store, &seat.list, new) {
            Ok(means) => rename_form(seat, new, Some(means), String::new()),
            Err(error) => refused(error.into()),
        };
    }
    let renamed = match lists::rename(site, store, &seat.list, new) {
        Ok(renamed) => renamed,
        Err(error) => return refused(error),
    };
    tracing::info!("{}: renamed {} on the web by {}", seat.list.name, renamed.name, who(seat));
    let place = seat.room()?.desk(renamed)?.place("rename");
    Ok(told(
        seat,
        &format!("{place}?done=renamed"),
        say("The list was renamed, but there was a problem"),
    ))
}

/// Updates the MTA, and redirects if that succeeded.
fn told(seat: &Seat<RunsSite>, place: &str, otherwise: Text) -> Response {
    match mta_hears(&seat.app, &seat.store) {
        None => page::see_other(place),
        Some(trouble) => page::message(StatusCode::OK, otherwise, page::sentence(&trouble)),
    }
}

fn ask_copy(seat: &Seat<RunsSite>) -> Result<Response, PageProblem> {
    copy_form(seat, None, String::new())
}

fn copy_form(
    seat: &Seat<RunsSite>,
    typed: Option<&Fields>,
    problem: String,
) -> Result<Response, PageProblem> {
    let owners = seat.list.settings.owner.join("\n");
    let page = CopyPage {
        frame: seat.frame(),
        list: seat.name(),
        action: seat.place("copy"),
        back: seat.place("admin"),
        new: typed.map_or("", |typed| typed.get("new")).to_owned(),
        owners: typed.map_or(owners, |typed| typed.get("owners").to_owned()),
        members: typed.is_some_and(|typed| typed.has("members")),
        count: seat.store.read().count_members(seat.list.id)?,
        problem,
    };
    Ok(page::page(status(&page.problem), &page))
}

fn copy(seat: &Seat<RunsSite>, sent: &Sent) -> Result<Response, PageProblem> {
    let owners: Vec<String> = sent
        .get("owners")
        .split([',', '\n', '\r', ' '])
        .filter(|owner| !owner.trim().is_empty())
        .map(str::to_owned)
        .collect();
    let who = who(seat);
    // Owners who are copied from the other list come with its moderators.
    let owners = if owners == seat.list.settings.owner { Vec::new() } else { owners };
    let copy = lists::Copy {
        name: sent.get("new"),
        owners: &owners,
        members: sent.has("members"),
        who: &who,
    };
    match lists::copy(&seat.app.site, &seat.store, &seat.list, copy) {
        Ok((list, _)) => {
            tracing::info!("{}: copied from {} on the web by {who}", list.name, seat.list.name);
            let place = seat.room()?.desk(list)?.place("admin");
            Ok(told(seat, &place, say("The list was created, but there was a problem")))
        }
        Err(error) => match error.advice() {
            Some(advice) => copy_form(seat, Some(sent), page::sentence(&advice)),
            None => Ok(page::trouble(&error)),
        },
    }
}

fn ask_close(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let page = ClosePage {
        frame: seat.frame(),
        list: seat.name(),
        address: seat.list.address(),
        action: seat.place("close"),
        back: seat.place("admin"),
        is_closed: seat.list.settings.closed,
        closing: lists::closing(&seat.app.site, &seat.store, &seat.list)?,
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn close(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let who = who(seat);
    match sent.get("do") {
        "reopen" => {
            lists::reopen(&seat.store, &seat.list)?;
            tracing::info!("{}: opened again on the web by {who}", seat.list.name);
        }
        "close" => {
            let members_stay = sent.get("members") != "go";
            let kept = lists::close(&seat.app.site, &seat.store, &seat.list, members_stay, &who)?;
            let kept = kept.map(|kept| format!("; kept in {}", kept.display())).unwrap_or_default();
            tracing::info!("{}: closed on the web by {who}{kept}", seat.list.name);
        }
        _ => return Ok(page::not_found()),
    }
    Ok(page::see_other(&seat.place("close")))
}
