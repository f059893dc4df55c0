//! What every page has in common: layout, headers, errors.

use crate::visitor::Visitor;
use askama::Template;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dormouse_runners::membership::account::Account;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// The one stylesheet. It stands in every page, so that a page is one answer, and the policy names it
/// by its hash.
pub const STYLE: &str = include_str!("../templates/style.css");

/// Nothing is loaded from anywhere, nothing runs, and nobody may frame the page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    )
});

/// What every page is sent with. Its address, which may be a key in itself, is told to nobody.
pub fn headers() -> HeaderMap {
    let policy = HeaderValue::try_from(POLICY.as_str());
    [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
    .into_iter()
    .chain(policy.ok().map(|policy| (header::CONTENT_SECURITY_POLICY, policy)))
    .collect()
}

/// What stands around a page: where one is, who one is, and where one can go from here.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The path of all pages, with a slash at the end.
    pub base: String,
    /// The page's language.
    pub language: String,
    /// The list that the page is about: its name, and its page.
    pub list: Option<(String, String)>,
    /// Who is signed in.
    pub who: Option<String>,
    /// What the forms of somebody who is signed in carry.
    pub form_key: String,
}

impl Frame {
    /// For somebody, who may be signed in.
    pub fn of(visitor: &Visitor, account: Option<&Account>) -> Frame {
        Frame {
            base: visitor.base.clone(),
            language: "en".to_owned(),
            list: None,
            who: account.map(Account::name),
            form_key: account.map(|account| account.token.form_key()).unwrap_or_default(),
        }
    }
}

/// A page that says one thing, and leads on.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'p> {
    frame: Frame,
    title: &'p str,
    text: &'p str,
}

/// What a page says that says one thing. It is laid out when it is known who reads it.
#[derive(Debug, Clone)]
pub struct Said {
    title: String,
    text: String,
}

/// A page with its headers.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, headers(), Html(html)).into_response(),
        Err(error) => {
            tracing::error!("a page cannot be written: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, headers(), "This page cannot be shown.")
                .into_response()
        }
    }
}

/// A page with one sentence.
pub fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let said = Said { title: title.to_owned(), text: text.to_owned() };
    (status, axum::Extension(said)).into_response()
}

/// What becomes of an answer before it is sent: what says one thing is laid out, and so is what the
/// web server itself says about requests that it did not understand.
pub fn laid_out(visitor: &Visitor, response: Response) -> Response {
    let status = response.status();
    let said = match response.extensions().get::<Said>() {
        Some(said) => said.clone(),
        None => match refused(status) {
            // Pages of ours have a policy.
            Some(said) if !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) => said,
            _ => return response,
        },
    };
    let frame = Frame::of(visitor, None);
    let mut laid_out = page(status, &MessagePage { frame, title: &said.title, text: &said.text });
    for name in [header::ALLOW, header::SET_COOKIE] {
        for value in response.headers().get_all(&name) {
            laid_out.headers_mut().append(name.clone(), value.clone());
        }
    }
    laid_out
}

/// What is said about requests that no page was asked about.
fn refused(status: StatusCode) -> Option<Said> {
    let (title, text) = match status {
        StatusCode::NOT_FOUND => ("Nothing here", "There is no page at this address."),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("Not like this", "This page cannot be asked for in this way.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("Too large", "What was sent is larger than this page takes. Nothing was changed.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "Not understood",
            "This page takes forms as browsers send them, and this was none. Nothing was changed.",
        ),
        status if status.is_client_error() => {
            ("Not understood", "What was sent does not fit this page. Nothing was changed.")
        }
        _ => return None,
    };
    Some(Said { title: title.to_owned(), text: text.to_owned() })
}

/// Another page, to be asked for from here.
pub fn see_other(place: &str) -> Response {
    match HeaderValue::try_from(place) {
        Ok(place) => {
            (StatusCode::SEE_OTHER, headers(), [(header::LOCATION, place)]).into_response()
        }
        Err(error) => trouble(&error),
    }
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
