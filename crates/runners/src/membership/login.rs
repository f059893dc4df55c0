//! To show with a password who one is, on a page (spec/web.md §2). By mail no such thing is needed:
//! whatever counts there is confirmed by a mail.

use super::{MembershipError, Origin, Refusal, Registry, day};
use crate::password;
use crate::role::{self, Role};
use dormouse_store::{Site, Tx};

/// Who somebody has shown to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedIn {
    /// The member with this address.
    Member(String),
    /// Somebody who runs the list or the site.
    As(Role),
}

/// Passwords that are tried, as they are counted.
const TRIED: &str = "password";

/// Tries a password. Wrong ones are counted against who asks.
pub(super) fn counted<T>(
    tx: &Tx<'_>,
    site: &Site,
    origin: &Origin,
    now: f64,
    attempt: impl FnOnce() -> Result<Option<T>, MembershipError>,
) -> Result<T, MembershipError> {
    let (who, today) = (&origin.who, day(now));
    let most = site.config().members_passwords_per_origin;
    if !tx.count_asked(TRIED, who, &today, most)? {
        tracing::warn!("too many wrong passwords, the last by {who}");
        return Err(Refusal::TooManyPasswords.into());
    }
    let found = attempt()?.ok_or(Refusal::WrongPassword)?;
    tx.count_less(TRIED, who, &today)?;
    Ok(found)
}

impl Registry<'_> {
    /// Who somebody is by a password: the member with the address, or one of `roles`, for which the
    /// address counts for nothing. Wrong ones are counted against who asks.
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
