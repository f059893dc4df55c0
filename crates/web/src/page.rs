//! What every page has in common.

use askama::Template;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'p> {
    title: &'p str,
    text: &'p str,
}

/// Nothing is loaded from anywhere, nobody may frame the page, and the address, which is a key in
/// itself, is told to nobody.
pub const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// A page with its headers.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, HEADERS, Html(html)).into_response(),
        Err(error) => {
            tracing::error!("a page cannot be written: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, HEADERS, "This page cannot be shown.")
                .into_response()
        }
    }
}

/// A page with one sentence.
pub fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &MessagePage { title, text })
}

/// Another page, to be asked for from here.
pub fn see_other(place: &str) -> Response {
    (StatusCode::SEE_OTHER, HEADERS, [(header::LOCATION, place.to_owned())]).into_response()
}

/// An error as a sentence of its own.
pub fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// There is no such page.
pub fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, "Nothing here", "There is no page at this address.")
}

/// Something of ours is broken; the log knows what.
pub fn trouble(error: &dyn std::fmt::Display) -> Response {
    tracing::error!("a page failed: {error}");
    message(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not now",
        "The list server has trouble and could not do this. Nothing was changed; try again later.",
    )
}
