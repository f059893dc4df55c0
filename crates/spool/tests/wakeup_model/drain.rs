//! A drain, one file operation per step: recover, claim, hand over, send, linger, look, exit.
//!
//! Opening, locking and checking that the name still refers to that file is one step: while the
//! lock is held no other process renames the file, so nothing that matters can happen in between.

use crate::world::{Fault, File, Happening, IN, MOST, OUT, Pace, Record, SERVICE, Scenario, World};

/// What a drain does next. Sets of messages are bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Off,
    /// The process has ended; true for exit code 0.
    Exited(bool),
    ListRecords(Then),
    /// Locks the next record of these that is not locked.
    TakeRecord(u8, Then),
    /// Renames staged outputs of the record into `out`. Its owner does it as recovery does.
    Show(Handover),
    /// Unlinks these sources of the record.
    Unlink(u8, Handover),
    /// Unlinks the record.
    Forget(Handover),
    ListClaims,
    /// Locks the next claim of these that is not locked; bits of `in`, then of `out`.
    Inherit(u8),
    /// Holds the lock of a claim; checks whether a record names it.
    Judge(Claim),
    GiveBack(Claim),
    LetGo(Claim),
    ScanIn,
    /// Locks the next of these entries, after having claimed those.
    LockIn(u8, u8),
    RenameIn(u8, u8, u8),
    /// Only for [`Fault::UnlinkBeforeDecision`].
    UnlinkTooEarly(u8, u8),
    Decide(u8),
    ScanOut,
    LockOut(u8),
    RenameOut(u8, u8),
    Send(u8, u8),
    Finish(u8, u8),
    ArmWatch,
    LookAgain,
    Linger,
    LastLook,
}

/// A record being carried out, the records still to look at, and what comes after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handover {
    slot: u8,
    others: u8,
    then: Then,
}

/// A claim in the hands of recovery: its bit, and those still to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    bit: u8,
    others: u8,
}

impl Claim {
    fn queue(self) -> usize {
        usize::from(self.bit) / MOST
    }

    fn message(self) -> usize {
        usize::from(self.bit) % MOST
    }
}

/// What follows once the records are done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Then {
    Claims,
    Judge(Claim),
    Outgoing,
}

impl Then {
    fn step(self) -> Step {
        match self {
            Then::Claims => Step::ListClaims,
            Then::Judge(claim) => Step::Judge(claim),
            Then::Outgoing => Step::ScanOut,
        }
    }
}

/// Removes the lowest element from a set.
fn pop(set: u8) -> Option<(u8, u8)> {
    (set != 0).then(|| (set.trailing_zeros() as u8, set & (set - 1)))
}

impl Step {
    pub const BEGIN: Step = Step::ListRecords(Then::Claims);

    fn name(self, drain: usize) -> &'static str {
        macro_rules! named {
            ($what:literal) => {
                if drain == SERVICE {
                    concat!("service: ", $what)
                } else {
                    concat!("other: ", $what)
                }
            };
        }
        match self {
            Step::Off | Step::Exited(_) => named!("nothing"),
            Step::ListRecords(_) => named!("list records"),
            Step::TakeRecord(..) => named!("lock a record"),
            Step::Show(_) => named!("show an output"),
            Step::Unlink(..) => named!("unlink a source"),
            Step::Forget(_) => named!("unlink the record"),
            Step::ListClaims => named!("list claims"),
            Step::Inherit(_) => named!("lock a claim"),
            Step::Judge(_) => named!("look for a record of the claim"),
            Step::GiveBack(_) => named!("give the claim back"),
            Step::LetGo(_) => named!("unlock the claim"),
            Step::ScanIn => named!("scan in"),
            Step::LockIn(..) => named!("lock an entry of in"),
            Step::RenameIn(..) => named!("claim an entry of in"),
            Step::UnlinkTooEarly(..) => named!("unlink a source too early"),
            Step::Decide(_) => named!("rename the record: decided"),
            Step::ScanOut => named!("scan out"),
            Step::LockOut(_) => named!("lock an entry of out"),
            Step::RenameOut(..) => named!("claim an entry of out"),
            Step::Send(..) => named!("send"),
            Step::Finish(..) => named!("unlink what was sent"),
            Step::ArmWatch => named!("arm the watch"),
            Step::LookAgain => named!("look again"),
            Step::Linger => named!("linger"),
            Step::LastLook => named!("last look, exit"),
        }
    }
}

