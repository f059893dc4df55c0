//! A private directory of the backup on the site's file system, removed on drop.

use crate::BackupError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The directory of files that the queues write again: no mail is in them.
const SPARE_FILES: &str = ".spare";
/// The prefix of such directories. Backups skip each other's.
const PREFIX: &str = ".backup-";

/// Whether a name below the site's directory belongs to a backup.
pub fn is_stage(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The directory; its lock shows that the backup is alive.
pub struct Stage {
    dir: tempfile::TempDir,
    _lock: File,
}

impl Stage {
    /// Creates one, and removes those of killed backups.
    pub fn create(site: &Path) -> Result<Stage, BackupError> {
        remove_dead(site)?;
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(site)
            .map_err(BackupError::io("create a directory in", site))?;
        let lock = File::open(dir.path()).map_err(BackupError::io("open", dir.path()))?;
        lock.lock().map_err(BackupError::io("lock", dir.path()))?;
        Ok(Stage { dir, _lock: lock })
    }

    /// A path in it.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Hard-links every file below `from` to the same relative path below `to` of this directory,
    /// unless it exists. Files that move meanwhile are found at their new place.
    pub fn link_all(&self, from: &Path, to: &Path) -> Result<(), BackupError> {
        let target = self.path(to);
        fs::create_dir_all(&target).map_err(BackupError::io("create", &target))?;
        let entries = match fs::read_dir(from) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(BackupError::io("read", from)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(BackupError::io("read", from))?;
            let (path, relative) = (entry.path(), to.join(entry.file_name()));
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && entry.file_name() == SPARE_FILES {
                continue;
            }
            if kind.is_dir() {
                self.link_all(&path, &relative)?;
            } else if kind.is_file() {
                match fs::hard_link(&path, self.path(&relative)) {
                    Ok(()) => {}
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                        ) => {}
                    Err(error) => return Err(BackupError::io("link", &path)(error)),
                }
            }
        }
        Ok(())
    }
}

/// Removes the directories of dead backups, whose locks are free.
fn remove_dead(site: &Path) -> Result<(), BackupError> {
    let entries = fs::read_dir(site).map_err(BackupError::io("read", site))?;
    for entry in entries.flatten() {
        if !entry.file_name().to_str().is_some_and(is_stage) {
            continue;
        }
        let path = entry.path();
        let Ok(dir) = File::open(&path) else { continue };
        if dir.try_lock().is_ok() {
            fs::remove_dir_all(&path).map_err(BackupError::io("remove", &path))?;
        }
    }
    Ok(())
}
