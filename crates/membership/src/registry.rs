//! Joining, leaving and everything a member may change: what is asked for, by mail, on a page or by
//! an owner, is decided and carried out here (docs/spec/commands.md §3 to §11).

/// So many people are handled in one transaction where mails may come of it, which are in memory
/// until then.
pub const TOGETHER: usize = 200;

use crate::moderation::link as cookies;
use crate::notices::Notices;
use crate::notices::membership::Confirmation;
use crate::{Output, PatternProblem};
use crate::{RunError, budget};
use dormouse_mail::address::AddressError;
use dormouse_spool::{EntryName, Spool, clock};
use dormouse_store::{List, Pending, Request, Settled, Site, Store, StoreError, Tx};
use dormouse_words::{Text, say};
use std::cell::RefCell;
use std::time::Duration;

/// The site's key by which cookies and links about membership are made.
pub const SECRET: &str = "membership";

/// By which way somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// With a mail.
    Mail,
    /// On a web page.
    Web,
    /// As an owner or on the server.
    Owner,
}

impl Means {
    /// In words, as owners read it.
    pub fn words(self) -> Text {
        match self {
            Means::Mail => say("by mail"),
            Means::Web => say("on the web"),
            Means::Owner => say("by an owner"),
        }
    }
}

/// Who asks for something.
#[derive(Debug, Clone)]
pub struct Origin {
    /// By which way.
    pub means: Means,
    /// Whose asking is counted: the sender's address, or the network that a page was asked from.
    pub who: String,
    /// How it is known, as it is kept with the consent: a Message-ID, an address of the network.
    pub how: String,
    /// Different for every mail and every page, the same when a mail is processed again.
    pub seed: String,
    /// The MTA says that the mail is from `who`.
    pub is_vouched: bool,
}

impl Origin {
    /// Somebody on the server.
    pub fn owner(how: &str) -> Origin {
        Origin {
            means: Means::Owner,
            who: String::new(),
            how: how.to_owned(),
            seed: fresh_seed(),
            is_vouched: true,
        }
    }

    /// Somebody with a browser.
    pub fn web(address: &str, network: &str) -> Origin {
        let how = format!("{ON_THE_WEB}{address}");
        let (who, seed) = (network.to_owned(), fresh_seed());
        Origin { means: Means::Web, who, how, seed, is_vouched: false }
    }
}

impl Origin {
    /// The address of the network that somebody with a browser asks from; else how it is known.
    pub fn from(&self) -> &str {
        self.how.strip_prefix(ON_THE_WEB).unwrap_or(&self.how)
    }
}

/// How somebody with a browser is known; the address follows.
const ON_THE_WEB: &str = "on the web from ";

/// A text that was never used before.
fn fresh_seed() -> String {
    EntryName::new(clock::seconds(), b"", "").as_str().to_owned()
}

/// Why something that was asked for does not happen, in words for the one who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The list's or the site's `ban_list` names the address; who can tell more.
    Banned(String),
    /// It is no address.
    Address(AddressError),
    /// It is the list's own.
    ListAddress,
    /// A member already.
    Member,
    /// No member.
    NotMember,
    /// Asked for too often.
    TooOften,
    /// Nobody joins any more.
    Closed,
    /// There are no digests.
    NoDigests,
    /// There is nothing but digests.
    OnlyDigests,
    /// Old and new address are the same.
    SameAddress,
    /// Nothing waits for this cookie.
    Unknown,
    /// It was good once, and did this.
    Used(String),
    /// No such password, or not of that address; which of both is nobody's business.
    WrongPassword,
    /// Too many of them.
    TooManyPasswords,
    /// Only a page can do it.
    OnlyOnTheWeb,
}

