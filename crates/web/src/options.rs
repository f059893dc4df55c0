//! A member's own page. A link by mail opens it, or a password from before there were links; what the
//! page sends back carries a sealed text that says for which member and until when it is good, so
//! there is no cookie.

use crate::desk::{Desk, Problem, at};
use crate::page;
use crate::private;
use crate::server::App;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_runners::membership::join::clean_name;
use dormouse_runners::membership::link::{self, Session};
use dormouse_runners::membership::login::LoggedIn;
use dormouse_runners::membership::options::{Change, shown};
use dormouse_runners::membership::{Asked, Refusal};
use dormouse_runners::role::Role;
use dormouse_spool::clock;
use dormouse_store::{List, MemberOption, Roster};
use std::collections::HashMap;
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/options/{list}", routing::get(ask).post(answer)))
        .merge(at("/options/{list}/{address}", routing::get(ask_for).post(answer_for)))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    list: String,
    action: String,
    address: String,
}

/// A question with two answers.
struct Switch {
    name: &'static str,
    text: &'static str,
    on: bool,
}

/// A topic of the list.
struct Topic {
    key: String,
    name: String,
    description: String,
    chosen: bool,
}

/// The list's topics, as [name, pattern, description, …] each; none where they are not in use.
fn topics(list: &List, chosen: &[String]) -> Vec<Topic> {
    let all = list.settings.topics.0.as_array().filter(|_| list.settings.topics_enabled);
    let text = |topic: &serde_json::Value, at: usize| {
        topic.get(at).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let topics = all.into_iter().flatten().enumerate().map(|(number, topic)| {
        let name = text(topic, 0);
        let chosen = chosen.contains(&name);
        Topic { key: format!("topic{number}"), description: text(topic, 2), name, chosen }
    });
    topics.collect()
}

#[derive(Template)]
#[template(path = "options.html")]
struct OptionsPage {
    list: String,
    action: String,
    /// The page of the members, for one who may see them.
    roster: Option<String>,
    session: String,
    is_own: bool,
    address: String,
    real_name: String,
    digest: String,
    has_digests: bool,
    has_single: bool,
    switches: Vec<Switch>,
    topics: Vec<Topic>,
    unmatched: bool,
    archive: Option<String>,
    languages: Vec<(String, bool)>,
    said: String,
    went_wrong: bool,
}

/// Everything that is on or off, and what the page calls it.
const SWITCHES: [(&str, &str); 5] = [
    ("delivery", "Send me mail of this list"),
    ("myposts", "Send me my own posts, too"),
    ("ack", "Tell me when a post of mine went out"),
    ("duplicates", "Send me posts also when they came to me directly"),
    ("hide", "Do not show me among the members"),
];

async fn ask(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
) -> Response {
    login(&app, &visitor, &list, "")
}

/// Mailman's addresses of these pages name the member, as `anna--at--example.org`.
async fn ask_for(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, address)): Path<(String, String)>,
) -> Response {
    login(&app, &visitor, &list, &address.replace("--at--", "@"))
}

fn login(app: &App, visitor: &Visitor, list: &str, address: &str) -> Response {
    Desk::serve(app, visitor, list, |desk| {
        let (list, action) = (desk.name(), desk.place("options"));
        let page = LoginPage { list, action, address: address.to_owned() };
        Ok(page::page(StatusCode::OK, &page))
    })
}

type Fields = HashMap<String, String>;

async fn answer_for(
    state: State<Arc<App>>,
    visitor: Extension<Visitor>,
    Path((list, _)): Path<(String, String)>,
    form: Form<Fields>,
) -> Response {
    answer(state, visitor, Path(list), form).await
}

async fn answer(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(fields): Form<Fields>,
) -> Response {
    Desk::serve(&app, &visitor, &list, |desk| match fields.get("session") {
        Some(session) => change(desk, session, &fields),
        None => {
            let field = |name: &str| fields.get(name).map_or("", |value| value.trim());
            match field("password") {
                "" => send_link(desk, field("email")),
                password => log_in(desk, field("email"), password),
            }
        }
    })
}

/// The same is said to all, whether or not there is such a member, and however often.
fn send_link(desk: &Desk<'_>, address: &str) -> Result<Response, Problem> {
    let sent = desk.act(|registry| registry.send_login(address))?;
    if let Err(refusal) = sent {
        tracing::info!("{}: no link to {address}: {refusal}", desk.list.name);
    }
    Ok(page::message(
        StatusCode::OK,
        "Look into your mail",
        &format!(
            "If this is the address of a member of {}, a link to the options was sent there.",
            desk.name()
        ),
    ))
}

/// The owners' and the site's passwords open any member's page, as in Mailman.
fn log_in(desk: &Desk<'_>, address: &str, password: &str) -> Result<Response, Problem> {
    let roles = [Role::Owner, Role::Site];
    match desk.act(|registry| registry.log_in(&roles, address, password))?? {
        LoggedIn::Member(address) => logged_in(desk, address, true),
        LoggedIn::As(_) => logged_in(desk, address.to_owned(), false),
    }
}

