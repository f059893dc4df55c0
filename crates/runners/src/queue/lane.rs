//! The loop that claims and processes entries, for every queue.
//!
//! Light entries go first. *Costly* entries are postponed and processed one at a time, so that they
//! delay no others. *Suspects*, which a dead process had claimed, come last, while nothing else is
//! claimed, in groups that get smaller: if one of them killed the process, it affects few others
//! the next time, and finally none.

use super::backlog::Backlog;
use super::{QueueDesk, Row, Runner, TakenEntry};
use crate::Shared;
use crate::arrangement::Scope;
use crate::drain::has_other_processors;
use dormouse_clock::Timestamp;
use dormouse_membership::RunError;
use dormouse_spool::{Claim, EntryName, Envelope, Look, SpoolError, Suspicion};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A batch ends after this many bytes of messages, so that memory stays bounded.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Larger entries are always costly.
pub(crate) const COSTLY_BYTES: u64 = 1024 * 1024;

/// How long a server is not tried again after it could not be reached.
const DOWN_FOR: Duration = Duration::from_secs(10);

/// The entries to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Light entries, in batches.
    Light,
    /// One costly entry.
    Costly,
    /// A group of suspects, or one. This process must have no other claims.
    Suspects,
}

/// The state of a queue in a run.
pub(crate) struct Lane {
    /// Its row in the table.
    pub row: &'static Row,
    backlog: Mutex<Backlog>,
    /// The number of workers that process a costly entry.
    pub costly_in_hand: AtomicUsize,
    /// The number of workers that were started and have not yet taken anything.
    arriving: AtomicUsize,
    /// When and why its server could not be reached.
    down: Mutex<Option<(Instant, String)>>,
}

/// A worker that was started and has not yet taken anything. The names that it will take still wait,
/// and must not start another worker.
#[derive(Debug)]
pub(crate) struct Arriving<'l> {
    lane: &'l Lane,
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.lane.arriving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The suspicion of entries that must be taken alone, whatever the size of a batch.
const ALONE: Suspicion = Suspicion { alone: 0, together: u32::MAX };

/// The interval of checks whether entries have become due.
const DUE_EVERY: Duration = Duration::from_secs(1);

impl Lane {
    pub fn new(row: &'static Row) -> Lane {
        Lane {
            row,
            backlog: Mutex::default(),
            costly_in_hand: AtomicUsize::new(0),
            arriving: AtomicUsize::new(0),
            down: Mutex::new(None),
        }
    }

