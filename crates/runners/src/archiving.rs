//! The archive runner (docs/spec/queue.md §7): posts into their lists' archives.
//!
//! An archive knows what it has, so a batch that is processed again after a crash changes nothing.

use crate::queue::{Desk, Runner, TakenEntry, Tally, guarded, no_such_list};
use dormouse_archive::{Archive, ArchiveError, Post};
use dormouse_mail::Message;
use dormouse_membership::{RunError, lists};
use dormouse_spool::{Batch, Claim, Entry, Envelope, clock};
use dormouse_store::List;
use dormouse_trace::{Event, Place, Step};
use std::collections::BTreeMap;

/// Puts batches of entries into archives.
pub(crate) struct Archiving;

impl Runner for Archiving {
    fn work(&mut self, desk: &mut Desk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        let store = desk.store()?;
        // Where a process died that renamed a list, its archive is not in its place yet.
        lists::settle(desk.shared.site, &store)?;
        let mut by_list: BTreeMap<String, Vec<(Claim, Entry)>> = BTreeMap::new();
        for TakenEntry { claim, entry, list } in taken {
            by_list.entry(list).or_default().push((claim, entry));
        }
        let batch = desk.shared.spool.batch();
        let mut done = Done { desk, tally: Tally::default(), events: Vec::new(), batch };
        for (name, entries) in by_list {
            match store.list(&name)? {
                Some(list) => archive(&mut done, &list, entries)?,
                None => done.set_all_aside(entries, &no_such_list(&name))?,
            }
        }
        let Done { desk, tally, events, batch } = done;
        events.iter().for_each(|event| desk.trace.add(event));
        desk.trace.flush();
        let unsettled = batch.carry()?;
        desk.unsettled.add(unsettled);
        desk.tally.add(&tally);
        Ok(())
    }
}

/// What became of a batch.
struct Done<'d, 'r> {
    desk: &'d mut Desk<'r>,
    tally: Tally,
    events: Vec<Event>,
    batch: Batch<'d>,
}

impl Done<'_, '_> {
    fn finish(&mut self, claim: Claim, event: Event) {
        self.tally.count(event.step);
        self.events.push(event);
        self.batch.finish(claim);
    }

    fn set_all_aside(
        &mut self,
        entries: Vec<(Claim, Entry)>,
        reason: &str,
    ) -> Result<(), RunError> {
        for (claim, entry) in entries {
            let (mut event, outputs) = self.desk.shunted(&claim, entry, reason);
            for output in &outputs {
                let name = claim.name().derive(&output.label);
                self.batch.enqueue(output.queue, &name, &output.entry)?;
                event.outputs.push(Place::new(output.queue, &name));
            }
            self.finish(claim, event);
        }
        Ok(())
    }
}

/// Archives entries of one list: together, or when that is too much for this program, each alone,
/// so that one of them takes no other with it.
fn archive(
    done: &mut Done<'_, '_>,
    list: &List,
    entries: Vec<(Claim, Entry)>,
) -> Result<(), RunError> {
    let posts = entries.iter().map(|(claim, entry)| post(claim, entry)).collect();
    let site = done.desk.shared.site;
    let outcome =
        guarded(|| -> Result<(), ArchiveError> { Archive::open(site, list)?.append(posts) });
    match outcome {
        Ok(Ok(())) => {
            for (claim, entry) in entries {
                let event = Event::new(Step::Archived, claim.name())
                    .of_message(&list.name, &Message::parse_header_of(&entry.message));
                done.finish(claim, event);
            }
            Ok(())
        }
        Ok(Err(error)) if error.wants_a_person() => done.set_all_aside(entries, &error.to_string()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) if entries.len() > 1 => {
            entries.into_iter().try_for_each(|one| archive(done, list, vec![one]))
        }
        Err(fault) => done.set_all_aside(entries, &fault),
    }
}

/// Everything in it comes from the entry, so that the same entry makes the same post.
fn post(claim: &Claim, entry: &Entry) -> Post {
    let envelope = Envelope::read(&entry.metadata).ok();
    let received = envelope.and_then(|envelope| envelope.received_time());
    let received = received.or_else(|| claim.name().received());
    Post {
        message: Message::parse(entry.message.clone()),
        received: received.unwrap_or_else(clock::seconds) as i64,
    }
}
