//! One round of a drain over all queues, with the workers beside it.
//!
//! The drain's own thread goes round the queues and gives each a little time. Queues that wait for
//! servers have workers beside it, and so have entries that take their time. So no entry keeps others
//! waiting for long, and light ones always go first.

use super::{Linger, Summary, note};
use crate::arrangement::Scope;
use crate::queue::{Desk, How, Lane, Runner, Tally};
use crate::{Shared, adoption, digest};
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

/// How often a pass that got nothing out of a queue that is not empty is repeated, and after what
/// pause: between locking and renaming an entry another drain needs microseconds.
const PATIENCE: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// How long one queue is worked off before the next one has its turn.
const SHARE: Duration = Duration::from_millis(500);

/// How often the queues are looked at while workers are busy.
const LOOK: Duration = Duration::from_millis(20);

/// So many hand-overs may wait for directories to become durable.
const MOST_UNSETTLED: usize = 16;

/// What a worker did.
struct LaneResult {
    /// The place of its lane.
    at: usize,
    /// What became of entries.
    tally: Tally,
    errors: Vec<RunError>,
    unsettled: Unsettled,
    /// What it worked with.
    store: Option<Store>,
}

/// The hand of a thread: a runner, and what it needs.
struct Hand<'f> {
    desk: Desk<'f>,
    runner: Box<dyn Runner>,
}

