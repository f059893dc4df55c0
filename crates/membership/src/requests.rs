//! Requests to join or leave that wait for a moderator (docs/spec/commands.md §11).

use super::link::{self, BadLink, LinkError};
use super::{Means, MembershipError, Refusal, Registry, checked};
use crate::moderation::alert::{Alert, alert};
use crate::moderation::named::AddedToSetting;
use dormouse_clock::Timestamp;
use dormouse_store::{Act, Changed, DecidedRequest, HeldRequest, Request, RequestId, StoreError};
use dormouse_words::{Text, say};

/// A moderator's decision on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestDecision {
    /// Carry it out.
    Approve,
    /// Do not, and tell the requester.
    Reject {
        /// The moderator's words.
        reason: String,
    },
    /// Do not, and tell nobody. With `ban` the address may not ask again.
    Discard {
        /// Ban the address.
        ban: bool,
    },
}

impl RequestDecision {
    /// The decision in one word.
    fn word(&self) -> &'static str {
        match self {
            RequestDecision::Approve => "approved",
            RequestDecision::Reject { .. } => "rejected",
            RequestDecision::Discard { .. } => "discarded",
        }
    }

    /// The past tense, for people.
    fn done(&self) -> &'static str {
        match self {
            RequestDecision::Approve => "approved",
            RequestDecision::Reject { .. } => "rejected, and the address was notified",
            RequestDecision::Discard { ban: false } => "discarded, and nobody was notified",
            RequestDecision::Discard { ban: true } => "discarded, and the address was banned",
        }
    }
}

impl Registry<'_> {
    /// Lets a request wait for a moderator, who is notified once.
    pub(super) fn hold(&mut self, request: &Request) -> Result<(), MembershipError> {
        let about = format!("held {} {}", request.kind(), request.address());
        let cookie = self.cookie(&about)?;
        let how = self.origin.how.clone();
        let (held, is_new) =
            self.store.hold_request(self.list.id, request, &cookie, &how, self.now)?;
        tracing::info!(target: "subscribe",
            "{}: {} {} waits for a moderator, {how}",
            self.list.name,
            request.kind(),
            request.address()
        );
        if is_new && self.list.settings.admin_immed_notify {
            self.tell_moderators(&held)?;
        }
        Ok(())
    }

    fn tell_moderators(&mut self, held: &HeldRequest) -> Result<(), MembershipError> {
        let secret = self.store.secret(super::SECRET)?;
        match alert(self.store, self.list.id, self.now)? {
            Alert::Single => self.send(self.notices().request_waits(held, &secret)),
            Alert::Summary => {
                let all: Vec<(String, Option<String>)> = self
                    .store
                    .read()
                    .held_requests(self.list.id)?
                    .iter()
                    .map(|held| {
                        (
                            describe(&held.request).to_string(),
                            self.notices().request_url(held, &secret),
                        )
                    })
                    .collect();
                self.send(self.notices().pending(&[], &secret, &all));
            }
            Alert::Quiet => {}
        }
        Ok(())
    }

    /// Carries out a moderator's decision. Returns false if the request was not waiting any more.
    pub fn decide(
        &mut self,
        held: &HeldRequest,
        decision: &RequestDecision,
    ) -> Result<bool, MembershipError> {
        if *decision == RequestDecision::Approve
            && matches!(held.request, Request::Subscribe { .. })
        {
            // If a request cannot be granted, it still waits.
            self.check_ban(held.request.address())?;
        }
        if *decision == (RequestDecision::Discard { ban: true }) {
            // An imported request may contain an invalid address, even a pattern for the ban list.
            checked(held.request.address())?;
        }
        if !self.store.release_request(held.id)? {
            return Ok(false);
        }
        self.store.keep_decided_request(&DecidedRequest {
            held: held.clone(),
            what: decision.word().to_owned(),
            sent: Vec::new(),
            changed: Changed::Nothing,
            at: self.now,
        })?;
        let outputs = self.outputs.len();
        let changed = self.follow_through(held, decision)?;
        self.note_undo(held.id, outputs, changed)?;
        Ok(true)
    }

    /// Stores what is needed to undo the decision. For a decision by mail the names of the resulting
    /// entries are derived from that mail's entry, and not known here.
    fn note_undo(
        &self,
        id: RequestId,
        outputs: usize,
        changed: Changed,
    ) -> Result<(), MembershipError> {
        let new = &self.outputs[outputs..];
        if self.origin.means == Means::Mail && !new.is_empty() {
            return Ok(self.store.forget_decided_request(id)?);
        }
        let sent = new.iter().map(|output| {
            (output.queue.name().to_owned(), self.source.derive(&output.label).to_string())
        });
        Ok(self.store.note_decided_request(id, &sent.collect::<Vec<_>>(), changed)?)
    }

    fn follow_through(
        &mut self,
        held: &HeldRequest,
        decision: &RequestDecision,
    ) -> Result<Changed, MembershipError> {
        let address = held.request.address();
        let what = format!("{}: {}", describe(&held.request), decision.done());
        self.settle(&held.cookie, "request", address, what)?;
        match decision {
            RequestDecision::Approve => return self.approve(&held.request),
            RequestDecision::Reject { reason } => {
                let to = self.list.mailed(address);
                let language = match &held.request {
                    Request::Subscribe { language, .. } => language.clone(),
                    _ => self.store.read().language_of(self.list.id, address)?,
                };
                self.send(self.notices().request_refused(held, &to, reason, &language));
            }
            RequestDecision::Discard { ban } => {
                if *ban {
                    let added = crate::moderation::named::add_to(
                        self.store, self.list, "ban_list", address,
                    )?;
                    return Ok(if added == AddedToSetting::Now {
                        Changed::Banned
                    } else {
                        Changed::Nothing
                    });
                }
            }
        }
        Ok(Changed::Nothing)
    }

    fn approve(&mut self, request: &Request) -> Result<Changed, MembershipError> {
        let address = request.address();
        let done = match request {
            Request::Subscribe { .. } => {
                self.note(address, Act::Approved)?;
                self.add(request, None).map(|()| Changed::Joined)
            }
            Request::Unsubscribe { .. } => self.remove(address, None).map(|()| Changed::Left),
            _ => Ok(Changed::Nothing),
        };
        match done {
            // The membership changed in another way in the meantime.
            Err(MembershipError::Refused(Refusal::Member | Refusal::NotMember)) => {
                Ok(Changed::Nothing)
            }
            other => other,
        }
    }

    /// Returns the request of a moderator's link.
    pub fn follow(&self, token: &str) -> Result<HeldRequest, LinkError> {
        let secret = self.store.secret(super::SECRET)?;
        let (id, cookie) = link::open_review(&secret, token, self.now)?;
        let held = self.store.read().held_request(id)?;
        match held.filter(|held| held.cookie == cookie && held.list_id == self.list.id) {
            Some(held) => Ok(held),
            None => Err(decided(self.store.read(), &cookie)?),
        }
    }
}

