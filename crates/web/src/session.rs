//! The session cookie.

use crate::desk::PageProblem;
use crate::server::App;
use crate::visitor::Visitor;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use dormouse_archive::percent;
use dormouse_clock::Timestamp;
use dormouse_membership::account::{self, Account, Token};
use dormouse_store::{Proved, Store, StoreError};

/// Pages of a neighbouring host cannot set a cookie with the prefix `__Host-` (RFC 6265bis).
fn cookie_name(visitor: &Visitor) -> &'static str {
    if visitor.is_secure { "__Host-dormouse" } else { "dormouse" }
}

/// The visitor's account, if signed in.
pub fn account(store: &Store, visitor: &Visitor) -> Result<Option<Account>, StoreError> {
    match visitor.cookie(cookie_name(visitor)).and_then(Token::parse) {
        Some(token) => Account::open(store.read(), token, Timestamp::now()),
        None => Ok(None),
    }
}

/// Signs in a person who has just proved something, in addition to `earlier`. The response must be
/// given to [`keep`].
pub fn begin(
    app: &App,
    store: &Store,
    visitor: &Visitor,
    earlier: Option<&Account>,
    proved: Proved,
) -> Result<Account, PageProblem> {
    let config = app.site.config();
    let from = (visitor.network.as_str(), visitor.agent.as_str());
    let now = Timestamp::now();
    let account =
        store.write(|tx| account::begin(tx, config, earlier, vec![proved.clone()], from, now))?;
    tracing::info!("signed in as {:?} from {}", proved.proof, visitor.address);
    Ok(account)
}

/// Adds the session cookie to a response.
pub fn keep(
    visitor: &Visitor,
    account: &Account,
    response: Response,
) -> Result<Response, PageProblem> {
    let left = account.session.expires_at - Timestamp::now();
    set(visitor, cookie_name(visitor), account.token.as_str(), left.max(0.0) as u64, response)
}

/// Removes the session cookie.
pub fn forget(visitor: &Visitor, response: Response) -> Result<Response, PageProblem> {
    set(visitor, cookie_name(visitor), "", 0, response)
}

/// The name of the cookie for an attempt to sign in with a provider.
fn attempt_name(visitor: &Visitor) -> &'static str {
    if visitor.is_secure { "__Host-dormouse-oidc" } else { "dormouse-oidc" }
}

/// The browser's cookie of an attempt to sign in with a provider.
pub fn attempt(visitor: &Visitor) -> Option<&str> {
    visitor.cookie(attempt_name(visitor))
}

/// Adds that cookie to a response, for some seconds.
pub fn keep_attempt(
    visitor: &Visitor,
    sealed: &str,
    seconds: u64,
    response: Response,
) -> Result<Response, PageProblem> {
    set(visitor, attempt_name(visitor), sealed, seconds, response)
}

/// Removes that cookie.
pub fn forget_attempt(visitor: &Visitor, response: Response) -> Result<Response, PageProblem> {
    set(visitor, attempt_name(visitor), "", 0, response)
}

/// A cookie for these pages only, which scripts cannot read and other sites' forms do not send.
fn set(
    visitor: &Visitor,
    name: &str,
    value: &str,
    seconds: u64,
    mut response: Response,
) -> Result<Response, PageProblem> {
    let secure = if visitor.is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let value = HeaderValue::try_from(text)
        .map_err(|error| StoreError::Content { what: "a cookie", problem: error.to_string() })?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(response)
}

/// The address for signing in and returning to the requested page.
pub fn sign_in(visitor: &Visitor, again: bool) -> PageProblem {
    let again = if again { "&again=1" } else { "" };
    PageProblem::SignIn(format!("{}signin?next={}{again}", visitor.base, percent(&visitor.here())))
}
