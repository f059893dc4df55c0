//! Ending a membership (docs/spec/commands.md §6).

use super::{Asked, MembershipError, Refusal, Registry};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_store::{Member, Request, StoreError};

impl Registry<'_> {
    /// Handles a request to leave. Unless `is_proved`, a mail asks the member to confirm; with
    /// `unsubscribe_policy` a moderator decides in either case.
    pub fn leave(&mut self, address: &str, is_proved: bool) -> Result<Asked, MembershipError> {
        let member = self.member(address)?.ok_or(Refusal::NotMember)?;
        let request = Request::Unsubscribe { address: member.address.clone() };
        if self.list.settings.unsubscribe_policy {
            self.count(&member.address)?;
            self.hold(&request)?;
            return Ok(Asked::Held);
        }
        if is_proved {
            self.remove(&member.address, None)?;
            return Ok(Asked::Done);
        }
        self.count_for(&request)?;
        let lifetime = self.site.config().members_confirm_within.duration();
        let pending = self.pend(request, lifetime)?;
        let confirmation = self.confirmation(&pending, &member.address)?;
        self.send(self.notices().confirm_leaving(&confirmation, &member.address));
        Ok(Asked::Confirm)
    }

    /// Ends a membership through the link in a mail that was sent at `since`. Only the membership that
    /// the address had at that time ends, also if it has another address by now.
    pub fn leave_by_link(
        &mut self,
        address: &str,
        since: Timestamp,
    ) -> Result<Asked, MembershipError> {
        let member = self.store.read().member_since(self.list.id, address, since)?;
        self.leave(&member.ok_or(Refusal::NotMember)?.address, true)
    }

    /// Removes a member, sends the goodbye message and notifies the owners. `goodbye` overrides the
    /// list's `send_goodbye_msg`.
    pub fn remove(&mut self, address: &str, goodbye: Option<bool>) -> Result<(), MembershipError> {
        let mut removed = self.remove_all(&[address], goodbye)?;
        Ok(removed.pop().unwrap_or(Err(Refusal::NotMember))?)
    }

    /// The same for many, with few statements. The results are in the order of the addresses.
    pub fn remove_all(
        &mut self,
        addresses: &[&str],
        goodbye: Option<bool>,
    ) -> Result<Vec<Result<(), Refusal>>, StoreError> {
        let keys: Vec<AddressKey> =
            addresses.iter().map(|address| AddressKey::of(address)).collect();
        let mut gone =
            self.store.remove_members(self.list.id, &keys, &self.origin.how, self.now)?;
        let tell = |key| match gone.remove(key) {
            Some(member) => {
                self.say_goodbye(&member, goodbye);
                Ok(())
            }
            None => Err(Refusal::NotMember),
        };
        Ok(keys.iter().map(tell).collect())
    }

    fn say_goodbye(&mut self, member: &Member, goodbye: Option<bool>) {
        tracing::info!(target: "subscribe", "{}: deleted {}; {}", self.list.name, member.address, self.origin.how);
        if goodbye.unwrap_or(self.list.settings.send_goodbye_msg) {
            self.send(self.notices().goodbye(member, &self.list.mailed(&member.address)));
        }
        if self.list.settings.admin_notify_mchanges {
            self.send(self.notices().member_left(member, self.origin.means));
        }
    }
}
