//! Finishes an entry after it was sent, and creates entries for recipients who failed.

use super::MOST_NAMES;
use crate::bounces::consequences::Consequences;
use crate::bounces::ledger::Ledger;
use crate::bounces::of_refusals;
use crate::queue::QueueDesk;
use crate::shunt;
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_mail::address::domain_key;
use dormouse_membership::notices::Notices;
use dormouse_membership::{Output, RunError};
use dormouse_pipeline::progress::{DeliveryProgress, FailedRecipient, Hold, ProgressLine};
use dormouse_pipeline::recipients::Recipients;
use dormouse_spool::{Batch, Claim, Entry, EntryName, Queue, fault};
use dormouse_store::{Config, LONGEST_WAIT, List, StoreError};
use dormouse_trace::{EntryPlace, Event, Step, Trace};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The first wait if the MTA cannot be reached; it is doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// Moves the rest of an entry to `shunt`, with its current journal: the one in `entry` is from when
/// the entry was read.
pub(super) fn set_rest_aside(
    desk: &mut QueueDesk<'_>,
    mut claim: Claim,
    entry: Entry,
    reason: &str,
) -> Result<(), RunError> {
    let journal = claim.read()?.journal;
    desk.set_aside(claim, Entry { journal, ..entry }, reason)
}

/// Finishes an entry whose recipients are all done: deferred ones go to `retry`, refused ones are
/// recorded as bounces, and those for whom the message was refused go to `shunt`.
pub(super) fn settle(
    desk: &mut QueueDesk<'_>,
    claim: Claim,
    entry: Entry,
    list: &List,
    (progress, waits): (DeliveryProgress, &HashMap<String, Timestamp>),
) -> Result<(), RunError> {
    fault::point("outgoing.settled");
    let DeliveryProgress { refused, deferred, rejected, done, .. } = progress;
    let config = desk.shared.site.config();
    let Deferred { retries, given_up } = sort_out(config, &entry, deferred, waits)?;
    let name = claim.name();
    for (label, (failures, _)) in labels().zip(&retries) {
        let place = EntryPlace::new(Queue::Retry, &name.derive(&label));
        trace_failures(&mut desk.trace, name, list, Step::Deferred, failures, Some(place));
    }
    let shunt = EntryPlace::new(Queue::Shunt, &name.derive("shunt"));
    trace_failures(&mut desk.trace, name, list, Step::Abandoned, &given_up, None);
    trace_failures(&mut desk.trace, name, list, Step::Refused, &refused, None);
    trace_failures(&mut desk.trace, name, list, Step::Shunted, &rejected, Some(shunt));
    let failures = [&refused, &given_up, &rejected];
    let is_done = retries.is_empty() && failures.into_iter().all(Vec::is_empty);
    if is_done && done == 0 {
        note_unaddressed(desk, name, &entry, list);
    }
    desk.trace.flush();
    if is_done {
        desk.finish(claim)?;
        desk.tally.count(Step::Accepted);
        return Ok(());
    }
    let mut batch = desk.shared.spool.batch();
    for (label, (_, retry)) in labels().zip(&retries) {
        batch.enqueue(Queue::Retry, &name.derive(&label), retry)?;
    }
    if !given_up.is_empty() {
        let count = given_up.len();
        tracing::warn!("{name}: {count} recipients are given up after delivery.retry_period");
    }
    if !rejected.is_empty() {
        reject(desk, &mut batch, (name, &entry), list, &rejected)?;
    }
    for output in record_bounces(desk, &claim, &entry, list, &refused, &given_up)? {
        batch.enqueue(output.queue, &name.derive(&output.label), &output.entry)?;
    }
    batch.finish(claim);
    batch.commit()?;
    desk.tally.count(Step::Accepted);
    Ok(())
}

/// Records the end of an entry without recipients in the trace; there is no reply of the MTA.
fn note_unaddressed(desk: &mut QueueDesk<'_>, name: &EntryName, entry: &Entry, list: &List) {
    let mut event = Event::new(Step::Unaddressed, name);
    event.list = list.name.to_string();
    event.size = entry.message.len() as u64;
    let is_by_rule = entry.metadata.envelope().recips_members_of().is_some();
    let why = if is_by_rule { "no member gets it" } else { "its list of recipients is empty" };
    event.text = format!("nothing was sent: {why}");
    desk.trace.add(&event);
}

