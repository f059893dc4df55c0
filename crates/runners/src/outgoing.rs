//! The outgoing runner: entries of `out` go to the MTA.
//!
//! Several entries are sent at once, each over one connection and in order, so that a process
//! killed in between leaves at most one transaction an entry in doubt. Nothing is locked while the
//! network is waited for but the entry itself.
//!
//! The file is over 500 lines because sending an entry is one state machine: what a step learns of the
//! server decides the next.

use crate::bounces::consequences::Consequences;
use crate::bounces::ledger::Ledger;
use crate::bounces::of_refusals;
use crate::outbound::Outbound;
use crate::queue::{Desk, Patience, Runner, TakenEntry, Tally, guarded, no_such_list};
use crate::shunt;
use dormouse_delivery::{Outcome, Report, SendError, Session, Stage};
use dormouse_mail::Message;
use dormouse_membership::Output;
use dormouse_membership::RunError;
use dormouse_membership::notices::Notices;
use dormouse_pipeline::progress::{FailedRecipient, Progress, ProgressLine};
use dormouse_pipeline::recipients::{Next, Recipients, Stream, WRITTEN_OUT};
use dormouse_spool::{Claim, Entry, EntryName, Envelope, Queue, SpoolError, clock, fault};
use dormouse_store::{Config, LONGEST_WAIT, List, StoreError};
use dormouse_trace::{Event, Place, Step, Trace};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often at most the journal of a long delivery is made safe against a power failure.
const SYNC_EVERY: Duration = Duration::from_millis(100);
/// First wait when the MTA cannot be reached; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// For so long a list's settings are not read again.
const LISTS_FOR: Duration = Duration::from_secs(1);

/// One connection and what is sent over it.
#[derive(Default)]
pub(crate) struct Outgoing {
    session: Option<Session>,
    lists: HashMap<String, (Instant, Option<Rc<List>>)>,
}

/// How the sending of one entry ended.
enum Ended {
    /// Every recipient was dealt with.
    Sent,
    /// The MTA cannot be reached; the rest waits.
    Unreachable(String),
    /// A stop was asked for, or others wait; the rest is for the next run.
    Stopped,
}

