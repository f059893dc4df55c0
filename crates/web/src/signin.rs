//! Signing in, by a link by mail or with an existing password, and the visitor's sessions.
//!
//! Opening a link signs nobody in, because some mail programs open links. The response to an address is
//! the same for all, and takes the same time.

use crate::desk::{Desk, Fields, PageProblem, Sent, at, blocking, evenly};
use crate::oidc;
use crate::page::{self, Frame};
use crate::seat::{Anybody, Room, room_page};
use crate::server::App;
use crate::session;
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_clock::Timestamp;
use dormouse_membership as membership;
use dormouse_membership::account::{self, Token, local_goal};
use dormouse_membership::role::Role;
use dormouse_membership::{Origin, Refusal};
use dormouse_spool::Spool;
use dormouse_store::{ListId, Proof, Proved, Store, VisitorSession};
use dormouse_words::{date, say};
use std::sync::Arc;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(at("/signin", routing::get(ask).post(answer)))
        .merge(at("/signin/{token}", routing::get(look).post(open)))
        .merge(room_page("/account", account_page, Some(end)))
}

#[derive(Template)]
#[template(path = "signin.html")]
struct SignInPage {
    frame: Frame,
    /// The page to go on to.
    next: String,
    email: String,
    /// The list whose password may be meant.
    list: String,
    /// The error, or empty.
    said: String,
    /// Whether the person was signed in before, but too long ago.
    again: bool,
    /// The name of a provider for signing in.
    provider: Option<String>,
}

#[derive(Template)]
#[template(path = "signin_link.html")]
struct LinkPage {
    frame: Frame,
    address: String,
    /// The account that is signed in, if it is another person's.
    other: Option<String>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    proofs: Vec<String>,
    sessions: Vec<Line>,
}

/// A session on the page.
struct Line {
    id: i64,
    since: String,
    until: String,
    agent: String,
    network: String,
    is_this: bool,
}

/// The page to go on to: the requested one, or the visitor's lists.
pub fn goal(visitor: &Visitor, next: &str) -> String {
    local_goal(&visitor.base, next).unwrap_or_else(|| format!("{}mine", visitor.base))
}

/// The list in a page's address.
fn list_in(visitor: &Visitor, goal: &str) -> String {
    let page = goal.strip_prefix(&visitor.base).unwrap_or_default();
    let path = page.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(1);
    let name = parts.next().unwrap_or_default();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte));
    if is_name { name.to_owned() } else { String::new() }
}

fn form(app: &App, visitor: &Visitor, frame: Frame, fields: &Fields, said: String) -> Response {
    let status = if said.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let next = goal(visitor, fields.get("next"));
    let list = match fields.get("list") {
        "" => list_in(visitor, &next),
        list => list.to_owned(),
    };
    let (email, again) = (fields.get("email").to_owned(), fields.has("again"));
    let provider = oidc::name(app);
    page::page(status, &SignInPage { frame, next, email, list, said, again, provider })
}

async fn ask(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(query): Form<Vec<(String, String)>>,
) -> Response {
    blocking(move || {
        let shown = || -> Result<Response, PageProblem> {
            let account = session::account(&Store::open(&app.site)?, &visitor)?;
            let mut fields = Fields(query);
            // Other fields are dropped: a link could prefill the form.
            fields.0.retain(|(name, _)| name == "next" || name == "again");
            let address = account.as_ref().and_then(|account| account.addresses().next());
            fields.0.extend(address.map(|address| ("email".to_owned(), address.to_string())));
            let frame = Frame::of(&visitor, account.as_ref());
            Ok(form(&app, &visitor, frame, &fields, String::new()))
        };
        shown().unwrap_or_else(PageProblem::page)
    })
    .await
}

async fn answer(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    // Another site's page must not sign a visitor in as a person of its choice.
    if visitor.is_sent_from_elsewhere {
        return PageProblem::StaleForm.page();
    }
    let fields = Fields(fields);
    if !fields.get("password").is_empty() {
        return blocking(move || {
            by_password(&app, &visitor, &fields).unwrap_or_else(PageProblem::page)
        })
        .await;
    }
    let (address, goal) = (fields.get("email").to_owned(), goal(&visitor, fields.get("next")));
    if address.is_empty() {
        let frame = Frame::of(&visitor, None);
        let said = frame.say("Please enter your address.");
        return form(&app, &visitor, frame, &fields, said.to_string());
    }
    send_link(&app, visitor, address, goal).await
}

