//! Becoming a member (docs/spec/commands.md §4, §8).

use super::{Asked, MembershipError, Refusal, Registry, checked, split};
use dormouse_store::{
    Act, Added, List, MemberOption, NewMember, Request, Roster, StoreError, SubscribePolicy,
};

/// What a person who wants to join says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The address.
    pub address: String,
    /// The display name; may be empty.
    pub real_name: String,
    /// Whether to get digests; `None` for the list's default.
    pub digest: Option<bool>,
    /// The language for notices; if empty, the list's.
    pub language: String,
    /// The password's hash; empty for none.
    pub password: String,
}

/// Longer names are cut, in bytes.
const LONGEST_NAME: usize = 200;

/// Puts a name on one line and limits its length.
pub fn clean_name(name: &str) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    let name: String = name.chars().map(clean).take(LONGEST_NAME).collect();
    name.trim().to_owned()
}

/// Whether the list keeps its membership from non-members.
pub fn hides_members(list: &List) -> bool {
    list.settings.private_roster != Roster::Anyone
}

impl Wish {
    fn request(&self, address: &str, digest: bool, invitation: bool) -> Request {
        Request::Subscribe {
            address: address.to_owned(),
            real_name: clean_name(&self.real_name),
            digest,
            language: self.language.clone(),
            password: self.password.clone(),
            invitation,
        }
    }
}

