//! One round of a drain over all queues, with its worker threads.
//!
//! The drain's own thread visits the queues in turn and gives each a little time. Queues that wait
//! for servers have workers, and so do costly entries. So no entry delays others for long, and
//! light ones always go first.

use super::{Linger, Summary, has_other_processors, note};
use crate::arrangement::Scope;
use crate::queue::{How, Lane, QueueDesk, QueueTally, Runner};
use crate::{Shared, adoption, digest};
use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_pipeline::handlers::at_the_door;
use dormouse_spool::{Queue, Unsettled, fault};
use dormouse_store::{Due, Store};
use jiff::tz::TimeZone;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope as Threads};
use std::time::{Duration, Instant};

/// How often a pass is repeated if it could claim nothing from a queue that is not empty, and the
/// pause in between: another drain is claiming the entries, and needs microseconds between locking
/// and renaming.
const PATIENCE: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// How long one queue is processed before the next one.
const SHARE: Duration = Duration::from_millis(500);

/// The interval at which the queues are checked while workers are busy.
const LOOK: Duration = Duration::from_millis(20);

/// The number of open stores that are kept for later workers. Each is a connection to a server that other
/// processes may need.
const MOST_STORES: usize = 4;

/// The number of waiting entries from which a queue that is processed last gets a worker, if the machine has
/// more than one processor. Fewer wait while mail is being sent.
const MANY: usize = 32;

/// The result of a worker.
struct LaneResult {
    /// The position of its lane.
    at: usize,
    /// The results of entries.
    tally: QueueTally,
    errors: Vec<RunError>,
    unsettled: Unsettled,
    /// The store that it used, to be used again.
    store: Option<Store>,
}

/// A runner of the drain's own thread, with its desk.
struct Hand<'f> {
    desk: QueueDesk<'f>,
    runner: Box<dyn Runner>,
}

/// A round over all queues, with its workers.
pub(super) struct Floor<'f, 'scope, 's> {
    shared: &'f Shared<'f>,
    scope: &'f Scope,
    threads: &'scope Threads<'scope, 'f>,
    lanes: &'f [Lane],
    /// The runners of the drain's own thread, one for each lane.
    hands: Vec<Hand<'f>>,
    /// Open stores that nobody uses now. To open one takes as long as to send a small post.
    stores: Vec<Store>,
    /// The number of running workers of each lane.
    busy: Vec<usize>,
    /// The channel for their results.
    report: Sender<LaneResult>,
    reports: Receiver<LaneResult>,
    /// Finished work in directories that are not synced yet.
    unsettled: Unsettled,
    /// Whether the last pass saw a ready entry in a queue that starts runs.
    has_seen_any: bool,
    summary: &'s mut Summary,
}

