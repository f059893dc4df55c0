//! Queues that need the store: a batch of entries is processed in one transaction of the store, and
//! handed over in one commit of the spool. The queue's function decides about each entry.
//!
//! The store commits first. If the process dies between the two commits, the batch is repeated. So
//! functions record what they do under the entry's name, and repeating it changes nothing: held
//! posts are recorded once, and at worst a post number is skipped.

use super::lane::COSTLY_BYTES;
use super::{Process, Processed, QueueDesk, QueueTally, Runner, TakenEntry, guarded, no_such_list};
use crate::Shared;
use dormouse_mail::Message;
use dormouse_mail::conceal::{self, Attempts};
use dormouse_membership::{Output, RunError};
use dormouse_pipeline::policies::{FoundPolicies, Policies};
use dormouse_spool::{Batch, EntryName, Queue, fault};
use dormouse_store::{List, Tx};
use dormouse_trace::EntryPlace;
use std::collections::HashMap;
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
        // Large entries are staged after the commit, so that others can write to the store
        // meanwhile.
        let is_large = taken.iter().any(|one| one.claim.bytes() > COSTLY_BYTES);
        let mut later: Vec<(EntryName, Vec<Output>)> = Vec::new();
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
                if is_large {
                    later.push((claim.name().clone(), outputs));
                } else {
                    stage(&mut batch, claim.name(), &outputs)?;
                }
                batch.finish(claim);
            }
            Ok(())
        })?;
        for (name, outputs) in later {
            stage(&mut batch, &name, &outputs)?;
        }
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

fn stage(batch: &mut Batch<'_>, source: &EntryName, outputs: &[Output]) -> Result<(), RunError> {
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
