//! A page's access to one list: the visitor, the list, and what the visitor may do.
//!
//! Everything that may wait for the disk or the database runs on a separate thread ([`blocking`]),
//! so that no page waits for another.

use crate::page::{self, Frame};
use crate::prose;
use crate::server::{App, Busy};
use crate::session;
use crate::visitor::Visitor;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodRouter;
use dormouse_archive::ArchivePlace;
use dormouse_clock::Timestamp;
use dormouse_membership as membership;
use dormouse_membership::RunError;
use dormouse_membership::account::{Account, Power, Standing};
use dormouse_membership::notices::{Notices, editing};
use dormouse_membership::{MembershipError, Origin, Refusal, Registry, login};
use dormouse_spool::Spool;
use dormouse_store::{List, Member, Store, StoreError};
use dormouse_words::{Language, say};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Routes a page with and without the path that Mailman's pages have.
pub fn at(path: &str, page: MethodRouter<Arc<App>>) -> Router<Arc<App>> {
    Router::new().route(path, page.clone()).route(&format!("/mailman{path}"), page)
}

/// Runs `work` on a thread that may block, and returns its page.
pub async fn blocking(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| page::trouble(&error))
}

/// The duration of responses whose time must not reveal what was done.
const EVEN: Duration = Duration::from_millis(500);

/// Does some work, and returns the same response after the same time, whatever happened. Work that is
/// not done by then has sent nothing yet and may still be refused, so the response must not say that it
/// succeeded.
pub async fn evenly(
    app: &Arc<App>,
    work: impl FnOnce() -> Result<Option<Response>, PageProblem> + Send + 'static,
    answer: Response,
) -> Response {
    let busy = Busy::new(app);
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(busy);
        done.unwrap_or_else(|problem| Some(problem.page()))
    });
    tokio::time::sleep(EVEN).await;
    if !work.is_finished() {
        let busy = page::message(
            StatusCode::ACCEPTED,
            say("Your request is being processed"),
            say(
                "This server is busy. If your request can be granted, you will get an email within a few \
                 minutes; if you get none, please ask again.",
            ),
        );
        return match answer.extensions().get::<Language>() {
            Some(language) => page::spoken(*language, busy),
            None => busy,
        };
    }
    match work.await {
        Ok(said) => said.unwrap_or(answer),
        Err(error) => page::trouble(&error),
    }
}

/// Delays visitors whose network has used more than half of its budget of mails or wrong passwords
/// for the day.
pub async fn pace(app: &Arc<App>, visitor: &Visitor) {
    let (work, network) = (Arc::clone(app), visitor.network.clone());
    let wait = tokio::task::spawn_blocking(move || {
        let store = Store::open_read_only(&work.site)?;
        login::pace(store.read(), work.site.config(), &network, Timestamp::now())
    });
    match wait.await {
        Ok(Ok(wait)) if !wait.is_zero() => tokio::time::sleep(wait).await,
        Ok(Ok(_)) => {}
        // The request that follows has the same error, and reports it.
        Ok(Err(error)) => tracing::debug!("cannot determine the delay: {error}"),
        Err(error) => tracing::debug!("cannot determine the delay: {error}"),
    }
}

/// Why a page cannot be shown.
pub enum PageProblem {
    /// There is no such list.
    NoSuchList,
    /// The request was refused.
    Refused(Refusal),
    /// The visitor must sign in first, at this address.
    SignIn(String),
    /// The visitor is signed in, and is not allowed to do this.
    NotYours,
    /// The form was not created for its sender, or is too old.
    StaleForm,
    /// The server failed.
    Broken(RunError),
}

impl From<StoreError> for PageProblem {
    fn from(error: StoreError) -> PageProblem {
        PageProblem::Broken(error.into())
    }
}

impl From<RunError> for PageProblem {
    fn from(error: RunError) -> PageProblem {
        PageProblem::Broken(error)
    }
}

