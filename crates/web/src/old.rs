//! Mailman's addresses (docs/spec/web.md), and the pages that replace them. Pages that have kept
//! Mailman's address are not here.

use crate::desk::{PageProblem, at};
use crate::page;
use crate::seat::{Owns, Seat, list_page};
use crate::server::App;
use crate::texts;
use crate::visitor::Visitor;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use axum::{Extension, Router, routing};
use std::sync::Arc;

/// Mailman's categories of a list's settings, and the page that has each; `None` for the list's own
/// page.
const CATEGORIES: [(&str, &str); 14] = [
    ("general", "settings/general"),
    ("passwords", "settings/passwords"),
    ("language", "settings/general"),
    ("members", "members"),
    ("nondigest", "settings/nondigest"),
    ("digest", "settings/digest"),
    ("privacy", "settings/joining"),
    ("bounce", "settings/bounce"),
    ("archive", "settings/archive"),
    ("gateway", "settings/gateway"),
    ("autoreply", "settings/autoreply"),
    ("contentfilter", "settings/contentfilter"),
    ("topics", "settings/topics"),
    ("logout", "account"),
];

/// Mailman's pages that need a list, and where they lead without one.
const WITHOUT_LIST: [(&str, &str); 8] = [
    ("admindb", "moderation"),
    ("options", "mine"),
    ("edithtml", "admin"),
    ("rmlist", "admin"),
    ("roster", "listinfo"),
    ("private", "listinfo"),
    ("confirm", "listinfo"),
    ("subscribe", "listinfo"),
];

/// The addresses.
pub fn routes() -> Router<Arc<App>> {
    let mut routes = Router::new()
        .merge(list_page("/admin/{list}/{category}", category, None))
        .merge(list_page("/admin/{list}/{category}/{sub}", category, None))
        .merge(at("/admindb/{list}/logout", routing::get(logout)))
        .merge(list_page("/edithtml/{list}", to_text, None))
        .merge(list_page("/edithtml/{list}/{template}", to_text, None));
    for (name, page) in WITHOUT_LIST {
        let lead = move |Extension(visitor): Extension<Visitor>| async move {
            page::see_other(&format!("{}{page}", visitor.base))
        };
        routes = routes.merge(at(&format!("/{name}"), routing::get(lead)));
    }
    routes
}

fn category(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    let wanted = seat.asked.part("category");
    let page =
        CATEGORIES.iter().find(|(name, _)| *name == wanted).map_or("admin", |(_, page)| page);
    Ok(page::see_other(&match page {
        "account" => format!("{}account", seat.visitor.base),
        page => match page.split_once('/') {
            // Most of Mailman's privacy pages are about who may post.
            Some((page, _))
                if matches!(seat.asked.part("sub"), "sender" | "recipient" | "spam") =>
            {
                format!("{}/posting", seat.place(page))
            }
            Some((page, group)) => format!("{}/{group}", seat.place(page)),
            None => seat.place(page),
        },
    }))
}

fn to_text(seat: &Seat<Owns>) -> Result<Response, PageProblem> {
    Ok(page::see_other(&texts::place_of(seat, seat.asked.part("template"))))
}

async fn logout(Extension(visitor): Extension<Visitor>, Path(_): Path<String>) -> Response {
    page::see_other(&format!("{}account", visitor.base))
}

/// Handles addresses without a page: Mailman ignored what followed the list's name, and a final slash.
pub async fn elsewhere(method: Method, Extension(visitor): Extension<Visitor>) -> Response {
    const PAGES: [&str; 11] = [
        "admin",
        "admindb",
        "confirm",
        "create",
        "edithtml",
        "listinfo",
        "options",
        "private",
        "rmlist",
        "roster",
        "subscribe",
    ];
    let path = visitor.page.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let kept = parts.len().min(2);
    let shorter = parts[..kept].join("/");
    let is_known = parts.first().is_some_and(|page| PAGES.contains(page));
    if !is_known || shorter == path || !(method == Method::GET || method == Method::HEAD) {
        return page::not_found();
    }
    page::see_other(&format!("{}{shorter}", visitor.base))
}
