//! What all pages share: layout, headers, errors.

use crate::looks::Looks;
use crate::visitor::Visitor;
use crate::words::ToSay;
use askama::Template;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use dormouse_membership::account::Account;
use dormouse_store::Config;
use dormouse_words::{Language, Text, say};
use std::sync::{Arc, LazyLock};

/// The only stylesheet. It is part of every page, so that a page needs one request, and the policy
/// names it by its hash.
pub const STYLE: &str = include_str!("../templates/style.css");

/// The policy for pages of a site without an appearance of its own.
static POLICY: LazyLock<String> = LazyLock::new(|| Looks::of(&Config::default()).policy);

/// The headers of every page. No Referer: the page's address may be a key in itself.
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

/// The layout around a page: the list, the visitor, and links.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The path of all pages, with a slash at the end.
    pub base: String,
    /// The reader's language, which the page is in.
    pub language: Language,
    /// The list of the page: its name and address.
    pub list: Option<(String, String)>,
    /// The visitor's name, if signed in.
    pub who: Option<String>,
    /// The secret in the forms of a person who is signed in.
    pub form_key: String,
    /// How the site looks.
    pub looks: Arc<Looks>,
    /// The owners' text on this page, as harmless HTML.
    pub words: String,
}

impl Frame {
    /// The layout for a visitor, who may be signed in.
    pub fn of(visitor: &Visitor, account: Option<&Account>) -> Frame {
        Frame {
            base: visitor.base.clone(),
            language: account
                .and_then(|account| Language::of(&account.language))
                .unwrap_or(visitor.language),
            list: None,
            who: account.map(Account::name),
            form_key: account.map(|account| account.token.form_key()).unwrap_or_default(),
            looks: Arc::clone(&visitor.looks),
            words: String::new(),
        }
    }
}

impl Frame {
    /// The address of one of our pages: `mine`.
    pub fn page(&self, page: &str) -> String {
        format!("{}{page}", self.base)
    }

    /// The address for signing in again, and returning to one of our pages.
    pub fn confirm_place(&self, page: &str) -> String {
        format!("{0}signin?again=1&next={0}{page}", self.base)
    }
}

/// A page with a message and a link.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'p> {
    frame: Frame,
    title: &'p Text,
    text: &'p Text,
}

/// The content of a page with a message. Its layout is added when the reader is known.
#[derive(Debug, Clone)]
pub struct Said {
    title: Text,
    text: Text,
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

/// A page with one message.
pub fn message(status: StatusCode, title: impl ToSay, text: impl ToSay) -> Response {
    let said = Said { title: title.to_say(), text: text.to_say() };
    (status, axum::Extension(said)).into_response()
}

/// Adds the layout in that language to a response with a message.
pub fn spoken(language: Language, mut response: Response) -> Response {
    response.extensions_mut().insert(language);
    response
}

/// Prepares a response to be sent: adds the layout to messages, including those of the web framework
/// about malformed requests.
pub fn laid_out(visitor: &Visitor, response: Response) -> Response {
    let mut response = with_layout(visitor, response);
    let headers = response.headers_mut();
    let is_page = headers
        .get(header::CONTENT_SECURITY_POLICY)
        .is_some_and(|policy| policy.as_bytes() == POLICY.as_bytes());
    if is_page && let Ok(policy) = HeaderValue::try_from(visitor.looks.policy.as_str()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn with_layout(visitor: &Visitor, response: Response) -> Response {
    let status = response.status();
    let said = match response.extensions().get::<Said>() {
        Some(said) => said.clone(),
        None => match refused(status) {
            // Our own pages have a policy.
            Some(said) if !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) => said,
            _ => return response,
        },
    };
    let mut frame = Frame::of(visitor, None);
    if let Some(language) = response.extensions().get::<Language>() {
        frame.language = *language;
    }
    let mut laid_out = page(status, &MessagePage { frame, title: &said.title, text: &said.text });
    for name in [header::ALLOW, header::SET_COOKIE] {
        for value in response.headers().get_all(&name) {
            laid_out.headers_mut().append(name.clone(), value.clone());
        }
    }
    laid_out
}

/// The message for requests that did not reach a page.
fn refused(status: StatusCode) -> Option<Said> {
    let (title, text) = match status {
        StatusCode::NOT_FOUND => (say("Page not found"), say("There is no page at this address.")),
        StatusCode::METHOD_NOT_ALLOWED => {
            (say("Not possible"), say("This page cannot be requested in this way."))
        }
        StatusCode::PAYLOAD_TOO_LARGE => (
            say("Too large"),
            say("What you sent is larger than this page accepts. Nothing was changed."),
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            say("Not understood"),
            say(
                "This page accepts forms as browsers send them, and this was not one. Nothing was changed.",
            ),
        ),
        status if status.is_client_error() => (
            say("Not understood"),
            say("What you sent does not fit this page. Nothing was changed."),
        ),
        _ => return None,
    };
    Some(Said { title, text })
}

/// A redirect to another page after a form.
pub fn see_other(place: &str) -> Response {
    match HeaderValue::try_from(place) {
        Ok(place) => {
            (StatusCode::SEE_OTHER, headers(), [(header::LOCATION, place)]).into_response()
        }
        Err(error) => trouble(&error),
    }
}

/// An error as a sentence.
pub fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// There is no such page.
pub fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, say("Page not found"), say("There is no page at this address."))
}

/// The page for a failure of the server; the log has the cause.
pub fn trouble(error: &dyn std::fmt::Display) -> Response {
    tracing::error!("a page failed: {error}");
    message(
        StatusCode::SERVICE_UNAVAILABLE,
        say("Not possible at the moment"),
        say(
            "The list server has a problem and could not do this. Nothing was changed. Please try again later.",
        ),
    )
}
