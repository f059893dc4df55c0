//! Carries out a moderator's decisions on held posts, whether they come by command, link or mail.

use super::link::{Action, Link};
use super::named::{AddedToSetting, add_to, take_from};
use super::{SECRET, vouch};
use crate::Output;
use crate::RunError;
use crate::link::{BadLink, LinkError};
use crate::notices::Notices;
use dormouse_clock::Timestamp;
use dormouse_mail::{Message, date};
use dormouse_spool::{Entry, EntryName, KEY, Metadata, Queue, Spool, fault};
use dormouse_store::decided::UNDO;
use dormouse_store::{
    DecidedPost, Held, HeldId, HeldPost, List, MemberOption, Read, Settled, Site, Store,
    StoreError, Tx, check,
};
use dormouse_trace::{EntryPlace, Event, Step, Trace};
use std::fmt;
use std::path::Path;

/// A decision on a held post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostDecision {
    /// Send it to the list.
    Approve {
        /// Accept the sender's later posts without holding them for who the sender is.
        remember: bool,
    },
    /// Return it to its sender.
    Reject {
        /// The moderator's words; `None` for the list's own ([`rejection_notice`]).
        reason: Option<String>,
    },
    /// Discard it.
    Discard {
        /// Discard the sender's later posts, too, and refuse the address as a subscriber.
        ban: bool,
    },
    /// Discard it, because it waited longer than the list allows.
    Expire,
    /// Discard it, because its sender cancelled it.
    Cancel,
}

impl fmt::Display for PostDecision {
    /// Says for the trace who decided, and the effects on the sender.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostDecision::Approve { remember: false }
            | PostDecision::Discard { ban: false }
            | PostDecision::Reject { reason: None } => f.write_str("by a moderator"),
            PostDecision::Approve { remember: true } => {
                f.write_str("by a moderator, who trusts the sender from now on")
            }
            PostDecision::Discard { ban: true } => {
                f.write_str("by a moderator, who shut the sender out")
            }
            PostDecision::Reject { reason: Some(reason) } => {
                write!(f, "by a moderator: {}", reason.trim())
            }
            PostDecision::Expire => f.write_str("because it waited too long (max_days_to_hold)"),
            PostDecision::Cancel => f.write_str("by its sender"),
        }
    }
}

impl PostDecision {
    /// The same decision without its effects on the sender's later posts.
    fn for_once(&self) -> PostDecision {
        match self {
            PostDecision::Approve { .. } => PostDecision::Approve { remember: false },
            PostDecision::Discard { .. } => PostDecision::Discard { ban: false },
            other => other.clone(),
        }
    }
}

/// The result of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The decision was carried out.
    Done,
    /// It was carried out, but has no effect on the sender's later posts: the address in From cannot be
    /// written to a setting. One that begins with `^`, for example, would be a pattern there.
    NotRemembered,
    /// The post was not waiting any more.
    TooLate,
}

/// Carries out decisions on the held posts of a site.
#[derive(Debug, Clone, Copy)]
pub struct ModerationDesk<'d> {
    /// The site.
    pub site: &'d Site,
    /// Its queues.
    pub spool: &'d Spool,
    /// Its database.
    pub store: &'d Store,
}

