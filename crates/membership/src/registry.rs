//! Joining, leaving and changing a membership: requests by mail, on a page or by an owner are decided
//! and carried out here (docs/spec/commands.md §3 to §11).

/// The number of people to handle in one transaction if each may cause mails, which are in memory until
/// it ends.
pub const TOGETHER: usize = 200;

use crate::moderation::link as cookies;
use crate::notices::Notices;
use crate::notices::membership::Confirmation;
use crate::{Output, PatternProblem};
use crate::{RunError, budget};
use dormouse_clock::Timestamp;
use dormouse_mail::address::AddressError;
use dormouse_spool::{EntryName, Spool};
use dormouse_store::{List, Pending, Request, Settled, Site, Store, StoreError, Tx};
use dormouse_words::{Text, say};
use std::cell::RefCell;
use std::time::Duration;

/// The name of the site's key for cookies and links about memberships.
pub const SECRET: &str = "membership";

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// By mail.
    Mail,
    /// On a web page.
    Web,
    /// By an owner, or on the server's command line.
    Owner,
}

impl Means {
    /// The words for owners.
    pub fn words(self) -> Text {
        match self {
            Means::Mail => say("by mail"),
            Means::Web => say("on the web"),
            Means::Owner => say("by an owner"),
        }
    }
}

/// Who makes a request.
#[derive(Debug, Clone)]
pub struct Origin {
    /// How the request is made.
    pub means: Means,
    /// The key by which requests are counted: the sender's address, or the network of the browser.
    pub who: String,
    /// The source as stored with the consent: a Message-ID, or the address of the network.
    pub how: String,
    /// Different for each mail and page, but the same if a mail is processed again.
    pub seed: String,
    /// The MTA authenticated `who` as the mail's sender.
    pub is_vouched: bool,
}

impl Origin {
    /// A person on the server.
    pub fn owner(how: &str) -> Origin {
        Origin {
            means: Means::Owner,
            who: String::new(),
            how: how.to_owned(),
            seed: fresh_seed(),
            is_vouched: true,
        }
    }

    /// A person with a browser.
    pub fn web(address: &str, network: &str) -> Origin {
        let how = format!("{ON_THE_WEB}{address}");
        let (who, seed) = (network.to_owned(), fresh_seed());
        Origin { means: Means::Web, who, how, seed, is_vouched: false }
    }
}

impl Origin {
    /// The network address of a browser's request, or else the source as it is stored.
    pub fn from(&self) -> &str {
        self.how.strip_prefix(ON_THE_WEB).unwrap_or(&self.how)
    }
}

/// The beginning of the source of a browser's request; the network address follows.
const ON_THE_WEB: &str = "on the web from ";

/// A random text.
fn fresh_seed() -> String {
    EntryName::new(Timestamp::now(), b"", "").as_str().to_owned()
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The list's or the site's `ban_list` names the address; the text says whom to ask.
    Banned(String),
    /// The address is malformed.
    Address(AddressError),
    /// The address is the list's own.
    ListAddress,
    /// The address is a member already.
    Member,
    /// The address is not a member.
    NotMember,
    /// There were too many requests.
    TooOften,
    /// The list is closed.
    Closed,
    /// The list has no digests.
    NoDigests,
    /// The list has only digests.
    OnlyDigests,
    /// The old and the new address are the same.
    SameAddress,
    /// Nothing waits for this cookie.
    Unknown,
    /// The cookie was used; the text says what it did.
    Used(String),
    /// The password is wrong, or of another address. Which of them is not disclosed.
    WrongPassword,
    /// There were too many wrong passwords.
    TooManyPasswords,
    /// The cookie works only on a page.
    OnlyOnTheWeb,
}

impl Refusal {
    /// The words for the requester.
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

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// It was refused.
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

/// Separates refusals from failures.
pub fn split<T>(result: Result<T, MembershipError>) -> Result<Result<T, Refusal>, StoreError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(MembershipError::Refused(refusal)) => Ok(Err(refusal)),
        Err(MembershipError::Store(error)) => Err(error),
    }
}

