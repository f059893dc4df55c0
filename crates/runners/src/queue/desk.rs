//! What a queue's runner has at hand.

use super::Tally;
use super::lane::Lane;
use crate::{Shared, shunt};
use dormouse_mail::Message;
use dormouse_membership::Output;
use dormouse_membership::RunError;
use dormouse_spool::{Claim, Entry, EntryName, Queue, SpoolError, Unsettled};
use dormouse_store::{Store, StoreError};
use dormouse_trace::{Event, Place, Step, Trace};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// An entry of whose list this is known to be slow is put off.
const SLOW: Duration = Duration::from_millis(200);

/// A claimed entry that could be read.
pub(crate) struct TakenEntry {
    /// The claim.
    pub claim: Claim,
    /// What it holds; its envelope has been read.
    pub entry: Entry,
    /// The name of the list it is for; the site list's when it names none.
    pub list: String,
}

/// What a worker has at hand while it works a queue off.
pub(crate) struct Desk<'d> {
    /// What all runners share.
    pub shared: &'d Shared<'d>,
    /// The queue's lane.
    pub lane: &'d Lane,
    /// Where steps are noted.
    pub trace: Trace,
    /// What became of entries.
    pub tally: Tally,
    /// Met on the way.
    pub errors: Vec<RunError>,
    /// No entry is begun after that.
    pub until: Option<Instant>,
    /// Whether an entry that takes long is to stop, because others wait.
    pub gives_way: bool,
    /// What was handed over or finished, in directories that are not durable yet.
    pub unsettled: Unsettled,
    store: Rc<RefCell<Option<Rc<Store>>>>,
}

impl<'d> Desk<'d> {
    /// With nothing opened yet.
    pub fn new(shared: &'d Shared<'d>, lane: &'d Lane) -> Desk<'d> {
        Desk {
            shared,
            lane,
            trace: Trace::of(shared.site).at(lane.row.queue),
            tally: Tally::default(),
            errors: Vec::new(),
            until: None,
            gives_way: false,
            unsettled: Unsettled::default(),
            store: Rc::default(),
        }
    }

    /// Another one in the same thread, with the same store.
    pub fn beside<'o>(&self, lane: &'o Lane) -> Desk<'o>
    where
        'd: 'o,
    {
        Desk { store: Rc::clone(&self.store), ..Desk::new(self.shared, lane) }
    }

    /// The store; opened when it is asked for.
    pub fn store(&self) -> Result<Rc<Store>, StoreError> {
        if let Some(store) = &*self.store.borrow() {
            return Ok(Rc::clone(store));
        }
        let store = Rc::new(Store::open(self.shared.site)?);
        *self.store.borrow_mut() = Some(Rc::clone(&store));
        Ok(store)
    }

    /// The store, if anybody asked for it.
    pub fn opened_store(&self) -> Option<Rc<Store>> {
        self.store.borrow().clone()
    }

    /// Takes a store that is open already.
    pub fn take_over(&self, store: Option<Store>) {
        if let Some(store) = store {
            *self.store.borrow_mut() = Some(Rc::new(store));
        }
    }

    /// Gives the store away, unless it was not opened or is in use.
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

    /// Whether no other entry is to be begun now.
    pub fn is_over(&self) -> bool {
        self.shared.stopping() || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Takes note of how long an entry took: what a list sends after one that took long waits until
    /// others are done.
    pub fn took(&self, list: &str, since: Instant) {
        if since.elapsed() > SLOW {
            self.lane.is_slow(list);
        }
    }

    /// An entry is done and nothing comes of it.
    pub fn finish(&mut self, claim: Claim) -> Result<(), SpoolError> {
        self.unsettled.touch(claim.queue());
        claim.finish()
    }

    /// An entry that cannot be processed waits in `shunt` for a person.
    pub fn set_aside(&mut self, claim: Claim, entry: Entry, reason: &str) -> Result<(), RunError> {
        let (mut event, outputs) = self.shunted(&claim, entry, reason);
        let mut batch = self.shared.spool.batch();
        for output in &outputs {
            let name = claim.name().derive(&output.label);
            batch.enqueue(output.queue, &name, &output.entry)?;
            event.outputs.push(Place::new(output.queue, &name));
        }
        batch.finish(claim);
        self.trace.add(&event);
        self.trace.flush();
        batch.commit()?;
        self.tally.count(Step::Shunted);
        Ok(())
    }

    /// What sets an entry aside: the step, and the entry for `shunt`. It keeps its journal, which says
    /// what has happened to it already.
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

    /// A file that is no entry was set aside as `kept`.
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

/// Why an entry for a list that is gone is set aside.
pub(crate) fn no_such_list(name: &str) -> String {
    format!("there is no list {name:?}")
}

/// Runs something of which a panic is the entry's fault, and must not be that of others.
///
/// # Errors
/// What the panic said, as a reason to set the entry aside.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| format!("a fault of this program: {}", panic_text(&*panic)))
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
