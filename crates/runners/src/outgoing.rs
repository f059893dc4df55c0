//! The outgoing runner: entries of `out` go to the MTA.
//!
//! Several entries are sent at once, each over one connection and in order, so that a process
//! killed in between leaves at most one transaction an entry in doubt. Nothing is locked while the
//! network is waited for but the entry itself.

use crate::bounces::consequences::Consequences;
use crate::bounces::ledger::Ledger;
use crate::bounces::of_refusals;
use crate::notices::PROBE_TOKEN;
use crate::outbound::Outbound;
use crate::pipeline::Output;
use crate::progress::{Failure, Line, Progress};
use crate::recipients::{Next, Recipients, Stream};
use crate::trace::{Event, Place, Step, Trace};
use crate::{RunError, Shared, shunt};
use dormouse_delivery::{Outcome, Report, SendError, Session, Stage};
use dormouse_spool::{Claim, Entry, EntryName, Queue, SpoolError, clock, fault};
use dormouse_store::{List, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a pass over `out` came to.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Entries taken.
    pub entries: u64,
    /// Recipients the MTA accepted.
    pub accepted: u64,
    /// Recipients to try again later.
    pub deferred: u64,
    /// Recipients refused for good.
    pub refused: u64,
    /// Entries put back whole because the MTA could not be reached.
    pub postponed: u64,
    /// Entries set aside for a person.
    pub shunted: u64,
}

impl Tally {
    /// Adds another pass.
    pub fn add(&mut self, other: &Tally) {
        self.entries += other.entries;
        self.accepted += other.accepted;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.postponed += other.postponed;
        self.shunted += other.shunted;
    }
}

/// How often at most the journal of a long delivery is made safe against a power failure.
const SYNC_EVERY: Duration = Duration::from_millis(100);
/// First wait when the MTA cannot be reached; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// Longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Sends everything that is ready, and returns what became of it with the errors met on the way.
///
/// Entries that a dead process left behind come last and each alone: if one of them is what killed
/// the process, it takes no other with it.
pub fn run(shared: &Shared<'_>, names: Vec<EntryName>) -> (Tally, Vec<RunError>) {
    let mut work = side_by_side(shared, names, shared.site.config().delivery_connections.max(1));
    let suspects = std::mem::take(&mut work.suspects);
    work.add(side_by_side(shared, suspects, 1));
    if work.tally.entries > 0
        && let Err(error) = shared.spool.sync(Queue::Out)
    {
        work.errors.push(error.into());
    }
    (work.tally, work.errors)
}

/// What one worker, or several, did.
#[derive(Default)]
struct Work {
    tally: Tally,
    errors: Vec<RunError>,
    /// Left for when nothing else is in hand.
    suspects: Vec<EntryName>,
}

impl Work {
    fn add(&mut self, other: Work) {
        self.tally.add(&other.tally);
        self.errors.extend(other.errors);
        self.suspects.extend(other.suspects);
    }
}

fn side_by_side(shared: &Shared<'_>, names: Vec<EntryName>, connections: u64) -> Work {
    let workers = connections.min(names.len() as u64);
    let waiting = Mutex::new(VecDeque::from(names));
    let unreachable = AtomicBool::new(false);
    let worker = || Worker::new(shared, &unreachable, connections == 1).run(&waiting);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let mut all = Work::default();
        for thread in threads {
            match thread.join() {
                Ok(work) => all.add(work),
                Err(_) => all.errors.push(RunError::Panicked("out")),
            }
        }
        all
    })
}

/// One connection and what is sent over it.
struct Worker<'s> {
    shared: &'s Shared<'s>,
    /// Set by the first worker that finds the MTA down: the others need not try.
    unreachable: &'s AtomicBool,
    /// No other entry is in hand.
    alone: bool,
    session: Option<Session>,
    store: Option<Rc<Store>>,
    lists: HashMap<String, Option<Rc<List>>>,
    trace: Trace,
    work: Work,
}

