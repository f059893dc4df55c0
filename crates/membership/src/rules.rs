//! The rules on who may subscribe, and how often mails may be requested.

use super::{Means, MembershipError, Origin, Refusal, Registry};
use crate::address::equivalents;
use crate::address::is_own;
use crate::budget::{Budget, today};
use crate::patterns::{self, Owner};
use dormouse_clock::Timestamp;
use dormouse_mail::address::{Address, AddressError};
use dormouse_store::{Config, Member, Request, StoreError, SubscribePolicy, Tx};

/// Normalizes an address: its domain becomes lower case.
pub fn checked(address: &str) -> Result<String, AddressError> {
    let address = Address::parse(address.trim())?;
    Ok(format!("{}@{}", address.local(), address.domain().to_lowercase()))
}

/// The key under which mails are counted for their requester.
pub(super) const ASKED_BY: &str = "by";

/// Counts a requested mail to an address, and refuses one too many.
fn pay(
    tx: &Tx<'_>,
    config: &Config,
    origin: &Origin,
    address: &str,
    budget: Budget,
    now: Timestamp,
) -> Result<(), MembershipError> {
    if origin.means == Means::Owner {
        return Ok(());
    }
    // Repeating a code causes nothing new: requests by others in the same name or from the same network
    // must not prevent it.
    let is_within = budget == Budget::Again || {
        let kind = if origin.is_vouched { "by-vouched" } else { ASKED_BY };
        tx.count_asked(kind, &origin.who, &today(now), config.members_mails_per_origin)?
    };
    if is_within && budget.spend(tx, config, address, now)?.is_some() {
        return Ok(());
    }
    tracing::warn!("too many requests about {address}, the last by {}", origin.who);
    Err(Refusal::TooOften.into())
}

/// Counts a mail with a link to sign in, whether or not the address is known.
pub(super) fn pay_for_sign_in(
    tx: &Tx<'_>,
    config: &Config,
    origin: &Origin,
    address: &str,
    now: Timestamp,
) -> Result<(), MembershipError> {
    let is_first = tx.count_asked("asked-sign-in", address, &today(now), 1)?;
    pay(tx, config, origin, address, if is_first { Budget::Anybody } else { Budget::Again }, now)
}

impl<'r> Registry<'r> {
    fn owner(&self) -> Owner<'_> {
        Owner { list: self.list, store: self.store.read(), problems: &self.problems }
    }

    /// Refuses an address that the list or the site has banned.
    pub(super) fn check_ban(&self, address: &str) -> Result<(), MembershipError> {
        match self.ban(address) {
            None => Ok(()),
            Some(ban) => {
                tracing::info!(target: "vette", "{}: {address} is banned by {ban}", self.list.name);
                Err(Refusal::Banned(self.list.sub_address("owner")).into())
            }
        }
    }

    /// The setting that bans an address, and the entry in it. Patterns are Python's; `@list` has no
    /// meaning here (docs/spec/commands.md §5).
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

    /// Whether an address may subscribe without a moderator.
    pub(super) fn is_auto_approved(&self, address: &str) -> Result<bool, StoreError> {
        const SETTING: &str = "subscribe_auto_approval";
        let list = &self.list.settings.subscribe_auto_approval;
        Ok(patterns::matching(self.owner(), SETTING, list, address)?.is_some())
    }

    /// Whether a new member gets digests: as wished, if the list offers that, or by the list's default.
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

    /// Counts a requested mail to an address, and refuses one too many, for both the address, which may
    /// have requested nothing, and the requester.
    pub(super) fn count(&self, address: &str) -> Result<(), MembershipError> {
        let is_own = self.origin.is_vouched && self.origin.who.eq_ignore_ascii_case(address);
        self.pay(address, if is_own { Budget::Vouched } else { Budget::Anybody })
    }

    /// The same for the mail about a request; repeating a code has a budget of its own.
    pub(super) fn count_for(&self, request: &Request) -> Result<(), MembershipError> {
        let address = match request {
            Request::ChangeAddress { new, .. } => new,
            request => request.address(),
        };
        let waiting = self.store.read().pending_about(
            self.list.id,
            request.kind(),
            request.address(),
            self.now,
        )?;
        match waiting {
            Some(waiting) if crate::registry::updated(&waiting.request, request).is_some() => {
                self.pay(address, Budget::Again)
            }
            _ => self.count(address),
        }
    }

    /// Counts a mail to a member whose address was entered to join as if it were not a member, so that
    /// the limit does not show who is one.
    pub(super) fn count_like_a_stranger(&self, address: &str) -> Result<(), MembershipError> {
        let is_asked = matches!(
            self.list.settings.subscribe_policy,
            SubscribePolicy::Confirm | SubscribePolicy::ConfirmAndApprove
        );
        if is_asked { self.count_by_day("asked-join", address) } else { self.count(address) }
    }

    /// Counts a mail that only some addresses get, whatever the address: the first of a day and kind is
    /// paid normally, later ones like repeated codes.
    pub(super) fn count_by_day(&self, kind: &str, address: &str) -> Result<(), MembershipError> {
        let subject = format!("{} {address}", self.list.name);
        let is_first = self.store.count_asked(kind, &subject, &self.today(), 1)?;
        if is_first { self.count(address) } else { self.pay(address, Budget::Again) }
    }

    fn pay(&self, address: &str, budget: Budget) -> Result<(), MembershipError> {
        pay(self.store, self.site.config(), &self.origin, address, budget, self.now)
    }

    /// The member with an address, or with the same mailbox at an equivalent domain.
    pub fn member(&self, address: &str) -> Result<Option<Member>, StoreError> {
        if let Some(member) = self.store.read().member(self.list.id, address)? {
            return Ok(Some(member));
        }
        for variant in equivalents(&self.list.settings.equivalent_domains, address) {
            if let Some(member) = self.store.read().member(self.list.id, &variant)? {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }
}
