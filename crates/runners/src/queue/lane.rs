//! The loop in which entries are claimed and worked off, whatever their queue.
//!
//! Light entries go first. What is put off comes later, one at a time: what is *costly*, so that it
//! holds nobody up, and last, with nothing else in hand, *suspects*: entries that a dead process left
//! behind. If one of those is what killed the process, it takes no other with it.

use super::{Desk, Row, Runner, TakenEntry};
use crate::Shared;
use crate::arrangement::Scope;
use dormouse_membership::RunError;
use dormouse_spool::{Claim, EntryName, Envelope, Look, SpoolError};
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A batch of large messages ends early, so that memory stays bounded.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// An entry of so many bytes takes its time, whatever is done with it.
const COSTLY_BYTES: u64 = 1024 * 1024;

/// For so long a server that could not be reached is not asked again.
const DOWN_FOR: Duration = Duration::from_secs(10);

/// Which entries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Those that nothing speaks against, in batches.
    Light,
    /// One that was put off because it is costly.
    Costly,
    /// One suspect. Nothing else may be in hand in this process.
    Alone,
}

/// A queue on its way through a run.
pub(crate) struct Lane {
    /// How it is worked off.
    pub row: &'static Row,
    backlog: Mutex<Backlog>,
    /// Workers that have a costly one.
    pub costly_in_hand: AtomicUsize,
    /// When its server could not be reached, and why.
    down: Mutex<Option<(Instant, String)>>,
}

#[derive(Default)]
struct Backlog {
    /// What is left of the last listing.
    names: VecDeque<EntryName>,
    costly: VecDeque<EntryName>,
    /// With how many died over each.
    suspects: Vec<(u32, EntryName)>,
    /// The names in `costly` and `suspects`, and those that met trouble in this round.
    put_off: HashSet<EntryName>,
    slow_lists: HashSet<String>,
    /// Trouble that every entry would meet.
    is_stopped: bool,
}