/// Sends a link to an address that has to do with a list here. The response is the same for all.
pub async fn send_link(
    app: &Arc<App>,
    visitor: Visitor,
    address: String,
    goal: String,
) -> Response {
    let said = page::message(
        StatusCode::OK,
        say("Check your email"),
        say(
            "If this address is known to a mailing list here, a link was sent there. It signs you in \
             and takes you to the page you wanted to see.",
        ),
    );
    let work = {
        let app = Arc::clone(app);
        move || {
            let store = Store::open(&app.site)?;
            let spool = Spool::new(app.site.qfiles());
            let origin = Origin::web(&visitor.address, &visitor.network);
            account::send_link(&app.site, &spool, &store, origin, &address, &goal)??;
            Ok(None)
        }
    };
    evenly(app, work, said).await
}

fn by_password(
    app: &Arc<App>,
    visitor: &Visitor,
    fields: &Fields,
) -> Result<Response, PageProblem> {
    let (list, password) = (fields.get("list"), fields.get("password"));
    let store = Store::open(&app.site)?;
    let earlier = session::account(&store, visitor)?;
    let proved = match list {
        "" => {
            let origin = Origin::web(&visitor.address, &visitor.network);
            store.write(|tx| {
                membership::split(account::prove_site(tx, &app.site, &origin, password))
            })?
        }
        list => match Desk::of(app, visitor, list) {
            Ok(desk) => prove(&desk, &ANY, fields.get("email"), password)?,
            // Does not show which lists exist: the password is refused in both cases.
            Err(PageProblem::NoSuchList) => Err(Refusal::WrongPassword),
            Err(problem) => return Err(problem),
        },
    };
    match proved {
        Ok(proved) => {
            let account = session::begin(app, &store, visitor, earlier.as_ref(), proved)?;
            session::keep(visitor, &account, page::see_other(&goal(visitor, fields.get("next"))))
        }
        Err(refusal) => {
            let said = match refusal {
                Refusal::WrongPassword => say("This password is not correct."),
                refusal => refusal.text(),
            };
            let frame = Frame::of(visitor, earlier.as_ref());
            let said = frame.tell(&said).to_string();
            Ok(form(app, visitor, frame, fields, said))
        }
    }
}

/// The roles of a password, most powerful first.
const ANY: [Role; 3] = [Role::Site, Role::Owner, Role::Moderator];
/// The roles that may read.
pub const READERS: [Role; 3] = [Role::Moderator, Role::Owner, Role::Site];
/// The roles that may change members' options.
pub const KEEPERS: [Role; 2] = [Role::Owner, Role::Site];

/// What a password proves on a list.
fn prove(
    desk: &Desk,
    roles: &[Role],
    address: &str,
    password: &str,
) -> Result<Result<Proved, Refusal>, PageProblem> {
    Ok(desk.act(|registry| registry.prove(roles, address, password))?)
}

/// Signs a person in by a password on a list's page, as in Mailman.
pub fn with_password(
    desk: &mut Desk,
    roles: &[Role],
    address: &str,
    password: &str,
) -> Result<Result<(), Refusal>, PageProblem> {
    let proved = match prove(desk, roles, address, password)? {
        Ok(proved) => proved,
        Err(refusal) => return Ok(Err(refusal)),
    };
    admit(desk, proved)?;
    Ok(Ok(()))
}

/// Signs a person in after a proof at a list's desk.
pub fn admit(desk: &mut Desk, proved: Proved) -> Result<(), PageProblem> {
    let earlier = desk.account.take();
    let begun = session::begin(&desk.app, &desk.store, &desk.visitor, earlier.as_ref(), proved)?;
    desk.account = Some(begun);
    Ok(())
}

async fn look(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
) -> Response {
    blocking(move || {
        let shown = || -> Result<Response, PageProblem> {
            let store = Store::open(&app.site)?;
            let token = Token::parse(&token).ok_or(Refusal::Unknown)?;
            let link =
                store.read().sign_in(&token.hash(), Timestamp::now())?.ok_or(Refusal::Unknown)?;
            let account = session::account(&store, &visitor)?;
            let is_other = account
                .as_ref()
                .is_some_and(|account| account.addresses().all(|known| *known != link.address));
            let page = LinkPage {
                frame: Frame::of(&visitor, account.as_ref()),
                address: link.address.into(),
                other: account.filter(|_| is_other).map(|account| account.name()),
            };
            Ok(page::page(StatusCode::OK, &page))
        };
        shown().unwrap_or_else(used_up)
    })
    .await
}

