//! Owners remove a message from a list's archive, or mask words in it.

use crate::desk::{PageProblem, Sent};
use crate::page::{self, Frame};
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_archive::source::{self, SourcePurpose};
use dormouse_archive::{Archive, ArchiveError, Redaction};
use dormouse_mail::{Message, mime};
use dormouse_membership::RunError;
use dormouse_runners::digest;
use dormouse_words::{msgid, say};
use std::sync::Arc;

/// The length of the excerpt, in characters.
const SHOWN: usize = 4_000;

/// The page.
pub fn routes() -> Router<Arc<App>> {
    list_page("/removal/{list}/{number}", ask, Some(act))
}

#[derive(Template)]
#[template(path = "removal.html")]
struct RemovalPage {
    frame: Frame,
    list: String,
    action: String,
    archive: String,
    from: String,
    date: String,
    subject: String,
    text: String,
    words: String,
    problem: &'static str,
}

fn number(seat: &Seat<Owns>) -> Option<i64> {
    seat.asked.part("number").parse().ok()
}

fn ask(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    form(seat, "", "")
}

/// The page, with the words that were typed and why they were not masked.
fn form(seat: &Seat<Owns>, words: &str, problem: &'static str) -> Result<Response, PageProblem> {
    let Some(number) = number(seat) else { return Ok(page::not_found()) };
    let found = source::public(&seat.app.site, &seat.list, number, SourcePurpose::Program)
        .map_err(RunError::from)?;
    let Some(bytes) = found else { return Ok(gone()) };
    let message = Message::parse(bytes);
    let text = mime::first_text(&message).unwrap_or_default();
    let page = RemovalPage {
        frame: seat.frame(),
        list: seat.name(),
        action: format!("{}/{number}", seat.place("removal")),
        archive: seat.list.archive_url(seat.app.site.config()),
        from: message.text("From").unwrap_or_default(),
        date: message.text("Date").unwrap_or_default(),
        subject: message.text("Subject").unwrap_or_default(),
        text: crate::preview::cut(&text, SHOWN).0,
        words: words.to_owned(),
        problem,
    };
    let status = match problem {
        "" => StatusCode::OK,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok(page::page(status, &page))
}

fn gone() -> Response {
    page::message(
        StatusCode::GONE,
        say("Nothing to remove"),
        say("The archive has no such message."),
    )
}

fn act(seat: &Seat<Owns>, sent: &Sent) -> Result<Response, PageProblem> {
    let Some(number) = number(seat) else { return Ok(page::not_found()) };
    let done = match sent.get("do") {
        "remove" => remove(seat, number),
        "redact" => redact(seat, number, sent.get("words")),
        _ => return Err(PageProblem::StaleForm),
    };
    match done {
        Err(PageProblem::Broken(RunError::Archive(error @ ArchiveError::Busy(_)))) => {
            tracing::info!("{error}");
            Ok(page::message(
                StatusCode::CONFLICT,
                say("Not now"),
                say("The archive is being rebuilt. Try again when that is done."),
            ))
        }
        done => done,
    }
}

fn open(seat: &Seat<Owns>) -> Result<Archive<'_>, PageProblem> {
    Ok(Archive::open(&seat.app.site, &seat.list).map_err(RunError::from)?)
}

fn note(seat: &Seat<Owns>, number: i64, done: &str) {
    let who = seat.account.as_ref().map(|account| account.name()).unwrap_or_default();
    tracing::info!("{}: message {number} {done} in the archive by {who}", seat.list.name);
}

fn remove(seat: &Seat<Owns>, number: i64) -> Result<Response, PageProblem> {
    let removed = open(seat)?.remove_number(number).map_err(RunError::from)?;
    let Some(id) = removed else { return Ok(gone()) };
    digest::take_out(&seat.store, &seat.list, &id)?;
    note(seat, number, "removed");
    Ok(page::message(
        StatusCode::OK,
        say("Removed"),
        say(
            "The message is out of the archive, with its attachments. Its page says that it was removed.",
        ),
    ))
}

/// Masks words, one on each line of the form.
fn redact(seat: &Seat<Owns>, number: i64, typed: &str) -> Result<Response, PageProblem> {
    let words: Vec<String> =
        typed.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if words.is_empty() {
        return form(seat, typed, msgid("There are no words to mask."));
    }
    match open(seat)?.redact(number, &words).map_err(RunError::from)? {
        Redaction::NoMessage => Ok(gone()),
        Redaction::Nowhere => form(seat, typed, msgid("The message does not contain these words.")),
        Redaction::Impossible => form(
            seat,
            typed,
            msgid(
                "The words also occur where they cannot be masked, such as the subject. You can remove the message instead.",
            ),
        ),
        Redaction::Done => {
            note(seat, number, "redacted");
            Ok(page::message(
                StatusCode::OK,
                say("Masked"),
                say(
                    "The words are masked in the message, its attached texts and the search. Quotes of it stay in other messages.",
                ),
            ))
        }
    }
}
