//! A member's own page on one list, for the member; the list's owners see and change it, too.

use crate::desk::{Desk, Fields, LanguageChoice, PageProblem, Sent, at, evenly};
use crate::page::{self, Frame};
use crate::server::App;
use crate::visitor::Visitor;
use crate::{session, signin};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_mail::AddressKey;
use dormouse_membership::account::{Power, Standing};
use dormouse_membership::join::clean_name;
use dormouse_membership::options::{OptionChange, shown};
use dormouse_membership::{Asked, Refusal};
use dormouse_store::{List, Member, MemberOption, Roster};
use dormouse_words::{Text, msgid, say};
use std::rc::Rc;
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/options/{list}", routing::get(ask).post(answer)))
        .merge(at("/options/{list}/{address}", routing::get(ask_for).post(answer_for)))
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

/// The list's topics, as [name, pattern, description, …] each; empty if they are not enabled.
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
    frame: Frame,
    list: String,
    action: String,
    /// The page of the members, if the visitor may see them.
    roster: Option<String>,
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
    languages: Vec<LanguageChoice>,
    said: String,
    went_wrong: bool,
}

/// All options that are on or off, with their labels.
pub const SWITCHES: [(&str, &str); 5] = [
    ("delivery", msgid("Send me the mail of this list")),
    ("myposts", msgid("Send me my own posts")),
    ("ack", msgid("Confirm when my posts have been sent")),
    ("duplicates", msgid("Send me posts even if they were also addressed to me directly")),
    ("hide", msgid("Hide me from the list of members")),
];

async fn ask(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
) -> Response {
    Desk::serve(app, visitor, list, |desk| first(desk, "")).await
}

/// In Mailman, the addresses of these pages name the member, as `anna--at--example.org`.
async fn ask_for(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((list, address)): Path<(String, String)>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| first(desk, &address.replace("--at--", "@"))).await
}

fn first(desk: &Desk, address: &str) -> Result<Response, PageProblem> {
    match whose(desk, address)? {
        Some(subject) => show(desk, &subject, Ok(Text::default())),
        None => {
            let text = say(
                "You are signed in, but not as a member of {list}. To join, go to the page of the \
                 list. If you are a member with another address, sign in with it.",
            );
            Ok(page::message(StatusCode::OK, say("Not a member"), text.with("list", desk.name())))
        }
    }
}

/// Whose options are shown, and to whom.
struct Subject {
    member: Member,
    /// Whether the member is the visitor: only the member changes something on other lists.
    is_own: bool,
}

/// The member whose page the visitor may see: the visitor or, for an owner, the member in the address.
/// An anonymous visitor is sent to sign in.
fn whose(desk: &Desk, address: &str) -> Result<Option<Subject>, PageProblem> {
    if desk.account.is_none() {
        return Err(desk.sign_in());
    }
    let own = desk.member()?;
    if !address.is_empty()
        && own.as_ref().is_none_or(|own| !own.address.eq_ignore_ascii_case(address))
        && desk.standing(Power::Owner) != Standing::HasNot
    {
        if desk.standing(Power::Owner) == Standing::MustShowAgain {
            return Err(session::sign_in(&desk.visitor, true));
        }
        let member = desk.store.read().member(desk.list.id, address)?.ok_or(Refusal::NotMember)?;
        return Ok(Some(Subject { member, is_own: false }));
    }
    Ok(own.map(|member| Subject { member, is_own: true }))
}

async fn answer_for(
    state: State<Arc<App>>,
    visitor: Extension<Visitor>,
    Path((list, address)): Path<(String, String)>,
    form: Form<Vec<(String, String)>>,
) -> Response {
    reply(state, visitor, list, address.replace("--at--", "@"), form).await
}

async fn answer(
    state: State<Arc<App>>,
    visitor: Extension<Visitor>,
    Path(list): Path<String>,
    form: Form<Vec<(String, String)>>,
) -> Response {
    reply(state, visitor, list, String::new(), form).await
}

