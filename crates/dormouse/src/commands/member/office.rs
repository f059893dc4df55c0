//! What an administrator does with memberships, by our commands and by Mailman's: who may not be a
//! member is not made one, and members and owners hear of it as the list's settings say.

use crate::failure::Failure;
use dormouse_membership as membership;
use dormouse_membership::notices::Notices;
pub use dormouse_membership::person::Person;
use dormouse_membership::{MembershipError, Origin, Refusal, Registry, split};
use dormouse_spool::Spool;
use dormouse_store::{List, Request, Site, Store, StoreError};
use sysexits::ExitCode;

/// Where memberships change.
pub struct Office<'o> {
    pub site: &'o Site,
    pub store: &'o Store,
    /// Who does it, as it is kept with the consent.
    pub how: &'static str,
}

pub use dormouse_membership::TOGETHER;
/// So many where none do.
const SILENT_TOGETHER: usize = 10_000;

/// Who hears of what is done: as the list's settings say, unless it is said otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    /// Whether new members get the welcome message.
    pub welcome: Option<bool>,
    /// Whether those who are removed get the farewell.
    pub goodbye: Option<bool>,
    /// Whether the owners are told.
    pub notify: Option<bool>,
}

impl Told {
    /// Whether the owners are told.
    pub fn owners(self, list: &List) -> bool {
        self.notify.unwrap_or(list.settings.admin_notify_mchanges)
    }

    /// Whether anybody hears of people who come.
    pub fn of_coming(self, list: &List) -> bool {
        self.welcome.unwrap_or(list.settings.send_welcome_msg) || self.owners(list)
    }

    /// Whether anybody hears of people who go.
    pub fn of_going(self, list: &List) -> bool {
        self.goodbye.unwrap_or(list.settings.send_goodbye_msg) || self.owners(list)
    }
}

/// How many people are handled in one transaction.
pub fn together(are_told: bool) -> usize {
    if are_told { TOGETHER } else { SILENT_TOGETHER }
}

impl Office<'_> {
    /// Changes memberships of a list in one transaction, together with the mails that come of it.
    /// `notify` overrides whether the owners are told of each.
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

    /// Tells the owners what became of people who were to be members, in one mail.
    pub fn report_added(&self, list: &List, report: &str) -> Result<(), Failure> {
        let notice = Notices { list, site: self.site }.members_added(report);
        let spool = Spool::new(self.site.qfiles());
        spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
        Ok(())
    }
}

/// Subscribes somebody; what is to be said if that may not be.
pub fn subscribe(
    registry: &mut Registry<'_>,
    person: &Person,
    digest: bool,
    welcome: Option<bool>,
) -> Result<Result<(), Refusal>, StoreError> {
    let request = Request::Subscribe {
        address: person.address.clone(),
        real_name: person.name.clone(),
        digest,
        language: String::new(),
        password: String::new(),
        invitation: false,
    };
    split(registry.add(&request, welcome))
}
