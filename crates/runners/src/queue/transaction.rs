//! Queues that need the store: a batch of entries is processed in one transaction of the store, and
//! handed over in one commit of the spool. The queue's function decides about each entry.
//!
//! The store commits first. If the process dies between the two commits, the batch is repeated. So
//! functions record what they do under the entry's name, and repeating it changes nothing: held
//! posts are recorded once, and at worst a post number is skipped.

use super::lane::COSTLY_BYTES;
use super::{Process, Processed, QueueDesk, QueueTally, Runner, TakenEntry, guarded, no_such_list};
use crate::Shared;
use crate::drain::has_other_processors;
use dormouse_mail::Message;
use dormouse_mail::conceal::{self, Attempts};
use dormouse_membership::{Output, RunError};
use dormouse_pipeline::policies::{FoundPolicies, Policies};
use dormouse_spool::{Batch, EntryName, Queue, fault};
use dormouse_store::{List, Tx};
use dormouse_trace::EntryPlace;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Instant;

/// One entry, with everything that its function may use.
pub(crate) struct EntryJob<'j> {
    /// What all runners share.
    pub shared: &'j Shared<'j>,
    /// The store, in the batch's transaction.
    pub store: &'j Tx<'j>,
    /// The entry's list.
    pub list: &'j mut List,
    /// Its queue.
    pub queue: Queue,
    /// Its name.
    pub name: &'j EntryName,
    /// The results of DNS lookups, for entries of `in`.
    pub found: &'j FoundPolicies,
    /// What looks like a password in its message, if that has been searched already.
    pub attempts: Option<Attempts>,
}

/// Processes batches in transactions.
pub(crate) struct BatchTransaction {
    process: Process,
    /// Does the DNS lookups, for queues that need them.
    policies: Option<Policies>,
}

impl BatchTransaction {
    pub fn of(process: Process) -> BatchTransaction {
        BatchTransaction { process, policies: None }
    }

    pub fn with_policies(process: Process) -> BatchTransaction {
        BatchTransaction { process, policies: Some(Policies::default()) }
    }
}

impl Runner for BatchTransaction {
    fn work(&mut self, desk: &mut QueueDesk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        let store = desk.store()?;
        let entries = taken.iter().map(|one| &one.entry);
        let found = match &mut self.policies {
            Some(policies) => policies.of(desk.shared.site, &store, entries)?,
            None => FoundPolicies::default(),
        };
        let searched: Vec<Option<Attempts>> = match &self.policies {
            Some(_) => taken.iter().map(search_large).collect(),
            None => taken.iter().map(|_| None).collect(),
        };
        let mut tally = QueueTally::default();
        let mut batch = desk.shared.spool.batch();
        let mut events = Vec::new();
        let when = WhenStaged::of(&taken);
        thread::scope(|threads| -> Result<(), RunError> {
            let mut staging = Staging::begin(&mut batch, when, threads);
            let mut sources = Vec::with_capacity(taken.len());
            store.write(|tx| -> Result<(), RunError> {
                found.keep(tx)?;
                let mut lists = HashMap::new();
                for (one, attempts) in taken.into_iter().zip(searched) {
                    // The rest of the batch is released.
                    if tally.entries > 0 && desk.is_over() {
                        break;
                    }
                    let (began, list) = (Instant::now(), one.list.clone());
                    let (claim, (mut event, outputs)) =
                        self.one_entry(desk, tx, (&found, attempts), &mut lists, one)?;
                    desk.took(&list, began);
                    tally.count(event.step);
                    for output in &outputs {
                        let name = claim.name().derive(&output.label);
                        event.outputs.push(EntryPlace::new(output.queue, &name));
                    }
                    events.push(event);
                    staging.add(claim.name(), outputs)?;
                    sources.push(claim);
                }
                staging.begin_to_write();
                Ok(())
            })?;
            let (batch, _staged) = staging.end()?;
            sources.into_iter().for_each(|claim| batch.finish(claim));
            Ok(())
        })?;
        fault::point("incoming.stored");
        events.iter().for_each(|event| desk.trace.add(event));
        desk.trace.flush();
        desk.unsettled.add(batch.carry()?);
        desk.tally.add(&tally);
        Ok(())
    }
}

/// Searches a large entry for passwords: while entries are processed nobody else can write to the
/// store, and this needs no store.
fn search_large(one: &TakenEntry) -> Option<Attempts> {
    if one.claim.bytes() <= COSTLY_BYTES {
        return None;
    }
    // After a panic the entry meets it again, where it is set aside.
    let search = || conceal::attempts(&Message::parse(one.entry.message.as_slice()));
    guarded(search).ok()
}

/// The number of entries of a batch from which their outputs are staged by another thread.
const MANY: usize = 16;

/// The maximum size in bytes of a batch whose outputs are staged within the transaction.
const SMALL: u64 = 64 * 1024;