/// Handles one of our forms, a request for a link, or a password, which Mailman's page accepted.
async fn reply(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    list: String,
    address: String,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let fields = Fields(fields);
    // Mailman's button for the other lists.
    if fields.has("othersubs") {
        return page::see_other(&format!("{}mine", visitor.base));
    }
    if fields.has("do") {
        return Desk::serve(app, visitor, list, move |desk| {
            let account = desk.account.as_ref().ok_or_else(|| desk.sign_in())?;
            let sent = Sent::check(account, &desk.visitor, fields)?;
            let subject = whose(desk, &address)?.ok_or(Refusal::NotMember)?;
            change(desk, &subject, &sent)
        })
        .await;
    }
    let email = match fields.get("email") {
        "" => address,
        email => email.to_owned(),
    };
    if !fields.get("password").is_empty() {
        return Desk::serve(app, visitor, list, move |desk| {
            log_in(desk, &email, fields.get("password"))
        })
        .await;
    }
    send_link(app, visitor, list, email).await
}

/// The response is the same and takes the same time, whether or not the member exists.
async fn send_link(app: Arc<App>, visitor: Visitor, list: String, address: String) -> Response {
    let asked = {
        let (app, visitor) = (Arc::clone(&app), visitor.clone());
        tokio::task::spawn_blocking(move || {
            let desk = Desk::of(&app, &visitor, &list)?;
            Ok::<_, PageProblem>((list, desk.name(), desk.language))
        })
        .await
    };
    let (list, name, language) = match asked {
        Ok(Ok(found)) => found,
        Ok(Err(problem)) => return problem.page(),
        Err(error) => return page::trouble(&error),
    };
    let said = page::message(
        StatusCode::OK,
        say("Check your email"),
        say("If this is the address of a member of {list}, a link to the options was sent there.")
            .with("list", name),
    );
    let said = page::spoken(language, said);
    let work = {
        let app = Arc::clone(&app);
        move || {
            let desk = Desk::of(&app, &visitor, &list)?;
            desk.act(|registry| registry.send_login(&address))??;
            Ok(None)
        }
    };
    evenly(&app, work, said).await
}

/// As in Mailman, the owners' and the site's passwords open any member's page.
fn log_in(desk: &mut Desk, address: &str, password: &str) -> Result<Response, PageProblem> {
    signin::with_password(desk, &signin::KEEPERS, address, password)??;
    let response = first(desk, address)?;
    let account = desk.account.as_ref().ok_or(PageProblem::StaleForm)?;
    session::keep(&desk.visitor, account, response)
}

