//! The state of everything: the spool's files and locks, the drains, systemd, and fate.

use crate::drain::Step;
use crate::explorer::Property;
use crate::manager::{PathUnit, Service};

/// The queue that producers fill; its entries are handed over to [`OUT`].
pub const IN: usize = 0;
/// The queue whose entries are sent.
pub const OUT: usize = 1;
/// The drain that systemd's service runs.
pub const SERVICE: usize = 0;
/// The drain that the sweep runs, or a person.
pub const OTHER: usize = 1;
/// Most messages in a scenario.
pub const MOST: usize = 2;
/// One more than the messages, so that a hand-over too many can be seen.
const RECORDS: usize = MOST + 1;

/// What may happen, how often, and which fault the design has.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub messages: usize,
    /// Drains killed, at any step.
    pub kills: u8,
    /// Times that something (a full disk) prevents drains from claiming, for a while.
    pub breakages: u8,
    /// Times that systemd reads its units again.
    pub reloads: u8,
    /// Path units stopped by somebody.
    pub path_deaths: u8,
    /// Drains started by a person.
    pub manual_runs: u8,
    pub fault: Option<Fault>,
}

impl Scenario {
    /// Messages arrive and nothing goes wrong.
    pub const CALM: Scenario = Scenario {
        messages: 1,
        kills: 0,
        breakages: 0,
        reloads: 0,
        path_deaths: 0,
        manual_runs: 0,
        fault: None,
    };

    pub fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub fn start(&self) -> World {
        // An edge trigger never sees entries that exist before its path unit starts. The search
        // must find that it misses more than these.
        let path = match self.fault {
            Some(Fault::EdgeTrigger) => PathUnit::Waiting { told: false },
            _ => PathUnit::Recheck,
        };
        World {
            messages: [Message::default(); MOST],
            records: [Record::default(); RECORDS],
            drains: [Drain::OFF; 2],
            service: Service::Inactive,
            paths: [path; 2],
            broken: false,
            left: [self.kills, self.breakages, self.reloads, self.path_deaths, self.manual_runs],
        }
    }
}

/// A design that is known to be wrong; the search must find the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Path units see changes, not states (`PathChanged=`).
    EdgeTrigger,
    /// Sources are unlinked before the hand-over is decided.
    UnlinkBeforeDecision,
    /// Recovery gives every claim back whose lock is free.
    RecoveryIgnoresRecords,
    /// Recovery looks for records before it locks a claim, and not again.
    RecoveryLooksTooEarly,
    /// Recovery ignores a record that another recovery is carrying out.
    RecoveryPassesOverHeldRecords,
    /// A drain exits with 0 whatever it left.
    AlwaysExitsWithZero,
    /// Nothing recovers claims that a drain outside the service left.
    NoSweep,
}

/// Why a step happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It is the next instruction of a process.
    Work,
    /// It happens after a pause of seconds or minutes.
    Pause,
    /// It may happen or not: arrivals, kills, breakages.
    Fate,
}

/// Something that can happen now.
pub struct Happening {
    pub name: &'static str,
    pub pace: Pace,
    pub to: World,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum File {
    #[default]
    Absent,
    /// `.pck`
    Ready,
    /// `.bak`
    Claimed,
}

/// A file and which drain has it locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Entry {
    pub file: File,
    pub lock: Option<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Message {
    pub arrived: bool,
    /// Its entry in [`IN`] and in [`OUT`].
    pub entries: [Entry; 2],
    /// How often it appeared in [`OUT`].
    pub handovers: u8,
    /// Sent, and unlinked after that.
    pub done: bool,
}

/// A hand-over record; it does not exist if it names nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// The messages whose entries in [`IN`] are its sources, as a set.
    pub names: u8,
    /// The outputs that are still in `.staged`, as a set.
    pub staged: u8,
    pub lock: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Drain {
    pub step: Step,
    /// Whether anything was done at all.
    pub worked: bool,
    /// Whether anything was done in this pass.
    pub progressed: bool,
    /// Its inotify watch: none, armed, or with something to report.
    pub watch: Option<bool>,
}

impl Drain {
    pub const OFF: Drain = Drain { step: Step::Off, worked: false, progressed: false, watch: None };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    pub messages: [Message; MOST],
    pub records: [Record; RECORDS],
    pub drains: [Drain; 2],
    pub service: Service,
    pub paths: [PathUnit; 2],
    pub broken: bool,
    /// The accidents that may still happen: kills, breakages, reloads, path deaths, manual runs.
    left: [u8; 5],
}

impl World {
    /// Everything that can happen in this state.
    pub fn steps(&self, scenario: &Scenario) -> Vec<Happening> {
        let mut steps = Vec::with_capacity(8);
        for drain in [SERVICE, OTHER] {
            steps.extend(self.drain_step(scenario, drain));
        }
        self.manager_steps(scenario, &mut steps);
        self.fate(scenario, &mut steps);
        steps
    }

    pub fn happening(
        &self,
        name: &'static str,
        pace: Pace,
        change: impl FnOnce(&mut World),
    ) -> Happening {
        let mut to = *self;
        change(&mut to);
        Happening { name, pace, to }
    }

