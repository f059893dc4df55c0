//! Executes what a cookie confirms (docs/spec/commands.md §3). A cookie works once: its request is
//! removed from the store before it is carried out.

use super::join::clean_name;
use super::options::OptionChange;
use super::{Asked, Means, MembershipError, Refusal, Registry};
use crate::notices::Notices;
use dormouse_store::{Act, Pending, Request};

/// What a person can still change on the page that asks for confirmation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfirmChoice {
    /// The name, if it was changed.
    pub real_name: Option<String>,
    /// Whether to get digests, if it was changed.
    pub digest: Option<bool>,
    /// One of the list's languages, if it was changed.
    pub language: Option<String>,
}

/// The result of a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// The address is a member now.
    Joined(String),
    /// The address's request to join waits for a moderator.
    Held(String),
    /// The address is no longer a member.
    Left(String),
    /// The member has the new address, on these lists.
    Moved {
        /// The new address.
        new: String,
        /// The lists, as people read their names.
        lists: Vec<String>,
    },
    /// The address gets mail again.
    ReEnabled(String),
    /// The address has the options that were requested.
    OptionsSet(String),
    /// The address's owner may see and change its options.
    LoggedIn(String),
}

impl Confirmed {
    /// A sentence for the person who confirmed.
    fn describe(&self, list: &str) -> String {
        match self {
            Confirmed::Joined(address) => format!("{address} became a member of {list}."),
            Confirmed::Held(address) => {
                format!(
                    "the request of {address} to join {list} was passed on to those who run it."
                )
            }
            Confirmed::Left(address) => format!("{address} left {list}."),
            Confirmed::Moved { new, lists } => {
                format!("mail goes to {new} since then: {}.", lists.join(", "))
            }
            Confirmed::ReEnabled(address) => format!("{address} gets the mail of {list} again."),
            Confirmed::OptionsSet(address) => format!("the options of {address} were set."),
            Confirmed::LoggedIn(address) => {
                format!("the options of {address} were opened. Please ask for another link.")
            }
        }
    }
}