impl Refusal {
    /// What the one who asked is told.
    pub fn text(&self) -> Text {
        match self {
            Refusal::Banned(owner) => say(
                "This address cannot subscribe to the list. Its owners can tell you more: {owner}",
            )
            .with("owner", owner),
            Refusal::Address(AddressError::Invalid) => {
                say("This is not a complete address such as anna@example.org.")
            }
            Refusal::Address(AddressError::Hostile) => {
                say("An address cannot contain these characters.")
            }
            Refusal::ListAddress => say("A list cannot be a member of itself."),
            Refusal::Member => say("This address is already a member of the list."),
            Refusal::NotMember => say("This address is not a member of the list."),
            Refusal::TooOften => say(
                "No email was sent: too many were sent to this address today, or were requested from \
                 yours. Please try again tomorrow.",
            ),
            Refusal::Closed => say("This list is closed, and nobody can join."),
            Refusal::NoDigests => say("This list has no digests."),
            Refusal::OnlyDigests => say("This list is available as digests only."),
            Refusal::SameAddress => say("This is already your address."),
            Refusal::Unknown => say(
                "Nothing is waiting for this confirmation: it was used before or has expired. Please \
                 ask again.",
            ),
            Refusal::Used(what) => dormouse_words::verbatim(what.as_str()),
            Refusal::WrongPassword => say("The address and the password do not match."),
            Refusal::TooManyPasswords => say(
                "Too many wrong passwords came from your network today. Please request a link by email.",
            ),
            Refusal::OnlyOnTheWeb => {
                say("This can only be done in a web browser, with the link in the email.")
            }
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text().fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl From<AddressError> for Refusal {
    fn from(error: AddressError) -> Refusal {
        Refusal::Address(error)
    }
}

/// Why something did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AddressError> for MembershipError {
    fn from(error: AddressError) -> MembershipError {
        Refusal::from(error).into()
    }
}

/// Tells what may not be from what failed.
pub fn split<T>(result: Result<T, MembershipError>) -> Result<Result<T, Refusal>, StoreError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(MembershipError::Refused(refusal)) => Ok(Err(refusal)),
        Err(MembershipError::Store(error)) => Err(error),
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is done.
    Done,
    /// A mail asks the address for a confirmation.
    Confirm,
    /// It waits for a moderator.
    Held,
}

/// One list's membership inside a transaction of the store, and who asks for something.
pub struct Registry<'r> {
    /// The site.
    pub site: &'r Site,
    /// The store.
    pub store: &'r Tx<'r>,
    /// The list.
    pub list: &'r List,
    /// Who asks.
    pub origin: Origin,
    /// Seconds since the epoch.
    pub now: f64,
    /// The mails that come of it, each with a label of its own.
    pub outputs: Vec<Output>,
    /// From whose name those of the entries are derived that come of what a person does, who waits for
    /// the answer.
    pub(crate) source: EntryName,
    pub(crate) problems: RefCell<Vec<PatternProblem>>,
}

