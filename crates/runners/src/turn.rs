//! One drain at a time is enough.
//!
//! Drains do not disturb each other, so none needs the turn; but a process that has just enqueued
//! an entry need not process it if another one has the turn. Therefore the holder looks at the
//! queues once more *after* releasing the turn: it sees every entry that was there when another
//! process found the turn taken.

use crate::Shared;
use crate::arrangement::Scope;
use crate::lock_file::LockFile;
use std::io;
use std::path::PathBuf;

/// The lock file.
const FILE: &str = ".turn";

/// The turn to drain, held or not.
#[derive(Debug)]
pub struct Turn {
    /// Absent for a drain that does not process all queues on demand: nobody can rely on it.
    path: Option<PathBuf>,
    held: Option<LockFile>,
}

impl Turn {
    /// Creates the turn for a site's queues, without taking it.
    pub fn new(shared: &Shared<'_>, scope: &Scope) -> Turn {
        let relied_on = scope.covers(&Scope::on_demand(shared.site.config()));
        Turn { path: relied_on.then(|| shared.spool.root().join(FILE)), held: None }
    }

    /// Takes the turn, unless another process has it. Returns whether it is held.
    pub fn take(&mut self) -> bool {
        let Some(path) = &self.path else { return false };
        self.held = match LockFile::take(path) {
            Ok(lock) => lock,
            // The queues do not exist yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("{}: {error}", path.display());
                None
            }
        };
        self.held.is_some()
    }

    /// Releases the turn.
    pub fn pass_on(&mut self) {
        self.held = None;
    }
}
