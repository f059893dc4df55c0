//! systemd as far as it matters: path units that check, watch and check again, and a service that
//! is restarted after a pause. It does one thing at a time, but files move while it does.

use crate::drain::Step;
use crate::world::{Drain, Fault, File, Happening, IN, OTHER, OUT, Pace, SERVICE, Scenario, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathUnit {
    /// Must look: it was started, or notified of a change, or the service ended.
    Recheck,
    /// Looks for the first time.
    FirstLook,
    /// Saw nothing; sets its watch next.
    Arm,
    /// Looks again, with the watch set.
    SecondLook { told: bool },
    /// Waits for its watch to report a change.
    Waiting { told: bool },
    /// The service is up, or is being started. Nothing is watched.
    Running,
    /// Was stopped by somebody.
    Dead,
}

impl PathUnit {
    /// Something appeared in its directory.
    pub fn notice(&mut self) {
        if let PathUnit::SecondLook { told } | PathUnit::Waiting { told } = self {
            *told = true;
        }
    }

    fn is_looking(self) -> bool {
        matches!(
            self,
            PathUnit::Recheck | PathUnit::FirstLook | PathUnit::Arm | PathUnit::SecondLook { .. }
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    Inactive,
    StartQueued,
    /// Its process is running, or has ended and systemd does not know yet.
    Running,
    /// Failed; waits for `RestartSec=`. Counts as active, so path units leave it alone.
    AutoRestart,
}

impl World {
    /// Whether systemd is not in the middle of looking at directories.
    pub fn is_manager_idle(&self) -> bool {
        !self.paths.iter().any(|path| path.is_looking())
    }

    pub fn manager_steps(&self, scenario: &Scenario, steps: &mut Vec<Happening>) {
        if !self.is_manager_idle() {
            // It finishes one path unit's look before the next one's, and before it starts queued
            // units.
            let path = if self.paths[IN].is_looking() { IN } else { OUT };
            steps.push(
                self.happening("a path unit looks", Pace::Work, |world| world.look(scenario, path)),
            );
            return;
        }
        for path in [IN, OUT] {
            if self.paths[path] == (PathUnit::Waiting { told: true }) {
                steps.push(self.happening(
                    "a path unit is told of a change",
                    Pace::Work,
                    |world| {
                        if scenario.has(Fault::EdgeTrigger) {
                            world.trigger(path);
                        } else {
                            world.paths[path] = PathUnit::Recheck;
                        }
                    },
                ));
            }
        }
        match (self.service, self.drains[SERVICE].step) {
            (Service::StartQueued, _) => {
                steps.push(self.happening("the service starts", Pace::Work, World::start_service));
            }
            (Service::Running, Step::Exited(true)) => {
                steps.push(self.happening("systemd sees success", Pace::Work, |world| {
                    world.drains[SERVICE] = Drain::OFF;
                    world.service = Service::Inactive;
                    for path in world.paths.iter_mut().filter(|path| **path == PathUnit::Running) {
                        *path = PathUnit::Recheck;
                    }
                }));
            }
            (Service::Running, Step::Exited(false)) => {
                steps.push(self.happening("systemd sees failure", Pace::Work, |world| {
                    world.drains[SERVICE] = Drain::OFF;
                    world.service = Service::AutoRestart;
                }));
            }
            (Service::AutoRestart, _) => {
                steps.push(self.happening(
                    "the service starts again",
                    Pace::Pause,
                    World::start_service,
                ));
            }
            _ => {}
        }
        self.sweep(scenario, steps);
    }

    /// The timer's service: starts dead path units, and a drain if its conditions are true.
    fn sweep(&self, scenario: &Scenario, steps: &mut Vec<Happening>) {
        if scenario.has(Fault::NoSweep) {
            return;
        }
        let condition = self.anything_left_behind() && self.drains[OTHER] == Drain::OFF;
        if condition || self.paths.contains(&PathUnit::Dead) {
            steps.push(self.happening("the sweep", Pace::Pause, |world| {
                for path in world.paths.iter_mut().filter(|path| **path == PathUnit::Dead) {
                    *path = PathUnit::Recheck;
                }
                if condition {
                    world.begin(OTHER);
                }
            }));
        }
    }

    fn look(&mut self, scenario: &Scenario, path: usize) {
        let is_level = !scenario.has(Fault::EdgeTrigger);
        let sees = is_level && self.with(path, File::Ready) != 0;
        self.paths[path] = match self.paths[path] {
            PathUnit::Recheck => PathUnit::FirstLook,
            PathUnit::FirstLook | PathUnit::SecondLook { .. } if sees => return self.trigger(path),
            PathUnit::FirstLook => PathUnit::Arm,
            PathUnit::Arm => PathUnit::SecondLook { told: false },
            PathUnit::SecondLook { told } => PathUnit::Waiting { told },
            other => other,
        };
    }

    /// A path unit starts the service, or finds it running.
    fn trigger(&mut self, path: usize) {
        self.paths[path] = PathUnit::Running;
        if self.service == Service::Inactive {
            self.service = Service::StartQueued;
        }
    }

    /// The path units stop watching when the service is running, however it was started.
    fn start_service(&mut self) {
        self.service = Service::Running;
        self.begin(SERVICE);
        for path in self.paths.iter_mut().filter(|path| matches!(path, PathUnit::Waiting { .. })) {
            *path = PathUnit::Running;
        }
    }
}
