//! Who may subscribe, and how often something may be asked for.

use super::{Means, MembershipError, Refusal, Registry};
use crate::address::is_own;
use crate::pipeline::moderate::equivalents;
use crate::pipeline::patterns::{self, Owner};
use dormouse_mail::address::{Address, AddressError};
use dormouse_store::{Member, StoreError};

/// An address as it is kept: its domain in lower case.
pub fn checked(address: &str) -> Result<String, AddressError> {
    let address = Address::parse(address.trim())?;
    Ok(format!("{}@{}", address.local(), address.domain().to_lowercase()))
}

impl<'r> Registry<'r> {
    fn owner(&self) -> Owner<'_> {
        Owner { list: self.list, store: self.store, problems: &self.problems }
    }

    /// Refuses an address that the list or the site has banned.
    pub(super) fn check_ban(&self, address: &str) -> Result<(), MembershipError> {
        match self.ban(address) {
            None => Ok(()),
            Some(ban) => {
                tracing::info!("{}: {address} is banned by {ban}", self.list.name);
                Err(Refusal::Banned(self.list.sub_address("owner")).into())
            }
        }
    }

    /// The setting and its entry by which the list or the site has banned an address, if one has.
    /// Patterns are Python's; `@list` has no meaning here (spec/commands.md §5).
    pub fn ban(&self, address: &str) -> Option<String> {
        for (setting, list) in [
            ("ban_list", &self.list.settings.ban_list),
            ("members.ban_list", &self.site.config().members_ban_list),
        ] {
            let found = patterns::matching_alone(self.owner(), setting, list, address);
            if let Some(entry) = found {
                return Some(format!("{setting}: {entry}"));
            }
        }
        None
    }

    /// Refuses the list's own addresses.
    pub(super) fn check_not_list(&self, address: &str) -> Result<(), Refusal> {
        if is_own(self.list, address) { Err(Refusal::ListAddress) } else { Ok(()) }
    }

    /// Whether an address needs no moderator to subscribe.
    pub(super) fn is_auto_approved(&self, address: &str) -> Result<bool, StoreError> {
        const SETTING: &str = "subscribe_auto_approval";
        let list = &self.list.settings.subscribe_auto_approval;
        Ok(patterns::matching(self.owner(), SETTING, list, address)?.is_some())
    }

    /// Whether digests are what a new member gets, if the list has what is wished for; the list's
    /// default when nothing is.
    pub(super) fn digest(&self, wished: Option<bool>) -> Result<bool, Refusal> {
        let settings = &self.list.settings;
        match wished {
            Some(true) if !settings.digestable => Err(Refusal::NoDigests),
            Some(false) if !settings.nondigestable => Err(Refusal::OnlyDigests),
            Some(digest) => Ok(digest),
            None if !settings.digestable => Ok(false),
            None if !settings.nondigestable => Ok(true),
            None => Ok(settings.digest_is_default),
        }
    }

    /// Counts a mail that goes to an address because somebody asked for it, and refuses one too
    /// many: for the address, which may have asked for nothing, and for the one who asks.
    pub(super) fn count(&self, address: &str) -> Result<(), MembershipError> {
        if self.origin.means == Means::Owner {
            return Ok(());
        }
        let config = self.site.config();
        let today = self.today();
        let (by, to) = (config.members_mails_per_origin, config.members_mails_per_address);
        if !self.store.count_asked("by", &self.origin.who, &today, by)?
            || !self.store.count_asked("to", address, &today, to)?
        {
            tracing::warn!(
                "{}: too many requests about {address}, the last by {}",
                self.list.name,
                self.origin.who
            );
            return Err(Refusal::TooOften.into());
        }
        Ok(())
    }

    /// The member with an address, or with the same mailbox at an equivalent domain.
    pub fn member(&self, address: &str) -> Result<Option<Member>, StoreError> {
        if let Some(member) = self.store.member(self.list.id, address)? {
            return Ok(Some(member));
        }
        for variant in equivalents(&self.list.settings.equivalent_domains, address) {
            if let Some(member) = self.store.member(self.list.id, &variant)? {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }
}
