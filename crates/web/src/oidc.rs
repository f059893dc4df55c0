//! Signing in with the site's OpenID provider.
//!
//! The state of an attempt is in a sealed cookie, so that a response counts only in the browser that
//! started it, and once.

use crate::desk::{Fields, PageProblem, at, blocking};
use crate::page;
use crate::provider::{Attempt, Client, Provider, Trouble};
use crate::server::App;
use crate::session;
use crate::signin::goal;
use crate::visitor::Visitor;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_mail::address::Address;
use dormouse_membership::{self as membership, password, seal};
use dormouse_store::{Proof, Proved, Store, StoreError};
use dormouse_words::say;
use std::sync::Arc;

/// The purpose of the cookie's seal.
const PURPOSE: &str = "oidc";
/// How long signing in with the provider may take, in seconds.
const PATIENCE: u64 = 600;
/// The length of random values, in letters of an alphabet of 32: 215 bits.
const LENGTH: usize = 43;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/oidc", routing::get(begin)))
        .merge(at("/oidc/callback", routing::get(answer)))
}

/// The provider's name for the button, if the site has one.
pub fn name(app: &App) -> Option<String> {
    let config = app.site.config();
    let (issuer, name) = (config.web_oidc_issuer.trim(), config.web_oidc_name.trim());
    let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let name = if name.is_empty() { host.split('/').next().unwrap_or_default() } else { name };
    (!issuer.is_empty()).then(|| name.to_owned())
}

fn secret(store: &Store) -> Result<Vec<u8>, StoreError> {
    match store.read().existing_secret(membership::SECRET)? {
        Some(secret) => Ok(secret),
        None => store.write(|tx| tx.secret(membership::SECRET)),
    }
}

fn refused(trouble: &Trouble) -> Response {
    tracing::error!("nobody was signed in by the provider (web.oidc_issuer): {trouble}");
    let text = match trouble {
        Trouble::Unverified => say(
            "The provider did not confirm that the email address is yours. Sign in with a link by email.",
        ),
        _ => say(
            "The provider could not be asked, or its answer was not valid. Sign in with a link by email, or try again later.",
        ),
    };
    page::message(StatusCode::BAD_GATEWAY, say("Not signed in"), text)
}

fn start_again() -> Response {
    page::message(
        StatusCode::FORBIDDEN,
        say("Not signed in"),
        say(
            "This answer of the provider does not belong to a sign-in that was started in this browser a short while ago. Please start again.",
        ),
    )
}

async fn begin(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(query): Form<Vec<(String, String)>>,
) -> Response {
    blocking(move || {
        let begun = || -> Result<Response, PageProblem> {
            let client = match Client::of(&app.site) {
                Ok(Some(client)) => client,
                Ok(None) => return Ok(page::not_found()),
                Err(trouble) => return Ok(refused(&trouble)),
            };
            let provider = match Provider::discover(&client) {
                Ok(provider) => provider,
                Err(trouble) => return Ok(refused(&trouble)),
            };
            let mut random = [String::new(), String::new(), String::new()];
            for text in &mut random {
                match password::random(LENGTH) {
                    Ok(made) => *text = made,
                    Err(problem) => return Ok(page::trouble(&problem)),
                }
            }
            let [state, nonce, verifier] = random;
            let store = Store::open(&app.site)?;
            let until = (Timestamp::now().seconds() as u64 + PATIENCE).to_string();
            let next = goal(&visitor, Fields(query).get("next"));
            let fields = [&*state, &*nonce, &*verifier, &*until, &*next];
            let sealed = seal::seal(&secret(&store)?, PURPOSE, &fields);
            let attempt = Attempt { state, nonce, verifier };
            let away = page::see_other(&provider.place(&client, &attempt));
            session::keep_attempt(&visitor, &sealed, PATIENCE, away)
        };
        begun().unwrap_or_else(PageProblem::page)
    })
    .await
}

/// The attempt that this browser started, and the page to go on to.
fn attempt(store: &Store, visitor: &Visitor) -> Result<Option<(Attempt, String)>, StoreError> {
    let Some(sealed) = session::attempt(visitor) else { return Ok(None) };
    let fields = seal::open(&secret(store)?, PURPOSE, sealed);
    let Some([state, nonce, verifier, until, next]) =
        fields.and_then(|fields| <[String; 5]>::try_from(fields).ok())
    else {
        return Ok(None);
    };
    let is_over =
        until.parse::<u64>().is_ok_and(|until| (Timestamp::now().seconds() as u64) > until);
    Ok((!is_over).then_some((Attempt { state, nonce, verifier }, next)))
}

async fn answer(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(query): Form<Vec<(String, String)>>,
) -> Response {
    blocking(move || {
        let signed_in = || -> Result<Response, PageProblem> {
            let store = Store::open(&app.site)?;
            let Some((attempt, next)) = attempt(&store, &visitor)? else {
                return Ok(start_again());
            };
            // The provider is only contacted for the browser that started the attempt.
            let query = Fields(query);
            let (state, code) = (query.get("state"), query.get("code"));
            if state.is_empty() || state != attempt.state || code.is_empty() {
                return session::forget_attempt(&visitor, start_again());
            }
            let asked = || -> Result<Option<String>, Trouble> {
                let Some(client) = Client::of(&app.site)? else { return Ok(None) };
                let provider = Provider::discover(&client)?;
                provider.address(&client, &attempt, code).map(Some)
            };
            let address = match asked() {
                Ok(Some(address)) => AddressKey::of(&address),
                Ok(None) => return Ok(page::not_found()),
                Err(trouble) => return session::forget_attempt(&visitor, refused(&trouble)),
            };
            if Address::parse(&address).is_err() {
                return session::forget_attempt(&visitor, refused(&Trouble::Unverified));
            }
            let account = session::account(&store, &visitor)?;
            // Two people who share a computer must not share a session.
            let earlier =
                account.filter(|account| account.addresses().any(|known| *known == address));
            let proof = Proof::Address(address);
            let proved = Proved { proof, fingerprint: String::new(), at: Timestamp::now() };
            let begun = session::begin(&app, &store, &visitor, earlier.as_ref(), proved)?;
            let on = session::keep(&visitor, &begun, page::see_other(&goal(&visitor, &next)))?;
            session::forget_attempt(&visitor, on)
        };
        signed_in().unwrap_or_else(PageProblem::page)
    })
    .await
}