fn show(
    desk: &Desk,
    subject: &Subject,
    said: Result<Text, Refusal>,
) -> Result<Response, PageProblem> {
    let address = &subject.member.address;
    // Read again after the change.
    let member = desk.store.read().member(desk.list.id, address)?.ok_or(Refusal::NotMember)?;
    let values = shown(&member);
    let value = |name: &str| values.iter().find(|(word, _)| *word == name).map_or("", |(_, on)| on);
    let went_wrong = said.is_err();
    let page = OptionsPage {
        frame: desk.frame_with("page-options"),
        list: desk.name(),
        action: if subject.is_own {
            desk.place("options")
        } else {
            let url = desk.list.options_url(desk.app.site.config(), address);
            format!("{}/{}", desk.place("options"), url.rsplit('/').next().unwrap_or_default())
        },
        roster: (desk.list.settings.private_roster != Roster::Owners).then(|| desk.place("roster")),
        is_own: subject.is_own,
        digest: value("digest").to_owned(),
        switches: SWITCHES
            .map(|(name, text)| Switch { name, text, on: value(name) == "on" })
            .into(),
        topics: topics(&desk.list, &desk.store.read().topics(desk.list.id, address)?),
        unmatched: member.options.has(MemberOption::ReceiveNonmatchingTopics),
        languages: desk.languages(&member.language),
        archive: desk.archive(),
        has_digests: desk.list.settings.digestable,
        has_single: desk.list.settings.nondigestable,
        address: member.address,
        real_name: member.real_name,
        said: desk.frame().tell(&said.unwrap_or_else(|refusal| refusal.text())).to_string(),
        went_wrong,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// Carries out a submitted form.
fn change(desk: &Desk, subject: &Subject, sent: &Sent) -> Result<Response, PageProblem> {
    let address = &subject.member.address;
    let name = desk.name();
    match sent.get("do") {
        "save" => {
            let saved = save(desk, address, sent)?;
            let globally = saved.is_ok() && is_global(desk, subject, sent);
            if globally {
                save_elsewhere(desk, address, sent)?;
            }
            let said = saved.map(|()| match globally {
                true => say("Your options are saved on all your lists."),
                false => say("Your options are saved."),
            });
            show(desk, subject, said)
        }
        "move" => {
            let new = sent.get("new").to_owned();
            let globally = is_global(desk, subject, sent);
            let asked = desk.act(|registry| registry.move_to(address, &new, globally))?;
            let said = asked.map(|()| {
                say("An email was sent to {address} to confirm it. Nothing changes until then.")
                    .with("address", &new)
            });
            show(desk, subject, said)
        }
        "leave" => match desk.act(|registry| registry.leave(address, true))?? {
            Asked::Done => Ok(page::message(
                StatusCode::OK,
                say("Goodbye"),
                say("{address} is no longer a member of {list}.")
                    .with("address", address)
                    .with("list", &name),
            )),
            _ => Ok(page::message(
                StatusCode::OK,
                say("Your request is waiting for a moderator"),
                say("The moderators of {list} decide on it and let you know.").with("list", &name),
            )),
        },
        _ => show(desk, subject, Ok(Text::default())),
    }
}

/// Whether something applies to all lists and the visitor is the member: a password is valid only for
/// its own list.
fn is_global(desk: &Desk, subject: &Subject, sent: &Sent) -> bool {
    let key = AddressKey::of(&subject.member.address);
    let is_proved =
        || desk.account.as_ref().is_some_and(|known| known.addresses().any(|a| *a == key));
    subject.is_own && sent.get("globally") == "on" && is_proved()
}

/// The changes in a form: options that are on or off, and digests.
fn changes(sent: &Sent) -> Vec<OptionChange> {
    let mut changes = Vec::new();
    for (name, _) in SWITCHES {
        let on = if sent.has(name) { "on" } else { "off" };
        changes.extend(OptionChange::parse(name, on).ok());
    }
    if sent.has("digest") {
        changes.extend(OptionChange::parse("digest", sent.get("digest")).ok());
    }
    changes
}

/// Repeats the changes on the member's other lists. A list that refuses one gets the others.
fn save_elsewhere(desk: &Desk, address: &str, sent: &Sent) -> Result<(), PageProblem> {
    for id in desk.store.read().lists_of(address)?.into_iter().filter(|id| *id != desk.list.id) {
        let Some(list) = desk.store.read().list_by_id(id)? else { continue };
        let store = Rc::clone(&desk.store);
        let other = Desk::new(&desk.app, store, list, &desk.visitor, desk.account.clone())?;
        for change in changes(sent) {
            let done = other.act(|registry| registry.set_options(address, &[change]))?;
            if let Err(refusal) = done {
                tracing::debug!("{}: {refusal}", other.list.name);
            }
        }
    }
    Ok(())
}

fn save(desk: &Desk, address: &str, sent: &Sent) -> Result<Result<(), Refusal>, PageProblem> {
    let changes = changes(sent);
    let real_name = clean_name(sent.get("realname"));
    Ok(desk.act(|registry| {
        let mut member = registry.set_options(address, &changes)?;
        member.real_name = real_name;
        if let Some(language) = desk.language(sent.get("language")) {
            member.language = language;
        }
        let topics = topics(registry.list, &[]);
        if !topics.is_empty() {
            let unmatched = sent.has("nmtopics");
            member.options = member.options.with(MemberOption::ReceiveNonmatchingTopics, unmatched);
            let chosen: Vec<String> = topics
                .into_iter()
                .filter(|topic| sent.has(&topic.key))
                .map(|topic| topic.name)
                .collect();
            registry.store.set_topics(registry.list.id, address, &chosen)?;
        }
        registry.store.update_member(registry.list.id, &member, registry.now)?;
        Ok(())
    })?)
}