/// A round over all queues, with the workers beside.
pub(super) struct Floor<'f, 'scope, 's> {
    shared: &'f Shared<'f>,
    scope: &'f Scope,
    threads: &'scope Threads<'scope, 'f>,
    lanes: &'f [Lane],
    /// The drain's own hands, one a lane.
    hands: Vec<Hand<'f>>,
    /// How many workers each lane has beside.
    busy: Vec<usize>,
    /// Where they say what they did.
    report: Sender<LaneResult>,
    reports: Receiver<LaneResult>,
    /// What the hands and the workers left.
    unsettled: Unsettled,
    /// Whether the last pass saw anything ready in a queue that wakes.
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
                None => Desk::new(shared, lane),
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
            busy,
            report,
            reports,
            unsettled,
            has_seen_any,
            summary,
        }
    }

    /// Works with a store that is open already.
    pub fn take_over(&self, store: Option<Store>) {
        if let Some(hand) = self.hands.first() {
            hand.desk.take_over(store);
        }
    }

    fn note(&mut self, error: &RunError) {
        note(self.summary, error);
    }

    /// False if nothing may be taken.
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
            }
            Err(error) => self.note(&error.into()),
        }
        // A process may have died between a post and the digest that it made large enough.
        if self.shared.site.is_due(Due::Senddigests)
            && let Err(error) = self.send_large_digests()
        {
            self.note(&error);
        }
        true
    }

    /// Until nothing is left, or nothing can be done about it. Whether nothing was left at the last look.
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
            // What is ready but was not to be had is being claimed by another drain at this moment.
            if self.has_seen_any {
                if patience == 0 {
                    return false;
                }
                patience -= 1;
                thread::sleep(PAUSE);
                continue;
            }
            if self.summary.did_something() && linger() {
                continue;
            }
            fault::point("drain.emptied");
            return true;
        }
        false
    }

    /// Waits until what was handed over is durable where it is.
    fn settle(&mut self) {
        if let Err(error) = std::mem::take(&mut self.unsettled).settle(self.shared.spool) {
            self.note(&error.into());
        }
    }

    /// One pass over all queues in data-flow order. Whether anything was done.
    fn light(&mut self) -> bool {
        let mut progressed = false;
        self.has_seen_any = false;
        while let Ok(report) = self.reports.try_recv() {
            progressed |= self.take_note(report);
        }
        for at in 0..self.lanes.len() {
            let lane = &self.lanes[at];
            if lane.row.is_last && self.is_sending() {
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

    /// Gives an entry that was put off because it is costly to a worker. Whether there was one to give.
    fn costly(&mut self) -> bool {
        for (at, lane) in self.lanes.iter().enumerate().filter(|(_, lane)| lane.has_costly()) {
            let given = match self.workers_of(lane) {
                0 => self.busy[at] == 0 && self.spawn(at, How::Costly, 1),
                // Workers see to theirs, if any is there.
                _ => !self.is_anybody_busy() && self.staff(at, 1),
            };
            if given {
                return true;
            }
        }
        false
    }

    /// Suspects, with nothing else in hand. Whether there were any.
    fn suspect(&mut self) -> bool {
        let Some(at) = self.lanes.iter().position(Lane::has_suspects) else { return false };
        self.do_some(at, How::Suspects);
        true
    }

    /// Works a queue off with the drain's own hand. How many entries were taken.
    fn do_some(&mut self, at: usize, how: How) -> u64 {
        let lane = &self.lanes[at];
        let Hand { desk, runner } = &mut self.hands[at];
        desk.until = Some(Instant::now() + SHARE);
        let taken = lane.work(desk, &mut **runner, how);
        desk.trace.flush();
        let (tally, errors) = (std::mem::take(&mut desk.tally), std::mem::take(&mut desk.errors));
        self.unsettled.add(std::mem::take(&mut desk.unsettled));
        self.add(at, &tally, &errors);
        if self.unsettled.records() >= MOST_UNSETTLED {
            self.settle();
        }
        taken
    }

    fn add(&mut self, at: usize, tally: &Tally, errors: &[RunError]) {
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

    /// Whether a worker has something else than a costly entry in hand.
    fn is_sending(&self) -> bool {
        let costly = |lane: &Lane| lane.costly_in_hand.load(Ordering::Relaxed);
        (0..self.lanes.len()).any(|at| self.busy[at] > costly(&self.lanes[at]))
    }

    /// Sees to it that a lane has workers for what waits. Whether one more was needed.
    fn staff(&mut self, at: usize, waiting: usize) -> bool {
        let lane = &self.lanes[at];
        let most = self.workers_of(lane);
        let more = most.saturating_sub(self.busy[at]).min(waiting);
        if more > 0 {
            // The drain's own hand may have a connection from a suspect. A server that allows only so many
            // would keep the workers waiting for it.
            self.hands[at].runner.end();
        }
        more > 0 && self.spawn(at, How::Light, more)
    }

    /// Starts workers for a lane, which begin with that; true.
    fn spawn(&mut self, at: usize, how: How, count: usize) -> bool {
        let lane = &self.lanes[at];
        let most = self.workers_of(lane);
        for _ in 0..count {
            let (shared, scope, report) = (self.shared, self.scope, self.report.clone());
            // To open another one costs more than to send a small post. The drain's own hands have
            // no use for it at this moment, and open another one if more comes in meanwhile.
            let store = self.hands.first().and_then(|hand| hand.desk.give_store());
            if how == How::Costly {
                // From here on nobody waits for this lane as for one that is sending.
                lane.costly_in_hand.fetch_add(1, Ordering::Relaxed);
            }
            self.threads.spawn(move || {
                let result = beside(shared, lane, at, store, |desk| match how {
                    How::Costly => lane.work_on_costly(desk),
                    _ => lane.work_beside(desk, scope, most),
                });
                // Whoever waits for the report is gone only when this process is.
                let _sent = report.send(result);
            });
        }
        self.busy[at] += count;
        true
    }

    /// Waits for a worker to be done, or until it is time to look at the queues.
    fn wait(&mut self) {
        if let Ok(report) = self.reports.recv_timeout(LOOK) {
            self.take_note(report);
        }
    }

    /// Whether the worker did anything.
    fn take_note(&mut self, result: LaneResult) -> bool {
        let LaneResult { at, tally, errors, unsettled, store } = result;
        self.busy[at] -= 1;
        self.unsettled.add(unsettled);
        self.add(at, &tally, &errors);
        // One is enough for the drain's own hands, and for the next worker.
        if let Some(hand) = self.hands.first().filter(|hand| hand.desk.opened_store().is_none()) {
            hand.desk.take_over(store);
        }
        if self.lanes[at].row.queue == Queue::In
            && tally.entries > 0
            && let Err(error) = self.send_large_digests()
        {
            self.note(&error);
        }
        tally.entries > 0
    }

    /// Digests that the posts just handed over have made large enough.
    fn send_large_digests(&mut self) -> Result<(), RunError> {
        let Some(hand) = self.hands.first() else { return Ok(()) };
        let store = hand.desk.store()?;
        let (now, zone) = (dormouse_spool::clock::seconds(), &TimeZone::system());
        let Shared { site, spool, .. } = *self.shared;
        digest::Press { site, spool, store: &store, now, zone }.send_large()?;
        Ok(())
    }

    /// Does what a process left undone that changed lists, and writes the index for intake. While that
    /// is there nothing was left undone.
    fn settle_lists(&mut self, store: &Store) {
        let site = self.shared.site;
        let settle = || -> Result<(), RunError> {
            dormouse_membership::lists::settle(site, store)?;
            if !store.is_index_current(site)? {
                store.settle_archives()?;
            }
            Ok(())
        };
        if let Err(error) = settle() {
            return self.note(&error);
        }
        // Without it mail is taken all the same, only slower.
        if let Err(error) = store.settle_intake_index(site, &at_the_door::may_refuse) {
            tracing::warn!("mail is taken without an index: {error}");
        }
    }

    /// The end of a round. It gives the store back, if one was opened.
    pub fn close(mut self) -> Option<Store> {
        while self.is_anybody_busy() {
            self.wait();
        }
        self.hands.iter_mut().for_each(|hand| hand.runner.end());
        self.settle();
        let store = self.hands.first()?.desk.opened_store()?;
        self.settle_lists(&store);
        drop(store);
        self.hands.first()?.desk.give_store()
    }
}

/// What a worker beside the drain does, with a store if one is open already.
fn beside(
    shared: &Shared<'_>,
    lane: &Lane,
    at: usize,
    store: Option<Store>,
    work: impl FnOnce(&mut Desk<'_>),
) -> LaneResult {
    let work = || {
        let mut desk = Desk::new(shared, lane);
        desk.take_over(store);
        work(&mut desk);
        desk.trace.flush();
        let store = desk.give_store();
        let Desk { tally, errors, unsettled, .. } = desk;
        LaneResult { at, tally, errors, unsettled, store }
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| LaneResult {
        at,
        tally: Tally::default(),
        errors: vec![RunError::Panicked(lane.row.queue.name())],
        unsettled: Unsettled::default(),
        store: None,
    })
}
