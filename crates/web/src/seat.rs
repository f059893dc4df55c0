//! Pages for somebody who is signed in.
//!
//! Such a page is a function that takes a [`Seat`] of the rank it is for, or a [`Room`]; only this
//! module makes them, once it knows who asks. What a form sent it gets as [`Sent`], which only comes
//! from a form that was made for who sends it. So no page can forget to ask.

use crate::desk::{Desk, Fields, Problem, Sent, at, blocking};
use crate::page::{self, Frame};
use crate::server::App;
use crate::session;
use crate::visitor::Visitor;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_membership::account::{Account, Power, Standing};
use dormouse_spool::clock;
use dormouse_store::{Author, List, Store};
use dormouse_words::Language;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

/// For whom a page is.
pub trait Rank: Sized + 'static {
    /// What such a person must be able to do; nothing for whoever is signed in.
    const POWER: Option<Power>;
}

/// Whoever is signed in.
pub enum Anybody {}
/// Those who decide on what waits for a list: its moderators, its owners, the site's administrators.
pub enum Moderates {}
/// Those who run a list: its owners and the site's administrators.
pub enum Owns {}
/// The site's administrators.
pub enum RunsSite {}

impl Rank for Anybody {
    const POWER: Option<Power> = None;
}
impl Rank for Moderates {
    const POWER: Option<Power> = Some(Power::Moderator);
}
impl Rank for Owns {
    const POWER: Option<Power> = Some(Power::Owner);
}
impl Rank for RunsSite {
    const POWER: Option<Power> = Some(Power::Site);
}

/// What the address of a page said.
#[derive(Debug, Default)]
pub struct Asked {
    /// The variable parts of its path, by name.
    path: HashMap<String, String>,
    /// What stood behind the `?`.
    pub query: Fields,
}

impl Asked {
    /// A variable part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }
}

/// Somebody of a rank, beyond any one list.
pub struct Room<R> {
    /// What all pages share.
    pub app: Arc<App>,
    /// The database.
    pub store: Rc<Store>,
    /// Who asks, by network.
    pub visitor: Visitor,
    /// Who that is.
    pub account: Account,
    /// What the address said.
    pub asked: Asked,
    rank: PhantomData<R>,
}

impl<R: Rank> Room<R> {
    fn enter(app: Arc<App>, visitor: Visitor, asked: Asked) -> Result<Room<R>, Problem> {
        let store = Rc::new(Store::open(&app.site)?);
        let Some(account) = session::account(&store, &visitor)? else {
            return Err(session::sign_in(&visitor, false));
        };
        if let Some(power) = R::POWER {
            let config = app.site.config();
            require(account.standing(config, None, power, clock::seconds()), &visitor)?;
        }
        store.act_as(author(&account));
        Ok(Room { app, store, visitor, account, asked, rank: PhantomData })
    }

    /// What stands around the page.
    pub fn frame(&self) -> Frame {
        Frame::of(&self.visitor, Some(&self.account))
    }

    /// The address of one of our pages: `mine`, `moderation?list=dev`.
    pub fn place(&self, page: &str) -> String {
        format!("{}{page}", self.visitor.base)
    }

    /// The same person, as one of a rank over the whole site.
    pub fn rise<S: Rank>(&self) -> Result<Room<S>, Problem> {
        if let Some(power) = S::POWER {
            let config = self.app.site.config();
            let standing = self.account.standing(config, None, power, clock::seconds());
            require(standing, &self.visitor)?;
        }
        Ok(Room {
            app: Arc::clone(&self.app),
            store: Rc::clone(&self.store),
            visitor: self.visitor.clone(),
            account: self.account.clone(),
            asked: Asked::default(),
            rank: PhantomData,
        })
    }

    /// A list, for somebody who has that power there now; whoever had to show it again is sent to.
    pub fn seat<S: Rank>(&self, list: List) -> Result<Seat<S>, Problem> {
        Seat::take(self.desk(list)?, Asked::default())
    }

    /// All lists on which this person has that rank, and whether it has to be shown again for some.
    pub fn seats<S: Rank>(&self) -> Result<(Vec<Seat<S>>, bool), Problem> {
        let (mut seats, mut must_show_again) = (Vec::new(), false);
        for list in self.store.lists()? {
            match self.seat(list) {
                Ok(seat) => seats.push(seat),
                Err(Problem::SignIn(_)) => must_show_again = true,
                Err(Problem::NotYours) => {}
                Err(problem) => return Err(problem),
            }
        }
        Ok((seats, must_show_again))
    }

    /// A list as this person sees it.
    pub fn desk(&self, list: List) -> Result<Desk, Problem> {
        let (store, account) = (Rc::clone(&self.store), Some(self.account.clone()));
        Desk::new(&self.app, store, list, &self.visitor, account)
    }
}

/// Somebody of a rank at one list's desk.
pub struct Seat<R> {
    desk: Desk,
    /// What the address said.
    pub asked: Asked,
    rank: PhantomData<R>,
}