impl ModerationDesk<'_> {
    /// Returns the post that a link leads to, and what the link's holder may do.
    pub fn follow(&self, token: &str) -> Result<(Held, Action), LinkError> {
        let id = Link::held_id_of(token).ok_or(BadLink::Forged)?;
        let secret = self.store.read().existing_secret(SECRET)?.ok_or(BadLink::Forged)?;
        let Some(held) = self.store.read().held(id)? else {
            return Err(self.decided(id, token, &secret)?);
        };
        let link = Link::check(token, &held, &secret, Timestamp::now())?;
        Ok((held, link.action))
    }

    /// Returns what was decided on the post of a link.
    fn decided(&self, id: HeldId, token: &str, secret: &[u8]) -> Result<LinkError, LinkError> {
        let Some(settled) = self.store.read().settled_post(id)? else {
            return Ok(LinkError::decided_post(None));
        };
        let post = HeldPost {
            list_id: settled.list_id,
            entry: String::new(),
            sender: settled.address,
            subject: String::new(),
            reason: String::new(),
            setting: String::new(),
            cookie: settled.cookie,
            held_at: settled.at,
        };
        match Link::check(token, &Held { id, post }, secret, Timestamp::now()) {
            Err(BadLink::Forged) => Err(BadLink::Forged.into()),
            Ok(_) | Err(BadLink::Expired) => {
                let on = dormouse_words::date::on(settled.at, "en");
                Ok(LinkError::decided_post(Some(format!("{} on {on}", settled.what))))
            }
        }
    }

    /// Returns the key that signs links, and creates it the first time.
    pub fn secret(&self) -> Result<Vec<u8>, StoreError> {
        self.store.write(|tx| tx.secret(SECRET))
    }

    /// Returns the held entry.
    pub fn entry(&self, held: &Held) -> Result<Entry, RunError> {
        entry(self.store.read(), held)
    }

    /// Carries out a decision.
    ///
    /// The resulting entry is in its queue before the post is removed from the store. After a crash in
    /// between the post still waits, and deciding again overwrites the same entry.
    pub fn decide(
        &self,
        list: &List,
        held: &Held,
        decision: &PostDecision,
    ) -> Result<Taken, RunError> {
        self.store.write(|tx| -> Result<Taken, RunError> {
            let Some(decided) = decide(self.site, tx, list, held, decision)? else {
                return Ok(Taken::TooLate);
            };
            let source = EntryName::from_base(&held.post.entry);
            let mut event = decided.event;
            if let Some(output) = decided.output {
                let name = source.derive(&output.label);
                event.outputs.push(EntryPlace::new(output.queue, &name));
                let mut batch = self.spool.batch();
                batch.enqueue(output.queue, &name, &output.entry)?;
                batch.commit()?;
            }
            Trace::of(self.site).add(&event);
            Ok(if decided.is_remembered { Taken::Done } else { Taken::NotRemembered })
        })
    }

    /// Returns the decisions of the last minute on a list's posts that can be undone, because nothing
    /// that they sent has left its queue.
    pub fn undoable(&self, list: &List) -> Result<Vec<DecidedPost>, RunError> {
        let mut kept = self.store.read().decided_posts(list.id, Timestamp::now() - UNDO)?;
        let is_waiting = |kept: &DecidedPost| match output_of(kept) {
            Some((queue, name)) => self.spool.is_ready(queue, &name),
            None => true,
        };
        kept.retain(is_waiting);
        Ok(kept)
    }

    /// Reverts a decision, and the post waits again. Returns false if it is too late: a minute is over,
    /// or what was sent has left its queue.
    ///
    /// The sent entry is claimed before the post is held again, and removed after that: after a crash
    /// in between it may still be sent, and nothing is lost.
    pub fn undo(&self, list: &List, kept: &DecidedPost) -> Result<bool, RunError> {
        let id = kept.held.id;
        if kept.at <= Timestamp::now() - UNDO {
            return Ok(false);
        }
        let claim = match output_of(kept) {
            Some((queue, name)) => match self.spool.claim(queue, &name)? {
                Some(claim) => Some(claim),
                None => return Ok(false),
            },
            None => None,
        };
        let is_undone = self.store.write(|tx| -> Result<bool, RunError> {
            if !tx.hold_again(id)? {
                return Ok(false);
            }
            forget(tx, list, kept)?;
            let mut event = Event {
                list: list.name.to_string(),
                sender: kept.held.post.sender.clone(),
                ..Event::new(Step::Held, &EntryName::from_base(&kept.held.post.entry))
            };
            event.text = format!("again: a moderator took back that it was {}", kept.what);
            Trace::of(self.site).add(&event);
            Ok(true)
        })?;
        fault::point("desk.undone");
        match claim {
            Some(claim) if is_undone => claim.finish()?,
            Some(claim) => claim.release()?,
            None => {}
        }
        Ok(is_undone)
    }

    /// Sends a copy of a held post to an address; the post still waits.
    pub fn forward(&self, list: &List, held: &Held, to: &[String]) -> Result<(), RunError> {
        let message = Message::parse(self.entry(held)?.message);
        let notices = Notices { list, site: self.site };
        let output = notices.forwarded(&message, held, to);
        let label = format!("{}{}", output.label, to.join(","));
        let name = EntryName::from_base(&held.post.entry).derive(&label);
        let mut batch = self.spool.batch();
        batch.enqueue(output.queue, &name, &output.entry)?;
        Ok(batch.commit()?)
    }
}

