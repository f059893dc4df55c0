//! Pages for people who are signed in.
//!
//! Such a page is a function that takes a [`Seat`] of a rank, or a [`Room`]. Only this module creates
//! them, after it has checked the visitor. A form's fields arrive as [`Sent`], which exists only for a
//! form that was created for its sender. So no page can forget a check.

use crate::desk::{Desk, Fields, PageProblem, Sent, at, blocking};
use crate::page::{self, Frame};
use crate::server::App;
use crate::session;
use crate::visitor::Visitor;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_clock::Timestamp;
use dormouse_membership::account::{Account, Power, Standing};
use dormouse_store::{Author, List, Store};
use dormouse_words::Language;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

/// The rank that a page requires.
pub trait Rank: Sized + 'static {
    /// The required power; `None` if it is enough to be signed in.
    const POWER: Option<Power>;
}

/// Anyone who is signed in.
pub enum Anybody {}
/// A list's moderators and owners, and the site's administrators.
pub enum Moderates {}
/// A list's owners and the site's administrators.
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

/// The variable parts of a page's address.
#[derive(Debug, Default)]
pub struct AddressParts {
    /// Those in its path, by name.
    path: HashMap<String, String>,
    /// Those after the `?`.
    pub query: Fields,
}

impl AddressParts {
    /// Returns a variable part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }
}

/// A visitor of a rank, on a page that is not about one list.
pub struct Room<R> {
    /// What all pages share.
    pub app: Arc<App>,
    /// The database.
    pub store: Rc<Store>,
    /// The client.
    pub visitor: Visitor,
    /// The account.
    pub account: Account,
    /// The variable parts of the address.
    pub asked: AddressParts,
    rank: PhantomData<R>,
}

impl<R: Rank> Room<R> {
    fn enter(app: Arc<App>, visitor: Visitor, asked: AddressParts) -> Result<Room<R>, PageProblem> {
        let store = Rc::new(Store::open(&app.site)?);
        let Some(account) = session::account(&store, &visitor)? else {
            return Err(session::sign_in(&visitor, false));
        };
        if let Some(power) = R::POWER {
            let config = app.site.config();
            require(account.standing(config, None, power, Timestamp::now()), &visitor)?;
        }
        store.act_as(author(&account));
        Ok(Room { app, store, visitor, account, asked, rank: PhantomData })
    }

    /// The page's layout.
    pub fn frame(&self) -> Frame {
        Frame::of(&self.visitor, Some(&self.account))
    }

    /// The address of one of our pages: `mine`, `moderation?list=dev`.
    pub fn place(&self, page: &str) -> String {
        format!("{}{page}", self.visitor.base)
    }

    /// The same person with a rank over the whole site.
    pub fn rise<S: Rank>(&self) -> Result<Room<S>, PageProblem> {
        if let Some(power) = S::POWER {
            let config = self.app.site.config();
            let standing = self.account.standing(config, None, power, Timestamp::now());
            require(standing, &self.visitor)?;
        }
        Ok(Room {
            app: Arc::clone(&self.app),
            store: Rc::clone(&self.store),
            visitor: self.visitor.clone(),
            account: self.account.clone(),
            asked: AddressParts::default(),
            rank: PhantomData,
        })
    }

    /// The seat at a list, if the visitor has that power; a visitor whose proof is too old is sent to
    /// sign in again.
    pub fn seat<S: Rank>(&self, list: List) -> Result<Seat<S>, PageProblem> {
        Seat::take(self.desk(list)?, AddressParts::default())
    }

    /// All lists on which the visitor has that rank, and whether some need a new proof.
    pub fn seats<S: Rank>(&self) -> Result<(Vec<Seat<S>>, bool), PageProblem> {
        let (mut seats, mut must_show_again) = (Vec::new(), false);
        for list in self.store.read().iter_lists() {
            match self.seat(list?) {
                Ok(seat) => seats.push(seat),
                Err(PageProblem::SignIn(_)) => must_show_again = true,
                Err(PageProblem::NotYours) => {}
                Err(problem) => return Err(problem),
            }
        }
        Ok((seats, must_show_again))
    }

    /// A list as the visitor sees it.
    pub fn desk(&self, list: List) -> Result<Desk, PageProblem> {
        let (store, account) = (Rc::clone(&self.store), Some(self.account.clone()));
        Desk::new(&self.app, store, list, &self.visitor, account)
    }
}

/// A visitor of a rank on one list's page.
pub struct Seat<R> {
    desk: Desk,
    /// The variable parts of the address.
    pub asked: AddressParts,
    rank: PhantomData<R>,
}