/// How the sending of one entry ended.
enum Ended {
    /// Every recipient was dealt with.
    Sent,
    /// The MTA cannot be reached; the rest waits.
    Unreachable(String),
    /// A stop was asked for; the rest is for the next run.
    Stopped,
}

impl<'s> Worker<'s> {
    fn new(shared: &'s Shared<'s>, unreachable: &'s AtomicBool, alone: bool) -> Worker<'s> {
        Worker {
            shared,
            unreachable,
            alone,
            session: None,
            store: None,
            lists: HashMap::new(),
            trace: Trace::of(shared.site),
            work: Work::default(),
        }
    }

    fn run(mut self, waiting: &Mutex<VecDeque<EntryName>>) -> Work {
        while !self.shared.stopping() {
            let next = waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop_front();
            let Some(name) = next else { break };
            if let Err(error) = self.entry(&name) {
                tracing::error!("out/{name}: {error}");
                self.work.errors.push(error);
            }
        }
        if let Some(session) = self.session.take() {
            session.quit();
        }
        self.work
    }

    fn entry(&mut self, name: &EntryName) -> Result<(), RunError> {
        let Some(mut claim) = self.shared.spool.claim(Queue::Out, name)? else { return Ok(()) };
        let entry = match claim.read() {
            Ok(entry) => entry,
            Err(error) if error.is_bad_entry() => {
                let kept = claim.preserve()?;
                tracing::error!("{error}; kept as {}", kept.display());
                self.work.tally.entries += 1;
                self.work.tally.shunted += 1;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if entry.is_suspect() && !self.alone {
            self.work.suspects.push(name.clone());
            return Ok(claim.release()?);
        }
        let listname = entry.metadata.text("listname").unwrap_or_default().into_owned();
        let Some(list) = self.list(&listname)? else {
            self.work.tally.entries += 1;
            return self.set_aside(claim, entry, &format!("there is no list {listname:?}"));
        };
        let mut progress = Progress::read(&entry.journal);
        match self.send(&mut claim, &entry, &list, &mut progress) {
            Ok(Ended::Sent) => self.settle(claim, entry, &list, progress)?,
            Ok(Ended::Unreachable(reason)) => self.postpone(claim, entry, &progress, &reason)?,
            Ok(Ended::Stopped) => return Ok(claim.release()?),
            Err(RunError::NoSuchList(name)) => {
                self.set_aside(claim, entry, &format!("there is no list {name:?}"))?;
            }
            Err(error @ (RunError::BadSender(_) | RunError::Auth(_))) => {
                self.set_aside(claim, entry, &error.to_string())?;
            }
            Err(error) => {
                claim.release()?;
                return Err(error);
            }
        }
        self.work.tally.entries += 1;
        Ok(())
    }

    fn set_aside(&mut self, claim: Claim, entry: Entry, reason: &str) -> Result<(), RunError> {
        self.work.tally.shunted += 1;
        let mut event = Event::new(Step::Shunted, claim.name());
        event.text = reason.to_owned();
        event.outputs.push(Place::new(Queue::Shunt, &claim.name().derive("shunt")));
        self.trace.add(&event);
        Ok(shunt::set_aside(self.shared.spool, claim, entry, reason)?)
    }

    fn store(&mut self) -> Result<Rc<Store>, StoreError> {
        if let Some(store) = &self.store {
            return Ok(Rc::clone(store));
        }
        let store = Rc::new(Store::open(self.shared.site)?);
        self.store = Some(Rc::clone(&store));
        Ok(store)
    }

    fn list(&mut self, name: &str) -> Result<Option<Rc<List>>, StoreError> {
        if let Some(list) = self.lists.get(name) {
            return Ok(list.clone());
        }
        let list = self.store()?.list(&name.to_lowercase())?.map(Rc::new);
        self.lists.insert(name.to_owned(), list.clone());
        Ok(list)
    }

    /// Sends the entry to every recipient that has not been dealt with yet.
    fn send(
        &mut self,
        claim: &mut Claim,
        entry: &Entry,
        list: &List,
        progress: &mut Progress,
    ) -> Result<Ended, RunError> {
        let shared = self.shared;
        let store = self.store()?;
        let Some(recipients) = Recipients::read(&entry.metadata) else { return Ok(Ended::Sent) };
        let mut stream = recipients.stream(&store, progress)?;
        let mail = Outbound::new(claim.name(), entry, list, &store, shared)?;
        let mut accepted = Accepted::new(claim.name(), list, &self.trace);
        if progress.done > 0 {
            let mut event = Event::new(Step::Resumed, claim.name());
            event.count = progress.done;
            self.trace.add(&event);
        }
        // Recipients handed to a connection that broke before it said what became of them.
        let mut again: VecDeque<Vec<Next>> = VecDeque::new();
        // How far it had come when the connection broke last.
        let mut broke_at = None;
        loop {
            if self.session.is_none() {
                match self.connect() {
                    Ok(session) => self.session = Some(session),
                    Err(reason) => return Ok(Ended::Unreachable(reason)),
                }
            }
            let Some(mut session) = self.session.take() else { continue };
            let several = mail.group_size(shared.options.xverp && session.offers().xverp);
            let mut failed: Option<RunError> = None;
            let mut in_flight: VecDeque<Vec<Next>> = VecDeque::new();
            let mut synced = Instant::now();
            let tally = &mut self.work.tally;
            let trace = &mut self.trace;
            let flight = std::cell::RefCell::new(&mut in_flight);
            let sent = session.send(
                || {
                    if shared.stopping() {
                        return None;
                    }
                    let group = match again.pop_front() {
                        Some(group) => group,
                        None => match next_group(&mut stream, several) {
                            Ok(group) => group,
                            Err(error) => {
                                failed = Some(error.into());
                                return None;
                            }
                        },
                    };
                    if group.is_empty() {
                        return None;
                    }
                    match mail.transaction(&group) {
                        Ok(transaction) => {
                            flight.borrow_mut().push_back(group);
                            Some(transaction)
                        }
                        Err(error) => {
                            failed = Some(error);
                            None
                        }
                    }
                },
                |_, report| {
                    let group = flight.borrow_mut().pop_front().unwrap_or_default();
                    let line = describe(&group, &report, tally);
                    accepted.add(group, &report, trace);
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
            accepted.write(&mut self.trace);
            if let Some(error) = failed {
                return Err(error);
            }
            match sent {
                Ok(()) => {
                    self.session = Some(session);
                    return Ok(if shared.stopping() { Ended::Stopped } else { Ended::Sent });
                }
                Err(SendError::Done(error)) => return Err(error.into()),
                Err(error) => {
                    // What was in doubt is sent again: SMTP knows no other way to be sure.
                    tracing::warn!("the connection to the MTA broke: {error}");
                    if broke_at.replace(progress.done) == Some(progress.done) {
                        return Ok(Ended::Unreachable(error.to_string()));
                    }
                    // In their order: the journal knows only how far it has come.
                    in_flight.append(&mut again);
                    again = in_flight;
                }
            }
        }
    }

    fn connect(&self) -> Result<Session, String> {
        if self.unreachable.load(Ordering::Relaxed) {
            return Err("the MTA could not be reached a moment ago".to_owned());
        }
        Session::connect(self.shared.transport, self.shared.options).map_err(|error| {
            if !self.unreachable.swap(true, Ordering::Relaxed) {
                tracing::error!("{error}; what is in the queue stays whole and is tried again");
            }
            error.to_string()
        })
    }

    /// Everybody has been dealt with: what failed goes on its way, and the entry is done.
    fn settle(
        &mut self,
        claim: Claim,
        entry: Entry,
        list: &List,
        progress: Progress,
    ) -> Result<(), RunError> {
        fault::point("outgoing.settled");
        let Progress { refused, deferred, rejected, .. } = progress;
        let mut given_up = Vec::new();
        self.trace_failures(claim.name(), list, Step::Deferred, &deferred, "retry");
        self.trace_failures(claim.name(), list, Step::Refused, &refused, "");
        self.trace_failures(claim.name(), list, Step::Shunted, &rejected, "shunt");
        self.trace.flush();
        if refused.is_empty() && deferred.is_empty() && rejected.is_empty() {
            return Ok(claim.finish()?);
        }
        let mut batch = self.shared.spool.batch();
        if !deferred.is_empty() {
            match self.retry_entry(&entry, &deferred) {
                Some(retry) => {
                    batch.enqueue(Queue::Retry, &claim.name().derive("retry"), &retry)?;
                }
                None => {
                    tracing::warn!(
                        "{}: given up for {} recipients after too long a time",
                        claim.name(),
                        deferred.len()
                    );
                    given_up = deferred;
                }
            }
        }
        if !rejected.is_empty() {
            let text = &rejected[0].text;
            let reason =
                format!("the MTA refused the message for {} recipients: {text}", rejected.len());
            tracing::error!("{}: {reason}", claim.name());
            let mut kept = Entry::new(entry.message.clone(), entry.metadata.clone());
            Recipients::These(addresses(&rejected)).write(&mut kept.metadata);
            shunt::describe(&mut kept.metadata, &self.shared.spool.dir(Queue::Out), &reason);
            batch.enqueue(Queue::Shunt, &claim.name().derive("shunt"), &kept)?;
            self.work.tally.shunted += 1;
        }
        for output in self.record_bounces(&claim, &entry, list, &refused, &given_up)? {
            batch.enqueue(output.queue, &claim.name().derive(&output.label), &output.entry)?;
        }
        batch.finish(claim);
        Ok(batch.commit()?)
    }

    /// One line for each recipient that was not accepted; `label` names the entry it goes on in.
    fn trace_failures(
        &mut self,
        name: &EntryName,
        list: &List,
        step: Step,
        failures: &[Failure],
        label: &str,
    ) {
        for failure in failures {
            let mut event = Event::new(step, name);
            event.list.clone_from(&list.name);
            event.count = 1;
            event.recipients.push(failure.address.clone());
            event.text = format!("{} {}", failure.code, failure.text);
            match label {
                "retry" => event.outputs.push(Place::new(Queue::Retry, &name.derive(label))),
                "shunt" => event.outputs.push(Place::new(Queue::Shunt, &name.derive(label))),
                _ => {}
            }
            self.trace.add(&event);
        }
    }

    /// Refusals are bounces: they are in the store, with what they lead to, before the entry is
    /// gone. Processed again after a crash they count once.
    fn record_bounces(
        &mut self,
        claim: &Claim,
        entry: &Entry,
        list: &List,
        refused: &[Failure],
        given_up: &[Failure],
    ) -> Result<Vec<Output>, StoreError> {
        if refused.is_empty() && given_up.is_empty() {
            return Ok(Vec::new());
        }
        let given_up = given_up.iter().map(|failure| (failure.address.clone(), failure.given_up()));
        let refusals: Vec<_> = refused
            .iter()
            .map(|failure| (failure.address.clone(), failure.judge()))
            .chain(given_up)
            .collect();
        let probe = entry.metadata.text(PROBE_TOKEN);
        let shared = self.shared;
        let outputs = self.store()?.write(|tx| {
            let ledger = Ledger {
                store: tx,
                config: shared.site.config(),
                entry: claim.name().as_str(),
                evidence: b"",
            };
            let consequences = Consequences { ledger, site: shared.site, evidence: None };
            of_refusals(&consequences, list, probe.as_deref(), &refusals)
        });
        fault::point("outgoing.bounced");
        outputs
    }

    /// The entry for those who were refused for now, with Mailman's schedule (spec/queue.md §7);
    /// `None` when their time is up.
    fn retry_entry(&self, entry: &Entry, deferred: &[Failure]) -> Option<Entry> {
        let config = self.shared.site.config();
        let now = dormouse_spool::clock::seconds();
        let mut retry = Entry::new(entry.message.clone(), entry.metadata.clone());
        let metadata = &mut retry.metadata;
        let count = deferred.len() as i64;
        let until = metadata
            .float("deliver_until")
            .filter(|_| metadata.int("last_recip_count") == Some(count));
        match until {
            Some(until) if now > until => return None,
            Some(_) => {}
            None => metadata
                .set_float("deliver_until", now + config.delivery_retry_period.seconds_f64()),
        }
        metadata.set_int("last_recip_count", count);
        if let Some(first) = deferred.first() {
            metadata.set_text(crate::retry::REASON, &format!("{}: {}", first.address, first.text));
        }
        metadata.set_float("deliver_after", now + config.delivery_retry_wait.seconds_f64());
        Recipients::These(addresses(deferred)).write(metadata);
        Some(retry)
    }

    /// The MTA is down: the entry waits whole in `retry`, longer each time.
    fn postpone(
        &mut self,
        mut claim: Claim,
        entry: Entry,
        progress: &Progress,
        reason: &str,
    ) -> Result<(), RunError> {
        let now = dormouse_spool::clock::seconds();
        let config = self.shared.site.config();
        if let Some(since) = progress.unreachable_since
            && now > since + config.delivery_retry_period.seconds_f64()
        {
            let reason = format!("the MTA could not be reached for too long: {reason}");
            return self.set_aside(claim, entry, &reason);
        }
        claim.append(&Line { unreachable: Some(now), ..Line::default() }.to_text())?;
        let wait = FIRST_WAIT.saturating_mul(1 << progress.unreachable.min(10)).min(LONGEST_WAIT);
        let mut event = Event::new(Step::Postponed, claim.name());
        event.text = reason.to_owned();
        self.trace.add(&event);
        claim.defer(clock::now() + wait)?;
        self.work.tally.postponed += 1;
        Ok(())
    }
}

/// A line of the trace names no more recipients than this and one transaction's, so that memory
/// stays bounded.
const MOST_NAMES: usize = 1000;

/// Whom the MTA took a message for, since the last line in the trace.
struct Accepted {
    event: Event,
    names_recipients: bool,
}

impl Accepted {
    fn new(name: &EntryName, list: &List, trace: &Trace) -> Accepted {
        let mut event = Event::new(Step::Accepted, name);
        event.list.clone_from(&list.name);
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
            self.event.at = dormouse_spool::clock::seconds();
            trace.add(&self.event);
            self.event.count = 0;
            self.event.recipients.clear();
        }
    }
}

fn addresses(failures: &[Failure]) -> Vec<String> {
    failures.iter().map(|failure| failure.address.clone()).collect()
}

fn next_group(stream: &mut Stream<'_>, most: usize) -> Result<Vec<Next>, StoreError> {
    let mut group = Vec::with_capacity(most.min(1024));
    while group.len() < most {
        match stream.pull()? {
            Some(next) => group.push(next),
            None => break,
        }
    }
    Ok(group)
}

/// What one transaction added to the progress.
fn describe(group: &[Next], report: &Report, tally: &mut Tally) -> Line {
    let mut line = Line { done: group.len() as u64, ..Line::default() };
    line.after = group.last().and_then(|last| last.place.as_ref()).map(ToString::to_string);
    for (recipient, outcome) in group.iter().zip(&report.outcomes) {
        match outcome {
            Outcome::Accepted => tally.accepted += 1,
            Outcome::Deferred(reply) => {
                tally.deferred += 1;
                line.deferred.push(Failure::new(&recipient.address, reply));
            }
            Outcome::Refused(reply) => {
                tally.refused += 1;
                let failure = Failure::new(&recipient.address, reply);
                // One refusal of the message for many recipients says nothing about any of them.
                let of_message = matches!(reply.stage, Stage::Mail | Stage::Data | Stage::Dot);
                if of_message && group.len() > 1 {
                    line.rejected.push(failure);
                } else {
                    line.refused.push(Failure { of_message, ..failure });
                }
            }
        }
    }
    line
}
