//! Signing in with a password on a page (docs/spec/web.md §2). Commands by mail need none: what matters
//! there is confirmed by a mail.

use super::rules::ASKED_BY;
use super::{MembershipError, Origin, Refusal, Registry};
use crate::role::{self, Role};
use crate::{budget, password};
use dormouse_clock::Timestamp;
use dormouse_store::{Config, Read, Site, StoreError, Tx};
use std::time::Duration;

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedIn {
    /// The member with this address.
    Member(String),
    /// A person who runs the list or the site.
    As(Role),
}

/// The key under which wrong passwords are counted.
const TRIED: &str = "password";

/// Tries a password. Wrong ones are counted for the requester; a right one is accepted regardless of
/// the count.
pub(super) fn counted<T>(
    tx: &Tx<'_>,
    site: &Site,
    origin: &Origin,
    now: Timestamp,
    attempt: impl FnOnce() -> Result<Option<T>, MembershipError>,
) -> Result<T, MembershipError> {
    if let Some(found) = attempt()? {
        return Ok(found);
    }
    // The words are Mailman's, for fail2ban.
    tracing::info!(target: "security", "Authorization failed (password): remote={}", origin.from());
    let (who, most) = (&origin.who, site.config().members_passwords_per_origin);
    if tx.count_asked(TRIED, who, &budget::today(now), most)? {
        return Err(Refusal::WrongPassword.into());
    }
    tracing::warn!("too many wrong passwords, the last by {who}");
    Err(Refusal::TooManyPasswords.into())
}

/// Returns how long a requester in a network must wait for a reply: not at all until half of a day's
/// budget is used, then longer and longer. Offices and universities share a network, so requests are
/// slowed down long before any is refused, and a right password never is.
pub fn pace(
    store: &Read,
    config: &Config,
    network: &str,
    now: Timestamp,
) -> Result<Duration, StoreError> {
    const STEP: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(5);
    let today = budget::today(now);
    let mut steps = 0;
    for (kind, most) in
        [(TRIED, config.members_passwords_per_origin), (ASKED_BY, config.members_mails_per_origin)]
    {
        if most > 0 {
            steps = steps.max(store.asked(kind, network, &today)?.saturating_sub(most / 2));
        }
    }
    Ok(STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)).min(LONGEST))
}

impl Registry<'_> {
    /// Returns who signs in by a password: the member with the address, or one of `roles`, for which
    /// the address does not matter. Wrong passwords are counted for the requester; a right one is
    /// accepted regardless of the count.
    pub fn log_in(
        &mut self,
        roles: &[Role],
        address: &str,
        password: &str,
    ) -> Result<LoggedIn, MembershipError> {
        let found = counted(self.store, self.site, &self.origin, self.now, || {
            Ok(match role::of_password(self.store, self.list, roles, password)? {
                Some(role) => Some(LoggedIn::As(role)),
                None => self.is_member_with(address, password)?,
            })
        })?;
        tracing::info!("{}: {found:?} logged in {}", self.list.name, self.origin.how);
        Ok(found)
    }

    fn is_member_with(
        &self,
        address: &str,
        password: &str,
    ) -> Result<Option<LoggedIn>, MembershipError> {
        let member = self.member(address.trim())?;
        if let Some(member) = &member
            && role::is_members(self.store, self.list, &member.address, password)?
        {
            return Ok(Some(LoggedIn::Member(member.address.clone())));
        }
        let hash = match member {
            Some(member) => self.store.read().member_password(self.list.id, &member.address)?,
            None => String::new(),
        };
        if password::is_outdated(&hash) {
            // Takes as long as for a member with a hash of ours, so that the time does not show who is
            // a member.
            password::renewed(&hash, password);
        }
        Ok(None)
    }
}