/// The request in words.
pub fn describe(request: &Request) -> Text {
    match request {
        Request::Subscribe { address, real_name, digest, .. } => {
            let who = match real_name.as_str() {
                "" => address.clone(),
                name => format!("{address} ({name})"),
            };
            let text = if *digest {
                say("{address} would like to join and receive digests")
            } else {
                say("{address} would like to join")
            };
            text.with("address", who)
        }
        Request::Unsubscribe { address } => {
            say("{address} would like to leave").with("address", address)
        }
        other => dormouse_words::verbatim(format!("{} of {}", other.kind(), other.address())),
    }
}

/// What was decided on a request that no longer waits.
fn decided(store: &dormouse_store::Read, cookie: &str) -> Result<LinkError, StoreError> {
    let what = store.settled(cookie)?.map(|settled| {
        let on = dormouse_words::date::on(settled.at, "en");
        format!("{} on {on}", settled.what)
    });
    Ok(LinkError::decided_request(what))
}

/// Why the link to a request that is not found is refused; `None` if the link is not ours.
pub fn why_decided(store: &dormouse_store::Read, token: &str) -> Result<LinkError, StoreError> {
    let opened = match store.existing_secret(super::SECRET)? {
        Some(secret) => link::open_review(&secret, token, Timestamp::EPOCH),
        None => return Ok(LinkError::Bad(BadLink::Forged)),
    };
    match opened {
        Ok((_, cookie)) => decided(store, &cookie),
        Err(error) => Ok(error.into()),
    }
}

/// The list of a request, for a link that contains only the request's number.
pub fn list_of(
    store: &dormouse_store::Read,
    token: &str,
) -> Result<Option<dormouse_store::List>, StoreError> {
    let Some(secret) = store.existing_secret(super::SECRET)? else { return Ok(None) };
    let Ok((id, _)) = link::open_review(&secret, token, Timestamp::EPOCH) else { return Ok(None) };
    match store.held_request(id)? {
        Some(held) => store.list_by_id(held.list_id),
        None => Ok(None),
    }
}
