//! The outgoing runner: sends entries of `out` to the MTA.
//!
//! Several entries are sent in parallel, each over one connection and in order, so that if the
//! process is killed, the result of at most one transaction of each is unknown. While it waits for
//! the network, only the entry itself is locked.
//!
//! `feed`: divides recipients into transactions. `pace`: limits and back-off of receiving domains.
//! `settle`: the consequences of the replies.

mod feed;
mod pace;
mod settle;

use crate::outbound::Outbound;
use crate::queue::{Desk, Patience, Runner, TakenEntry, Tally, guarded, no_such_list};
use dormouse_clock::Timestamp;
use dormouse_delivery::{Ask, Outcome, Report, SendError, Session, Stage};
use dormouse_membership::RunError;
use dormouse_pipeline::progress::{FailedRecipient, Progress, ProgressLine};
use dormouse_pipeline::recipients::{Next, Recipients, WRITTEN_OUT};
use dormouse_spool::{Claim, Entry, EntryName, Envelope, SpoolError, fault};
use dormouse_store::{List, StoreError};
use dormouse_trace::{Event, Step, Trace};
use feed::{Feed, Slice};
use pace::Pace;
use settle::{postpone, set_rest_aside, settle};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The interval at which the journal of a long delivery is synced.
const SYNC_EVERY: Duration = Duration::from_millis(100);
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
    fn work(&mut self, desk: &mut Desk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        taken.into_iter().try_for_each(|one| self.entry(desk, one))
    }

    fn end(&mut self) {
        if let Some(session) = self.session.take() {
            session.quit();
        }
    }
}