/// Returns the labels of the entries for retries.
fn labels() -> impl Iterator<Item = String> {
    (1..).map(|number| if number == 1 { "retry".to_owned() } else { format!("retry-{number}") })
}

/// Moves the message with the recipients for whom it was refused to `shunt`, and notifies the
/// owners.
fn reject(
    desk: &mut QueueDesk<'_>,
    batch: &mut Batch<'_>,
    (name, entry): (&EntryName, &Entry),
    list: &List,
    rejected: &[FailedRecipient],
) -> Result<(), RunError> {
    let shared = desk.shared;
    let waiting = name.derive("shunt");
    let reason = refusal_of(rejected);
    tracing::error!("{name}: {reason}");
    let mut kept = Entry::new(entry.message.clone(), entry.metadata.clone());
    Recipients::These(addresses(rejected)).write(&mut kept.metadata);
    shunt::describe(&mut kept.metadata, &shared.spool.dir(Queue::Out), &reason);
    batch.enqueue(Queue::Shunt, &waiting, &kept)?;
    desk.tally.shunted += 1;
    // There is no notice about a notice that cannot be sent.
    if !entry.metadata.envelope().reduced_list_headers() {
        let message = Message::parse_header_of(&entry.message);
        let notices = Notices { list, site: shared.site };
        let told = notices.unsendable(&message, &waiting, rejected.len(), &reason);
        batch.enqueue(told.queue, &name.derive(&told.label), &told.entry)?;
    }
    Ok(())
}

/// Returns why the message was refused.
fn refusal_of(rejected: &[FailedRecipient]) -> String {
    let (count, text) = (rejected.len(), rejected.first().map_or("", |first| &first.text));
    if rejected.iter().all(|failure| failure.code == 0) {
        format!("the MTA cannot accept the message: {text}")
    } else {
        format!("the MTA refused the message for {count} recipients: {text}")
    }
}

/// Adds a line to the trace for each recipient that was not accepted, and one for all who were
/// skipped for the same reason. `place` is the entry in which they continue.
fn trace_failures(
    trace: &mut Trace,
    name: &EntryName,
    list: &List,
    step: Step,
    failures: &[FailedRecipient],
    place: Option<EntryPlace>,
) {
    let mut held: BTreeMap<&str, Event> = BTreeMap::new();
    for failure in failures {
        let mut event = Event::new(step, name);
        event.list = list.name.to_string();
        event.text = match failure.hold {
            Some(_) => failure.text.clone(),
            None => format!("{} {}", failure.code, failure.text),
        };
        if step == Step::Abandoned {
            event.text.insert_str(0, "given up (delivery.retry_period), the last reply: ");
        }
        event.outputs.extend(place.clone());
        let event = match failure.hold {
            Some(_) => held.entry(&failure.text).or_insert(event),
            None => &mut event,
        };
        event.count += 1;
        if event.recipients.len() < MOST_NAMES {
            event.recipients.push(failure.address.clone());
        }
        if failure.hold.is_none() {
            trace.add(event);
        }
    }
    held.values().for_each(|event| trace.add(event));
}