/// When the outputs of a batch are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenStaged {
    /// Within the store's transaction: the disk is already writing them while the commit waits for it.
    Within,
    /// After it, so that others can write to the store meanwhile.
    After,
    /// During it, in another thread.
    Meanwhile,
}

impl WhenStaged {
    fn of(taken: &[TakenEntry]) -> WhenStaged {
        if taken.len() >= MANY && has_other_processors() {
            WhenStaged::Meanwhile
        } else if taken.iter().map(|one| one.claim.bytes()).sum::<u64>() <= SMALL {
            WhenStaged::Within
        } else {
            WhenStaged::After
        }
    }
}

/// The entry from which outputs derive, and these.
type Derived = (EntryName, Vec<Output>);

/// The batch with its outputs staged, and what they were staged from. That is dropped by the thread that created it:
/// another one would compete with it for its memory.
type Staged<'b, 's> = (&'b mut Batch<'s>, Vec<Derived>);

/// Writes the outputs of a batch.
enum Staging<'t, 'b, 's> {
    Within(&'b mut Batch<'s>),
    After(&'b mut Batch<'s>, Vec<Derived>),
    Meanwhile(Sender<Derived>, ScopedJoinHandle<'t, Result<Staged<'b, 's>, RunError>>),
}

impl<'t, 'b: 't, 's: 't> Staging<'t, 'b, 's> {
    fn begin<'e>(
        batch: &'b mut Batch<'s>,
        when: WhenStaged,
        threads: &'t Scope<'t, 'e>,
    ) -> Staging<'t, 'b, 's> {
        match when {
            WhenStaged::Within => Staging::Within(batch),
            WhenStaged::After => Staging::After(batch, Vec::new()),
            WhenStaged::Meanwhile => {
                let (send, waiting) = mpsc::channel();
                Staging::Meanwhile(send, threads.spawn(move || stage(batch, waiting)))
            }
        }
    }

    fn add(&mut self, source: &EntryName, outputs: Vec<Output>) -> Result<(), RunError> {
        match self {
            Staging::Within(batch) => return stage_one(batch, source, &outputs),
            Staging::After(_, later) => later.push((source.clone(), outputs)),
            Staging::Meanwhile(send, _) => {
                // After an error it is no longer received; `end` returns the error.
                let _sent = send.send((source.clone(), outputs));
            }
        }
        Ok(())
    }

    /// Lets the disk write what is staged by now.
    fn begin_to_write(&self) {
        if let Staging::Within(batch) = self {
            batch.begin_to_write();
        }
    }

    /// Waits until all are written.
    fn end(self) -> Result<Staged<'b, 's>, RunError> {
        match self {
            Staging::Within(batch) => Ok((batch, Vec::new())),
            Staging::After(batch, later) => stage(batch, later),
            Staging::Meanwhile(send, thread) => {
                drop(send);
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            }
        }
    }
}

fn stage<'b, 's>(
    batch: &'b mut Batch<'s>,
    derived: impl IntoIterator<Item = Derived>,
) -> Result<Staged<'b, 's>, RunError> {
    let mut staged = Vec::new();
    for (source, outputs) in derived {
        stage_one(batch, &source, &outputs)?;
        staged.push((source, outputs));
    }
    Ok((batch, staged))
}

fn stage_one(
    batch: &mut Batch<'_>,
    source: &EntryName,
    outputs: &[Output],
) -> Result<(), RunError> {
    for output in outputs {
        batch.enqueue(output.queue, &source.derive(&output.label), &output.entry)?;
    }
    Ok(())
}

impl BatchTransaction {
    /// Processes one entry with the queue's function.
    fn one_entry(
        &self,
        desk: &QueueDesk<'_>,
        tx: &Tx<'_>,
        (found, attempts): (&FoundPolicies, Option<Attempts>),
        lists: &mut HashMap<String, Option<List>>,
        taken: TakenEntry,
    ) -> Result<(dormouse_spool::Claim, Processed), RunError> {
        let TakenEntry { mut claim, entry, list: listname } = taken;
        if !lists.contains_key(&listname) {
            lists.insert(listname.clone(), tx.read().list(&listname)?);
        }
        let Some(list) = lists.get_mut(&listname).and_then(Option::as_mut) else {
            let processed = desk.shunted(&claim, entry, &no_such_list(&listname));
            return Ok((claim, processed));
        };
        let (queue, name) = (claim.queue(), claim.name());
        let job = EntryJob { shared: desk.shared, store: tx, list, queue, name, found, attempts };
        let reason = match guarded(|| (self.process)(job, entry)) {
            Ok(Ok(processed)) => return Ok((claim, processed)),
            Ok(Err(error)) if error.is_of_the_entry() => error.to_string(),
            Ok(Err(error)) => return Err(error.into()),
            Err(fault) => fault,
        };
        // A copy from before would take as long as the processing of a large entry.
        let original = claim.read()?;
        let processed = desk.shunted(&claim, original, &reason);
        Ok((claim, processed))
    }
}