/// The result of a decision inside a transaction.
pub struct DecisionEffect {
    /// The event for the post's trace.
    pub event: Event,
    /// The entry that is sent as a result.
    pub output: Option<Output>,
    /// Whether the decision's effects on the sender were stored.
    pub is_remembered: bool,
}

/// Carries out a decision inside a transaction; `None` if the post was not waiting any more.
pub fn decide(
    site: &Site,
    tx: &Tx<'_>,
    list: &List,
    held: &Held,
    decision: &PostDecision,
) -> Result<Option<DecisionEffect>, RunError> {
    if tx.read().held(held.id)?.is_none() {
        return Ok(None);
    }
    let entry = entry(tx.read(), held)?;
    let (step, output) = outcome(site, tx.read(), list, held, entry, decision)?;
    let changed = remember(tx, list, held, decision)?;
    let is_remembered = changed.is_some();
    if !matches!(decision, PostDecision::Expire | PostDecision::Cancel) {
        let source = EntryName::from_base(&held.post.entry);
        let sent = output.as_ref().map(|output| {
            (output.queue.name().to_owned(), source.derive(&output.label).to_string())
        });
        tx.keep_decided(&DecidedPost {
            held: held.clone(),
            what: step.to_string(),
            sent: sent.unwrap_or_default(),
            changed: changed.unwrap_or_default().join("\n"),
            at: Timestamp::now(),
        })?;
    }
    tx.release_held(held.id)?;
    tx.settle(&Settled {
        cookie: held.post.cookie.clone(),
        list_id: list.id,
        kind: "post",
        post: Some(held.id),
        address: held.post.sender.clone(),
        what: format!("it was {step} {}", decision.for_once()),
        at: Timestamp::now(),
    })?;
    let mut event = Event {
        list: list.name.to_string(),
        sender: held.post.sender.clone(),
        ..Event::new(step, &EntryName::from_base(&held.post.entry))
    };
    let carried_out = if is_remembered { decision.clone() } else { decision.for_once() };
    event.text = carried_out.to_string();
    Ok(Some(DecisionEffect { event, output, is_remembered }))
}

/// The reason if the list has none of its own.
const NO_REASON: &str = "No reason was given.";