/// Records refusals as bounces in the store, with their effects, before the entry is finished. If
/// it is processed again after a crash, they count once.
fn record_bounces(
    desk: &QueueDesk<'_>,
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
    let envelope = entry.metadata.envelope();
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

/// The recipients who were deferred or skipped.
#[derive(Default)]
struct Deferred {
    /// Those who are tried again, by due time, with the entry for each time.
    retries: Vec<(Vec<FailedRecipient>, Entry)>,
    /// Those whose retry period is over.
    given_up: Vec<FailedRecipient>,
}

/// The maximum number of entries for retries of one entry.
const MOST_RETRIES: usize = 20;

/// Groups deferred recipients by due time, so that each waits only as long as its domain requires.
/// `waits` contains the times until which domains that defer mail are left alone.
fn sort_out(
    config: &Config,
    entry: &Entry,
    deferred: Vec<FailedRecipient>,
    waits: &HashMap<String, Timestamp>,
) -> Result<Deferred, RunError> {
    let now = Timestamp::now();
    let later = now + config.delivery_retry_wait.seconds_f64();
    let due = |failure: &FailedRecipient| match failure.hold {
        Some(Hold::Limit(time)) => time,
        _ => waits.get(&domain_key(&failure.address)).copied().unwrap_or(later),
    };
    // By Mailman's rule (docs/spec/queue.md §7) the retry period counts only while the number of
    // recipients does not shrink.
    let envelope = entry.metadata.envelope();
    let is_stuck = envelope.last_recip_count() == Some(deferred.len() as i64);
    let latest = now + config.delivery_retry_period.seconds_f64();
    // A later date was stored while the clock was wrong.
    let until = envelope.deliver_until().filter(|until| is_stuck && *until <= latest);
    let is_over = until.is_some_and(|until| now > until);
    let mut sorted = Deferred::default();
    let mut by_due: Vec<(Timestamp, FailedRecipient)> = Vec::new();
    for failure in deferred {
        // Recipients skipped because of a limit were not tried, so they are not given up.
        if is_over && !matches!(failure.hold, Some(Hold::Limit(_))) {
            sorted.given_up.push(failure);
        } else {
            by_due.push((due(&failure), failure));
        }
    }
    // Recipients of a domain are next to each other, so that they are sent together.
    by_due.sort_by_cached_key(|(due, failure)| {
        (due.seconds().to_bits(), domain_key(&failure.address))
    });
    // Recipients with nearly the same due time share an entry.
    let mut apart = 1.0;
    while groups(&by_due, apart).count() > MOST_RETRIES {
        apart *= 2.0;
    }
    for group in groups(&by_due, apart) {
        let due = group.last().map_or(later, |(due, _)| *due);
        let failures: Vec<FailedRecipient> = group.iter().map(|(_, one)| one.clone()).collect();
        let retry = retry_entry(entry, &failures, due, until.unwrap_or(latest));
        sorted.retries.push((failures, retry));
    }
    Ok(sorted)
}

/// Divides recipients into groups with due times in the same interval of `apart` seconds.
fn groups(
    by_due: &[(Timestamp, FailedRecipient)],
    apart: f64,
) -> impl Iterator<Item = &[(Timestamp, FailedRecipient)]> {
    by_due.chunk_by(move |(one, _), (other, _)| {
        (one.seconds() / apart).floor() == (other.seconds() / apart).floor()
    })
}

/// Returns the entry for recipients who are tried again at a time.
fn retry_entry(
    entry: &Entry,
    failures: &[FailedRecipient],
    due: Timestamp,
    until: Timestamp,
) -> Entry {
    let mut retry = Entry::new(entry.message.clone(), entry.metadata.clone());
    let metadata = &mut retry.metadata;
    let count = failures.len() as i64;
    metadata.edit().deliver_until(until).last_recip_count(count).deliver_after(due);
    if let Some(first) = failures.first() {
        metadata.edit().retry_reason(&format!("{}: {}", first.address, first.text));
    }
    Recipients::These(addresses(failures)).write(metadata);
    retry
}

/// Moves the whole entry to `retry`, for longer each time, because the MTA cannot be reached.
pub(super) fn postpone(
    desk: &mut QueueDesk<'_>,
    mut claim: Claim,
    entry: Entry,
    progress: &DeliveryProgress,
    reason: &str,
) -> Result<(), RunError> {
    let now = Timestamp::now();
    let config = desk.shared.site.config();
    if let Some(since) = progress.unreachable_since
        && now > since + config.delivery_retry_period.seconds_f64()
    {
        let reason = format!("the MTA could not be reached for delivery.retry_period: {reason}");
        return set_rest_aside(desk, claim, entry, &reason);
    }
    claim.append(&ProgressLine { unreachable: Some(now), ..ProgressLine::default() }.to_text())?;
    let wait = FIRST_WAIT.saturating_mul(1 << progress.unreachable.min(10)).min(LONGEST_WAIT);
    let mut event = Event::new(Step::Postponed, claim.name());
    event.text = reason.to_owned();
    desk.trace.add(&event);
    claim.defer(dormouse_clock::now() + wait)?;
    desk.tally.count(Step::Postponed);
    Ok(())
}

fn addresses(failures: &[FailedRecipient]) -> Vec<String> {
    failures.iter().map(|failure| failure.address.clone()).collect()
}
