//! Changing a member's address (docs/spec/commands.md §7).

use super::{MembershipError, Refusal, Registry, checked};
use dormouse_store::{Request, StoreError};

impl Registry<'_> {
    /// Asks the new address to confirm that it replaces a member's old one; with `globally` on all
    /// lists of the host.
    pub fn move_to(&mut self, old: &str, new: &str, globally: bool) -> Result<(), MembershipError> {
        let member = self.store.read().member(self.list.id, old)?.ok_or(Refusal::NotMember)?;
        let new = checked(new)?;
        if new == member.address {
            return Err(Refusal::SameAddress.into());
        }
        self.check_not_list(&new)?;
        self.check_ban(&new)?;
        let request =
            Request::ChangeAddress { address: member.address.clone(), new: new.clone(), globally };
        self.count_for(&request)?;
        let lifetime = self.site.config().members_confirm_within.duration();
        let pending = self.pend(request, lifetime)?;
        let confirmation = self.confirmation(&pending, &new)?;
        self.send(self.notices().confirm_moving(&confirmation, &member.address, &new));
        Ok(())
    }

    /// Changes the address, and returns the names of the lists where that was done.
    pub(super) fn moved(
        &mut self,
        old: &str,
        new: &str,
        globally: bool,
    ) -> Result<Vec<String>, MembershipError> {
        self.check_ban(new)?;
        let mut done = Vec::new();
        for id in self.store.read().lists_of(old)? {
            let list = match self.store.read().list_by_id(id)? {
                Some(list) if id == self.list.id => list,
                Some(list)
                    if globally
                        && list.settings.host_name == self.list.settings.host_name
                        && self.may_move_on(&list, new)? =>
                {
                    list
                }
                _ => continue,
            };
            let how = &self.origin.how;
            let moved = self.store.move_member(id, old, new, how, self.now)?
                // If the new address is already a member, it keeps its own membership and the old one
                // is removed.
                || self.store.remove_member(id, old, how, self.now)?;
            if moved {
                tracing::info!(target: "subscribe", "{}: changed address {old} to {new}", list.name);
                done.push(list.settings.real_name.clone());
            }
        }
        if done.is_empty() {
            return Err(Refusal::NotMember.into());
        }
        self.tell_moved(old, new, &done)?;
        Ok(done)
    }

    /// Tells both addresses. If another person did this, the member finds out at the old address.
    pub fn tell_moved(&mut self, old: &str, new: &str, lists: &[String]) -> Result<(), StoreError> {
        let mut language = self.store.read().language_of(self.list.id, new)?;
        if language.is_empty() {
            language = self.store.read().language_of(self.list.id, old)?;
        }
        for to in [old, new] {
            let mailed = self.list.mailed(to);
            self.send(self.notices().moved(&mailed, (old, new), lists, &language));
        }
        Ok(())
    }

    fn may_move_on(&self, list: &dormouse_store::List, new: &str) -> Result<bool, MembershipError> {
        let other = Registry::new(self.site, self.store, list, self.origin.clone());
        match other.check_ban(new) {
            Ok(()) => Ok(true),
            Err(MembershipError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