async fn open(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    if visitor.is_sent_from_elsewhere {
        return PageProblem::StaleForm.page();
    }
    blocking(move || {
        let opened = || -> Result<Response, PageProblem> {
            let store = Store::open(&app.site)?;
            let token = Token::parse(&token).ok_or(Refusal::Unknown)?;
            let now = Timestamp::now();
            let link =
                store.write(|tx| tx.take_sign_in(&token.hash(), now))?.ok_or(Refusal::Unknown)?;
            let account = session::account(&store, &visitor)?;
            // Two people who share a computer must not share a session.
            let earlier = account.filter(|account| {
                Fields(fields).has("both")
                    || account.addresses().any(|known| *known == link.address)
            });
            let proof = Proof::Address(link.address.clone());
            let proved = Proved { proof, fingerprint: String::new(), at: now };
            let begun = session::begin(&app, &store, &visitor, earlier.as_ref(), proved)?;
            session::keep(&visitor, &begun, page::see_other(&goal(&visitor, &link.goal)))
        };
        opened().unwrap_or_else(used_up)
    })
    .await
}

fn used_up(problem: PageProblem) -> Response {
    match problem {
        PageProblem::Refused(Refusal::Unknown) => page::message(
            StatusCode::GONE,
            say("This link can no longer be used"),
            say(
                "It was used before or has expired. If you are not signed in, request another one.",
            ),
        ),
        problem => problem.page(),
    }
}

fn account_page(room: &Room<Anybody>) -> Result<Response, PageProblem> {
    let frame = room.frame();
    let words = |proof: &Proof| -> Result<String, PageProblem> {
        let name = |id: &ListId| -> Result<String, PageProblem> {
            let list = room.store.read().list_by_id(*id)?;
            Ok(list.map(|list| list.settings.real_name).unwrap_or_default())
        };
        let text = match proof {
            Proof::Address(address) => {
                say("{address}, by a link sent by email").with("address", address)
            }
            Proof::Member(list, address) => {
                say("{address}, only on {list}").with("address", address).with("list", name(list)?)
            }
            Proof::Owner(list) => say("an owner of {list}, by password").with("list", name(list)?),
            Proof::Moderator(list) => {
                say("a moderator of {list}, by password").with("list", name(list)?)
            }
            Proof::Site => say("the site's administrator, by password"),
        };
        Ok(frame.tell(&text).to_string())
    };
    let proofs = &room.account.session.proofs;
    let page = AccountPage {
        frame: room.frame(),
        proofs: proofs.iter().map(|proved| words(&proved.proof)).collect::<Result<_, _>>()?,
        sessions: sessions(room)?.iter().map(|session| line(room, session)).collect(),
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn line(room: &Room<Anybody>, session: &VisitorSession) -> Line {
    let day = |at: Timestamp| room.frame().tell(&date::day_of(at)).to_string();
    Line {
        id: session.id,
        since: day(session.created_at),
        until: day(session.expires_at),
        agent: session.agent.clone(),
        network: session.network.clone(),
        is_this: session.id == room.account.session.id,
    }
}

/// This person's sessions, this one first: what it proved, it proved itself.
fn sessions(room: &Room<Anybody>) -> Result<Vec<VisitorSession>, PageProblem> {
    let mut sessions = vec![room.account.session.clone()];
    for proved in &room.account.session.proofs {
        for session in room.store.read().sessions_with(&proved.proof, Timestamp::now())? {
            if sessions.iter().all(|known| known.id != session.id) {
                sessions.push(session);
            }
        }
    }
    Ok(sessions)
}

fn end(room: &Room<Anybody>, sent: &Sent) -> Result<Response, PageProblem> {
    let own = room.account.session.id;
    let ended: Vec<i64> = match sent.get("end") {
        "this" => vec![own],
        "all" => sessions(room)?.iter().map(|session| session.id).collect(),
        // Only the person's own.
        id => sessions(room)?
            .iter()
            .map(|session| session.id)
            .filter(|known| known.to_string() == id)
            .collect(),
    };
    room.store.write(|tx| ended.iter().try_for_each(|id| tx.end_session(*id).map(drop)))?;
    tracing::info!("ended {} sessions from {}", ended.len(), room.visitor.address);
    if ended.contains(&own) {
        let said = page::message(
            StatusCode::OK,
            say("Goodbye"),
            if sent.get("end") == "all" {
                say("You are signed out everywhere.")
            } else {
                say("You are signed out on this device.")
            },
        );
        return session::forget(&room.visitor, said);
    }
    Ok(page::see_other(&room.place("account")))
}