impl World {
    /// What a drain can do now: one thing, or two when it lingers.
    pub fn drain_step(&self, scenario: &Scenario, drain: usize) -> Vec<Happening> {
        let step = self.drains[drain].step;
        let name = step.name(drain);
        match step {
            Step::Off | Step::Exited(_) => Vec::new(),
            Step::Linger => {
                let mut ways = vec![self.happening(name, Pace::Work, |world| {
                    world.drains[drain].step = Step::LastLook;
                    world.drains[drain].watch = None;
                })];
                if self.drains[drain].watch == Some(true) {
                    ways.push(self.happening(name, Pace::Work, |world| {
                        world.drains[drain].step = Step::ScanIn;
                        world.drains[drain].watch = None;
                    }));
                }
                ways
            }
            Step::LastLook => {
                let clean = !self.anything_ready() || scenario.has(Fault::AlwaysExitsWithZero);
                vec![self.happening(name, Pace::Work, |world| world.end(drain, clean))]
            }
            _ => vec![self.happening(name, Pace::Work, |world| {
                world.drains[drain].step = world.act(scenario, drain, step);
            })],
        }
    }

    fn act(&mut self, scenario: &Scenario, drain: usize, step: Step) -> Step {
        match step {
            Step::Off | Step::Exited(_) | Step::Linger | Step::LastLook => step,
            Step::ListRecords(then) => {
                if scenario.has(Fault::RecoveryIgnoresRecords) {
                    return then.step();
                }
                let exists = |slot: &usize| self.records[*slot].names != 0;
                let records =
                    (0..self.records.len()).filter(exists).fold(0, |set, slot| set | 1 << slot);
                Step::TakeRecord(records, then)
            }
            Step::TakeRecord(records, then) => {
                let Some((slot, others)) = pop(records) else { return then.step() };
                let record = &mut self.records[usize::from(slot)];
                if record.names == 0 || record.lock.is_some() {
                    return Step::TakeRecord(others, then);
                }
                record.lock = Some(drain as u8);
                self.drains[drain].worked = true;
                Step::Show(Handover { slot, others, then })
            }
            Step::Show(handover) => {
                let record = &mut self.records[usize::from(handover.slot)];
                let Some((message, rest)) = pop(record.staged) else {
                    return Step::Unlink(record.names, handover);
                };
                record.staged = rest;
                self.messages[usize::from(message)].handovers += 1;
                self.show(OUT, message.into());
                step
            }
            Step::Unlink(sources, handover) => {
                let Some((message, rest)) = pop(sources) else { return Step::Forget(handover) };
                let entry = &mut self.messages[usize::from(message)].entries[IN];
                // By its claimed name; under another one it is not found.
                if entry.file == File::Claimed {
                    *entry = Default::default();
                }
                Step::Unlink(rest, handover)
            }
            Step::Forget(Handover { slot, others, then }) => {
                self.records[usize::from(slot)] = Record::default();
                Step::TakeRecord(others, then)
            }
            Step::ListClaims => {
                Step::Inherit(self.with(IN, File::Claimed) | self.with(OUT, File::Claimed) << MOST)
            }
            Step::Inherit(claims) => {
                let Some((bit, others)) = pop(claims) else { return Step::ScanIn };
                let claim = Claim { bit, others };
                let entry = &mut self.messages[claim.message()].entries[claim.queue()];
                if entry.file != File::Claimed || entry.lock.is_some() {
                    return Step::Inherit(others);
                }
                entry.lock = Some(drain as u8);
                if scenario.has(Fault::RecoveryLooksTooEarly) {
                    Step::GiveBack(claim)
                } else {
                    Step::ListRecords(Then::Judge(claim))
                }
            }
            Step::Judge(claim) => {
                let is_source = |record: &Record| record.names & 1 << claim.message() != 0;
                let is_blind = scenario.has(Fault::RecoveryIgnoresRecords)
                    || scenario.has(Fault::RecoveryPassesOverHeldRecords);
                if claim.queue() == IN && self.records.iter().any(is_source) && !is_blind {
                    return Step::LetGo(claim);
                }
                Step::GiveBack(claim)
            }
            Step::GiveBack(claim) => {
                if self.messages[claim.message()].entries[claim.queue()].file == File::Claimed {
                    self.show(claim.queue(), claim.message());
                    self.drains[drain].worked = true;
                }
                Step::LetGo(claim)
            }
            Step::LetGo(claim) => {
                self.unlock(drain, claim.queue(), claim.message());
                Step::Inherit(claim.others)
            }
            Step::ScanIn => {
                self.drains[drain].progressed = false;
                if self.broken {
                    Step::LastLook
                } else {
                    Step::LockIn(self.with(IN, File::Ready), 0)
                }
            }
            Step::LockIn(ready, claimed) => match pop(ready) {
                Some((message, others)) if self.lock(drain, IN, message) => {
                    Step::RenameIn(message, others, claimed)
                }
                Some((_, others)) => Step::LockIn(others, claimed),
                None if claimed == 0 => Step::ScanOut,
                None if scenario.has(Fault::UnlinkBeforeDecision) => {
                    Step::UnlinkTooEarly(claimed, claimed)
                }
                None => Step::Decide(claimed),
            },
            Step::RenameIn(message, others, claimed) => {
                self.claim(drain, IN, message);
                Step::LockIn(others, claimed | 1 << message)
            }
            Step::UnlinkTooEarly(sources, claimed) => match pop(sources) {
                Some((message, rest)) => {
                    self.messages[usize::from(message)].entries[IN] = Default::default();
                    Step::UnlinkTooEarly(rest, claimed)
                }
                None => Step::Decide(claimed),
            },
            Step::Decide(claimed) => {
                let free = self.records.iter().position(|record| record.names == 0);
                let slot = free.expect("a record too many is a violation before");
                self.records[slot] =
                    Record { names: claimed, staged: claimed, lock: Some(drain as u8) };
                Step::Show(Handover { slot: slot as u8, others: 0, then: Then::Outgoing })
            }
            Step::ScanOut => {
                if self.broken {
                    Step::LastLook
                } else {
                    Step::LockOut(self.with(OUT, File::Ready))
                }
            }
            Step::LockOut(ready) => match pop(ready) {
                Some((message, others)) if self.lock(drain, OUT, message) => {
                    Step::RenameOut(message, others)
                }
                Some((_, others)) => Step::LockOut(others),
                None if self.drains[drain].progressed => Step::ScanIn,
                // Another drain must claim the rest.
                None if self.anything_ready() || !self.drains[drain].worked => Step::LastLook,
                None => Step::ArmWatch,
            },
            Step::RenameOut(message, others) => {
                self.claim(drain, OUT, message);
                Step::Send(message, others)
            }
            // If killed between this step and the next, the message is sent again: the transaction
            // in flight.
            Step::Send(message, others) => Step::Finish(message, others),
            Step::Finish(message, others) => {
                let message = &mut self.messages[usize::from(message)];
                message.entries[OUT] = Default::default();
                message.done = true;
                Step::LockOut(others)
            }
            Step::ArmWatch => {
                self.drains[drain].watch = Some(false);
                Step::LookAgain
            }
            Step::LookAgain if self.anything_ready() => {
                self.drains[drain].watch = None;
                Step::ScanIn
            }
            Step::LookAgain => Step::Linger,
        }
    }

    /// Locks a ready entry, unless it is locked or gone.
    fn lock(&mut self, drain: usize, queue: usize, message: u8) -> bool {
        let entry = &mut self.messages[usize::from(message)].entries[queue];
        let is_free = entry.file == File::Ready && entry.lock.is_none();
        if is_free {
            entry.lock = Some(drain as u8);
        }
        is_free
    }

    fn claim(&mut self, drain: usize, queue: usize, message: u8) {
        self.messages[usize::from(message)].entries[queue].file = File::Claimed;
        self.drains[drain].progressed = true;
        self.drains[drain].worked = true;
    }

    fn unlock(&mut self, drain: usize, queue: usize, message: usize) {
        let lock = &mut self.messages[message].entries[queue].lock;
        if *lock == Some(drain as u8) {
            *lock = None;
        }
    }
}