impl<R> std::ops::Deref for Seat<R> {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl<R: Rank> Seat<R> {
    fn take(desk: Desk, asked: AddressParts) -> Result<Seat<R>, PageProblem> {
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
    /// The same visitor without the list.
    pub fn room(&self) -> Result<Room<Anybody>, PageProblem> {
        let account = self.account.clone().ok_or(PageProblem::NotYours)?;
        Ok(Room {
            app: Arc::clone(&self.app),
            store: Rc::clone(&self.store),
            visitor: self.visitor.clone(),
            account,
            asked: AddressParts::default(),
            rank: PhantomData,
        })
    }
}

/// The author of changes on a page, for the audit trail.
fn author(account: &Account) -> Author {
    Author { who: account.name(), via: "web" }
}

fn require(standing: Standing, visitor: &Visitor) -> Result<(), PageProblem> {
    match standing {
        Standing::Has => Ok(()),
        Standing::MustShowAgain => Err(session::sign_in(visitor, true)),
        Standing::HasNot => Err(PageProblem::NotYours),
    }
}

/// The function that shows a page.
pub type Show<S> = fn(&S) -> Result<Response, PageProblem>;
/// The function that handles a page's form.
pub type Act<S> = fn(&S, &Sent) -> Result<Response, PageProblem>;

type Shared = (State<Arc<App>>, Extension<Visitor>, Path<HashMap<String, String>>);
type Pairs = Form<Vec<(String, String)>>;

/// A visitor who was admitted to a page.
trait Guest: Sized + 'static {
    /// Admits a visitor, or refuses.
    fn enter(app: Arc<App>, visitor: Visitor, asked: AddressParts) -> Result<Self, PageProblem>;
    /// The fields of a form, if it was created for this visitor.
    fn checked(&self, form: Fields) -> Result<Sent, PageProblem>;
    /// The page's language.
    fn language(&self) -> Language;
}

impl<R: Rank> Guest for Seat<R> {
    fn enter(app: Arc<App>, visitor: Visitor, asked: AddressParts) -> Result<Seat<R>, PageProblem> {
        // An anonymous visitor does not learn which lists exist.
        let desk = Desk::find(&app, &visitor, asked.part("list"), |account| {
            account.map(drop).ok_or_else(|| session::sign_in(&visitor, false))
        })?;
        Seat::take(desk, asked)
    }

    fn checked(&self, form: Fields) -> Result<Sent, PageProblem> {
        Sent::check(self.account.as_ref().ok_or(PageProblem::StaleForm)?, &self.visitor, form)
    }

    fn language(&self) -> Language {
        self.desk.language
    }
}

impl<R: Rank> Guest for Room<R> {
    fn enter(app: Arc<App>, visitor: Visitor, asked: AddressParts) -> Result<Room<R>, PageProblem> {
        Room::enter(app, visitor, asked)
    }

    fn checked(&self, form: Fields) -> Result<Sent, PageProblem> {
        Sent::check(&self.account, &self.visitor, form)
    }

    fn language(&self) -> Language {
        self.frame().language
    }
}

/// Routes a page of a list, for a rank. `path` contains the list as `{list}`; other variable parts are
/// in [`Seat::asked`].
pub fn list_page<R: Rank>(
    path: &str,
    show: Show<Seat<R>>,
    act: Option<Act<Seat<R>>>,
) -> Router<Arc<App>> {
    page_for(path, show, act)
}

/// Routes a page that is not about one list, for a rank: [`Anybody`] who is signed in, or [`RunsSite`].
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
            let asked = AddressParts { path, query: Fields(query) };
            served(G::enter(app, visitor, asked), show)
        })
    };
    let mut routes = routing::get(get);
    if let Some(act) = act {
        let post = move |(State(app), Extension(visitor), Path(path)): Shared,
                         Form(form): Pairs| {
            blocking(move || {
                let form = Fields(form);
                // The return key presses a form's first button. Some forms have a first button that
                // does nothing, so that it chooses nothing.
                if form.get("do") == "nothing" {
                    return page::see_other(&visitor.here());
                }
                let asked = AddressParts { path, query: Fields::default() };
                served(G::enter(app, visitor, asked), |guest| act(guest, &guest.checked(form)?))
            })
        };
        routes = routes.post(post);
    }
    at(path, routes)
}

/// The page for an admitted visitor, or the one that explains the refusal.
fn served<G: Guest>(
    guest: Result<G, PageProblem>,
    work: impl FnOnce(&G) -> Result<Response, PageProblem>,
) -> Response {
    match guest {
        Ok(guest) => page::spoken(guest.language(), work(&guest).unwrap_or_else(PageProblem::page)),
        Err(problem) => problem.page(),
    }
}