/// The page of a member, for the one who has just shown to be it or to run the list.
pub fn logged_in(desk: &Desk<'_>, address: String, is_own: bool) -> Result<Response, Problem> {
    let session = Session { address, is_own };
    let token = link::session(&desk.list, &desk.secret()?, &session, desk.login_ends());
    let page = show(desk, &token, &session, Ok(String::new()))?;
    private::admit(desk, &session.address, page)
}

fn show(
    desk: &Desk<'_>,
    token: &str,
    session: &Session,
    said: Result<String, Refusal>,
) -> Result<Response, Problem> {
    let address = &session.address;
    let member = desk.store.member(desk.list.id, address)?.ok_or(Refusal::NotMember)?;
    let values = shown(&member);
    let value = |name: &str| values.iter().find(|(word, _)| *word == name).map_or("", |(_, on)| on);
    let went_wrong = said.is_err();
    let page = OptionsPage {
        list: desk.name(),
        action: desk.place("options"),
        roster: (desk.list.settings.private_roster != Roster::Owners).then(|| desk.place("roster")),
        session: token.to_owned(),
        is_own: session.is_own,
        digest: value("digest").to_owned(),
        switches: SWITCHES
            .map(|(name, text)| Switch { name, text, on: value(name) == "on" })
            .into(),
        topics: topics(&desk.list, &desk.store.topics(desk.list.id, address)?),
        unmatched: member.options.has(MemberOption::ReceiveNonmatchingTopics),
        languages: desk.languages(&member.language),
        archive: desk.list.settings.archive.then(|| desk.list.archive_url(desk.app.site.config())),
        has_digests: desk.list.settings.digestable,
        has_single: desk.list.settings.nondigestable,
        address: member.address,
        real_name: member.real_name,
        said: said.unwrap_or_else(|refusal| refusal.to_string()),
        went_wrong,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// Does what the page sent.
fn change(desk: &Desk<'_>, token: &str, fields: &Fields) -> Result<Response, Problem> {
    let secret = desk.secret()?;
    let session = match link::open_session(&desk.list, &secret, token, clock::seconds()) {
        Ok(session) => session,
        Err(error) => {
            return Ok(page::message(
                StatusCode::FORBIDDEN,
                "Please ask for a new link",
                &page::sentence(&error),
            ));
        }
    };
    let address = &session.address;
    let field = |name: &str| fields.get(name).map_or("", |value| value.trim());
    let name = desk.name();
    match field("do") {
        "save" => {
            let said = save(desk, address, fields)?.map(|()| "Your options are saved.".to_owned());
            show(desk, token, &session, said)
        }
        "move" => {
            let new = field("new").to_owned();
            let globally = session.is_own && field("globally") == "on";
            let asked = desk.act(|registry| registry.move_to(address, &new, globally))?;
            let said = asked.map(|()| {
                format!("A mail asks {new} for a confirmation. Until then all stays as it is.")
            });
            show(desk, token, &session, said)
        }
        "leave" => match desk.act(|registry| registry.leave(address, true))?? {
            Asked::Done => Ok(page::message(
                StatusCode::OK,
                "Goodbye",
                &format!("{address} is no member of {name} any more."),
            )),
            _ => Ok(page::message(
                StatusCode::OK,
                "Your request waits",
                &format!("Those who run {name} decide on it."),
            )),
        },
        _ => show(desk, token, &session, Ok(String::new())),
    }
}

fn save(desk: &Desk<'_>, address: &str, fields: &Fields) -> Result<Result<(), Refusal>, Problem> {
    let mut changes = Vec::new();
    for (name, _) in SWITCHES {
        let on = if fields.contains_key(name) { "on" } else { "off" };
        changes.extend(Change::parse(name, on).ok());
    }
    changes.extend(fields.get("digest").and_then(|how| Change::parse("digest", how).ok()));
    let real_name = fields.get("realname").map(|name| clean_name(name)).unwrap_or_default();
    Ok(desk.act(|registry| {
        let mut member = registry.set_options(address, &changes)?;
        member.real_name = real_name;
        if let Some(language) = fields.get("language").and_then(|code| desk.language(code)) {
            member.language = language;
        }
        let topics = topics(registry.list, &[]);
        if !topics.is_empty() {
            let unmatched = fields.contains_key("nmtopics");
            member.options = member.options.with(MemberOption::ReceiveNonmatchingTopics, unmatched);
            let chosen: Vec<String> = topics
                .into_iter()
                .filter(|topic| fields.contains_key(&topic.key))
                .map(|topic| topic.name)
                .collect();
            registry.store.set_topics(registry.list.id, address, &chosen)?;
        }
        registry.store.update_member(registry.list.id, &member, registry.now)?;
        Ok(())
    })?)
}
