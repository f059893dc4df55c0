//! One drain at a time is enough.
//!
//! Drains do not disturb each other, so nobody has to have the turn; but a process that has just
//! put an entry into a queue need not work it off when somebody else has it. For that to be true
//! whoever has the turn looks at the queues once more *after* passing it on: an entry that was there
//! when another saw the turn taken is seen then.

use crate::Shared;
use crate::arrangement::Scope;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// The file whose lock is the turn.
const FILE: &str = ".turn";

/// The turn to drain, or the wish for it.
#[derive(Debug)]
pub struct Turn {
    /// Absent for a drain that leaves some queues to others: nobody can rely on it.
    path: Option<PathBuf>,
    held: Option<File>,
}

impl Turn {
    /// The turn at a site's queues, not taken yet.
    pub fn new(shared: &Shared<'_>, scope: &Scope) -> Turn {
        let relied_on = scope.covers(&Scope::on_demand(shared.site.config()));
        Turn { path: relied_on.then(|| shared.spool.root().join(FILE)), held: None }
    }

    /// Takes it, unless another process has it.
    pub fn take(&mut self) -> bool {
        let Some(path) = &self.path else { return false };
        let open = OpenOptions::new().create(true).append(true).mode(0o660).open(path);
        self.held = match open {
            Ok(file) => file.try_lock().is_ok().then_some(file),
            // Without queues there is nothing to take turns at.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("{}: {error}", path.display());
                None
            }
        };
        self.held.is_some()
    }

    /// Lets somebody else take it.
    pub fn pass_on(&mut self) {
        self.held = None;
    }
}
