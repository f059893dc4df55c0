//! An existing Mailman 2.1 that sleeps until there is mail: units that start its own `qrunner` when
//! a queue has an entry, and what runs it until all queues are empty.
//!
//! # Layout
//! - This file: where the parts of a Mailman are, and whether its own master runs.
//! - `units`: the unit files. `drain`: the runs of `qrunner`.

mod drain;
mod units;

pub use drain::{Outcome, put_back_due, run};
pub use units::generate;

use crate::{ActivationError, Manager};
use dormouse_spool::Queue;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An installed Mailman 2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailman2 {
    /// Where its `bin/` and `cron/` are, absolute.
    pub prefix: PathBuf,
    /// Where its queues are, absolute.
    pub qfiles: PathBuf,
}

/// What the units of a Mailman 2.1 are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailman2Plan {
    /// The Mailman.
    pub mailman: Mailman2,
    /// The program that runs its `qrunner`, absolute: this one.
    pub binary: PathBuf,
    /// For whom the units are.
    pub manager: Manager,
    /// How long a run waits for one more entry before it ends.
    pub linger: Duration,
}

/// The queues that Mailman's runners empty, in data-flow order, with the runners' names.
pub const RUNNERS: [(Queue, &str); 7] = [
    (Queue::In, "Incoming"),
    (Queue::Commands, "Command"),
    (Queue::Bounces, "Bounce"),
    (Queue::Virgin, "Virgin"),
    (Queue::Archive, "Arch"),
    (Queue::News, "News"),
    (Queue::Out, "Outgoing"),
];

impl Mailman2 {
    /// The Mailman below `prefix`; its queues are in `qfiles`, or in the directory of that name.
    ///
    /// # Errors
    /// Names what is not there.
    pub fn find(prefix: &Path, qfiles: Option<&Path>) -> Result<Mailman2, ActivationError> {
        let qfiles = qfiles.map_or_else(|| prefix.join("qfiles"), Path::to_owned);
        let qrunner = prefix.join("bin/qrunner");
        fs::metadata(&qrunner).map_err(ActivationError::io("find Mailman's", &qrunner))?;
        let absolute = |path: &Path| path.canonicalize().map_err(ActivationError::io("find", path));
        Ok(Mailman2 { prefix: absolute(prefix)?, qfiles: absolute(&qfiles)? })
    }

    fn qrunner(&self) -> PathBuf {
        self.prefix.join("bin/qrunner")
    }

    fn queue(&self, queue: Queue) -> PathBuf {
        self.qfiles.join(queue.name())
    }

    /// The number of its own master process, if that runs: then the queues are its.
    pub fn master(&self) -> Option<u32> {
        let beside = self.qfiles.parent().unwrap_or(&self.prefix).join("data");
        [self.prefix.join("data"), beside, "/run/mailman".into(), "/var/run/mailman".into()]
            .iter()
            .filter_map(|dir| fs::read_to_string(dir.join("master-qrunner.pid")).ok())
            .filter_map(|text| text.trim().parse().ok())
            // The file stays when the process ends, and its number may be another's by now.
            .find(|pid: &u32| {
                fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains("mailmanctl"))
            })
    }
}

#[cfg(test)]
mod tests;
