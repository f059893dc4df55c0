//! The archive runner (docs/spec/queue.md §7): adds posts to their lists' archives.
//!
//! An archive recognizes posts that it already has, so a batch that is repeated after a crash
//! changes nothing.

use crate::elsewhere::{self, Hosts, Trouble};
use crate::queue::{QueueDesk, QueueTally, Runner, TakenEntry, guarded, no_such_list};
use crate::retry;
use dormouse_archive::{Archive, ArchiveError, ArchivePost};
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_membership::{RunError, lists};
use dormouse_spool::{Batch, Claim, Entry, Envelope, Queue, fault};
use dormouse_store::List;
use dormouse_trace::{EntryPlace, Event, Step};
use std::collections::BTreeMap;

/// Adds batches of entries to archives.
#[derive(Default)]
pub(crate) struct Archiving {
    hosts: Hosts,
}

impl Runner for Archiving {
    fn work(&mut self, desk: &mut QueueDesk<'_>, taken: Vec<TakenEntry>) -> Result<(), RunError> {
        let store = desk.store()?;
        // If a process died while it renamed a list, the archive may not be in its new place yet.
        lists::settle(desk.shared.site, &store)?;
        let mut by_list: BTreeMap<String, Vec<(Claim, Entry)>> = BTreeMap::new();
        for TakenEntry { claim, entry, list } in taken {
            by_list.entry(list).or_default().push((claim, entry));
        }
        let batch = desk.shared.spool.batch();
        let mut done = Done { desk, tally: QueueTally::default(), events: Vec::new(), batch };
        for (name, entries) in by_list {
            match store.read().list(&name)? {
                Some(list) => match done.desk.shared.site.config().archive_host(&name) {
                    None => archive(&mut done, &list, entries)?,
                    Some(url) => {
                        let is_here =
                            |(_, entry): &(Claim, Entry)| entry.metadata.envelope().passed_on();
                        let (here, elsewhere): (Vec<_>, Vec<_>) =
                            entries.into_iter().partition(is_here);
                        archive(&mut done, &list, here)?;
                        let key = store.write(|tx| tx.secret(elsewhere::SECRET));
                        let place = (url, key?);
                        for one in elsewhere {
                            pass_on(&mut done, &mut self.hosts, &list, &place, one)?;
                        }
                    }
                },
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

    fn end(&mut self) {
        self.hosts.quit();
    }
}

/// The results of a batch.
struct Done<'d, 'r> {
    desk: &'d mut QueueDesk<'r>,
    tally: QueueTally,
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
                event.outputs.push(EntryPlace::new(output.queue, &name));
            }
            self.finish(claim, event);
        }
        Ok(())
    }
}

/// Passes an entry on to the host that has the archive.
fn pass_on(
    done: &mut Done<'_, '_>,
    hosts: &mut Hosts,
    list: &List,
    (url, key): &(&str, Vec<u8>),
    (claim, entry): (Claim, Entry),
) -> Result<(), RunError> {
    let site = done.desk.shared.site;
    let name = claim.name().clone();
    match hosts.pass_on(site, (url, key), (&list.name, &name), &entry) {
        Ok(()) => {
            fault::point("archive.passed-on");
            let mut event = Event::new(Step::Archived, &name)
                .of_message(&list.name, &Message::parse_header_of(&entry.message));
            event.text = format!("by {url}");
            done.finish(claim, event);
            Ok(())
        }
        Err(Trouble::Never(reason)) => done.set_all_aside(vec![(claim, entry)], &reason),
        Err(Trouble::Later(reason)) => {
            let spare = Entry::new(entry.message.clone(), entry.metadata.clone());
            let waits = match retry::postponed(site.config(), Queue::Archive, spare, &reason) {
                Ok(waits) => waits,
                Err(reason) => return done.set_all_aside(vec![(claim, entry)], &reason),
            };
            tracing::warn!("archive/{name}: {reason}; it is tried again");
            let mut event = Event::new(Step::Postponed, &name);
            event.text = reason;
            event.outputs.push(EntryPlace::new(Queue::Retry, &name));
            done.batch.enqueue(Queue::Retry, &name, &waits)?;
            done.finish(claim, event);
            Ok(())
        }
    }
}

/// Archives entries of one list together. If that panics, archives each alone, so that only the
/// entry at fault is set aside.
fn archive(
    done: &mut Done<'_, '_>,
    list: &List,
    entries: Vec<(Claim, Entry)>,
) -> Result<(), RunError> {
    if entries.is_empty() {
        return Ok(());
    }
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

/// Creates the post only from the entry, so that the same entry always gives the same post.
fn post(claim: &Claim, entry: &Entry) -> ArchivePost {
    let envelope = Envelope::read(&entry.metadata).ok();
    let received = envelope.and_then(|envelope| envelope.received_time());
    let received = received.or_else(|| claim.name().received());
    ArchivePost {
        message: Message::parse(entry.message.clone()),
        received: received.unwrap_or_else(Timestamp::now).whole_seconds(),
    }
}
