//! The page of a list, where people join it, and the overview of lists.

use crate::desk::{Desk, LanguageChoice, PageProblem, at, blocking, evenly};
use crate::page::{self, Frame};
use crate::prose;
use crate::roster::{Address, breakable};
use crate::server::App;
use crate::session;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_clock::Timestamp;
use dormouse_membership::join::{Wish, hides_members};
use dormouse_membership::{Asked, link};
use dormouse_store::{Store, SubscribePolicy};
use dormouse_words::{Language, Text, say};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", routing::get(|| to("listinfo")))
        .route("/mailman/", routing::get(|| to("listinfo")))
        .route("/mailman", routing::get(|| to("mailman/listinfo")))
        .merge(at("/listinfo", routing::get(overview)))
        .merge(at("/listinfo/", routing::get(|| to("../listinfo"))))
        .merge(at("/listinfo/{list}", routing::get(show).post(show)))
        .merge(at("/subscribe/{list}", routing::get(lead).post(subscribe)))
}

/// A redirect relative to this page's address: the web server in front may have removed a prefix that
/// is not known here.
async fn to(place: &'static str) -> Response {
    page::see_other(place)
}

/// Mailman's page only handled a form. A visitor who opens it gets the form.
async fn lead(Path(list): Path<String>) -> Response {
    page::see_other(&format!("../listinfo/{}", dormouse_archive::percent(&list)))
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    host: String,
    lists: Vec<Line>,
}

/// A list in the overview.
struct Line {
    url: String,
    name: String,
    description: String,
    archive: Option<String>,
}

#[derive(Template)]
#[template(path = "listinfo.html")]
struct ListPage {
    frame: Frame,
    list: String,
    description: String,
    /// HTML without anything that runs, loads or misleads.
    info: String,
    address: String,
    shown: Address,
    owner: String,
    archive: Option<String>,
    search: String,
    subscribe: String,
    options: String,
    roster: String,
    form: String,
    has_digests: bool,
    is_closed: bool,
    /// The input so far.
    email: String,
    fullname: String,
    digest: bool,
    languages: Vec<LanguageChoice>,
    /// What happens after a request to join.
    note: Option<Text>,
    said: Option<Text>,
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
    /// A field that people do not see; programs fill it in.
    #[serde(default)]
    website: String,
}

async fn overview(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Response {
    blocking(move || {
        let shown = || -> Result<Response, PageProblem> {
            let config = app.site.config();
            let store = Store::open(&app.site)?;
            let account = session::account(&store, &visitor)?;
            let host = &visitor.host;
            // If several hosts have lists, each shows its own.
            let mut own = false;
            let mut lines = Vec::new();
            for list in store.read().iter_lists() {
                let list = list?;
                let settings = &list.settings;
                let is_here = settings.host_name == *host;
                own |= is_here;
                if !settings.advertised {
                    continue;
                }
                let shows = settings.archive && !settings.archive_private;
                let line = Line {
                    url: list.web_url(config, "listinfo"),
                    name: settings.real_name.clone(),
                    description: settings.description.clone(),
                    archive: shows.then(|| list.archive_url(config)),
                };
                lines.push((is_here, line));
            }
            let lists = lines.into_iter().filter(|(is_here, _)| !own || *is_here);
            let page = OverviewPage {
                frame: Frame::of(&visitor, account.as_ref()),
                host: if own { host.clone() } else { config.host.clone() },
                lists: lists.map(|(_, line)| line).collect(),
            };
            Ok(page::page(StatusCode::OK, &page))
        };
        shown().unwrap_or_else(PageProblem::page)
    })
    .await
}

async fn show(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| list_page(desk, &wanted, false)).await
}

/// What happens after a request to join.
fn note(policy: SubscribePolicy) -> Option<Text> {
    Some(match policy {
        SubscribePolicy::Open => return None,
        SubscribePolicy::Confirm => say(
            "You will get an email asking you to confirm, so that nobody can subscribe you against your will.",
        ),
        SubscribePolicy::Approve => {
            say("The list's moderators decide on your request and let you know.")
        }
        SubscribePolicy::ConfirmAndApprove => say(
            "You will get an email asking you to confirm. The list's moderators then decide on your request.",
        ),
    })
}

