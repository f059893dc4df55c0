//! An output of a batch before it is in its queue.

use crate::label::Label;
use crate::{EntryName, Queue, Spool, SpoolError, durable, fault};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Staged {
    /// Kept open for its lock, which tells recovery that we are alive. It is unlocked before the
    /// queue shows the entry, because a drain that finds the lock would consider the entry claimed.
    pub file: Option<File>,
    pub path: PathBuf,
    pub queue: Queue,
    pub name: EntryName,
    /// Whether the time of its file is to be durable.
    pub has_due: bool,
    /// What makes it durable before the directory of its queue is, if it is the only one.
    pub label: Option<Label>,
    /// Whether the label was written.
    pub is_labelled: bool,
    /// Whether it is in its queue.
    pub is_shown: bool,
}

impl Staged {
    /// Writes its label, if it may have one. When that is synced, the entry is durable.
    pub fn write_label(&mut self) -> Result<bool, SpoolError> {
        let (Some(label), Some(file)) = (&self.label, &self.file) else { return Ok(false) };
        self.is_labelled = true;
        label.write(file, &self.path)?;
        fault::point("batch.labelled");
        Ok(true)
    }

    /// Renames it into its queue, which is created if necessary.
    pub fn rename(&self, spool: &Spool, target: &Path) -> Result<(), SpoolError> {
        match durable::rename(&self.path, target) {
            Err(SpoolError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && !spool.dir(self.queue).exists() =>
            {
                durable::make_dir(&spool.dir(self.queue))?;
                durable::rename(&self.path, target)
            }
            other => other,
        }
    }

    /// Shows it in its queue after its label was synced. False if the file system has no links: then it
    /// is locked again, and has no label.
    pub fn link(&mut self, target: &Path) -> Result<bool, SpoolError> {
        let Some(file) = &self.file else { return Ok(false) };
        file.unlock().map_err(SpoolError::io("unlock", &self.path))?;
        let Err(error) = durable::link(&self.path, target) else {
            self.is_shown = true;
            fault::point("batch.shown");
            return Ok(true);
        };
        tracing::warn!("{error}; this mail waits for a directory");
        // Nobody else has written to it, because it has a valid label.
        file.try_lock().map_err(|_| error)?;
        self.erase_label()?;
        Ok(false)
    }

    /// Makes sure that recovery does not find it.
    pub fn erase_label(&mut self) -> Result<(), SpoolError> {
        if let (true, Some(label), Some(file)) = (self.is_labelled, &self.label, &self.file) {
            label.erase(file, &self.path)?;
        }
        self.is_labelled = false;
        Ok(())
    }
}
