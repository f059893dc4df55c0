//! Who is signed in: the cookie that a browser carries.

use crate::desk::Problem;
use crate::server::App;
use crate::visitor::Visitor;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use dormouse_archive::percent;
use dormouse_membership::account::{self, Account, Token};
use dormouse_spool::clock;
use dormouse_store::{Proved, Store, StoreError};

/// No page of a neighbouring host can set a cookie of the first name (RFC 6265bis).
fn cookie_name(visitor: &Visitor) -> &'static str {
    if visitor.is_secure { "__Host-dormouse" } else { "dormouse" }
}

/// Who is signed in, if anybody is.
pub fn account(store: &Store, visitor: &Visitor) -> Result<Option<Account>, StoreError> {
    match visitor.cookie(cookie_name(visitor)).and_then(Token::parse) {
        Some(token) => Account::open(store, token, clock::seconds()),
        None => Ok(None),
    }
}

/// Signs somebody in who has just proved something; with `earlier` as what they are, too. The answer
/// must be given to [`keep`].
pub fn begin(
    app: &App,
    store: &Store,
    visitor: &Visitor,
    earlier: Option<&Account>,
    proved: Proved,
) -> Result<Account, Problem> {
    let config = app.site.config();
    let from = (visitor.network.as_str(), visitor.agent.as_str());
    let now = clock::seconds();
    let account =
        store.write(|tx| account::begin(tx, config, earlier, vec![proved.clone()], from, now))?;
    tracing::info!("signed in as {:?} from {}", proved.proof, visitor.address);
    Ok(account)
}

/// Gives the browser the cookie of who is signed in.
pub fn keep(visitor: &Visitor, account: &Account, response: Response) -> Result<Response, Problem> {
    let left = account.session.expires_at - clock::seconds();
    set(visitor, cookie_name(visitor), account.token.as_str(), left.max(0.0) as u64, response)
}

/// Takes the cookie away.
pub fn forget(visitor: &Visitor, response: Response) -> Result<Response, Problem> {
    set(visitor, cookie_name(visitor), "", 0, response)
}

/// The cookie of an attempt to sign in with a provider.
fn attempt_name(visitor: &Visitor) -> &'static str {
    if visitor.is_secure { "__Host-dormouse-oidc" } else { "dormouse-oidc" }
}

/// What the browser keeps of an attempt to sign in with a provider.
pub fn attempt(visitor: &Visitor) -> Option<&str> {
    visitor.cookie(attempt_name(visitor))
}

/// Has the browser keep an attempt for so many seconds.
pub fn keep_attempt(
    visitor: &Visitor,
    sealed: &str,
    seconds: u64,
    response: Response,
) -> Result<Response, Problem> {
    set(visitor, attempt_name(visitor), sealed, seconds, response)
}

/// Ends an attempt.
pub fn forget_attempt(visitor: &Visitor, response: Response) -> Result<Response, Problem> {
    set(visitor, attempt_name(visitor), "", 0, response)
}

/// A cookie for these pages alone, which no script sees and no form of another site sends along.
fn set(
    visitor: &Visitor,
    name: &str,
    value: &str,
    seconds: u64,
    mut response: Response,
) -> Result<Response, Problem> {
    let secure = if visitor.is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let value = HeaderValue::try_from(text)
        .map_err(|error| StoreError::Content { what: "a cookie", problem: error.to_string() })?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(response)
}

/// Where one signs in, to come back to the page that was asked for.
pub fn sign_in(visitor: &Visitor, again: bool) -> Problem {
    let again = if again { "&again=1" } else { "" };
    Problem::SignIn(format!("{}signin?next={}{again}", visitor.base, percent(&visitor.here())))
}
