//! To show with a password who one is, on a page (docs/spec/web.md §2). By mail no such thing is needed:
//! whatever counts there is confirmed by a mail.

use super::rules::ASKED_BY;
use super::{MembershipError, Origin, Refusal, Registry};
use crate::role::{self, Role};
use crate::{budget, password};
use dormouse_store::{Config, Site, Store, StoreError, Tx};
use std::time::Duration;

/// Who somebody has shown to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedIn {
    /// The member with this address.
    Member(String),
    /// Somebody who runs the list or the site.
    As(Role),
}

/// Wrong passwords, as they are counted.
const TRIED: &str = "password";

/// Tries a password. Wrong ones are counted against who asks; a right one is right however many were
/// wrong.
pub(super) fn counted<T>(
    tx: &Tx<'_>,
    site: &Site,
    origin: &Origin,
    now: f64,
    attempt: impl FnOnce() -> Result<Option<T>, MembershipError>,
) -> Result<T, MembershipError> {
    if let Some(found) = attempt()? {
        return Ok(found);
    }
    // As Mailman says it, for fail2ban.
    tracing::info!(target: "security", "Authorization failed (password): remote={}", origin.from());
    let (who, most) = (&origin.who, site.config().members_passwords_per_origin);
    if tx.count_asked(TRIED, who, &budget::today(now), most)? {
        return Err(Refusal::WrongPassword.into());
    }
    tracing::warn!("too many wrong passwords, the last by {who}");
    Err(Refusal::TooManyPasswords.into())
}

/// How long somebody on a network waits for an answer: not at all until half of what a day may bring
/// has come from there, then longer and longer. Offices and universities share a network, so those who
/// are many are slowed down long before anybody is refused, and a right password never is.
pub fn pace(
    store: &Store,
    config: &Config,
    network: &str,
    now: f64,
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
    /// Who somebody is by a password: the member with the address, or one of `roles`, for which the
    /// address counts for nothing. Wrong ones are counted against who asks; a right one is right
    /// however many were wrong.
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
            Some(member) => self.store.member_password(self.list.id, &member.address)?,
            None => String::new(),
        };
        if password::is_outdated(&hash) {
            // As slow as for a member with a hash of ours: the time tells nobody who is a member.
            password::renewed(&hash, password);
        }
        Ok(None)
    }
}
