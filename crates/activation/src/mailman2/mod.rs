//! Activation of an existing Mailman 2.1: units that start a run when a queue has an entry, and
//! runs of its `qrunner` until all queues are empty.
//!
//! # Layout
//! - This file: the paths of a Mailman, and whether its own master runs.
//! - `units`: the unit files. `drain`: the runs of `qrunner`.

mod drain;
mod units;

pub use drain::{DrainOutcome, put_back_due, run};
pub use units::generate;

use crate::{ActivationError, Manager};
use dormouse_spool::Queue;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An installed Mailman 2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailman2 {
    /// The absolute path of the directory with `bin/` and `cron/`.
    pub prefix: PathBuf,
    /// The absolute path of its queues.
    pub qfiles: PathBuf,
}

/// The parameters of a Mailman's units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailman2Plan {
    /// The Mailman.
    pub mailman: Mailman2,
    /// The absolute path of this program, which runs its `qrunner`.
    pub binary: PathBuf,
    /// The manager of the units.
    pub manager: Manager,
    /// How long a run waits for one more entry before it ends.
    pub linger: Duration,
}

/// The queues of Mailman's runners, in data-flow order, with the runners' names.
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
    /// Finds the Mailman below `prefix`, with its queues in `qfiles` or in the directory with this
    /// name.
    ///
    /// # Errors
    /// If a file is missing. The error names it.
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

    /// Returns the ID of its own master process, if it is running and processes the queues.
    pub fn master(&self) -> Option<u32> {
        let beside = self.qfiles.parent().unwrap_or(&self.prefix).join("data");
        [self.prefix.join("data"), beside, "/run/mailman".into(), "/var/run/mailman".into()]
            .iter()
            .filter_map(|dir| fs::read_to_string(dir.join("master-qrunner.pid")).ok())
            .filter_map(|text| text.trim().parse().ok())
            // The file may remain from a dead process whose ID was reused.
            .find(|pid: &u32| {
                fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains("mailmanctl"))
            })
    }
}

#[cfg(test)]
mod tests;