/// The page, with the form as it was filled in. It is in the list's language, or in the one that was
/// requested.
fn list_page(desk: &Desk, wanted: &Wanted, comes_back: bool) -> Result<Response, PageProblem> {
    let list = &desk.list;
    let settings = &list.settings;
    let asked = desk.language(&wanted.language).filter(|_| !comes_back);
    let language = asked.and_then(|code| Language::of(&code)).unwrap_or(desk.language);
    let page = ListPage {
        frame: Frame {
            language,
            words: desk.words("page-join", language).unwrap_or_default(),
            ..desk.frame()
        },
        list: desk.name(),
        description: settings.description.clone(),
        info: desk.words("page-listinfo", language).unwrap_or_else(|| prose::shown(&settings.info)),
        address: list.address(),
        shown: breakable(&list.address()),
        owner: list.sub_address("owner"),
        archive: desk.archive(),
        search: desk.place("search"),
        subscribe: desk.place("subscribe"),
        options: desk.place("options"),
        roster: desk.place("roster"),
        form: link::form(list, &desk.secret()?, &desk.visitor.network, Timestamp::now()),
        is_closed: settings.closed,
        has_digests: settings.digestable && settings.nondigestable,
        email: wanted.email.trim().to_owned(),
        fullname: wanted.fullname.trim().to_owned(),
        digest: wanted.digest.as_deref().map_or(settings.digest_is_default, |how| how == "1"),
        languages: desk.languages(&wanted.language),
        note: note(settings.subscribe_policy),
        said: comes_back.then(|| {
            say("Nothing has been done yet. Please check your entries and send them again.")
        }),
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// How long a form is valid, in seconds (Mailman: FORM_LIFETIME).
const FORM_LIFETIME: f64 = 3600.0;

/// What to do with a form.
enum Fate {
    /// Show it again: its seal is missing or too old, or the hidden field is filled in.
    Back(Response),
    /// Carry it out, but not before this time has passed.
    Good { wait: Duration, wish: Wish, neutral: Response, is_neutral: bool },
}

async fn subscribe(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Response {
    let looked = {
        let (app, visitor, list) = (Arc::clone(&app), visitor.clone(), list.clone());
        tokio::task::spawn_blocking(move || fate(&Desk::of(&app, &visitor, &list)?, &wanted)).await
    };
    let (wait, wish, neutral, is_neutral) = match looked {
        Ok(Ok(Fate::Good { wait, wish, neutral, is_neutral })) => (wait, wish, neutral, is_neutral),
        Ok(Ok(Fate::Back(page))) => return page,
        Ok(Err(problem)) => return problem.page(),
        Err(error) => return page::trouble(&error),
    };
    // A browser may fill in a form faster than a person; then the server waits.
    tokio::time::sleep(wait).await;
    let work = {
        let app = Arc::clone(&app);
        move || {
            let desk = Desk::of(&app, &visitor, &list)?;
            let asked = desk.act(|registry| registry.join_unseen(&wish))??;
            Ok::<_, PageProblem>((!is_neutral).then(|| said(&desk, &wish.address, asked)))
        }
    };
    if is_neutral {
        return evenly(&app, work, neutral).await;
    }
    blocking(move || work().map_or_else(PageProblem::page, |said| said.unwrap_or(neutral))).await
}

fn fate(desk: &Desk, wanted: &Wanted) -> Result<Fate, PageProblem> {
    let visitor = &desk.visitor;
    let least = desk.app.site.config().members_form_min_time.duration();
    let secret = desk.secret()?;
    let age = link::form_age(&desk.list, &secret, &visitor.network, &wanted.form, Timestamp::now());
    let age = age.filter(|age| (0.0..=FORM_LIFETIME).contains(age) && wanted.website.is_empty());
    let Some(age) = age else {
        // A form on another site has no seal, and one that was open for long has an old one.
        return Ok(Fate::Back(list_page(desk, wanted, true)?));
    };
    let wait = if visitor.is_browser_on_our_page {
        Duration::ZERO
    } else {
        least.saturating_sub(Duration::try_from_secs_f64(age).unwrap_or_default())
    };
    let wish = Wish {
        address: wanted.email.trim().to_owned(),
        real_name: wanted.fullname.trim().to_owned(),
        digest: wanted.digest.as_deref().map(|digest| digest == "1"),
        language: desk.language(&wanted.language).unwrap_or_default(),
        ..Wish::default()
    };
    let neutral = said(desk, &wish.address, Asked::Confirm);
    Ok(Fate::Good { wait, wish, neutral, is_neutral: hides_members(&desk.list) })
}

/// The words for the visitor. If the list hides its members, they are the same for all outcomes that
/// could show who is one.
fn said(desk: &Desk, address: &str, asked: Asked) -> Response {
    let name = desk.name();
    let list = &desk.list;
    let joined = || {
        let text = say("{address} is now a member of {list}.");
        page::message(
            StatusCode::OK,
            say("Welcome"),
            text.with("address", address).with("list", &name),
        )
    };
    let waits = |text: Text| {
        page::message(
            StatusCode::OK,
            say("Your request is waiting for a moderator"),
            text.with("list", &name),
        )
    };
    let said = match (asked, list.settings.subscribe_policy) {
        // An address that was a member before is one now, too.
        (_, SubscribePolicy::Open) => joined(),
        // No mail is sent before the decision; that must not show here.
        (_, SubscribePolicy::Approve) if hides_members(list) => waits(say(
            "The moderators of {list} decide on it, unless they already have. You will hear from them.",
        )),
        (Asked::Confirm, _) => {
            let text = say(
                "You will get an email at {address} about your request to join {list}. If it asks you \
                 to confirm, please do.",
            );
            page::message(
                StatusCode::OK,
                say("Check your email"),
                text.with("address", address).with("list", &name),
            )
        }
        (Asked::Done, _) => joined(),
        (Asked::Held, _) => waits(say("The moderators of {list} decide on it and let you know.")),
    };
    page::spoken(desk.language, said)
}
