//! To show with a password who one is, on a page (spec/web.md §2). By mail no such thing is needed:
//! whatever counts there is confirmed by a mail.

use super::{MembershipError, Refusal, Registry};
use crate::password;
use crate::role::{self, Role};

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

impl Registry<'_> {
    /// Who somebody is by a password: the member with the address, or one of `roles`, for which the
    /// address counts for nothing. Wrong ones are counted against who asks.
    pub fn log_in(
        &mut self,
        roles: &[Role],
        address: &str,
        password: &str,
    ) -> Result<LoggedIn, MembershipError> {
        let (who, today) = (self.origin.who.clone(), self.today());
        let most = self.site.config().members_passwords_per_origin;
        if !self.store.count_asked(TRIED, &who, &today, most)? {
            tracing::warn!("{}: too many wrong passwords, the last by {who}", self.list.name);
            return Err(Refusal::TooManyPasswords.into());
        }
        let found = match role::of_password(self.store, self.list, roles, password)? {
            Some(role) => Some(LoggedIn::As(role)),
            None => self.is_member_with(address, password)?,
        };
        match found {
            Some(found) => {
                self.store.count_less(TRIED, &who, &today)?;
                tracing::info!("{}: {found:?} logged in {}", self.list.name, self.origin.how);
                Ok(found)
            }
            None => Err(Refusal::WrongPassword.into()),
        }
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