impl Lane {
    pub fn new(row: &'static Row) -> Lane {
        Lane {
            row,
            backlog: Mutex::default(),
            costly_in_hand: AtomicUsize::new(0),
            down: Mutex::new(None),
        }
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for entries once those of the last look are taken. How many light ones wait.
    pub fn refill(&self, shared: &Shared<'_>, scope: &Scope) -> Result<usize, SpoolError> {
        let mut backlog = self.backlog();
        if backlog.is_stopped {
            return Ok(0);
        }
        if backlog.names.is_empty() {
            let names = scope.ready(shared, self.row)?;
            backlog.names =
                names.into_iter().filter(|name| !backlog.put_off.contains(name)).collect();
        }
        Ok(backlog.names.len())
    }

    /// Whether there is a light entry that came since.
    fn has_light(&self, shared: &Shared<'_>) -> bool {
        let names = (self.row.ready)(shared.spool, shared.site.config(), self.row.queue);
        let put_off = &self.backlog().put_off;
        names.is_ok_and(|names| names.iter().any(|name| !put_off.contains(name)))
    }

    pub fn has_costly(&self) -> bool {
        let backlog = self.backlog();
        !backlog.is_stopped && !backlog.costly.is_empty()
    }

    pub fn has_suspects(&self) -> bool {
        let backlog = self.backlog();
        !backlog.is_stopped && !backlog.suspects.is_empty()
    }

    /// Makes a fresh start after trouble.
    pub fn try_again(&self) {
        *self.backlog() = Backlog::default();
    }

    /// What comes from this list is costly from now on.
    pub fn is_slow(&self, list: &str) {
        self.backlog().slow_lists.insert(list.to_owned());
    }

    /// Takes note that the queue's server cannot be reached. False if that is known.
    pub fn note_down(&self, why: &str) -> bool {
        let is_new = self.why_down().is_none();
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), why.to_owned()));
        is_new
    }

    /// Why its server could not be reached a moment ago.
    pub fn why_down(&self) -> Option<String> {
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.as_ref().filter(|(since, _)| since.elapsed() < DOWN_FOR).map(|(_, why)| why.clone())
    }

    fn next(&self, how: How) -> Option<EntryName> {
        let mut backlog = self.backlog();
        if backlog.is_stopped {
            return None;
        }
        let name = match how {
            How::Light => return backlog.names.pop_front(),
            How::Costly => backlog.costly.pop_front()?,
            How::Alone => {
                // What has killed least goes first: so bystanders are done before the killer's turn.
                let least = (0..backlog.suspects.len()).min_by_key(|&at| backlog.suspects[at].0)?;
                backlog.suspects.remove(least).1
            }
        };
        backlog.put_off.remove(&name);
        Some(name)
    }

    fn put_off_costly(&self, name: &EntryName) {
        let mut backlog = self.backlog();
        if backlog.put_off.insert(name.clone()) {
            backlog.costly.push_back(name.clone());
        }
    }

    fn put_off_suspect(&self, deaths: u32, name: &EntryName) {
        let mut backlog = self.backlog();
        if backlog.put_off.insert(name.clone()) {
            backlog.suspects.push((deaths, name.clone()));
        }
    }

    /// Works off what is ready: all light entries until the desk's time is over, or one of those that
    /// were put off. How many were taken.
    pub fn work(&self, desk: &mut Desk<'_>, runner: &mut dyn Runner, how: How) -> u64 {
        let before = desk.tally.entries;
        let mut taken_at_all = 0;
        while !desk.is_over() {
            let taken = self.take(desk, how, usize::MAX);
            if taken.is_empty() {
                break;
            }
            taken_at_all += taken.len() as u64;
            self.give_to(desk, runner, taken);
            if how != How::Light {
                break;
            }
        }
        taken_at_all.max(desk.tally.entries - before)
    }

    fn give_to(&self, desk: &mut Desk<'_>, runner: &mut dyn Runner, taken: Vec<TakenEntry>) {
        let names: Vec<EntryName> = taken.iter().map(|one| one.claim.name().clone()).collect();
        let queue = self.row.queue;
        // What an entry is at fault for, the runner catches; this is for what it did not think of.
        let worked = catch_unwind(AssertUnwindSafe(|| runner.work(desk, taken)));
        match worked {
            Ok(Ok(())) => {}
            // One list's trouble is not that of the others in its batch.
            Ok(Err(error)) if names.len() > 1 && !error.is_everywhere() => {
                tracing::debug!("{queue}: {error}; each entry alone");
                for name in names {
                    self.backlog().names.push_front(name);
                    let taken = self.take(desk, How::Light, 1);
                    if desk.shared.stopping() || self.backlog().is_stopped {
                        break;
                    }
                    if !taken.is_empty() {
                        self.give_to(desk, runner, taken);
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::error!("{queue}: {error}; what it is about stays in the queue");
                self.backlog().put_off.extend(names);
                self.trouble(desk, error);
            }
            Err(panic) => {
                tracing::error!("{queue}: a fault of this program: {}", super::panic_text(&*panic));
                self.trouble(desk, RunError::Panicked(queue.name()));
            }
        }
    }

    fn trouble(&self, desk: &mut Desk<'_>, error: RunError) {
        self.backlog().is_stopped |= error.is_everywhere();
        desk.errors.push(error);
    }

    fn take(&self, desk: &mut Desk<'_>, how: How, most: usize) -> Vec<TakenEntry> {
        let config = desk.shared.site.config();
        let most = match how {
            How::Light => usize::try_from((self.row.batch)(config)).unwrap_or(usize::MAX).min(most),
            How::Costly | How::Alone => 1,
        };
        let mut taken: Vec<TakenEntry> = Vec::new();
        let mut bytes = 0;
        while taken.len() < most.max(1) && bytes < MOST_BYTES {
            let Some(name) = self.next(how) else { break };
            match self.take_one(desk, how, &name) {
                Ok(Some(one)) => {
                    bytes += one.entry.message.len();
                    taken.push(one);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!("{}/{name}: {error}", self.row.queue);
                    self.backlog().put_off.insert(name);
                    self.trouble(desk, error);
                }
            }
        }
        taken
    }

    /// Claims and reads an entry. `None` when somebody else has it, when it is put off, or when it was
    /// set aside.
    fn take_one(
        &self,
        desk: &mut Desk<'_>,
        how: How,
        name: &EntryName,
    ) -> Result<Option<TakenEntry>, RunError> {
        let (queue, spool) = (self.row.queue, desk.shared.spool);
        let looked = match how {
            How::Alone => {
                spool.claim(queue, name).map(|claim| claim.map_or(Look::Gone, Look::Claimed))
            }
            How::Light | How::Costly => spool.claim_unless_suspect(queue, name),
        };
        let mut claim = match looked {
            Ok(Look::Claimed(claim)) => claim,
            Ok(Look::Gone) => return Ok(None),
            Ok(Look::Suspect(deaths)) => {
                self.put_off_suspect(deaths, name);
                return Ok(None);
            }
            Err(error) if error.is_bad_entry() => {
                let kept = spool.put_aside(queue, name)?;
                desk.unreadable(name, &error, &kept);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if how == How::Light && claim.bytes() > COSTLY_BYTES {
            return self.later(claim);
        }
        let entry = match claim.read() {
            Ok(entry) => entry,
            Err(error) if error.is_bad_entry() => {
                let kept = claim.preserve()?;
                desk.unreadable(name, &error, &kept);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        // Mailman's own count is not in the journal.
        if how != How::Alone && entry.is_suspect() {
            self.put_off_suspect(entry.recoveries(), name);
            claim.release()?;
            return Ok(None);
        }
        let envelope = match Envelope::read(&entry.metadata) {
            Ok(envelope) => envelope,
            Err(wrong) => {
                desk.set_aside(claim, entry, &wrong.to_string())?;
                return Ok(None);
            }
        };
        let site_list = &desk.shared.site.config().site_list;
        let list = envelope.listname().filter(|name| !name.is_empty());
        let list = list.map_or_else(|| site_list.clone(), |name| name.to_lowercase());
        let is_costly =
            (self.row.is_costly)(&envelope) || self.backlog().slow_lists.contains(&list);
        if how == How::Light && is_costly {
            return self.later(claim);
        }
        Ok(Some(TakenEntry { claim, entry, list }))
    }

    fn later(&self, claim: Claim) -> Result<Option<TakenEntry>, RunError> {
        self.put_off_costly(claim.name());
        claim.release()?;
        Ok(None)
    }

    /// What a worker beside the drain does until nothing is left that it may take.
    pub fn work_beside(&self, desk: &mut Desk<'_>, scope: &Scope, workers: usize) {
        let mut runner = (self.row.runner)(desk.shared);
        // One worker is there for what is light, and if it is the only one, what is costly gives way.
        let most_costly = workers.saturating_sub(1).max(1);
        while !desk.shared.stopping() {
            let waiting = match self.refill(desk.shared, scope) {
                Ok(waiting) => waiting,
                Err(error) => {
                    self.trouble(desk, error.into());
                    break;
                }
            };
            if waiting > 0 && self.work(desk, &mut *runner, How::Light) > 0 {
                continue;
            }
            let in_hand = self.costly_in_hand.fetch_add(1, Ordering::Relaxed);
            let taken = if in_hand < most_costly {
                desk.gives_way = workers == 1;
                self.work(desk, &mut *runner, How::Costly)
            } else {
                0
            };
            self.costly_in_hand.fetch_sub(1, Ordering::Relaxed);
            if taken == 0 {
                break;
            }
        }
        runner.end();
        if desk.tally.entries > 0
            && let Err(error) = desk.shared.spool.sync(self.row.queue)
        {
            desk.errors.push(error.into());
        }
    }
}

/// How long a costly entry is worked off before anybody looks whether others wait.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Tells an entry that takes long when to stop for others.
pub(crate) struct Patience {
    looked: Instant,
}

impl Patience {
    pub fn new() -> Patience {
        Patience { looked: Instant::now() }
    }

    /// Whether something light has come that nobody else would take.
    pub fn is_over(&mut self, lane: &Lane, shared: &Shared<'_>, gives_way: bool) -> bool {
        if !gives_way || self.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        self.looked = Instant::now();
        lane.has_light(shared)
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("queue", &self.row.queue).finish_non_exhaustive()
    }
}
