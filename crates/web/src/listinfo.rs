//! What a list is about, and the way in.

use crate::desk::{Desk, Problem, at};
use crate::page;
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_mail::html;
use dormouse_runners::membership::join::{Wish, hides_members};
use dormouse_runners::membership::{Asked, link};
use dormouse_spool::clock;
use dormouse_store::{Store, SubscribePolicy};
use serde::Deserialize;
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", routing::get(|| to("listinfo")))
        .route("/mailman/", routing::get(|| to("listinfo")))
        .route("/mailman", routing::get(|| to("mailman/listinfo")))
        .merge(at("/listinfo", routing::get(overview)))
        .merge(at("/listinfo/{list}", routing::get(show)))
        .merge(at("/subscribe/{list}", routing::post(subscribe)))
}

/// Another page, told from this one's address: what a web server in front took away from it is
/// not known here.
async fn to(place: &'static str) -> Response {
    page::see_other(place)
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    lists: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "listinfo.html")]
struct ListPage {
    list: String,
    description: String,
    info: String,
    address: String,
    owner: String,
    archive: Option<String>,
    subscribe: String,
    options: String,
    roster: String,
    form: String,
    has_digests: bool,
    /// What is wished for so far.
    email: String,
    fullname: String,
    digest: bool,
    languages: Vec<(String, bool)>,
    note: &'static str,
    said: &'static str,
}

/// What follows when somebody asks to join.
fn note(policy: SubscribePolicy) -> &'static str {
    match policy {
        SubscribePolicy::Open => "",
        SubscribePolicy::Confirm => {
            "You get a mail that asks for a confirmation, so that nobody can do this in your name."
        }
        SubscribePolicy::Approve => {
            "Those who run the list decide on it. You hear of their decision."
        }
        SubscribePolicy::ConfirmAndApprove => {
            "You get a mail that asks for a confirmation. Then those who run the list decide."
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    email: String,
    #[serde(default)]
    fullname: String,
    digest: Option<String>,
    #[serde(default)]
    language: String,
    #[serde(default)]
    form: String,
}

async fn overview(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Response {
    let shown = || -> Result<OverviewPage, Problem> {
        let config = app.site.config();
        let lists = Store::open(&app.site)?.lists()?;
        let host = &visitor.host;
        // Where several hosts have lists, each shows its own.
        let here = |list: &&dormouse_store::List| list.settings.host_name == *host;
        let own = lists.iter().any(|list| here(&list));
        let lists = lists
            .iter()
            .filter(|list| list.settings.advertised && (!own || here(list)))
            .map(|list| {
                let settings = &list.settings;
                let url = list.web_url(config, "listinfo");
                (url, settings.real_name.clone(), settings.description.clone())
            });
        Ok(OverviewPage { lists: lists.collect() })
    };
    match shown() {
        Ok(shown) => page::page(StatusCode::OK, &shown),
        Err(problem) => problem.page(),
    }
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| list_page(desk, &Wanted::default(), ""))
}

/// The page, with a form that says already what is wished for.
fn list_page(desk: &Desk<'_>, wanted: &Wanted, said: &'static str) -> Result<Response, Problem> {
    let (list, config) = (&desk.list, desk.app.site.config());
    let settings = &list.settings;
    let page = ListPage {
        list: desk.name(),
        description: settings.description.clone(),
        // The owners' HTML as text: it may hold anything.
        info: html::to_text(&settings.info).trim().to_owned(),
        address: list.address(),
        owner: list.sub_address("owner"),
        archive: settings.archive.then(|| list.archive_url(config)),
        subscribe: desk.place("subscribe"),
        options: desk.place("options"),
        roster: desk.place("roster"),
        form: link::form(list, &desk.secret()?, &desk.visitor.network, clock::seconds()),
        has_digests: settings.digestable && settings.nondigestable,
        email: wanted.email.trim().to_owned(),
        fullname: wanted.fullname.trim().to_owned(),
        digest: wanted.digest.as_deref().map_or(settings.digest_is_default, |how| how == "1"),
        languages: desk.languages(&wanted.language),
        note: note(settings.subscribe_policy),
        said,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// A form is good for so long, in seconds (Mailman: FORM_LIFETIME).
const FORM_LIFETIME: f64 = 3600.0;

async fn subscribe(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| {
        let (secret, now) = (desk.secret()?, clock::seconds());
        let least = app.site.config().members_form_min_time.duration().as_secs_f64();
        let age = link::form_age(&desk.list, &secret, &visitor.network, &wanted.form, now);
        if !age.is_some_and(|age| (least..=FORM_LIFETIME).contains(&age)) {
            // A form on somebody's own site has no seal, and one that lay open for long an old one.
            let said =
                "Nothing was done yet. Please look it over, and send it once more in a moment.";
            return list_page(desk, &wanted, said);
        }
        let wish = Wish {
            address: wanted.email.trim().to_owned(),
            real_name: wanted.fullname.trim().to_owned(),
            digest: wanted.digest.as_deref().map(|digest| digest == "1"),
            language: desk.language(&wanted.language).unwrap_or_default(),
            ..Wish::default()
        };
        let asked = desk.act(|registry| registry.join_unseen(&wish))??;
        Ok(said(desk, &wish.address, asked))
    })
}

/// What is said: on a list whose members are nobody's business the same for all that could tell
/// who is one.
fn said(desk: &Desk<'_>, address: &str, asked: Asked) -> Response {
    let name = desk.name();
    let neutral = || {
        let text = format!(
            "You get a mail at {address} about your request to join {name}. If it asks for a \
             confirmation, please give it."
        );
        page::message(StatusCode::OK, "Look into your mail", &text)
    };
    match asked {
        _ if hides_members(&desk.list) => neutral(),
        Asked::Confirm => neutral(),
        Asked::Done => page::message(
            StatusCode::OK,
            "Welcome",
            &format!("{address} is a member of {name} now."),
        ),
        Asked::Held => page::message(
            StatusCode::OK,
            "Your request waits",
            &format!("Those who run {name} decide on it. You hear of their decision."),
        ),
    }
}
