//! The outgoing runner: sends entries of `out` to the MTA.
//!
//! Several entries are sent in parallel, each over one connection and in order, so that if the
//! process is killed, the result of at most one transaction of each is unknown. While it waits for
//! the network, only the entry itself is locked.
//!
//! `feed`: divides recipients into transactions. `pace`: limits and back-off of receiving domains.
//! `sending`: one entry over one connection after the other. `settle`: the consequences of the
//! replies.

mod feed;
mod pace;
mod sending;
mod settle;

use crate::outbound::Outbound;
use crate::queue::{QueueDesk, Runner, TakenEntry, guarded, no_such_list};
use dormouse_delivery::{SendError, Session};
use dormouse_membership::RunError;
use dormouse_pipeline::progress::DeliveryProgress;
use dormouse_pipeline::recipients::{Recipients, WRITTEN_OUT};
use dormouse_spool::{Claim, Entry, Envelope};
use dormouse_store::{List, StoreError};
use feed::Feed;
use pace::Pace;
use sending::{Attempt, Sending};
use settle::{postpone, set_rest_aside, settle};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A line of the trace is written when it has this many recipients, so that memory stays bounded.
const MOST_NAMES: usize = 1000;
/// How long a list's settings are cached.
const LISTS_FOR: Duration = Duration::from_secs(1);

/// A connection to the MTA, kept for the next entry.
#[derive(Default)]
pub(crate) struct Outgoing {
    session: Option<Session>,
    lists: HashMap<String, (Instant, Option<Rc<List>>)>,
}

/// How sending an entry ended.
enum Ended {
    /// All recipients are done.
    Sent,
    /// The MTA cannot be reached; the rest waits.
    Unreachable(String),
    /// The process must stop, or light entries wait; the rest is sent later.
    Stopped,
}

/// Whether an entry has so many recipients that others go first.
pub(crate) fn is_for_many(envelope: &Envelope<'_>) -> bool {
    envelope.recips_members_of().is_some()
        || envelope.recips().is_some_and(|recipients| recipients.len() > WRITTEN_OUT)
}

impl Runner for Outgoing {
    fn work(&mut self, desk: &mut QueueDesk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        taken.into_iter().try_for_each(|one| self.entry(desk, one))
    }

    fn end(&mut self) {
        if let Some(session) = self.session.take() {
            session.quit();
        }
    }
}

impl Outgoing {
    fn entry(&mut self, desk: &mut QueueDesk<'_>, taken: TakenEntry) -> Result<(), RunError> {
        let TakenEntry { mut claim, entry, list: listname } = taken;
        let Some(list) = self.list(desk, &listname)? else {
            return desk.set_aside(claim, entry, &no_such_list(&listname));
        };
        let mut progress = DeliveryProgress::read(&entry.journal);
        let store = desk.store()?;
        let config = desk.shared.site.config();
        let queues = desk.shared.spool.root();
        let pace = RefCell::new(Pace::new(&store, config, (queues, claim.name()))?);
        let sent = guarded(|| self.send(desk, &mut claim, &entry, &list, (&mut progress, &pace)));
        // What was learned about domains is stored in any case. But if the MTA cannot be reached,
        // it may have ended the sessions for reasons of its own.
        let mut pace = pace.into_inner();
        if let Ok(Ok(Ended::Unreachable(_))) = &sent {
            pace.forget_doubtful();
        }
        let waits = pace.finish()?;
        match sent {
            Ok(Ok(Ended::Sent)) => settle(desk, claim, entry, &list, (progress, &waits))?,
            Ok(Ok(Ended::Unreachable(reason))) => {
                return postpone(desk, claim, entry, &progress, &reason);
            }
            Ok(Ok(Ended::Stopped)) => return Ok(claim.release()?),
            Ok(Err(
                error @ (RunError::BadSender(_)
                | RunError::Auth(_)
                | RunError::WrongValue(_)
                | RunError::NoSuchList(_)
                | RunError::NoRecipients),
            )) => {
                let reason = match error {
                    RunError::NoSuchList(name) => no_such_list(&name),
                    other => other.to_string(),
                };
                return set_rest_aside(desk, claim, entry, &reason);
            }
            Ok(Err(error)) => {
                claim.release()?;
                return Err(error);
            }
            Err(fault) => {
                // After a panic in a session, its state is unknown.
                self.session = None;
                return set_rest_aside(desk, claim, entry, &fault);
            }
        }
        Ok(())
    }

    fn list(&mut self, desk: &QueueDesk<'_>, name: &str) -> Result<Option<Rc<List>>, StoreError> {
        if let Some((since, list)) = self.lists.get(name)
            && since.elapsed() < LISTS_FOR
        {
            return Ok(list.clone());
        }
        let list = desk.store()?.read().list(name)?.map(Rc::new);
        self.lists.insert(name.to_owned(), (Instant::now(), list.clone()));
        Ok(list)
    }

    /// Sends the entry to all recipients that are not done yet.
    fn send(
        &mut self,
        desk: &mut QueueDesk<'_>,
        claim: &mut Claim,
        entry: &Entry,
        list: &List,
        (progress, pace): (&mut DeliveryProgress, &RefCell<Pace<'_>>),
    ) -> Result<Ended, RunError> {
        let shared = desk.shared;
        let store = desk.store()?;
        let recipients = Recipients::read(&entry.metadata)?.ok_or(RunError::NoRecipients)?;
        let is_apart = entry.metadata.envelope().last_recip_count().is_some();
        let feed = Feed::new(recipients.stream(store.read(), progress)?, is_apart);
        let mail = Outbound::new(claim.name(), entry, list, &store, shared)?;
        let mut sending = Sending::new(&mail, feed, claim, (progress, pace), &mut desk.trace);
        sending.accepted.event.size = entry.message.len() as u64;
        loop {
            if self.session.is_none() {
                match connect(desk) {
                    Ok(session) => self.session = Some(session),
                    Err(reason) => return Ok(Ended::Unreachable(reason)),
                }
            }
            let Some(mut session) = self.session.take() else { continue };
            let Attempt { sent, last, in_flight } = sending.attempt(desk, &mut session)?;
            match sent {
                Ok(()) => {
                    self.session = Some(session);
                    if let Some(slice) = last {
                        sending.note_skipped(desk, &slice)?;
                    }
                    return Ok(if sending.is_stopped || shared.stopping() {
                        Ended::Stopped
                    } else {
                        Ended::Sent
                    });
                }
                Err(SendError::Done(error)) => return Err(error.into()),
                Err(error) => {
                    // Transactions without a result are sent again: SMTP has no other way to be
                    // sure.
                    tracing::warn!("the connection to the MTA broke: {error}");
                    // The skipped recipients at the end of the stream are in no other slice.
                    sending.feed.take_back(in_flight.into_iter().chain(last).collect());
                    if !sending.may_go_on(&error) {
                        return Ok(Ended::Unreachable(error.to_string()));
                    }
                }
            }
        }
    }
}

fn connect(desk: &QueueDesk<'_>) -> Result<Session, String> {
    if let Some(why) = desk.lane.why_down() {
        return Err(why);
    }
    let shared = desk.shared;
    Session::connect(shared.transport, shared.options).map_err(|error| {
        let why = error.to_string();
        if desk.lane.note_down(&why) {
            tracing::error!("{error}; mail stays in the queue and is tried again");
        }
        why
    })
}