impl<'r> Registry<'r> {
    /// A list's membership, for somebody.
    pub fn new(site: &'r Site, store: &'r Tx<'r>, list: &'r List, origin: Origin) -> Registry<'r> {
        let (problems, now) = (RefCell::default(), clock::seconds());
        let source = EntryName::new(now, origin.seed.as_bytes(), &list.name);
        Registry { site, store, list, origin, now, outputs: Vec::new(), source, problems }
    }

    /// The notices this list writes.
    pub fn notices(&self) -> Notices<'r> {
        Notices { list: self.list, site: self.site }
    }

    /// Patterns of the list that could not be used, each once.
    pub fn take_problems(&mut self) -> Vec<PatternProblem> {
        self.problems.take()
    }

    /// The mail that asks an address about what waits.
    pub(crate) fn confirmation(
        &self,
        pending: &Pending,
        address: &str,
    ) -> Result<Confirmation, StoreError> {
        let language = match &pending.request {
            Request::Subscribe { language, .. } => language.clone(),
            request => self.store.language_of(self.list.id, request.address())?,
        };
        Ok(Confirmation::new(pending, &self.origin, &self.list.mailed(address), &language))
    }

    pub(crate) fn send(&mut self, mut output: Output) {
        output.label = format!("{}-{}", self.outputs.len(), output.label);
        self.outputs.push(output);
    }

    pub(crate) fn today(&self) -> String {
        budget::today(self.now)
    }

    /// Keeps what a cookie was good for.
    pub(crate) fn settle(
        &self,
        cookie: &str,
        kind: &'static str,
        address: &str,
        what: String,
    ) -> Result<(), StoreError> {
        self.store.settle(&Settled {
            cookie: cookie.to_owned(),
            list_id: self.list.id,
            kind,
            post: None,
            address: address.to_owned(),
            what,
            at: self.now,
        })
    }

    /// 40 hexadecimal digits that nobody can guess.
    pub(crate) fn cookie(&self, about: &str) -> Result<String, StoreError> {
        let secret = self.store.secret(SECRET)?;
        Ok(cookies::cookie(&secret, &format!("{} {}", self.origin.seed, about)))
    }

    /// Lets a request wait for its confirmation, and returns what waits: one request of a kind for
    /// an address, so that asking twice sends the same cookie again.
    pub(crate) fn pend(&self, request: Request, lifetime: Duration) -> Result<Pending, StoreError> {
        let (kind, address) = (request.kind(), request.address().to_lowercase());
        if let Some(earlier) = self.store.pending_about(self.list.id, kind, &address, self.now)? {
            if let Some(request) = updated(&earlier.request, &request) {
                // The last wish counts, and asking again renews the end.
                let expires_at = earlier.expires_at.max(self.now + lifetime.as_secs_f64());
                self.store.replace_pending(&earlier.cookie, &request, expires_at)?;
                return Ok(Pending { request, expires_at, ..earlier });
            }
            self.store.take_pending(&earlier.cookie, self.now)?;
        }
        let pending = Pending {
            cookie: self.cookie(&format!("{kind} {address}"))?,
            list_id: self.list.id,
            request,
            content: Vec::new(),
            created_at: self.now,
            expires_at: self.now + lifetime.as_secs_f64(),
        };
        self.store.pend(&pending)?;
        Ok(pending)
    }
}

/// What a request that waits becomes when the same is asked for again, under the same cookie; nothing
/// if something else is asked for.
pub(crate) fn updated(earlier: &Request, wish: &Request) -> Option<Request> {
    match (earlier, wish) {
        // An invitation takes the place of a wish.
        (
            Request::Subscribe { invitation: false, .. },
            Request::Subscribe { invitation: true, .. },
        ) => None,
        (
            Request::Subscribe {
                real_name: name, language: spoken, password: old, invitation, ..
            },
            Request::Subscribe { address, real_name, digest, language, password, .. },
        ) => {
            let or = |new: &String, old: &String| if new.is_empty() { old } else { new }.clone();
            Some(Request::Subscribe {
                address: address.clone(),
                real_name: or(real_name, name),
                digest: *digest,
                language: or(language, spoken),
                password: or(password, old),
                invitation: *invitation,
            })
        }
        (Request::ChangeAddress { .. } | Request::SetOptions { .. }, wish) if earlier != wish => {
            None
        }
        (earlier, _) => Some(earlier.clone()),
    }
}

/// Does something about a list's membership for somebody who waits for the answer: on a page, on
/// the command line. The mails that come of it are in their queue before it counts. What is refused
/// is counted all the same.
pub fn act<T>(
    site: &Site,
    spool: &Spool,
    store: &Store,
    list: &List,
    origin: Origin,
    work: impl FnOnce(&mut Registry<'_>) -> Result<T, MembershipError>,
) -> Result<Result<T, Refusal>, RunError> {
    store.write(|tx| -> Result<Result<T, Refusal>, RunError> {
        let mut registry = Registry::new(site, tx, list, origin);
        let done = split(work(&mut registry))?;
        registry.hand_over(spool)?;
        Ok(done)
    })
}

impl Registry<'_> {
    /// Puts the mails into their queues that have come of it so far, before the transaction counts.
    pub fn hand_over(&mut self, spool: &Spool) -> Result<(), RunError> {
        let mut batch = spool.batch();
        for output in self.outputs.drain(..) {
            batch.enqueue(output.queue, &self.source.derive(&output.label), &output.entry)?;
        }
        Ok(batch.commit()?)
    }
}
