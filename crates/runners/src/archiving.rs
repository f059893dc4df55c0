//! The archive runner (spec/queue.md §7): posts into their lists' archives.
//!
//! An archive knows what it has, so a batch that is processed again after a crash changes nothing.

use crate::trace::{Event, Step, Trace};
use crate::work::{Tally, panic_text, shunted};
use crate::{RunError, Shared};
use dormouse_archive::{Archive, ArchiveError, Post};
use dormouse_mail::Message;
use dormouse_spool::{Claim, Entry, clock};
use dormouse_store::{List, Store};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Archives a batch of entries.
pub(crate) fn one_batch(
    shared: &Shared<'_>,
    store: &Store,
    trace: &mut Trace,
    claims: Vec<(Claim, Entry)>,
) -> Result<Tally, RunError> {
    let mut lists: BTreeMap<String, Vec<(Claim, Entry)>> = BTreeMap::new();
    for (claim, entry) in claims {
        let name = entry.metadata.text("listname").unwrap_or_default().to_lowercase();
        lists.entry(name).or_default().push((claim, entry));
    }
    let mut done =
        Done { shared, tally: Tally::default(), events: Vec::new(), batch: shared.spool.batch() };
    for (name, entries) in lists {
        match store.list(&name)? {
            Some(list) => archive(&mut done, &list, entries)?,
            None => {
                for (claim, entry) in entries {
                    done.set_aside(claim, entry, &format!("there is no list {name:?}"))?;
                }
            }
        }
    }
    done.events.iter().for_each(|event| trace.add(event));
    trace.flush();
    done.batch.commit()?;
    Ok(done.tally)
}

/// What became of a batch.
struct Done<'d> {
    shared: &'d Shared<'d>,
    tally: Tally,
    events: Vec<Event>,
    batch: dormouse_spool::Batch<'d>,
}

impl Done<'_> {
    fn finish(&mut self, claim: Claim, event: Event) {
        self.tally.entries += 1;
        self.tally.count(event.step);
        self.events.push(event);
        self.batch.finish(claim);
    }

    fn set_aside(&mut self, claim: Claim, entry: Entry, reason: &str) -> Result<(), RunError> {
        let (event, outputs) = shunted(self.shared, &claim, entry, reason);
        for output in &outputs {
            self.batch.enqueue(output.queue, &claim.name().derive(&output.label), &output.entry)?;
        }
        self.finish(claim, event);
        Ok(())
    }
}

/// Archives entries of one list: together, or when that is too much for this program, each alone,
/// so that one of them takes no other with it.
fn archive(done: &mut Done<'_>, list: &List, entries: Vec<(Claim, Entry)>) -> Result<(), RunError> {
    let posts = entries.iter().map(|(claim, entry)| post(claim, entry)).collect();
    let outcome = catch_unwind(AssertUnwindSafe(|| -> Result<(), ArchiveError> {
        Archive::open(done.shared.site, list)?.append(posts)
    }));
    match outcome {
        Ok(Ok(())) => {
            for (claim, entry) in entries {
                let event = Event::new(Step::Archived, claim.name())
                    .of_message(&list.name, &Message::parse_header_of(&entry.message));
                done.finish(claim, event);
            }
            Ok(())
        }
        Ok(Err(error)) if error.wants_a_person() => {
            let reason = error.to_string();
            entries.into_iter().try_for_each(|(claim, entry)| done.set_aside(claim, entry, &reason))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) if entries.len() > 1 => {
            entries.into_iter().try_for_each(|one| archive(done, list, vec![one]))
        }
        Err(panic) => {
            let reason = format!("a fault of this program: {}", panic_text(&*panic));
            entries.into_iter().try_for_each(|(claim, entry)| done.set_aside(claim, entry, &reason))
        }
    }
}

/// Everything in it comes from the entry, so that the same entry makes the same post.
fn post(claim: &Claim, entry: &Entry) -> Post {
    let received = entry.metadata.float("received_time").or_else(|| claim.name().received());
    Post {
        message: Message::parse(entry.message.clone()),
        received: received.unwrap_or_else(clock::seconds) as i64,
    }
}