impl Outgoing {
    fn entry(&mut self, desk: &mut Desk<'_>, taken: TakenEntry) -> Result<(), RunError> {
        let TakenEntry { mut claim, entry, list: listname } = taken;
        let Some(list) = self.list(desk, &listname)? else {
            return desk.set_aside(claim, entry, &no_such_list(&listname));
        };
        let mut progress = Progress::read(&entry.journal);
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

    fn list(&mut self, desk: &Desk<'_>, name: &str) -> Result<Option<Rc<List>>, StoreError> {
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
        desk: &mut Desk<'_>,
        claim: &mut Claim,
        entry: &Entry,
        list: &List,
        (progress, pace): (&mut Progress, &RefCell<Pace<'_>>),
    ) -> Result<Ended, RunError> {
        let shared = desk.shared;
        let store = desk.store()?;
        let recipients = Recipients::read(&entry.metadata)?.ok_or(RunError::NoRecipients)?;
        let is_apart = Envelope::read(&entry.metadata)?.last_recip_count().is_some();
        let mut feed = Feed::new(recipients.stream(store.read(), progress)?, is_apart);
        let mail = Outbound::new(claim.name(), entry, list, &store, shared)?;
        let mut accepted = Accepted::new(claim.name(), &mail, &desk.trace);
        accepted.event.size = entry.message.len() as u64;
        if progress.done > 0 {
            let mut event = Event::new(Step::Resumed, claim.name());
            event.count = progress.done;
            desk.trace.add(&event);
        }
        let (lane, gives_way) = (desk.lane, desk.gives_way);
        let mut patience = Patience::new();
        let mut is_stopped = false;
        // The progress when the connection last broke.
        let mut broke_at = None;
        loop {
            if self.session.is_none() {
                match connect(desk) {
                    Ok(session) => self.session = Some(session),
                    Err(reason) => return Ok(Ended::Unreachable(reason)),
                }
            }
            let Some(mut session) = self.session.take() else { continue };
            let offered = session.offers().clone();
            let several = mail.group_size(shared.options.xverp && offered.xverp);
            let mut failed: Option<RunError> = None;
            // Recipients who were skipped at the end of the stream, after the last transaction.
            let mut last = None;
            let mut in_flight: VecDeque<Slice> = VecDeque::new();
            let mut synced = Instant::now();
            let tally = &mut desk.tally;
            let trace = &mut desk.trace;
            let flight = RefCell::new(&mut in_flight);
            let sent = session.send(
                || {
                    let slice = match feed.slice(several, &mut pace.borrow_mut()) {
                        Ok(slice) => slice,
                        Err(error) => {
                            failed = Some(error.into());
                            return None;
                        }
                    };
                    if slice.group.is_empty() {
                        last = Some(slice).filter(|slice| slice.len() > 0);
                        return None;
                    }
                    match mail.transaction(&slice.group, &offered) {
                        Ok(transaction) => {
                            flight.borrow_mut().push_back(slice);
                            Some(transaction)
                        }
                        Err(error) => {
                            failed = Some(error);
                            None
                        }
                    }
                },
                |ask| {
                    if ask == Ask::Early {
                        return pace.borrow().is_quiet();
                    }
                    is_stopped |= shared.stopping() || patience.is_over(lane, shared, gives_way);
                    !is_stopped
                },
                |_, report| {
                    let slice = flight.borrow_mut().pop_front().unwrap_or_default();
                    pace.borrow_mut().note(&slice.group, &report);
                    let line = describe(&slice, &report, tally);
                    accepted.add(slice.group, &report, trace);
                    fault::point("outgoing.sent");
                    claim.append(&line.to_text())?;
                    progress.add(line);
                    if synced.elapsed() >= SYNC_EVERY {
                        claim.sync()?;
                        accepted.write(trace);
                        synced = Instant::now();
                    }
                    Ok::<(), SpoolError>(())
                },
            );
            accepted.write(&mut desk.trace);
            if let Some(error) = failed {
                return Err(error);
            }
            match sent {
                Ok(()) => {
                    self.session = Some(session);
                    if let Some(slice) = last {
                        let line =
                            describe(&slice, &Report { outcomes: Vec::new() }, &mut desk.tally);
                        claim.append(&line.to_text())?;
                        progress.add(line);
                    }
                    return Ok(if is_stopped || shared.stopping() {
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
                    let is_stuck = broke_at.replace(progress.done) == Some(progress.done);
                    // The skipped recipients at the end of the stream are in no other slice.
                    in_flight.extend(last);
                    feed.take_back(in_flight);
                    if !is_stuck {
                        continue;
                    }
                    let blamed = match &error {
                        SendError::Lost { blamed: Some((place, reply)), .. } => {
                            pace.borrow_mut().say_goodbye(*place, reply, &mut feed)
                        }
                        _ => false,
                    };
                    if !blamed {
                        return Ok(Ended::Unreachable(error.to_string()));
                    }
                    // The MTA may still accept mail for others.
                    broke_at = None;
                }
            }
        }
    }
}

fn connect(desk: &Desk<'_>) -> Result<Session, String> {
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

/// A line of the trace is written when it has this many recipients, so that memory stays bounded.
const MOST_NAMES: usize = 1000;

/// The recipients accepted by the MTA since the last line of the trace.
struct Accepted {
    event: Event,
    names_recipients: bool,
}

impl Accepted {
    fn new(name: &EntryName, mail: &Outbound<'_>, trace: &Trace) -> Accepted {
        let mut event = Event::new(Step::Accepted, name);
        mail.describe(&mut event);
        Accepted { event, names_recipients: trace.names_recipients() }
    }

    fn add(&mut self, group: Vec<Next>, report: &Report, trace: &mut Trace) {
        for (recipient, outcome) in group.into_iter().zip(&report.outcomes) {
            if *outcome == Outcome::Accepted {
                self.event.count += 1;
                if self.names_recipients {
                    self.event.recipients.push(recipient.address);
                }
            }
        }
        if self.event.recipients.len() >= MOST_NAMES {
            self.write(trace);
        }
    }

    fn write(&mut self, trace: &mut Trace) {
        if self.event.count > 0 {
            self.event.at = Timestamp::now();
            trace.add(&self.event);
            self.event.count = 0;
            self.event.recipients.clear();
        }
    }
}

/// Returns what a slice adds to the progress.
fn describe(slice: &Slice, report: &Report, tally: &mut Tally) -> ProgressLine {
    let Slice { group, held, after } = slice;
    let mut line = ProgressLine { done: slice.len(), after: after.clone(), ..Default::default() };
    tally.deferred += held.len() as u64;
    line.deferred.clone_from(held);
    for (recipient, outcome) in group.iter().zip(&report.outcomes) {
        match outcome {
            Outcome::Accepted => tally.accepted += 1,
            Outcome::Deferred(reply) => {
                tally.deferred += 1;
                line.deferred.push(FailedRecipient::new(&recipient.address, reply));
            }
            Outcome::Refused(reply) => {
                tally.refused += 1;
                let failure = FailedRecipient::new(&recipient.address, reply);
                // A refusal of the message for many recipients says nothing about any of them.
                // Neither does one by dormouse itself (code 0), which did not ask the MTA.
                let of_message = matches!(reply.stage, Stage::Mail | Stage::Data | Stage::Dot);
                if of_message && (group.len() > 1 || reply.code == 0) {
                    line.rejected.push(failure);
                } else {
                    line.refused.push(FailedRecipient { of_message, ..failure });
                }
            }
        }
    }
    line
}
