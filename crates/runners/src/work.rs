//! How the runners that need the store work: a batch of entries in one transaction of the store,
//! handed over in one commit of the spool. What happens to an entry, its queue's runner decides.
//!
//! The store commits first. A process that dies between the two commits repeats the batch, so a
//! runner records what it does by its entry's name, and doing it again changes nothing: held posts
//! are recorded once, and at worst a post number is skipped.

use crate::pipeline::{HandlerError, Output};
use crate::policies::{Found, Policies};
use crate::trace::{Event, Place, Step, Trace};
use crate::{RunError, Shared, archiving, bounces, commands, incoming, shunt};
use dormouse_mail::Message;
use dormouse_spool::{Claim, Entry, EntryName, Queue};
use dormouse_store::{List, Store, Tx};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a pass over a queue came to.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Entries taken.
    pub entries: u64,
    /// Done, or sent on.
    pub passed: u64,
    /// Waiting for a moderator.
    pub held: u64,
    /// Sent back.
    pub rejected: u64,
    /// Dropped.
    pub discarded: u64,
    /// Set aside for a person.
    pub shunted: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, step: Step) {
        match step {
            Step::Held => self.held += 1,
            Step::Rejected => self.rejected += 1,
            Step::Discarded => self.discarded += 1,
            Step::Shunted => self.shunted += 1,
            _ => self.passed += 1,
        }
    }

    /// Adds another pass.
    pub fn add(&mut self, other: &Tally) {
        self.entries += other.entries;
        self.passed += other.passed;
        self.held += other.held;
        self.rejected += other.rejected;
        self.discarded += other.discarded;
        self.shunted += other.shunted;
    }
}

/// One entry, with all that its runner may look at.
pub(crate) struct Job<'j> {
    /// What all runners share.
    pub shared: &'j Shared<'j>,
    /// The store, inside the batch's transaction.
    pub store: &'j Tx<'j>,
    /// The list the entry is for.
    pub list: &'j mut List,
    /// Its queue.
    pub queue: Queue,
    /// Its name.
    pub name: &'j EntryName,
    /// What the senders' domains ask, for the entries of `in`.
    pub found: &'j Found,
}

/// What happened to an entry, and what comes of it.
pub(crate) type Processed = (Event, Vec<Output>);

/// Works off what is ready in `queue`, and returns what became of it with the
/// errors met on the way.
///
/// Entries that a dead process left behind come last and each alone: if one of them is what killed
/// the process, it takes no other with it.
pub fn run(
    shared: &Shared<'_>,
    store: &Store,
    queue: Queue,
    names: Vec<EntryName>,
) -> (Tally, Vec<RunError>) {
    let trace = Trace::of(shared.site);
    let mut work =
        Work { shared, store, queue, trace, tally: Tally::default(), errors: Vec::new() };
    let most = usize::try_from(shared.site.config().run_batch).unwrap_or(usize::MAX).max(1);
    if let Some(suspects) = work.in_batches(names, most) {
        work.in_batches(suspects, 1);
    }
    (work.tally, work.errors)
}

/// One run over a queue.
struct Work<'w> {
    shared: &'w Shared<'w>,
    store: &'w Store,
    queue: Queue,
    trace: Trace,
    tally: Tally,
    errors: Vec<RunError>,
}

impl Work<'_> {
    /// Processes entries, `most` at once, and returns those that are suspect and were not alone. `None`
    /// after trouble that all entries would meet.
    fn in_batches(&mut self, names: Vec<EntryName>, most: usize) -> Option<Vec<EntryName>> {
        let mut suspects = Vec::new();
        let mut waiting = names.into_iter();
        let mut policies = Policies::new(self.shared.site, self.store);
        while !self.shared.stopping() {
            let claims = self.claim_some(&mut waiting, most, &mut suspects);
            if claims.is_empty() {
                break;
            }
            let batch: Vec<EntryName> =
                claims.iter().map(|(claim, _)| claim.name().clone()).collect();
            let Work { shared, store, trace, .. } = self;
            let entries = claims.iter().map(|(_, entry)| entry);
            let done = match self.queue {
                Queue::Archive => archiving::one_batch(shared, store, trace, claims),
                Queue::In => policies
                    .of(entries)
                    .and_then(|found| one_batch(shared, store, trace, found, claims)),
                _ => one_batch(shared, store, trace, Found::default(), claims),
            };
            match done {
                Ok(done) => self.tally.add(&done),
                // One list's trouble is not that of the others in its batch.
                Err(error) if batch.len() > 1 && !error.is_everywhere() => {
                    tracing::debug!("{}: {error}; each entry alone", self.queue);
                    self.in_batches(batch, 1)?;
                }
                Err(error) => {
                    tracing::error!("{}: {error}; what it is about stays in the queue", self.queue);
                    let everywhere = error.is_everywhere();
                    self.errors.push(error);
                    if everywhere {
                        return None;
                    }
                }
            }
        }
        Some(suspects)
    }

    fn claim_some(
        &mut self,
        waiting: &mut impl Iterator<Item = EntryName>,
        most: usize,
        suspects: &mut Vec<EntryName>,
    ) -> Vec<(Claim, Entry)> {
        let mut claims: Vec<(Claim, Entry)> = Vec::new();
        let mut bytes = 0;
        while claims.len() < most && bytes < MOST_BYTES {
            let Some(name) = waiting.next() else { break };
            let claimed = claim_one(self.shared, self.queue, &name).and_then(|claimed| {
                let Some((claim, entry)) = claimed else { return Ok(()) };
                if entry.is_suspect() && most > 1 {
                    suspects.push(name);
                    return Ok(claim.release()?);
                }
                bytes += entry.message.len();
                claims.push((claim, entry));
                Ok(())
            });
            if let Err(error) = claimed {
                tracing::error!("{error}");
                self.errors.push(error);
            }
        }
        claims
    }
}