impl Registry<'_> {
    /// Handles a request to join. What happens depends on the list's `subscribe_policy`.
    pub fn join(&mut self, wish: &Wish) -> Result<Asked, MembershipError> {
        let (address, digest) = self.admissible(wish)?;
        let request = wish.request(&address, digest, false);
        let is_asked = matches!(
            self.list.settings.subscribe_policy,
            SubscribePolicy::Confirm | SubscribePolicy::ConfirmAndApprove
        );
        if is_asked {
            self.count_for(&request)?;
        } else {
            self.count(&address)?;
        }
        self.note(&address, Act::Asked)?;
        if !is_asked {
            return self.approved_or_held(&request);
        }
        let lifetime = self.site.config().members_confirm_within.duration();
        let pending = self.pend(request, lifetime)?;
        tracing::info!(target: "subscribe", "{}: pending {address} {}", self.list.name, self.origin.how);
        let confirmation = self.confirmation(&pending, &address)?;
        self.send(self.notices().confirm_joining(&confirmation, &pending.request));
        Ok(Asked::Confirm)
    }

    /// Like [`join`](Self::join), for a requester who may not own the address. If the list hides its
    /// members, a member's address gets the same reply as any other, and the member is notified.
    pub fn join_unseen(&mut self, wish: &Wish) -> Result<Asked, MembershipError> {
        match self.join(wish) {
            Err(MembershipError::Refused(Refusal::Member)) if hides_members(self.list) => {
                let address = checked(&wish.address)?;
                self.count_like_a_stranger(&address)?;
                let language = self.store.read().language_of(self.list.id, &address)?;
                let to = self.list.mailed(&address);
                self.send(self.notices().asked_to_join_again(&to, &address, &language));
                Ok(Asked::Confirm)
            }
            asked => asked,
        }
    }

    /// Returns the normalized address and whether it will get digests, or refuses it.
    fn admissible(&self, wish: &Wish) -> Result<(String, bool), MembershipError> {
        let address = checked(&wish.address)?;
        if self.list.settings.closed {
            return Err(Refusal::Closed.into());
        }
        if self.store.read().is_member(self.list.id, &address)? {
            return Err(Refusal::Member.into());
        }
        self.check_not_list(&address)?;
        self.check_ban(&address)?;
        let digest = self.digest(wish.digest)?;
        Ok((address, digest))
    }

    /// Adds a confirmed address, or lets it wait for a moderator if the list requires that.
    pub(super) fn approved_or_held(&mut self, request: &Request) -> Result<Asked, MembershipError> {
        let policy = self.list.settings.subscribe_policy;
        let needs_approval =
            matches!(policy, SubscribePolicy::Approve | SubscribePolicy::ConfirmAndApprove);
        if needs_approval && !self.is_auto_approved(request.address())? {
            self.hold(request)?;
            return Ok(Asked::Held);
        }
        self.add(request, None)?;
        Ok(Asked::Done)
    }

    /// Asks an address whether it would like to join. No further approval is needed then.
    pub fn invite(&mut self, wish: &Wish, message: &str) -> Result<(), MembershipError> {
        let (address, digest) = self.admissible(wish)?;
        let lifetime = self.site.config().members_invitation_lifetime.duration();
        let pending = self.pend(wish.request(&address, digest, true), lifetime)?;
        self.note(&address, Act::Invited)?;
        let confirmation = self.confirmation(&pending, &address)?;
        self.send(self.notices().invitation(&confirmation, message));
        Ok(())
    }

    /// Adds a member, sends the welcome message and notifies the owners. `welcome` overrides the list's
    /// `send_welcome_msg`.
    pub fn add(&mut self, request: &Request, welcome: Option<bool>) -> Result<(), MembershipError> {
        let mut added = self.add_all(std::slice::from_ref(request), welcome)?;
        Ok(added.pop().unwrap_or(Err(Refusal::Unknown))?)
    }

    /// The same for many, with few statements. The results are in the order of the requests.
    pub fn add_all(
        &mut self,
        requests: &[Request],
        welcome: Option<bool>,
    ) -> Result<Vec<Result<(), Refusal>>, StoreError> {
        let mut results = Vec::with_capacity(requests.len());
        let mut coming = Vec::new();
        for request in requests {
            let admitted = split(self.admitted(request))?;
            results.push(admitted.map(|new| coming.push(new)));
        }
        let added = self.store.add_members(self.list, &coming, self.now, &self.origin.how)?;
        let mut added = added.into_iter();
        for (request, result) in requests.iter().zip(&mut results).filter(|(_, one)| one.is_ok()) {
            match added.next() {
                Some(Added::Added) => self.welcome(request, welcome)?,
                _ => *result = Err(Refusal::Member),
            }
        }
        Ok(results)
    }

    /// The member that a request asks for, unless the list is closed or bans the address.
    fn admitted(&self, request: &Request) -> Result<NewMember, MembershipError> {
        let Request::Subscribe { address, real_name, digest, .. } = request else {
            return Err(Refusal::Unknown.into());
        };
        if self.list.settings.closed {
            return Err(Refusal::Closed.into());
        }
        self.check_ban(address)?;
        Ok(NewMember { address: address.clone(), real_name: real_name.clone(), digest: *digest })
    }

    /// Does what is left to do after the address of a request was added: stores what was chosen, and sends
    /// the notices.
    fn welcome(&mut self, request: &Request, welcome: Option<bool>) -> Result<(), StoreError> {
        let Request::Subscribe { address, real_name, digest, language, password, .. } = request
        else {
            return Ok(());
        };
        tracing::info!(target: "subscribe",
            "{}: new{} {real_name:?} <{address}>, {}",
            self.list.name,
            if *digest { " (digest)" } else { "" },
            self.origin.how
        );
        if !password.is_empty() {
            self.store.set_member_password(self.list.id, address, password)?;
        }
        let welcome = welcome.unwrap_or(self.list.settings.send_welcome_msg);
        let notify = self.list.settings.admin_notify_mchanges;
        // Saves a lookup for each of thousands who are added in one go without notices.
        if language.is_empty() && !welcome && !notify {
            return Ok(());
        }
        let Some(mut member) = self.store.read().member(self.list.id, address)? else {
            return Ok(());
        };
        if !language.is_empty() {
            member.language.clone_from(language);
            self.store.update_member(self.list.id, &member, self.now)?;
        }
        let plain = member.options.has(MemberOption::DisableMime);
        if welcome {
            let secret = self.store.secret(super::SECRET)?;
            let link =
                super::link::unsubscribe_url(self.list, self.site, &secret, address, self.now);
            let to = self.list.mailed(address);
            self.send(self.notices().welcome(&member, &to, plain, &link));
        }
        if notify {
            self.send(self.notices().member_joined(&member, self.origin.means));
        }
        Ok(())
    }

    pub(super) fn note(&self, address: &str, act: Act) -> Result<(), MembershipError> {
        Ok(self.store.add_consent(self.list.id, address, act, &self.origin.how, self.now)?)
    }
}