impl<'f, 'scope, 's> Floor<'f, 'scope, 's> {
    pub fn new(
        shared: &'f Shared<'f>,
        scope: &'f Scope,
        threads: &'scope Threads<'scope, 'f>,
        lanes: &'f [Lane],
        summary: &'s mut Summary,
    ) -> Floor<'f, 'scope, 's> {
        let mut hands: Vec<Hand<'f>> = Vec::new();
        for lane in lanes {
            let desk = match hands.first() {
                Some(first) => first.desk.beside(lane),
                None => QueueDesk::new(shared, lane),
            };
            hands.push(Hand { desk, runner: (lane.row.runner)(shared) });
        }
        let (report, reports) = mpsc::channel();
        let busy = vec![0; lanes.len()];
        let (unsettled, has_seen_any) = (Unsettled::default(), false);
        Floor {
            shared,
            scope,
            threads,
            lanes,
            hands,
            stores: Vec::new(),
            busy,
            report,
            reports,
            unsettled,
            has_seen_any,
            summary,
        }
    }

    /// Uses a store that is already open.
    pub fn take_over(&self, store: Option<Store>) {
        if let Some(hand) = self.hands.first() {
            hand.desk.take_over(store);
        }
    }

    fn note(&mut self, error: &RunError) {
        note(self.summary, error);
    }

    /// Recovers what dead processes have left. Returns false if nothing may be claimed
    /// ([`adoption`]).
    pub fn recover(&mut self) -> bool {
        let desk = self.hands.first().map(|hand| &hand.desk);
        let asked = desk.map_or(Ok(()), |desk| adoption::respect(self.shared, || desk.store()));
        if let Err(error) = asked {
            self.note(&error);
            return false;
        }
        match self.shared.spool.recover(self.scope.queues()) {
            Ok(recovered) => {
                let found = recovered.given_back + recovered.handovers + recovered.preserved.len();
                self.summary.recovered += found as u64;
                for (queue, names) in recovered.ready {
                    if let Some(lane) = self.lanes.iter().find(|lane| lane.row.queue == queue) {
                        lane.use_listing(names);
                    }
                }
            }
            Err(error) => self.note(&error.into()),
        }
        // A process may have died after a post made a digest large enough, and before it sent the
        // digest.
        if self.shared.site.is_due(Due::LargeDigests) {
            if let Err(error) = self.send_large_digests() {
                self.note(&error);
            }
            self.lanes.iter().for_each(Lane::list_again);
        }
        true
    }

    /// Processes the queues until nothing is left or nothing more can be done. Returns whether they
    /// were empty at the last look.
    pub fn work(&mut self, linger: Linger<'_>) -> bool {
        let mut patience = PATIENCE;
        let began_with = self.summary.errors.len();
        while !self.shared.stopping() {
            let progressed = self.light();
            if progressed {
                patience = PATIENCE;
                continue;
            }
            if self.costly() {
                continue;
            }
            if self.is_anybody_busy() {
                self.wait();
                continue;
            }
            if self.suspect() {
                continue;
            }
            self.settle();
            if self.summary.errors.len() > began_with {
                return false;
            }
            // Entries that are ready but could not be claimed are being claimed by another drain.
            if self.has_seen_any {
                if patience == 0 {
                    return false;
                }
                patience -= 1;
                thread::sleep(PAUSE);
                continue;
            }
            if self.summary.did_something() && linger(self.is_mail_arriving()) {
                continue;
            }
            fault::point("drain.emptied");
            return true;
        }
        false
    }

    /// Whether mail has arrived since the drain began.
    fn is_mail_arriving(&self) -> bool {
        self.lanes.iter().any(|lane| lane.has_newer_than(self.summary.started_at))
    }

    /// Syncs the directories of finished work.
    fn settle(&mut self) {
        if let Err(error) = std::mem::take(&mut self.unsettled).settle(self.shared.spool) {
            self.note(&error.into());
        }
    }

    /// Makes one pass over all queues in data-flow order. Returns whether anything was done.
    fn light(&mut self) -> bool {
        let mut progressed = false;
        self.has_seen_any = false;
        while let Ok(report) = self.reports.try_recv() {
            progressed |= self.take_note(report);
        }
        for at in 0..self.lanes.len() {
            let lane = &self.lanes[at];
            if lane.row.is_last && self.light_workers(at) > 0 {
                continue;
            }
            let waiting = match lane.refill(self.shared, self.scope) {
                Ok(0) => continue,
                Ok(waiting) => waiting,
                Err(error) => {
                    self.note(&error.into());
                    continue;
                }
            };
            if lane.row.is_last && waiting >= MANY && has_other_processors() {
                progressed |= self.spawn(at, How::Light, 1);
                continue;
            }
            if lane.row.is_last && self.is_sending() {
                continue;
            }
            self.has_seen_any |= lane.row.wakes;
            if self.workers_of(lane) > 0 {
                progressed |= self.staff(at, waiting);
                continue;
            }
            let taken = self.do_some(at, How::Light);
            progressed |= taken > 0;
            if lane.row.queue == Queue::In
                && taken > 0
                && let Err(error) = self.send_large_digests()
            {
                self.note(&error);
            }
        }
        progressed
    }

    /// Passes a costly entry to a worker. Returns whether it did.
    fn costly(&mut self) -> bool {
        for (at, lane) in self.lanes.iter().enumerate().filter(|(_, lane)| lane.has_costly()) {
            let given = match self.workers_of(lane) {
                0 => self.busy[at] == 0 && self.spawn(at, How::Costly, 1),
                // If workers are running, those of this lane take its costly entries themselves.
                _ => !self.is_anybody_busy() && self.staff(at, 1),
            };
            if given {
                return true;
            }
        }
        false
    }

    /// Processes suspects, while nothing else is claimed. Returns whether there were any.
    fn suspect(&mut self) -> bool {
        let Some(at) = self.lanes.iter().position(Lane::has_suspects) else { return false };
        self.do_some(at, How::Suspects);
        true
    }

    /// Gives the drain's own runners a store that is already open, unless they have one.
    fn take_store(&mut self) {
        if let Some(hand) = self.hands.first().filter(|hand| hand.desk.opened_store().is_none()) {
            hand.desk.take_over(self.stores.pop());
        }
    }

    /// Processes a queue in the drain's own thread. Returns the number of entries taken.
    fn do_some(&mut self, at: usize, how: How) -> u64 {
        self.take_store();
        let lane = &self.lanes[at];
        let Hand { desk, runner } = &mut self.hands[at];
        desk.until = Some(Instant::now() + SHARE);
        let taken = lane.work(desk, &mut **runner, how);
        desk.trace.flush();
        let (tally, errors) = (std::mem::take(&mut desk.tally), std::mem::take(&mut desk.errors));
        let unsettled = std::mem::take(&mut desk.unsettled);
        // What several entries led to may have been settled already.
        let is_changed = |queue| taken > 1 || unsettled.touches(queue);
        let changed = self.lanes.iter().filter(|lane| is_changed(lane.row.queue));
        changed.for_each(Lane::list_again);
        self.unsettled.add(unsettled);
        self.add(at, &tally, &errors);
        if self.unsettled.is_much() {
            self.settle();
        }
        taken
    }

    fn add(&mut self, at: usize, tally: &QueueTally, errors: &[RunError]) {
        self.summary.queues.add(self.lanes[at].row.queue, tally);
        errors.iter().for_each(|error| self.note(error));
    }

    fn workers_of(&self, lane: &Lane) -> usize {
        let workers = (lane.row.workers)(self.shared.site.config());
        usize::try_from(workers).unwrap_or(usize::MAX)
    }

    fn is_anybody_busy(&self) -> bool {
        self.busy.iter().any(|&busy| busy > 0)
    }

    /// Whether a worker of a queue that is not last is processing anything but a costly entry.
    fn is_sending(&self) -> bool {
        (0..self.lanes.len()).any(|at| !self.lanes[at].row.is_last && self.light_workers(at) > 0)
    }

    /// The number of workers of a lane that are not processing a costly entry.
    fn light_workers(&self, at: usize) -> usize {
        let costly = self.lanes[at].costly_in_hand.load(Ordering::Relaxed);
        self.busy[at].saturating_sub(costly)
    }

    /// Starts workers for a lane's waiting entries. Returns whether any were started.
    fn staff(&mut self, at: usize, waiting: usize) -> bool {
        let lane = &self.lanes[at];
        let most = self.workers_of(lane);
        let unclaimed = waiting.saturating_sub(lane.arriving());
        let more = most.saturating_sub(self.busy[at]).min(unclaimed);
        if more > 0 {
            // The drain's own runner may still have a connection, from a suspect. A server with a
            // limit of connections would make the workers wait for it.
            self.hands[at].runner.end();
        }
        more > 0 && self.spawn(at, How::Light, more)
    }

    /// Starts workers for a lane, for light entries or a costly one. Always returns true.
    fn spawn(&mut self, at: usize, how: How, count: usize) -> bool {
        let lane = &self.lanes[at];
        let most = self.workers_of(lane);
        for _ in 0..count {
            let (shared, scope, report) = (self.shared, self.scope, self.report.clone());
            // The drain's own runners do not need theirs now.
            let own = || self.hands.first().and_then(|hand| hand.desk.give_store());
            let store = self.stores.pop().or_else(own);
            let arriving = if how == How::Costly {
                // From now on this lane does not count as sending.
                lane.costly_in_hand.fetch_add(1, Ordering::Relaxed);
                None
            } else {
                Some(lane.announce())
            };
            self.threads.spawn(move || {
                let result = beside(shared, lane, at, store, |desk| match how {
                    How::Costly => lane.work_on_costly(desk),
                    _ => {
                        desk.arriving = arriving;
                        lane.work_beside(desk, scope, most);
                    }
                });
                // The receiver lives as long as the threads' scope, so sending cannot fail.
                let _sent = report.send(result);
            });
        }
        self.busy[at] += count;
        true
    }

    /// Waits for a worker's result, or until it is time to check the queues.
    fn wait(&mut self) {
        if let Ok(report) = self.reports.recv_timeout(LOOK) {
            self.take_note(report);
        }
    }

    /// Adds a worker's result. Returns whether the worker processed anything.
    fn take_note(&mut self, result: LaneResult) -> bool {
        let LaneResult { at, tally, errors, unsettled, store } = result;
        self.busy[at] -= 1;
        self.unsettled.add(unsettled);
        self.add(at, &tally, &errors);
        if self.stores.len() < MOST_STORES {
            self.stores.extend(store);
        }
        if self.lanes[at].row.queue == Queue::In
            && tally.entries > 0
            && let Err(error) = self.send_large_digests()
        {
            self.note(&error);
        }
        tally.entries > 0
    }

    /// Sends digests that the latest posts have made large enough.
    fn send_large_digests(&mut self) -> Result<(), RunError> {
        self.take_store();
        let Some(hand) = self.hands.first() else { return Ok(()) };
        let store = hand.desk.store()?;
        if !store.read().has_work(Due::LargeDigests)? {
            return Ok(());
        }
        let (now, zone) = (Timestamp::now(), &TimeZone::system());
        let Shared { site, spool, .. } = *self.shared;
        digest::Press { site, spool, store: &store, now, zone }.send_large()?;
        Ok(())
    }

    /// Completes interrupted changes of lists, and writes the index for intake. While the index is
    /// current, nothing was interrupted.
    fn settle_lists(&mut self, store: &Store) {
        let site = self.shared.site;
        let settle = || -> Result<bool, RunError> {
            dormouse_membership::lists::settle(site, store)?;
            let is_current = store.is_index_current(site)?;
            if !is_current {
                store.settle_archives()?;
            }
            Ok(is_current)
        };
        match settle() {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => return self.note(&error),
        }
        // Without it mail is still accepted, only slower.
        if let Err(error) = store.settle_intake_index(site, &at_the_door::may_refuse) {
            tracing::warn!("cannot write intake.index; mail is accepted without it: {error}");
        }
    }

    /// Ends the round. Returns the store, if one was opened.
    pub fn close(mut self) -> Option<Store> {
        while self.is_anybody_busy() {
            self.wait();
        }
        self.hands.iter_mut().for_each(|hand| hand.runner.end());
        self.settle();
        self.take_store();
        let desk = &self.hands.first()?.desk;
        // A run without work opens a shared database only to learn now and then what other hosts changed.
        if desk.opened_store().is_none()
            && !self.summary.did_something()
            && self.shared.site.is_shared()
            && self.shared.site.is_index_old()
            && let Err(error) = desk.store()
        {
            tracing::warn!("{error}; mail is accepted for the lists that were last known");
        }
        let store = desk.opened_store()?;
        self.settle_lists(&store);
        drop(store);
        self.hands.first()?.desk.give_store()
    }
}

/// Runs a worker, with a store if one is already open. A panic becomes an error in the result.
fn beside<'d>(
    shared: &'d Shared<'d>,
    lane: &'d Lane,
    at: usize,
    store: Option<Store>,
    work: impl FnOnce(&mut QueueDesk<'d>),
) -> LaneResult {
    let work = || {
        let mut desk = QueueDesk::new(shared, lane);
        desk.take_over(store);
        work(&mut desk);
        desk.trace.flush();
        let store = desk.give_store();
        let QueueDesk { tally, errors, unsettled, .. } = desk;
        LaneResult { at, tally, errors, unsettled, store }
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| LaneResult {
        at,
        tally: QueueTally::default(),
        errors: vec![RunError::Panicked(lane.row.queue.name())],
        unsettled: Unsettled::default(),
        store: None,
    })
}
