//! How administrators change memberships, by our commands and by Mailman's. Banned addresses are
//! not added, and members and owners are notified as the list's settings say.

use crate::failure::Failure;
use dormouse_membership as membership;
use dormouse_membership::notices::Notices;
pub use dormouse_membership::person::NamedAddress;
use dormouse_membership::{MembershipError, Origin, Refusal, Registry, split};
use dormouse_spool::Spool;
use dormouse_store::{List, Request, Site, Store, StoreError};
use sysexits::ExitCode;

/// Changes memberships.
pub struct Office<'o> {
    pub site: &'o Site,
    pub store: &'o Store,
    /// Who does it, as stored with the consent.
    pub how: &'static str,
}

pub use dormouse_membership::TOGETHER;
/// The number of people in one transaction if nobody is notified.
const SILENT_TOGETHER: usize = 10_000;

/// Who is notified; where nothing is given, the list's settings decide.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    /// Whether new members get the welcome message.
    pub welcome: Option<bool>,
    /// Whether removed members get the goodbye message.
    pub goodbye: Option<bool>,
    /// Whether the owners are notified.
    pub notify: Option<bool>,
}

impl Told {
    /// Whether the owners are notified.
    pub fn owners(self, list: &List) -> bool {
        self.notify.unwrap_or(list.settings.admin_notify_mchanges)
    }

    /// Whether anybody is notified of new members.
    pub fn of_coming(self, list: &List) -> bool {
        self.welcome.unwrap_or(list.settings.send_welcome_msg) || self.owners(list)
    }

    /// Whether anybody is notified of removed members.
    pub fn of_going(self, list: &List) -> bool {
        self.goodbye.unwrap_or(list.settings.send_goodbye_msg) || self.owners(list)
    }
}

/// Returns how many people are handled in one transaction.
pub fn together(are_told: bool) -> usize {
    if are_told { TOGETHER } else { SILENT_TOGETHER }
}

impl Office<'_> {
    /// Changes memberships of a list in one transaction, together with the resulting mails.
    /// `notify` overrides whether the owners are notified of each.
    pub fn change<T>(
        &self,
        list: &List,
        notify: Option<bool>,
        work: impl FnOnce(&mut Registry<'_>) -> Result<T, MembershipError>,
    ) -> Result<T, Failure> {
        let mut list = list.clone();
        if let Some(notify) = notify {
            list.settings.admin_notify_mchanges = notify;
        }
        let spool = Spool::new(self.site.qfiles());
        membership::act(self.site, &spool, self.store, &list, Origin::owner(self.how), work)?
            .map_err(|refusal| Failure::new(ExitCode::DataErr, refusal.to_string()))
    }

    /// Sends the owners one mail about all new members.
    pub fn report_added(&self, list: &List, report: &str) -> Result<(), Failure> {
        let notice = Notices { list, site: self.site }.members_added(report);
        let spool = Spool::new(self.site.qfiles());
        spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
        Ok(())
    }
}

/// Subscribes an address; returns the reason if that is not allowed.
pub fn subscribe(
    registry: &mut Registry<'_>,
    person: &NamedAddress,
    digest: bool,
    welcome: Option<bool>,
) -> Result<Result<(), Refusal>, StoreError> {
    split(registry.add(&request(person, digest), welcome))
}

/// The same for many, with few statements. The results are in the order of the people.
pub fn subscribe_all<'p>(
    registry: &mut Registry<'_>,
    people: impl IntoIterator<Item = &'p NamedAddress>,
    digest: bool,
    welcome: Option<bool>,
) -> Result<Vec<Result<(), Refusal>>, StoreError> {
    let requests: Vec<Request> = people.into_iter().map(|person| request(person, digest)).collect();
    registry.add_all(&requests, welcome)
}

fn request(person: &NamedAddress, digest: bool) -> Request {
    Request::Subscribe {
        address: person.address.clone(),
        real_name: person.name.clone(),
        digest,
        language: String::new(),
        password: String::new(),
        invitation: false,
    }
}