impl From<Refusal> for PageProblem {
    fn from(refusal: Refusal) -> PageProblem {
        PageProblem::Refused(refusal)
    }
}

impl From<MembershipError> for PageProblem {
    fn from(error: MembershipError) -> PageProblem {
        match error {
            MembershipError::Refused(refusal) => refusal.into(),
            MembershipError::Store(error) => error.into(),
        }
    }
}

impl PageProblem {
    /// The page that explains the problem.
    pub fn page(self) -> Response {
        match self {
            PageProblem::NoSuchList => page::message(
                StatusCode::NOT_FOUND,
                say("No such list"),
                say("There is no mailing list with this name here."),
            ),
            PageProblem::Refused(refusal @ Refusal::Used(_)) => {
                page::message(StatusCode::GONE, say("Already done"), refusal.text())
            }
            PageProblem::Refused(refusal @ Refusal::TooOften) => page::message(
                StatusCode::TOO_MANY_REQUESTS,
                say("No email was sent"),
                refusal.text(),
            ),
            PageProblem::Refused(refusal @ Refusal::Unknown) => {
                page::message(StatusCode::GONE, say("Nothing is waiting here"), refusal.text())
            }
            PageProblem::Refused(
                refusal @ (Refusal::WrongPassword | Refusal::TooManyPasswords),
            ) => page::message(StatusCode::UNAUTHORIZED, say("Not signed in"), refusal.text()),
            PageProblem::Refused(refusal) => {
                page::message(StatusCode::FORBIDDEN, say("This is not possible"), refusal.text())
            }
            PageProblem::SignIn(place) => page::see_other(&place),
            PageProblem::NotYours => page::message(
                StatusCode::FORBIDDEN,
                say("No permission"),
                say(
                    "You are signed in, but you may not see this page. If you have another address \
                     or a password, sign in with it.",
                ),
            ),
            PageProblem::StaleForm => page::message(
                StatusCode::FORBIDDEN,
                say("Please try again"),
                say(
                    "This form is too old or was not meant for you. Nothing was changed. Please go \
                     back, reload the page, and send it from there.",
                ),
            ),
            PageProblem::Broken(error) => page::trouble(&error),
        }
    }
}

/// The fields of a form or of an address, by name.
#[derive(Debug, Clone, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// Returns a field without surrounding spaces; empty if it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.trim())
    }

    /// Whether the field is present.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// All fields of that name.
    pub fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The fields of one of our forms, sent by the person for whom it was created. Only these may change
/// anything.
#[derive(Debug, Clone)]
pub struct Sent(Fields);

impl std::ops::Deref for Sent {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl Sent {
    /// Checks that a form was created for its sender.
    pub fn check(
        account: &Account,
        visitor: &Visitor,
        fields: Fields,
    ) -> Result<Sent, PageProblem> {
        if visitor.is_sent_from_elsewhere || !account.token.is_form_key(fields.get("key")) {
            return Err(PageProblem::StaleForm);
        }
        Ok(Sent(fields))
    }
}

/// A language to choose.
pub struct LanguageChoice {
    /// Its code.
    pub code: String,
    /// Its name in that language; the code, if that is unknown.
    pub name: String,
    /// Whether it is selected.
    pub is_chosen: bool,
}

impl LanguageChoice {
    /// A language by its code.
    pub fn of(code: &str, is_chosen: bool) -> LanguageChoice {
        let known = Language::of(code).filter(|language| language.code() == code);
        let name = known.map_or(code, |language| language.name()).to_owned();
        LanguageChoice { code: code.to_owned(), name, is_chosen }
    }
}

/// One list, and the visitor to its pages.
pub struct Desk {
    /// What all pages share.
    pub app: Arc<App>,
    /// The database.
    pub store: Rc<Store>,
    /// The list.
    pub list: List,
    /// The visitor.
    pub visitor: Visitor,
    /// The visitor's account, if signed in.
    pub account: Option<Account>,
    /// The language of the list's pages: the one that a member chose, or the list's.
    pub language: Language,
}

impl Desk {
    /// Finds a list by name; if two hosts have one, that of the requested host.
    pub fn of(app: &Arc<App>, visitor: &Visitor, name: &str) -> Result<Desk, PageProblem> {
        Desk::find(app, visitor, name, |_| Ok(()))
    }