/// The result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was carried out.
    Done,
    /// A mail asks the address to confirm it.
    Confirm,
    /// It waits for a moderator.
    Held,
}

/// Changes of one list's memberships, inside a transaction of the store, for one requester.
pub struct Registry<'r> {
    /// The site.
    pub site: &'r Site,
    /// The transaction.
    pub store: &'r Tx<'r>,
    /// The list.
    pub list: &'r List,
    /// The requester.
    pub origin: Origin,
    /// Seconds since the epoch.
    pub now: Timestamp,
    /// The resulting mails, each with a label of its own.
    pub outputs: Vec<Output>,
    /// The entry name from which the names of the resulting entries are derived, if a person waits for
    /// the reply.
    pub(crate) source: EntryName,
    pub(crate) problems: RefCell<Vec<PatternProblem>>,
}

impl<'r> Registry<'r> {
    /// The memberships of a list, for a requester.
    pub fn new(site: &'r Site, store: &'r Tx<'r>, list: &'r List, origin: Origin) -> Registry<'r> {
        let (problems, now) = (RefCell::default(), Timestamp::now());
        let source = EntryName::new(now, origin.seed.as_bytes(), &list.name);
        Registry { site, store, list, origin, now, outputs: Vec::new(), source, problems }
    }

    /// The notices this list writes.
    pub fn notices(&self) -> Notices<'r> {
        Notices { list: self.list, site: self.site }
    }

    /// Takes the patterns of the list that could not be used, each once.
    pub fn take_problems(&mut self) -> Vec<PatternProblem> {
        self.problems.take()
    }

    /// The mail that asks an address to confirm a pending request.
    pub(crate) fn confirmation(
        &self,
        pending: &Pending,
        address: &str,
    ) -> Result<Confirmation, StoreError> {
        let language = match &pending.request {
            Request::Subscribe { language, .. } => language.clone(),
            request => self.store.read().language_of(self.list.id, request.address())?,
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

    /// Stores what a used cookie did.
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

    /// 40 hexadecimal digits that cannot be guessed.
    pub(crate) fn cookie(&self, about: &str) -> Result<String, StoreError> {
        let secret = self.store.secret(SECRET)?;
        Ok(cookies::cookie(&secret, &format!("{} {}", self.origin.seed, about)))
    }

    /// Lets a request wait for its confirmation, and returns it. There is one pending request of a kind
    /// for an address, so that asking twice sends the same cookie again.
    pub(crate) fn pend(&self, request: Request, lifetime: Duration) -> Result<Pending, StoreError> {
        let (kind, address) = (request.kind(), request.address().to_lowercase());
        if let Some(earlier) =
            self.store.read().pending_about(self.list.id, kind, &address, self.now)?
        {
            if let Some(request) = updated(&earlier.request, &request) {
                // The last request counts, and renews the expiry.
                let expires_at = earlier.expires_at.max(self.now + lifetime);
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
            expires_at: self.now + lifetime,
        };
        self.store.pend(&pending)?;
        Ok(pending)
    }
}

/// What a pending request becomes if the same is requested again, under the same cookie; `None` if the
/// new request is a different one.
pub(crate) fn updated(earlier: &Request, wish: &Request) -> Option<Request> {
    match (earlier, wish) {
        // An invitation replaces a request to join.
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

/// Changes a list's memberships for a person who waits for the result: on a page, or on the command
/// line. The resulting mails are in their queue before the transaction is committed. Refused requests
/// are counted, too.
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
    /// Enqueues the mails created so far, before the transaction is committed.
    pub fn hand_over(&mut self, spool: &Spool) -> Result<(), RunError> {
        let mut batch = spool.batch();
        for output in self.outputs.drain(..) {
            batch.enqueue(output.queue, &self.source.derive(&output.label), &output.entry)?;
        }
        Ok(batch.commit()?)
    }
}
