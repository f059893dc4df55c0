//! Everything that a queue's runner needs.

use super::QueueTally;
use super::lane::{Arriving, Lane};
use crate::{Shared, shunt};
use dormouse_mail::Message;
use dormouse_membership::Output;
use dormouse_membership::RunError;
use dormouse_spool::{Claim, Entry, EntryName, Queue, SpoolError, Unsettled};
use dormouse_store::{Store, StoreError};
use dormouse_trace::{EntryPlace, Event, Step, Trace};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// After an entry that took longer than this, other entries of its list count as costly.
const SLOW: Duration = Duration::from_millis(200);

/// A claimed entry that could be read.
pub(crate) struct TakenEntry {
    /// The claim.
    pub claim: Claim,
    /// Its content; its envelope has been checked.
    pub entry: Entry,
    /// The name of its list; the site list's if it names none.
    pub list: String,
}

/// Everything that a worker needs to process a queue.
pub(crate) struct QueueDesk<'d> {
    /// What all runners share.
    pub shared: &'d Shared<'d>,
    /// The queue's lane.
    pub lane: &'d Lane,
    /// The trace.
    pub trace: Trace,
    /// The results of entries.
    pub tally: QueueTally,
    /// The errors so far.
    pub errors: Vec<RunError>,
    /// No entry is started after this time.
    pub until: Option<Instant>,
    /// Whether a costly entry must stop if light ones wait.
    pub gives_way: bool,
    /// Set until a started worker has taken something.
    pub arriving: Option<Arriving<'d>>,
    /// Finished work in directories that are not synced yet.
    pub unsettled: Unsettled,
    store: Rc<RefCell<Option<Rc<Store>>>>,
}

impl<'d> QueueDesk<'d> {
    /// Creates a desk, without opening anything.
    pub fn new(shared: &'d Shared<'d>, lane: &'d Lane) -> QueueDesk<'d> {
        QueueDesk {
            shared,
            lane,
            trace: Trace::of(shared.site).at(lane.row.queue),
            tally: QueueTally::default(),
            errors: Vec::new(),
            until: None,
            gives_way: false,
            arriving: None,
            unsettled: Unsettled::default(),
            store: Rc::default(),
        }
    }

    /// Creates another one in the same thread, with the same store.
    pub fn beside<'o>(&self, lane: &'o Lane) -> QueueDesk<'o>
    where
        'd: 'o,
    {
        QueueDesk { store: Rc::clone(&self.store), ..QueueDesk::new(self.shared, lane) }
    }

    /// Returns the store, which is opened on demand.
    pub fn store(&self) -> Result<Rc<Store>, StoreError> {
        if let Some(store) = &*self.store.borrow() {
            return Ok(Rc::clone(store));
        }
        let store = Rc::new(Store::open(self.shared.site)?);
        *self.store.borrow_mut() = Some(Rc::clone(&store));
        Ok(store)
    }

    /// Returns the store if it is open.
    pub fn opened_store(&self) -> Option<Rc<Store>> {
        self.store.borrow().clone()
    }

    /// Uses a store that is already open.
    pub fn take_over(&self, store: Option<Store>) {
        if let Some(store) = store {
            *self.store.borrow_mut() = Some(Rc::new(store));
        }
    }

    /// Gives the store away, if it is open and not in use.
    pub fn give_store(&self) -> Option<Store> {
        let mut held = self.store.borrow_mut();
        match Rc::try_unwrap(held.take()?) {
            Ok(store) => Some(store),
            Err(in_use) => {
                *held = Some(in_use);
                None
            }
        }
    }

    /// Whether no other entry may be started.
    pub fn is_over(&self) -> bool {
        self.shared.stopping() || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Records how long an entry took: after a slow one, the list's other entries wait until light
    /// ones are done.
    pub fn took(&self, list: &str, since: Instant) {
        if since.elapsed() > SLOW {
            self.lane.is_slow(list);
        }
    }

    /// Finishes an entry without any output.
    pub fn finish(&mut self, claim: Claim) -> Result<(), SpoolError> {
        self.unsettled.finish(self.shared.spool, claim)
    }

    /// Moves an entry that cannot be processed to `shunt`.
    pub fn set_aside(&mut self, claim: Claim, entry: Entry, reason: &str) -> Result<(), RunError> {
        let (mut event, outputs) = self.shunted(&claim, entry, reason);
        let mut batch = self.shared.spool.batch();
        for output in &outputs {
            let name = claim.name().derive(&output.label);
            batch.enqueue(output.queue, &name, &output.entry)?;
            event.outputs.push(EntryPlace::new(output.queue, &name));
        }
        batch.finish(claim);
        self.trace.add(&event);
        self.trace.flush();
        batch.commit()?;
        self.tally.count(Step::Shunted);
        Ok(())
    }

    /// Returns the event and the entry for `shunt`. The entry keeps its journal, with what was
    /// already sent.
    pub fn shunted(&self, claim: &Claim, mut entry: Entry, reason: &str) -> super::Processed {
        let queue = claim.queue();
        let listname = entry.metadata.envelope().listname().unwrap_or_default().into_owned();
        let mut event = Event::new(Step::Shunted, claim.name())
            .of_message(&listname, &Message::parse_header_of(&entry.message));
        event.text = reason.to_owned();
        tracing::error!("{queue}/{}: set aside in shunt: {reason}", claim.name());
        shunt::describe(&mut entry.metadata, &self.shared.spool.dir(queue), reason);
        entry.forget_deaths();
        let output = Output { queue: Queue::Shunt, label: "shunt".to_owned(), entry };
        (event, vec![output])
    }

    /// Records that a file that is not an entry was renamed to `kept`.
    pub fn unreadable(
        &mut self,
        name: &EntryName,
        error: &dyn std::error::Error,
        kept: &std::path::Path,
    ) {
        tracing::error!("{error}; kept as {}", kept.display());
        let mut event = Event::new(Step::Shunted, name);
        event.text = format!("{error}; kept as {}", kept.display());
        self.trace.add(&event);
        self.tally.count(Step::Shunted);
    }
}

/// Returns the reason to set aside an entry whose list does not exist.
pub(crate) fn no_such_list(name: &str) -> String {
    format!("there is no list {name:?}")
}

/// Runs something that may panic because of an entry, so that only this entry is affected.
///
/// # Errors
/// The panic's message, as the reason to set the entry aside.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| format!("a bug in this program: {}", panic_text(&*panic)))
}

/// Returns the message of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