    /// The same, after `admit` has accepted the account. It is called first, so that a refused visitor
    /// does not learn whether the list exists.
    pub fn find(
        app: &Arc<App>,
        visitor: &Visitor,
        name: &str,
        admit: impl FnOnce(Option<&Account>) -> Result<(), PageProblem>,
    ) -> Result<Desk, PageProblem> {
        let store = Rc::new(Store::open(&app.site)?);
        let account = session::account(&store, visitor)?;
        admit(account.as_ref())?;
        let name = name.to_lowercase();
        let list = match store.read().list_by_address(&name, &visitor.host)? {
            Some(list) => list,
            None => store.read().list(&name)?.ok_or(PageProblem::NoSuchList)?,
        };
        Desk::new(app, store, list, visitor, account)
    }

    /// The desk of a list, for a visitor.
    pub fn new(
        app: &Arc<App>,
        store: Rc<Store>,
        list: List,
        visitor: &Visitor,
        account: Option<Account>,
    ) -> Result<Desk, PageProblem> {
        let member = match &account {
            Some(account) => account.member_of(store.read(), &list)?,
            None => None,
        };
        let language = member
            .and_then(|member| Language::of(&member.language))
            .or_else(|| Language::of(&account.as_ref()?.language))
            .or_else(|| Language::of(&list.settings.preferred_language))
            .unwrap_or(visitor.language);
        Ok(Desk { app: Arc::clone(app), store, list, visitor: visitor.clone(), account, language })
    }

    /// Runs `work` with a list's desk, and returns its page, or one that explains the problem.
    pub async fn serve(
        app: Arc<App>,
        visitor: Visitor,
        list: String,
        work: impl FnOnce(&mut Desk) -> Result<Response, PageProblem> + Send + 'static,
    ) -> Response {
        blocking(move || match Desk::of(&app, &visitor, &list) {
            Ok(mut desk) => {
                let response = work(&mut desk).unwrap_or_else(PageProblem::page);
                page::spoken(desk.language, response)
            }
            Err(problem) => problem.page(),
        })
        .await
    }

    /// The site's key for links and forms.
    pub fn secret(&self) -> Result<Vec<u8>, StoreError> {
        match self.store.read().existing_secret(membership::SECRET)? {
            // Reading does not wait for a writer.
            Some(secret) => Ok(secret),
            None => self.store.write(|tx| tx.secret(membership::SECRET)),
        }
    }