/// Whether an entry is for so many that others go first.
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
        let sent = guarded(|| self.send(desk, &mut claim, &entry, &list, &mut progress));
        match sent {
            Ok(Ok(Ended::Sent)) => settle(desk, claim, entry, &list, progress)?,
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
                // In the middle of a conversation nobody knows what the server waits for.
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
        let list = desk.store()?.list(name)?.map(Rc::new);
        self.lists.insert(name.to_owned(), (Instant::now(), list.clone()));
        Ok(list)
    }

    /// Sends the entry to every recipient that has not been dealt with yet.
    fn send(
        &mut self,
        desk: &mut Desk<'_>,
        claim: &mut Claim,
        entry: &Entry,
        list: &List,
        progress: &mut Progress,
    ) -> Result<Ended, RunError> {
        let shared = desk.shared;
        let store = desk.store()?;
        let recipients = Recipients::read(&entry.metadata)?.ok_or(RunError::NoRecipients)?;
        let mut stream = recipients.stream(&store, progress)?;
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
        // Recipients handed to a connection that broke before it said what became of them.
        let mut again: VecDeque<Vec<Next>> = VecDeque::new();
        // How far it had come when the connection broke last.
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
            let mut in_flight: VecDeque<Vec<Next>> = VecDeque::new();
            let mut synced = Instant::now();
            let tally = &mut desk.tally;
            let trace = &mut desk.trace;
            let flight = std::cell::RefCell::new(&mut in_flight);
            let sent = session.send(
                || {
                    is_stopped |= shared.stopping() || patience.is_over(lane, shared, gives_way);
                    if is_stopped {
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
                    match mail.transaction(&group, &offered) {
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
            accepted.write(&mut desk.trace);
            if let Some(error) = failed {
                return Err(error);
            }
            match sent {
                Ok(()) => {
                    self.session = Some(session);
                    return Ok(if is_stopped || shared.stopping() {
                        Ended::Stopped
                    } else {
                        Ended::Sent
                    });
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
}

fn connect(desk: &Desk<'_>) -> Result<Session, String> {
    if let Some(why) = desk.lane.why_down() {
        return Err(why);
    }
    let shared = desk.shared;
    Session::connect(shared.transport, shared.options).map_err(|error| {
        let why = error.to_string();
        if desk.lane.note_down(&why) {
            tracing::error!("{error}; what is in the queue stays whole and is tried again");
        }
        why
    })
}

/// What is left of an entry waits in `shunt`. It was opened with its journal as it stood then.
fn set_rest_aside(
    desk: &mut Desk<'_>,
    mut claim: Claim,
    entry: Entry,
    reason: &str,
) -> Result<(), RunError> {
    let journal = claim.read()?.journal;
    desk.set_aside(claim, Entry { journal, ..entry }, reason)
}

/// Everybody has been dealt with: what failed goes on its way, and the entry is done.
fn settle(
    desk: &mut Desk<'_>,
    claim: Claim,
    entry: Entry,
    list: &List,
    progress: Progress,
) -> Result<(), RunError> {
    fault::point("outgoing.settled");
    let Progress { refused, mut deferred, rejected, .. } = progress;
    let retry = if deferred.is_empty() {
        None
    } else {
        retry_entry(desk.shared.site.config(), &entry, &deferred)?
    };
    let given_up = if retry.is_none() { std::mem::take(&mut deferred) } else { Vec::new() };
    trace_failures(&mut desk.trace, claim.name(), list, Step::Deferred, &deferred, "retry");
    trace_failures(&mut desk.trace, claim.name(), list, Step::Abandoned, &given_up, "");
    trace_failures(&mut desk.trace, claim.name(), list, Step::Refused, &refused, "");
    trace_failures(&mut desk.trace, claim.name(), list, Step::Shunted, &rejected, "shunt");
    desk.trace.flush();
    if [&refused, &deferred, &given_up, &rejected].into_iter().all(Vec::is_empty) {
        claim.finish()?;
        desk.tally.count(Step::Accepted);
        return Ok(());
    }
    let shared = desk.shared;
    let mut batch = shared.spool.batch();
    if let Some(retry) = retry {
        batch.enqueue(Queue::Retry, &claim.name().derive("retry"), &retry)?;
    }
    if !given_up.is_empty() {
        tracing::warn!(
            "{}: given up for {} recipients after too long a time",
            claim.name(),
            given_up.len()
        );
    }
    if !rejected.is_empty() {
        let waiting = claim.name().derive("shunt");
        let reason = refusal_of(&rejected);
        tracing::error!("{}: {reason}", claim.name());
        let mut kept = Entry::new(entry.message.clone(), entry.metadata.clone());
        Recipients::These(addresses(&rejected)).write(&mut kept.metadata);
        shunt::describe(&mut kept.metadata, &shared.spool.dir(Queue::Out), &reason);
        batch.enqueue(Queue::Shunt, &waiting, &kept)?;
        desk.tally.shunted += 1;
        // Of a notice that cannot be sent there is no notice.
        if !Envelope::read(&entry.metadata)?.reduced_list_headers() {
            let message = Message::parse_header_of(&entry.message);
            let notices = Notices { list, site: shared.site };
            let told = notices.unsendable(&message, &waiting, rejected.len(), &reason);
            batch.enqueue(told.queue, &claim.name().derive(&told.label), &told.entry)?;
        }
    }
    for output in record_bounces(desk, &claim, &entry, list, &refused, &given_up)? {
        batch.enqueue(output.queue, &claim.name().derive(&output.label), &output.entry)?;
    }
    batch.finish(claim);
    batch.commit()?;
    desk.tally.count(Step::Accepted);
    Ok(())
}

/// Why the message is refused for these.
fn refusal_of(rejected: &[FailedRecipient]) -> String {
    let (count, text) = (rejected.len(), rejected.first().map_or("", |first| &first.text));
    if rejected.iter().all(|failure| failure.code == 0) {
        format!("the MTA does not take such a message: {text}")
    } else {
        format!("the MTA refused the message for {count} recipients: {text}")
    }
}

/// One line for each recipient that was not accepted; `label` names the entry it goes on in.
fn trace_failures(
    trace: &mut Trace,
    name: &EntryName,
    list: &List,
    step: Step,
    failures: &[FailedRecipient],
    label: &str,
) {
    for failure in failures {
        let mut event = Event::new(step, name);
        event.list.clone_from(&list.name);
        event.count = 1;
        event.recipients.push(failure.address.clone());
        event.text = format!("{} {}", failure.code, failure.text);
        if step == Step::Abandoned {
            event.text.insert_str(0, "given up (delivery.retry_period), the last answer: ");
        }
        match label {
            "retry" => event.outputs.push(Place::new(Queue::Retry, &name.derive(label))),
            "shunt" => event.outputs.push(Place::new(Queue::Shunt, &name.derive(label))),
            _ => {}
        }
        trace.add(&event);
    }
}

/// Refusals are bounces: they are in the store, with what they lead to, before the entry is
/// gone. Processed again after a crash they count once.
fn record_bounces(
    desk: &Desk<'_>,
    claim: &Claim,
    entry: &Entry,
    list: &List,
    refused: &[FailedRecipient],
    given_up: &[FailedRecipient],
) -> Result<Vec<Output>, RunError> {
    if refused.is_empty() && given_up.is_empty() {
        return Ok(Vec::new());
    }
    let given_up: Vec<_> =
        given_up.iter().map(|failure| (failure.address.clone(), failure.given_up())).collect();
    let refusals: Vec<_> = refused
        .iter()
        .map(|failure| (failure.address.clone(), failure.judge()))
        .chain(given_up.iter().cloned())
        .collect();
    let envelope = Envelope::read(&entry.metadata)?;
    let probe = envelope.probe_token();
    let shared = desk.shared;
    let outputs = desk.store()?.write(|tx| {
        let ledger = Ledger {
            store: tx,
            config: shared.site.config(),
            entry: claim.name().as_str(),
            evidence: b"",
        };
        let consequences = Consequences { ledger, site: shared.site, evidence: None };
        let mut outputs = of_refusals(&consequences, list, probe.as_deref(), &refusals)?;
        outputs.extend(consequences.of_given_up(list, &entry.message, given_up)?);
        Ok::<_, StoreError>(outputs)
    });
    fault::point("outgoing.bounced");
    Ok(outputs?)
}

/// The entry for those who were refused for now, with Mailman's schedule (docs/spec/queue.md §7);
/// `None` when their time is up.
fn retry_entry(
    config: &Config,
    entry: &Entry,
    deferred: &[FailedRecipient],
) -> Result<Option<Entry>, RunError> {
    let envelope = Envelope::read(&entry.metadata)?;
    let now = dormouse_spool::clock::seconds();
    let mut retry = Entry::new(entry.message.clone(), entry.metadata.clone());
    let metadata = &mut retry.metadata;
    let count = deferred.len() as i64;
    let latest = now + config.delivery_retry_period.seconds_f64();
    let until = envelope.deliver_until().filter(|_| envelope.last_recip_count() == Some(count));
    match until {
        Some(until) if now > until => return Ok(None),
        // A date that lies further away was set by a clock that was wrong.
        Some(until) if until <= latest => {}
        _ => {
            metadata.edit().deliver_until(latest);
        }
    }
    metadata.edit().last_recip_count(count);
    if let Some(first) = deferred.first() {
        metadata.edit().retry_reason(&format!("{}: {}", first.address, first.text));
    }
    metadata.edit().deliver_after(now + config.delivery_retry_wait.seconds_f64());
    Recipients::These(addresses(deferred)).write(metadata);
    Ok(Some(retry))
}

/// The MTA is down: the entry waits whole in `retry`, longer each time.
fn postpone(
    desk: &mut Desk<'_>,
    mut claim: Claim,
    entry: Entry,
    progress: &Progress,
    reason: &str,
) -> Result<(), RunError> {
    let now = dormouse_spool::clock::seconds();
    let config = desk.shared.site.config();
    if let Some(since) = progress.unreachable_since
        && now > since + config.delivery_retry_period.seconds_f64()
    {
        let reason = format!("the MTA could not be reached for too long: {reason}");
        return set_rest_aside(desk, claim, entry, &reason);
    }
    claim.append(&ProgressLine { unreachable: Some(now), ..ProgressLine::default() }.to_text())?;
    let wait = FIRST_WAIT.saturating_mul(1 << progress.unreachable.min(10)).min(LONGEST_WAIT);
    let mut event = Event::new(Step::Postponed, claim.name());
    event.text = reason.to_owned();
    desk.trace.add(&event);
    claim.defer(clock::now() + wait)?;
    desk.tally.count(Step::Postponed);
    Ok(())
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
            self.event.at = dormouse_spool::clock::seconds();
            trace.add(&self.event);
            self.event.count = 0;
            self.event.recipients.clear();
        }
    }
}

fn addresses(failures: &[FailedRecipient]) -> Vec<String> {
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
fn describe(group: &[Next], report: &Report, tally: &mut Tally) -> ProgressLine {
    let mut line = ProgressLine { done: group.len() as u64, ..ProgressLine::default() };
    line.after = group.last().and_then(|last| last.place.as_ref()).map(ToString::to_string);
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
                // One refusal of the message for many recipients says nothing about any of them. Nor
                // does one of this side, which asked nobody.
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