impl<R> std::ops::Deref for Seat<R> {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl<R: Rank> Seat<R> {
    fn take(desk: Desk, asked: Asked) -> Result<Seat<R>, Problem> {
        let Some(account) = &desk.account else {
            return Err(session::sign_in(&desk.visitor, false));
        };
        desk.store.act_as(author(account));
        if let Some(power) = R::POWER {
            require(desk.standing(power), &desk.visitor)?;
        }
        Ok(Seat { desk, asked, rank: PhantomData })
    }
}

impl<R: Rank> Seat<R> {
    /// The same person beyond this list.
    pub fn room(&self) -> Result<Room<Anybody>, Problem> {
        let account = self.account.clone().ok_or(Problem::NotYours)?;
        Ok(Room {
            app: Arc::clone(&self.app),
            store: Rc::clone(&self.store),
            visitor: self.visitor.clone(),
            account,
            asked: Asked::default(),
            rank: PhantomData,
        })
    }
}

/// Who changes something on a page, for the audit trail.
fn author(account: &Account) -> Author {
    Author { who: account.name(), via: "web" }
}

fn require(standing: Standing, visitor: &Visitor) -> Result<(), Problem> {
    match standing {
        Standing::Has => Ok(()),
        Standing::MustShowAgain => Err(session::sign_in(visitor, true)),
        Standing::HasNot => Err(Problem::NotYours),
    }
}

/// What a page shows.
pub type Show<S> = fn(&S) -> Result<Response, Problem>;
/// What a page does with what its form sent.
pub type Act<S> = fn(&S, &Sent) -> Result<Response, Problem>;

type Shared = (State<Arc<App>>, Extension<Visitor>, Path<HashMap<String, String>>);
type Pairs = Form<Vec<(String, String)>>;

/// Somebody at a page, who was let in.
trait Guest: Sized + 'static {
    /// Lets somebody in, or says why not.
    fn enter(app: Arc<App>, visitor: Visitor, asked: Asked) -> Result<Self, Problem>;
    /// What a form brought, if it was made for this person.
    fn checked(&self, form: Fields) -> Result<Sent, Problem>;
    /// In which language.
    fn language(&self) -> Language;
}

impl<R: Rank> Guest for Seat<R> {
    fn enter(app: Arc<App>, visitor: Visitor, asked: Asked) -> Result<Seat<R>, Problem> {
        // Who is not signed in hears nothing of which lists there are.
        let desk = Desk::find(&app, &visitor, asked.part("list"), |account| {
            account.map(drop).ok_or_else(|| session::sign_in(&visitor, false))
        })?;
        Seat::take(desk, asked)
    }

    fn checked(&self, form: Fields) -> Result<Sent, Problem> {
        Sent::check(self.account.as_ref().ok_or(Problem::StaleForm)?, &self.visitor, form)
    }

    fn language(&self) -> Language {
        self.desk.language
    }
}

impl<R: Rank> Guest for Room<R> {
    fn enter(app: Arc<App>, visitor: Visitor, asked: Asked) -> Result<Room<R>, Problem> {
        Room::enter(app, visitor, asked)
    }

    fn checked(&self, form: Fields) -> Result<Sent, Problem> {
        Sent::check(&self.account, &self.visitor, form)
    }

    fn language(&self) -> Language {
        self.frame().language
    }
}

/// A page of a list, for those of a rank. `path` names the list as `{list}`; other variable parts are
/// in [`Seat::asked`].
pub fn list_page<R: Rank>(
    path: &str,
    show: Show<Seat<R>>,
    act: Option<Act<Seat<R>>>,
) -> Router<Arc<App>> {
    page_for(path, show, act)
}

/// A page beyond any one list, for those of a rank: [`Anybody`] who is signed in, or [`RunsSite`].
pub fn room_page<R: Rank>(
    path: &str,
    show: Show<Room<R>>,
    act: Option<Act<Room<R>>>,
) -> Router<Arc<App>> {
    page_for(path, show, act)
}

fn page_for<G: Guest>(path: &str, show: Show<G>, act: Option<Act<G>>) -> Router<Arc<App>> {
    let get = move |(State(app), Extension(visitor), Path(path)): Shared, Form(query): Pairs| {
        blocking(move || {
            let asked = Asked { path, query: Fields(query) };
            served(G::enter(app, visitor, asked), show)
        })
    };
    let mut routes = routing::get(get);
    if let Some(act) = act {
        let post = move |(State(app), Extension(visitor), Path(path)): Shared,
                         Form(form): Pairs| {
            blocking(move || {
                let form = Fields(form);
                // The return key presses a form's first button, which does nothing where another
                // would do something that nobody chose.
                if form.get("do") == "nothing" {
                    return page::see_other(&visitor.here());
                }
                let asked = Asked { path, query: Fields::default() };
                served(G::enter(app, visitor, asked), |guest| act(guest, &guest.checked(form)?))
            })
        };
        routes = routes.post(post);
    }
    at(path, routes)
}

/// What somebody gets who was let in, or the page that says why nobody was.
fn served<G: Guest>(
    guest: Result<G, Problem>,
    work: impl FnOnce(&G) -> Result<Response, Problem>,
) -> Response {
    match guest {
        Ok(guest) => page::spoken(guest.language(), work(&guest).unwrap_or_else(Problem::page)),
        Err(problem) => problem.page(),
    }
}