/// A batch of large messages ends early, so that memory stays bounded.
const MOST_BYTES: usize = 16 * 1024 * 1024;

fn claim_one(
    shared: &Shared<'_>,
    queue: Queue,
    name: &EntryName,
) -> Result<Option<(Claim, Entry)>, RunError> {
    let Some(mut claim) = shared.spool.claim(queue, name)? else { return Ok(None) };
    match claim.read() {
        Ok(entry) => Ok(Some((claim, entry))),
        Err(error) if error.is_bad_entry() => {
            let kept = claim.preserve()?;
            tracing::error!("{error}; kept as {}", kept.display());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn one_batch(
    shared: &Shared<'_>,
    store: &Store,
    trace: &mut Trace,
    found: Found,
    claims: Vec<(Claim, Entry)>,
) -> Result<Tally, RunError> {
    let mut tally = Tally::default();
    let mut batch = shared.spool.batch();
    let mut events = Vec::new();
    store.write(|tx| -> Result<(), RunError> {
        found.keep(tx)?;
        let mut lists = HashMap::new();
        for (claim, entry) in claims {
            tally.entries += 1;
            let (mut event, outputs) = one_entry(shared, tx, &found, &mut lists, &claim, entry)?;
            tally.count(event.step);
            for output in &outputs {
                let name = claim.name().derive(&output.label);
                batch.enqueue(output.queue, &name, &output.entry)?;
                event.outputs.push(Place::new(output.queue, &name));
            }
            events.push(event);
            batch.finish(claim);
        }
        Ok(())
    })?;
    dormouse_spool::fault::point("incoming.stored");
    events.iter().for_each(|event| trace.add(event));
    trace.flush();
    batch.commit()?;
    Ok(tally)
}

/// Gives one entry to its runner.
fn one_entry(
    shared: &Shared<'_>,
    tx: &Tx<'_>,
    found: &Found,
    lists: &mut HashMap<String, Option<List>>,
    claim: &Claim,
    entry: Entry,
) -> Result<Processed, RunError> {
    let site_list = &shared.site.config().site_list;
    let listname = entry.metadata.text("listname").filter(|name| !name.is_empty());
    let listname = listname.map_or_else(|| site_list.clone(), |name| name.to_lowercase());
    if !lists.contains_key(&listname) {
        lists.insert(listname.clone(), tx.list(&listname)?);
    }
    let Some(list) = lists.get_mut(&listname).and_then(Option::as_mut) else {
        return Ok(shunted(shared, claim, entry, &format!("there is no list {listname:?}")));
    };
    let original = entry.clone();
    let (queue, name) = (claim.queue(), claim.name());
    let job = Job { shared, store: tx, list, queue, name, found };
    match catch_unwind(AssertUnwindSafe(|| runner(queue)(job, entry))) {
        Ok(Ok(processed)) => Ok(processed),
        Ok(Err(error @ HandlerError::NoSuchHandler(_))) => {
            Ok(shunted(shared, claim, original, &error.to_string()))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(panic) => {
            let what = panic_text(&*panic);
            Ok(shunted(shared, claim, original, &format!("a fault of this program: {what}")))
        }
    }
}

type Runner = fn(Job<'_>, Entry) -> Result<Processed, HandlerError>;

fn runner(queue: Queue) -> Runner {
    match queue {
        Queue::In | Queue::Virgin => incoming::process,
        Queue::Commands => commands::process,
        Queue::Bounces => bounces::process,
        other => unreachable!("{other} has a runner of another kind, or none"),
    }
}

/// An entry that cannot be processed waits for a person.
pub(crate) fn shunted(
    shared: &Shared<'_>,
    claim: &Claim,
    mut entry: Entry,
    reason: &str,
) -> Processed {
    let queue = claim.queue();
    let listname = entry.metadata.text("listname").unwrap_or_default().into_owned();
    let mut event = Event::new(Step::Shunted, claim.name())
        .of_message(&listname, &Message::parse(entry.message.clone()));
    event.text = reason.to_owned();
    tracing::error!("{queue}/{}: set aside in shunt: {reason}", claim.name());
    shunt::describe(&mut entry.metadata, &shared.spool.dir(queue), reason);
    let output = Output { queue: Queue::Shunt, label: "shunt".to_owned(), entry };
    (event, vec![output])
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