    /// Changes something about the list's memberships.
    pub fn act<T>(
        &self,
        work: impl FnOnce(&mut Registry<'_>) -> Result<T, MembershipError>,
    ) -> Result<Result<T, Refusal>, RunError> {
        let origin = Origin::web(&self.visitor.address, &self.visitor.network);
        let spool = Spool::new(self.app.site.qfiles());
        membership::act(&self.app.site, &spool, &self.store, &self.list, origin, work)
    }

    /// Changes something for many people, in several transactions so that others get their turn. `work`
    /// is given a part of them. Returns for how many it was done and not refused.
    pub fn act_on_all<P>(
        &self,
        all: &[P],
        work: impl Fn(&mut Registry<'_>, &[P]) -> Result<Vec<Result<(), Refusal>>, MembershipError>,
    ) -> Result<u64, PageProblem> {
        let mut done = 0;
        for some in all.chunks(membership::TOGETHER) {
            let results = self.act(|registry| work(registry, some))??;
            done += results.iter().filter(|result| result.is_ok()).count() as u64;
        }
        Ok(done)
    }

    /// As [`Desk::act_on_all`], one after the other.
    pub fn act_on_each<P>(
        &self,
        all: &[P],
        work: impl Fn(&mut Registry<'_>, &P) -> Result<(), MembershipError>,
    ) -> Result<u64, PageProblem> {
        self.act_on_all(all, |registry, some| {
            some.iter().map(|one| Ok(membership::split(work(registry, one))?)).collect()
        })
    }

    /// Returns the layout of the list's pages.
    pub fn frame(&self) -> Frame {
        let list = Some((self.name(), self.place("listinfo")));
        Frame { list, language: self.language, ..Frame::of(&self.visitor, self.account.as_ref()) }
    }

    /// Returns the same with the owners' text for that page.
    pub fn frame_with(&self, text: &str) -> Frame {
        let frame = self.frame();
        Frame { words: self.words(text, frame.language).unwrap_or_default(), ..frame }
    }

    /// Returns the owners' text for one of the list's pages, as harmless HTML.
    pub fn words(&self, text: &str, language: Language) -> Option<String> {
        let text = editing::on_page(&self.app.site, &self.list, text, language.code())?;
        Some(prose::shown(&text))
    }

    /// Whether the visitor has that power on the list.
    pub fn standing(&self, power: Power) -> Standing {
        let config = self.app.site.config();
        self.account.as_ref().map_or(Standing::HasNot, |account| {
            account.standing(config, Some(&self.list), power, Timestamp::now())
        })
    }

    /// Returns the visitor's membership.
    pub fn member(&self) -> Result<Option<Member>, StoreError> {
        match &self.account {
            Some(account) => account.member_of(self.store.read(), &self.list),
            None => Ok(None),
        }
    }

    /// Sends the visitor to sign in and come back. A person who is signed in already is told that it is
    /// not enough.
    pub fn sign_in(&self) -> PageProblem {
        if self.account.is_some() {
            PageProblem::NotYours
        } else {
            session::sign_in(&self.visitor, false)
        }
    }

    /// Returns the path of one of the list's pages, for a form or link on another of them; without
    /// a host, so that the visitor stays on the requested one.
    pub fn place(&self, page: &str) -> String {
        let url = self.list.web_url(self.app.site.config(), page);
        let start = url.find("://").map_or(0, |at| at + 3);
        url[start..].find('/').map_or_else(|| "/".to_owned(), |at| url[start + at..].to_owned())
    }

    /// The address of the list's archive, if it has one. Before the first post there are no static
    /// pages, and it is a page of ours.
    pub fn archive(&self) -> Option<String> {
        let site = &self.app.site;
        let has_pages = ArchivePlace::of(site, &self.list.name).tree().join("index.html").exists();
        self.list.settings.archive.then(|| match has_pages {
            true => self.list.archive_url(site.config()),
            false => format!("{}/", self.place("private")),
        })
    }

    /// Returns why a post was held, in the language of the list's pages.
    pub fn reason(&self, reason: &str) -> String {
        let notices = Notices { list: &self.list, site: &self.app.site };
        notices.reason(reason, self.language.code())
    }

    /// Returns the language if the list offers it to members.
    pub fn language(&self, wanted: &str) -> Option<String> {
        self.list.settings.available_languages.iter().find(|code| *code == wanted).cloned()
    }

    /// The languages that a member may choose; the list's is selected if `chosen` is none of them.
    pub fn languages(&self, chosen: &str) -> Vec<LanguageChoice> {
        let settings = &self.list.settings;
        let chosen = self.language(chosen).unwrap_or_else(|| settings.preferred_language.clone());
        settings
            .available_languages
            .iter()
            .map(|code| LanguageChoice::of(code, *code == chosen))
            .collect()
    }

    /// The list's name as shown to people.
    pub fn name(&self) -> String {
        self.list.settings.real_name.clone()
    }
}