    fn fate(&self, scenario: &Scenario, steps: &mut Vec<Happening>) {
        for message in 0..scenario.messages {
            if !self.messages[message].arrived {
                steps.push(self.happening("a message arrives", Pace::Fate, |world| {
                    world.messages[message].arrived = true;
                    world.show(IN, message);
                }));
            }
        }
        let [kills, breakages, reloads, path_deaths, manual_runs] = self.left;
        let running =
            |drain: usize| !matches!(self.drains[drain].step, Step::Off | Step::Exited(_));
        for (drain, name) in
            [(SERVICE, "the service's drain is killed"), (OTHER, "the other drain is killed")]
        {
            if kills > 0 && running(drain) {
                steps.push(self.happening(name, Pace::Fate, |world| {
                    world.left[0] -= 1;
                    world.end(drain, false);
                }));
            }
        }
        if breakages > 0 && !self.broken {
            steps.push(self.happening("the disk is full", Pace::Fate, |world| {
                world.left[1] -= 1;
                world.broken = true;
            }));
        }
        if self.broken {
            steps.push(
                self.happening("the disk has room", Pace::Pause, |world| world.broken = false),
            );
        }
        if reloads > 0 && self.is_manager_idle() {
            steps.push(self.happening("systemd reloads", Pace::Fate, |world| {
                world.left[2] -= 1;
                for path in world.paths.iter_mut().filter(|path| **path != PathUnit::Dead) {
                    *path = PathUnit::Recheck;
                }
            }));
        }
        if path_deaths > 0 && self.is_manager_idle() {
            steps.push(self.happening("a path unit dies", Pace::Fate, |world| {
                world.left[3] -= 1;
                world.paths[IN] = PathUnit::Dead;
            }));
        }
        if manual_runs > 0 && self.drains[OTHER] == Drain::OFF {
            steps.push(self.happening("a person runs a drain", Pace::Fate, |world| {
                world.left[4] -= 1;
                world.begin(OTHER);
            }));
        }
    }

    /// An entry appears in a queue under its ready name: those that watch are notified.
    pub fn show(&mut self, queue: usize, message: usize) {
        self.messages[message].entries[queue].file = File::Ready;
        self.paths[queue].notice();
        for drain in &mut self.drains {
            drain.watch = drain.watch.map(|_| true);
        }
    }

    pub fn begin(&mut self, drain: usize) {
        self.drains[drain] = Drain { step: Step::BEGIN, ..Drain::OFF };
    }

    /// A drain's process ends, and its locks with it.
    pub fn end(&mut self, drain: usize, clean: bool) {
        // Nobody waits for the other drain's exit code.
        let step = if drain == SERVICE { Step::Exited(clean) } else { Step::Off };
        self.drains[drain] = Drain { step, ..Drain::OFF };
        let locks = self
            .messages
            .iter_mut()
            .flat_map(|message| &mut message.entries)
            .map(|entry| &mut entry.lock);
        for lock in locks.chain(self.records.iter_mut().map(|record| &mut record.lock)) {
            if *lock == Some(drain as u8) {
                *lock = None;
            }
        }
    }

    /// The messages with such a file in a queue, as a set.
    pub fn with(&self, queue: usize, file: File) -> u8 {
        (0..MOST)
            .filter(|&message| self.messages[message].entries[queue].file == file)
            .fold(0, |set, message| set | 1 << message)
    }

    pub fn anything_ready(&self) -> bool {
        (self.with(IN, File::Ready) | self.with(OUT, File::Ready)) != 0
    }

    pub fn anything_left_behind(&self) -> bool {
        (self.with(IN, File::Claimed) | self.with(OUT, File::Claimed)) != 0
            || self.records.iter().any(|record| record.names != 0)
    }

    /// Everything that arrived was sent, no drain runs and all path units watch.
    pub fn is_asleep(&self) -> bool {
        self.messages.iter().all(|message| message.done == message.arrived)
            && !self.anything_left_behind()
            && self.drains == [Drain::OFF; 2]
            && self.service == Service::Inactive
            && !self.broken
            && self.paths.iter().all(|path| *path == PathUnit::Waiting { told: false })
    }

    /// What is wrong with this state, if anything.
    pub fn harm(&self) -> Option<Property> {
        (0..MOST).find_map(|message| self.harm_of(message))
    }

    /// A message is in one place. While a record names it that place is `out`, and a file left in
    /// `in` must not be claimable.
    fn harm_of(&self, message: usize) -> Option<Property> {
        let bit = 1 << message;
        let Message { arrived, entries, handovers, done } = self.messages[message];
        let naming = self.records.iter().filter(|record| record.names & bit != 0).count();
        let staged = self.records.iter().filter(|record| record.staged & bit != 0).count();
        let is_decided = naming > 0;
        let in_source =
            entries[IN].file == File::Ready || (entries[IN].file == File::Claimed && !is_decided);
        let in_out = entries[OUT].file != File::Absent;
        let places = usize::from(in_source) + usize::from(in_out) + usize::from(done) + staged;
        match places.cmp(&usize::from(arrived)) {
            _ if handovers > 1 || naming > 1 => Some(Property::Doubled),
            std::cmp::Ordering::Less => Some(Property::Lost),
            std::cmp::Ordering::Greater => Some(Property::Doubled),
            std::cmp::Ordering::Equal => None,
        }
    }
}