    /// Announces a worker that is being started for light entries.
    pub fn announce(&self) -> Arriving<'_> {
        self.arriving.fetch_add(1, Ordering::Relaxed);
        Arriving { lane: self }
    }

    /// Returns the number of workers that were announced and have not yet taken anything.
    pub fn arriving(&self) -> usize {
        self.arriving.load(Ordering::Relaxed)
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the queue once the entries of the last listing are taken. Returns the number of names
    /// that wait.
    pub fn refill(&self, shared: &Shared<'_>, scope: &Scope) -> Result<usize, SpoolError> {
        let mut backlog = self.backlog();
        if backlog.is_stopped {
            return Ok(0);
        }
        if backlog.names.is_empty() {
            if !self.row.wakes {
                if backlog.looked.is_some_and(|looked| looked.elapsed() < DUE_EVERY) {
                    return Ok(0);
                }
                backlog.looked = Some(Instant::now());
            }
            let names = match backlog.listed.take() {
                Some(listed) => scope.of_share(listed),
                None => scope.ready(shared, self.row)?,
            };
            // They are listed in the order of their arrival.
            let newest = names.last().and_then(EntryName::received);
            backlog.newest = newest.or(backlog.newest);
            backlog.names =
                names.into_iter().filter(|name| !backlog.put_off.contains(name)).collect();
            backlog.has_begun &= !backlog.names.is_empty();
        }
        Ok(backlog.names.len())
    }

    /// Uses recovery's listing of the queue once, instead of listing it again.
    pub fn use_listing(&self, names: Vec<EntryName>) {
        self.backlog().listed = Some(names);
    }

    /// Forgets recovery's listing, because the queue has changed since.
    pub fn list_again(&self) {
        self.backlog().listed = None;
    }

    /// Whether an entry was listed that had been received after that time.
    pub fn has_newer_than(&self, time: Timestamp) -> bool {
        self.backlog().newest.is_some_and(|newest| newest > time)
    }

    /// Whether there is an entry that is not known to be costly or a suspect.
    pub fn has_light(&self, shared: &Shared<'_>) -> bool {
        if !self.backlog().names.is_empty() {
            return true;
        }
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

    /// Forgets postponed entries and errors, for another round.
    pub fn try_again(&self) {
        *self.backlog() = Backlog::default();
    }

    /// Treats entries of this list as costly from now on.
    pub fn is_slow(&self, list: &str) {
        self.backlog().slow_lists.insert(list.to_owned());
    }

    /// Records that the queue's server cannot be reached. Returns false if that was already known.
    pub fn note_down(&self, why: &str) -> bool {
        let is_new = self.why_down().is_none();
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), why.to_owned()));
        is_new
    }

    /// Returns why its server could not be reached, if that was within [`DOWN_FOR`].
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
            How::Suspects => backlog.suspects.pop()?.1,
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

    fn put_off_suspect(&self, suspicion: Suspicion, name: &EntryName) {
        let mut backlog = self.backlog();
        if backlog.put_off.insert(name.clone()) {
            backlog.suspects.push((suspicion, name.clone()));
        }
    }

    /// Processes ready entries: all light ones, or one batch of them if the desk's time is limited, one
    /// costly entry, or one group of suspects. Returns the number of entries taken.
    pub fn work(&self, desk: &mut QueueDesk<'_>, runner: &mut dyn Runner, how: How) -> u64 {
        let before = desk.tally.entries;
        let mut taken_at_all = 0;
        while !desk.is_over() {
            let taken = self.take(desk, how, usize::MAX);
            if taken.is_empty() {
                break;
            }
            taken_at_all += taken.len() as u64;
            self.give_to(desk, runner, taken, how);
            // The files of finished entries stay open until then.
            if desk.unsettled.is_much()
                && let Err(error) = std::mem::take(&mut desk.unsettled).settle(desk.shared.spool)
            {
                self.trouble(desk, error.into());
            }
            // Where time is limited others have their turn: what a batch leads to is sent while the next
            // one is processed.
            if how != How::Light || desk.until.is_some() {
                break;
            }
        }
        taken_at_all.max(desk.tally.entries - before)
    }

    fn give_to(
        &self,
        desk: &mut QueueDesk<'_>,
        runner: &mut dyn Runner,
        taken: Vec<TakenEntry>,
        how: How,
    ) {
        let names: Vec<EntryName> = taken.iter().map(|one| one.claim.name().clone()).collect();
        let queue = self.row.queue;
        // The runner catches panics caused by an entry; this catches all others.
        let worked = catch_unwind(AssertUnwindSafe(|| runner.work(desk, taken)));
        match worked {
            Ok(Ok(())) => {}
            // An error of one list must not affect the others in its batch.
            Ok(Err(error)) if names.len() > 1 && !error.is_everywhere() && how == How::Suspects => {
                tracing::debug!("{queue}: {error}; each suspect alone");
                names.iter().for_each(|name| self.put_off_suspect(ALONE, name));
            }
            Ok(Err(error)) if names.len() > 1 && !error.is_everywhere() => {
                tracing::debug!("{queue}: {error}; each entry alone");
                for name in names {
                    self.backlog().names.push_front(name);
                    let taken = self.take(desk, How::Light, 1);
                    if desk.shared.stopping() || self.backlog().is_stopped {
                        break;
                    }
                    if !taken.is_empty() {
                        self.give_to(desk, runner, taken, How::Light);
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::error!("{queue}: {error}; what it is about stays in the queue");
                self.backlog().put_off.extend(names);
                self.trouble(desk, error);
            }
            Err(panic) => {
                tracing::error!("{queue}: a bug in this program: {}", super::panic_text(&*panic));
                self.trouble(desk, RunError::Panicked(queue.name()));
            }
        }
    }

    fn trouble(&self, desk: &mut QueueDesk<'_>, error: RunError) {
        self.backlog().is_stopped |= error.is_everywhere();
        desk.errors.push(error);
    }

    fn take(&self, desk: &mut QueueDesk<'_>, how: How, most: usize) -> Vec<TakenEntry> {
        let batch = (self.row.batch)(desk.shared.site.config());
        let batch = usize::try_from(batch).unwrap_or(usize::MAX);
        let most = match how {
            // What is processed last leads to nothing that others could do meanwhile.
            How::Light if self.row.is_last || !has_other_processors() => batch.min(most),
            How::Light => self.backlog().next_batch(batch).min(most),
            How::Costly => 1,
            How::Suspects => self.backlog().group(batch),
        };
        let is_group = how == How::Suspects && most > 1;
        let mut taken: Vec<TakenEntry> = Vec::new();
        let (mut bytes, mut looked_at) = (0, 0);
        while taken.len() < most.max(1) && bytes < MOST_BYTES {
            // A suspect that is gone must not be replaced by one of another group.
            if how == How::Suspects && looked_at == most.max(1) {
                break;
            }
            let Some(name) = self.next(how) else { break };
            looked_at += 1;
            match self.take_one(desk, (how, is_group), &name) {
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
        desk.arriving = None;
        taken
    }

    /// Claims an entry. Returns `None` if another process has it, or if it was postponed or set aside.
    fn claim(
        &self,
        desk: &mut QueueDesk<'_>,
        (how, is_group): (How, bool),
        name: &EntryName,
    ) -> Result<Option<Claim>, RunError> {
        let (queue, spool) = (self.row.queue, desk.shared.spool);
        let claimed = |claim: Option<Claim>| claim.map_or(Look::Gone, Look::Claimed);
        let looked = match how {
            How::Suspects if is_group => spool.claim_together(queue, name).map(claimed),
            How::Suspects => spool.claim(queue, name).map(claimed),
            How::Light | How::Costly => spool.claim_unless_suspect(queue, name),
        };
        match looked {
            Ok(Look::Claimed(claim)) => return Ok(Some(claim)),
            Ok(Look::Gone) => {}
            Ok(Look::Suspect(suspicion)) => self.put_off_suspect(suspicion, name),
            Err(error) if error.is_bad_entry() => {
                let kept = spool.put_aside(queue, name)?;
                desk.unreadable(name, &error, &kept);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(None)
    }

    /// Claims and reads an entry. Returns `None` if another process has it, or if it was postponed
    /// or set aside.
    fn take_one(
        &self,
        desk: &mut QueueDesk<'_>,
        (how, is_group): (How, bool),
        name: &EntryName,
    ) -> Result<Option<TakenEntry>, RunError> {
        let Some(mut claim) = self.claim(desk, (how, is_group), name)? else { return Ok(None) };
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
        // Mailman's own count of deaths is in the metadata, so it is known only now.
        if how != How::Suspects && entry.suspicion().is_any() {
            self.put_off_suspect(entry.suspicion(), name);
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

    /// Processes one costly entry in a worker. The caller has already counted it in
    /// `costly_in_hand`.
    pub fn work_on_costly(&self, desk: &mut QueueDesk<'_>) {
        let mut runner = (self.row.runner)(desk.shared);
        self.work(desk, &mut *runner, How::Costly);
        runner.end();
        self.costly_in_hand.fetch_sub(1, Ordering::Relaxed);
    }

    /// Processes entries in a worker until none is left that it may take.
    pub fn work_beside(&self, desk: &mut QueueDesk<'_>, scope: &Scope, workers: usize) {
        let mut runner = (self.row.runner)(desk.shared);
        // One worker is kept for light entries; if it is the only one, costly entries stop for
        // light ones.
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
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("queue", &self.row.queue).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_are_claimed_in_shrinking_groups_and_proven_ones_last() {
        let mut backlog = Backlog::default();
        let of = |alone, together| Suspicion { alone, together };
        for (suspicion, count) in
            [(of(1, 0), 2), (of(0, 2), 3), (ALONE, 1), (of(0, 1), 20), (of(2, 1), 1)]
        {
            for number in 0..count {
                let name = EntryName::from_base(&format!("1.5+{number}"));
                backlog.suspects.push((suspicion, name));
            }
        }
        let mut groups = Vec::new();
        while !backlog.suspects.is_empty() {
            let count = backlog.group(100);
            let left = backlog.suspects.len() - count;
            let taken = backlog.suspects.split_off(left);
            let first = taken[0].0;
            assert!(taken.iter().all(|(suspicion, _)| *suspicion == first));
            groups.push((first, count));
        }
        let single = [of(0, 2), of(0, 2), of(0, 2), ALONE, of(1, 0), of(1, 0), of(2, 1)];
        let expected: Vec<_> = [(of(0, 1), 12), (of(0, 1), 8)]
            .into_iter()
            .chain(single.map(|suspicion| (suspicion, 1)))
            .collect();
        assert_eq!(groups, expected);
        assert_eq!(Backlog::default().group(100), 0);
    }
}
