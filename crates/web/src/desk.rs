//! The site's lists, for pages that show and change memberships.

use crate::page;
use crate::server::App;
use crate::visitor::Visitor;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodRouter;
use dormouse_runners::RunError;
use dormouse_runners::membership::{self, MembershipError, Origin, Refusal, Registry};
use dormouse_spool::{Spool, clock};
use dormouse_store::{List, Store, StoreError};
use std::sync::Arc;

/// A page's place, with and without the path that Mailman's pages have.
pub fn at(path: &str, page: MethodRouter<Arc<App>>) -> Router<Arc<App>> {
    Router::new().route(path, page.clone()).route(&format!("/mailman{path}"), page)
}

/// Why a page cannot be shown.
pub enum Problem {
    /// There is no such list.
    NoSuchList,
    /// It may not be.
    Refused(Refusal),
    /// Something of ours is broken.
    Broken(RunError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::Broken(error.into())
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Problem {
        Problem::Broken(error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem::Refused(refusal)
    }
}

impl Problem {
    /// The page that says so.
    pub fn page(self) -> Response {
        match self {
            Problem::NoSuchList => page::message(
                StatusCode::NOT_FOUND,
                "No such list",
                "There is no mailing list of this name here.",
            ),
            Problem::Refused(refusal @ Refusal::Unknown) => {
                page::message(StatusCode::GONE, "Nothing waits here", &refusal.to_string())
            }
            Problem::Refused(refusal) => {
                page::message(StatusCode::FORBIDDEN, "This cannot be done", &refusal.to_string())
            }
            Problem::Broken(error) => page::trouble(&error),
        }
    }
}

/// One list, and who asks for its page.
pub struct Desk<'a> {
    /// What all pages share.
    pub app: &'a App,
    /// The database.
    pub store: Store,
    /// The list.
    pub list: List,
    /// Who asks.
    pub visitor: &'a Visitor,
}

impl<'a> Desk<'a> {
    /// The list of that name; where two hosts have one, that of the host that was asked for.
    pub fn of(app: &'a App, visitor: &'a Visitor, name: &str) -> Result<Desk<'a>, Problem> {
        let store = Store::open(&app.site)?;
        let name = name.to_lowercase();
        let list = match store.list_by_address(&name, &visitor.host)? {
            Some(list) => list,
            None => store.list(&name)?.ok_or(Problem::NoSuchList)?,
        };
        Ok(Desk { app, store, list, visitor })
    }

    /// The page that `work` makes at a list's desk, or the one that says why there is none.
    pub fn serve(
        app: &'a App,
        visitor: &'a Visitor,
        list: &str,
        work: impl FnOnce(&Desk<'a>) -> Result<Response, Problem>,
    ) -> Response {
        Desk::of(app, visitor, list).and_then(|desk| work(&desk)).unwrap_or_else(Problem::page)
    }

    /// The site's key for links and forms.
    pub fn secret(&self) -> Result<Vec<u8>, StoreError> {
        self.store.write(|tx| tx.secret(membership::SECRET))
    }

    /// Does something about the list's membership.
    pub fn act<T>(
        &self,
        work: impl FnOnce(&mut Registry<'_>) -> Result<T, MembershipError>,
    ) -> Result<Result<T, Refusal>, RunError> {
        let origin = Origin::web(&self.visitor.address, &self.visitor.network);
        let spool = Spool::new(self.app.site.qfiles());
        membership::act(&self.app.site, &spool, &self.store, &self.list, origin, work)
    }

    /// Until when somebody who logs in now may go on, in seconds since the epoch.
    pub fn login_ends(&self) -> f64 {
        clock::seconds() + self.app.site.config().members_login_lifetime.duration().as_secs_f64()
    }

    /// Where one of the list's pages is, for a form or a link on another of them: on the same host,
    /// by whatever name that was asked for.
    pub fn place(&self, page: &str) -> String {
        let url = self.list.web_url(self.app.site.config(), page);
        let start = url.find("://").map_or(0, |at| at + 3);
        url[start..].find('/').map_or_else(|| "/".to_owned(), |at| url[start + at..].to_owned())
    }

    /// A language, if the list has it for its members.
    pub fn language(&self, wanted: &str) -> Option<String> {
        self.list.settings.available_languages.iter().find(|code| *code == wanted).cloned()
    }

    /// The languages that a member may choose, and which is chosen: the list's, if it is none of them.
    pub fn languages(&self, chosen: &str) -> Vec<(String, bool)> {
        let settings = &self.list.settings;
        let chosen = self.language(chosen).unwrap_or_else(|| settings.preferred_language.clone());
        settings.available_languages.iter().map(|code| (code.clone(), *code == chosen)).collect()
    }

    /// The list's name as people read it.
    pub fn name(&self) -> String {
        self.list.settings.real_name.clone()
    }
}