/// Returns what the sender of a held post is told if the moderator gives no reason: the list's text
/// from the time when it held the post.
pub fn rejection_notice(entry: &Entry) -> Option<String> {
    let text = entry.metadata.envelope().rejection_notice()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn entry(store: &Read, held: &Held) -> Result<Entry, RunError> {
    let content = store.held_content(held.id)?.unwrap_or_default();
    Ok(Entry::from_bytes(&content, Path::new(&format!("held post {}", held.id)))?)
}

/// Returns the step and the entry that a decision sends.
fn outcome(
    site: &Site,
    store: &Read,
    list: &List,
    held: &Held,
    entry: Entry,
    decision: &PostDecision,
) -> Result<(Step, Option<Output>), RunError> {
    Ok(match decision {
        PostDecision::Approve { .. } => (Step::Approved, Some(approved(list, entry))),
        PostDecision::Discard { .. } | PostDecision::Expire => (Step::Discarded, None),
        PostDecision::Cancel => (Step::Cancelled, None),
        PostDecision::Reject { reason } => {
            let usual = || rejection_notice(&entry).unwrap_or_else(|| NO_REASON.to_owned());
            let reason = reason.clone().unwrap_or_else(usual);
            let message = Message::parse(entry.message);
            // A moderator decided that this address gets a reply; even so, a program's mail gets none.
            let answer =
                vouch::is_answerable(&message, &entry.metadata) && !held.post.sender.is_empty();
            let notices = Notices { list, site };
            let language = store.language_of(list.id, &held.post.sender)?;
            let notice = || notices.refused(&message, held, &reason, &language);
            (Step::Rejected, answer.then(notice))
        }
    })
}

/// Returns the entry of an approved post, which continues after moderation and is not checked
/// again. In Mailman it passes the whole pipeline again (docs/spec/pipeline.md §10).
fn approved(list: &List, mut entry: Entry) -> Output {
    let mut message = Message::parse(entry.message);
    message.set("X-Mailman-Approved-At", &date::rfc5322(Timestamp::now()));
    entry.message = message.to_bytes();
    entry.metadata.edit().approved(true).admin_approved(true);
    let rest = after_moderation(list, &entry.metadata);
    entry.metadata.edit().pipeline(&rest);
    entry.metadata.remove(KEY.held_by);
    Output { queue: Queue::In, label: "approved".to_owned(), entry }
}

/// No handler after this one decides whether a post may pass.
const LAST_OF_MODERATION: &str = "Hold";

/// Returns the remaining handlers of an approved post: those after the one that held it, and after
/// all that decide whether a post may pass.
fn after_moderation(list: &List, metadata: &Metadata) -> Vec<String> {
    let own = &list.settings.pipeline;
    let order = match own.is_empty() {
        true => check::POSTING.map(str::to_owned).to_vec(),
        false => own.clone(),
    };
    let held_by = metadata.envelope().held_by().unwrap_or_default();
    let last = order.iter().rposition(|name| *name == LAST_OF_MODERATION || *name == held_by);
    order[last.map_or(0, |last| last + 1)..].to_vec()
}

/// Returns the entry that a decision sent, if any.
fn output_of(kept: &DecidedPost) -> Option<(Queue, EntryName)> {
    let (queue, name) = &kept.sent;
    Some((queue.parse().ok()?, EntryName::from_base(name)))
}

/// Stored among the effects of a decision if the member's moderation flag was cleared.
const TRUSTED: &str = "member";

/// Stores what a decision means for the sender's later posts, and returns what was changed, so that it
/// can be undone; `None` if the sender cannot be named.
fn remember(
    tx: &Tx<'_>,
    list: &List,
    held: &Held,
    decision: &PostDecision,
) -> Result<Option<Vec<&'static str>>, StoreError> {
    let sender = &held.post.sender;
    let settings: &[&'static str] = match decision {
        PostDecision::Approve { remember: true } => {
            if let Some(mut member) = tx.read().member(list.id, sender)? {
                let was_moderated = member.options.has(MemberOption::Moderate);
                member.options = member.options.with(MemberOption::Moderate, false);
                tx.update_member(list.id, &member, held.post.held_at)?;
                return Ok(Some(was_moderated.then_some(TRUSTED).into_iter().collect()));
            }
            &["accept_these_nonmembers"]
        }
        PostDecision::Discard { ban: true } => &["discard_these_nonmembers", "ban_list"],
        _ => return Ok(Some(Vec::new())),
    };
    let mut changed = Vec::new();
    for setting in settings.iter().copied() {
        match add_to(tx, list, setting, sender)? {
            AddedToSetting::Now => changed.push(setting),
            AddedToSetting::Before => {}
            AddedToSetting::NoAddress => return Ok(None),
        }
    }
    Ok(Some(changed))
}

/// Reverts what a decision changed for the sender's later posts.
fn forget(tx: &Tx<'_>, list: &List, kept: &DecidedPost) -> Result<(), StoreError> {
    let sender = &kept.held.post.sender;
    for changed in kept.changed.lines() {
        if changed == TRUSTED {
            if let Some(mut member) = tx.read().member(list.id, sender)? {
                member.options = member.options.with(MemberOption::Moderate, true);
                tx.update_member(list.id, &member, kept.at)?;
            }
            continue;
        }
        take_from(tx, list, changed, sender)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_testkit::fixture::Fixture;

    #[test]
    fn an_approved_post_skips_the_handler_that_held_it_and_all_moderation() {
        let list = Fixture::new(&[]).get("dev");
        for (held_by, next) in [
            ("SpamDetect", "MimeDel"),
            ("Moderate", "MimeDel"),
            ("Hold", "MimeDel"),
            ("Emergency", "Tagger"),
            ("", "MimeDel"),
        ] {
            let mut metadata = Metadata::new();
            metadata.edit().held_by(held_by);
            assert_eq!(after_moderation(&list, &metadata)[0], next, "{held_by}");
        }
    }
}