impl Registry<'_> {
    /// Returns the request that waits for a cookie of this list, and leaves it waiting.
    pub fn waiting(&self, cookie: &str) -> Result<Pending, MembershipError> {
        let cookie = cookie.trim().to_lowercase();
        match self.store.read().pending(&cookie, self.now)? {
            None => Err(self.used(&cookie)?.into()),
            Some(Pending { request: Request::Probe { .. }, .. }) => Err(Refusal::Unknown.into()),
            Some(pending) if pending.list_id != self.list.id => Err(Refusal::Unknown.into()),
            Some(pending) => Ok(pending),
        }
    }

    /// Returns what a used cookie of this list did.
    pub fn used(&self, cookie: &str) -> Result<Refusal, MembershipError> {
        let settled = self.store.read().settled(cookie)?;
        Ok(match settled.filter(|settled| settled.list_id == self.list.id) {
            Some(settled) => {
                let on = dormouse_words::date::on(settled.at, "en");
                Refusal::Used(format!("This was used before, on {on}: {}", settled.what))
            }
            None => Refusal::Unknown,
        })
    }

    /// Tells the owners of both lists if an invitation to another list is used on this one: one list
    /// may be made to look like the other (docs/spec/commands.md §3).
    fn check_hostile(&mut self, cookie: &str) -> Result<(), MembershipError> {
        let pending = self.store.read().pending(&cookie.trim().to_lowercase(), self.now)?;
        if let Some(Pending { list_id, request, .. }) = pending
            && list_id != self.list.id
            && let Request::Subscribe { address, invitation: true, .. } = request
            && let Some(other) = self.store.read().list_by_id(list_id)?
        {
            let theirs = Notices { list: &other, site: self.site };
            let ours = self.notices();
            self.send(theirs.hostile_invitation(&address, &self.list.settings.real_name));
            self.send(ours.hostile_invitation(&address, &other.settings.real_name));
        }
        Ok(())
    }

    /// Carries out what a cookie confirms. A cookie that signs in does not work by mail, and stays
    /// valid.
    pub fn confirm(
        &mut self,
        cookie: &str,
        choice: &ConfirmChoice,
    ) -> Result<Confirmed, MembershipError> {
        self.check_hostile(cookie)?;
        let pending = self.waiting(cookie)?;
        if matches!(pending.request, Request::LogIn { .. }) && self.origin.means != Means::Web {
            return Err(Refusal::OnlyOnTheWeb.into());
        }
        let taken = self.store.take_pending(&pending.cookie, self.now)?.ok_or(Refusal::Unknown)?;
        let (cookie, address) = (taken.cookie.clone(), taken.request.address().to_owned());
        let confirmed = self.carry_out(taken, choice)?;
        let what = confirmed.describe(&self.list.settings.real_name);
        self.settle(&cookie, "confirmation", &address, what)?;
        Ok(confirmed)
    }

    fn carry_out(
        &mut self,
        taken: Pending,
        choice: &ConfirmChoice,
    ) -> Result<Confirmed, MembershipError> {
        match taken.request {
            Request::Subscribe { .. } => self.joining_confirmed(taken.request, choice),
            Request::Unsubscribe { address } => {
                self.note(&address, Act::Confirmed)?;
                self.remove(&address, None)?;
                Ok(Confirmed::Left(address))
            }
            Request::ChangeAddress { address, new, globally } => {
                let lists = self.moved(&address, &new, globally)?;
                Ok(Confirmed::Moved { new, lists })
            }
            Request::ReEnable { address } => {
                if !self.store.re_enable(self.list.id, &address, self.now)? {
                    return Err(Refusal::NotMember.into());
                }
                tracing::info!(target: "subscribe", "{}: {address} re-enabled, {}", self.list.name, self.origin.how);
                Ok(Confirmed::ReEnabled(address))
            }
            Request::SetOptions { address, changes } => {
                let changes: Vec<OptionChange> = changes
                    .iter()
                    .filter_map(|change| change.split_once(' '))
                    .filter_map(|(option, value)| OptionChange::parse(option, value).ok())
                    .collect();
                self.set_options(&address, &changes)?;
                Ok(Confirmed::OptionsSet(address))
            }
            Request::LogIn { address } => {
                if !self.store.read().is_member(self.list.id, &address)? {
                    return Err(Refusal::NotMember.into());
                }
                Ok(Confirmed::LoggedIn(address))
            }
            Request::Probe { .. } => Err(Refusal::Unknown.into()),
        }
    }

    fn joining_confirmed(
        &mut self,
        mut request: Request,
        choice: &ConfirmChoice,
    ) -> Result<Confirmed, MembershipError> {
        let Request::Subscribe { address, real_name, digest, language, invitation, .. } =
            &mut request
        else {
            return Err(Refusal::Unknown.into());
        };
        if let Some(chosen) = &choice.language {
            language.clone_from(chosen);
        }
        if let Some(name) = &choice.real_name {
            *real_name = clean_name(name);
        }
        *digest = self.digest(Some(choice.digest.unwrap_or(*digest)))?;
        let (address, invitation) = (address.clone(), *invitation);
        if self.store.read().is_member(self.list.id, &address)? {
            return Err(Refusal::Member.into());
        }
        self.note(&address, Act::Confirmed)?;
        if invitation {
            self.add(&request, None)?;
            return Ok(Confirmed::Joined(address));
        }
        Ok(match self.approved_or_held(&request)? {
            Asked::Held => Confirmed::Held(address),
            Asked::Done | Asked::Confirm => Confirmed::Joined(address),
        })
    }
}

impl Registry<'_> {
    /// Removes the request that waits for a cookie.
    pub fn cancel(&mut self, cookie: &str) -> Result<(), MembershipError> {
        let pending = self.waiting(cookie)?;
        self.store.take_pending(&pending.cookie, self.now)?;
        let what = "the request was taken back, and nothing happened.".to_owned();
        self.settle(&pending.cookie, "confirmation", pending.request.address(), what)?;
        tracing::info!(target: "subscribe",
            "{}: {} of {} taken back, {}",
            self.list.name,
            pending.request.kind(),
            pending.request.address(),
            self.origin.how
        );
        Ok(())
    }
}
