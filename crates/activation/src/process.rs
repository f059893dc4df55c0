//! Registration of resident processes, so that others see which ones run, and with which settings.
//!
//! Each process has a file in the site's directory `processes/`, named after it, and holds a lock
//! on it as long as it lives. The file contains the mark of the process's settings.

use crate::ActivationError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file of this process, which is removed when dropped.
#[derive(Debug)]
pub struct Presence {
    path: PathBuf,
    file: File,
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Present {
    /// Its name, as on its command line: `runner out`, `lmtp`, `serve`, `watch`.
    pub name: String,
    /// The process ID.
    pub process: u32,
    /// The mark of its settings.
    pub settings: String,
}

impl Presence {
    /// Registers this process, and removes the files of dead ones.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn announce(site: &Path, name: &str, settings: &str) -> Result<Presence, ActivationError> {
        let dir = dir(site);
        let mut make = fs::DirBuilder::new();
        make.recursive(true)
            .mode(0o770)
            .create(&dir)
            .map_err(ActivationError::io("create", &dir))?;
        look(site, |path, _name, is_alive| {
            // Another process may remove it at the same time.
            if !is_alive && let Err(error) = fs::remove_file(path) {
                tracing::debug!("{}: {error}", path.display());
            }
        })?;
        let path = dir.join(format!("{}.{}", name.replace(' ', "-"), std::process::id()));
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(false).mode(0o660).open(&path);
        let file = file.map_err(ActivationError::io("open", &path))?;
        file.lock().map_err(ActivationError::io("lock", &path))?;
        let mut presence = Presence { path, file };
        presence.note(settings)?;
        Ok(presence)
    }

    /// Records a change of the settings.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note(&mut self, settings: &str) -> Result<(), ActivationError> {
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(settings.as_bytes())
        };
        write(&mut self.file).map_err(ActivationError::io("write", &self.path))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }
}

/// Returns the running processes of a site, sorted by name.
///
/// # Errors
/// If the directory cannot be read.
pub fn present(site: &Path) -> Result<Vec<Present>, ActivationError> {
    let mut found = Vec::new();
    look(site, |path, file_name, is_alive| {
        let Some((name, process)) = file_name.rsplit_once('.').filter(|_| is_alive) else { return };
        let Ok(process) = process.parse() else { return };
        let settings = fs::read_to_string(path).unwrap_or_default();
        found.push(Present { name: name.replace('-', " "), process, settings });
    })?;
    found.sort_by(|one, other| (&one.name, one.process).cmp(&(&other.name, other.process)));
    Ok(found)
}

fn dir(site: &Path) -> PathBuf {
    site.join("processes")
}

/// Calls `each` with every file and whether its process is alive, that is, holds the lock.
fn look(site: &Path, mut each: impl FnMut(&Path, &str, bool)) -> Result<(), ActivationError> {
    let dir = dir(site);
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(ActivationError::io("look into", &dir))?,
    };
    for entry in entries {
        let path = entry.map_err(ActivationError::io("look into", &dir))?.path();
        // The process may have exited meanwhile.
        let Ok(file) = File::open(&path) else { continue };
        let is_alive = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        each(&path, &path.file_name().unwrap_or_default().to_string_lossy(), is_alive);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_is_listed_with_its_settings() {
        let site = tempfile::tempdir().unwrap();
        assert_eq!(present(site.path()).unwrap(), []);
        let mut runner = Presence::announce(site.path(), "runner out", "one").unwrap();
        let watch = Presence::announce(site.path(), "watch", "one").unwrap();
        runner.note("2").unwrap();
        let process = std::process::id();
        let at = |name: &str, settings: &str| Present {
            name: name.to_owned(),
            process,
            settings: settings.to_owned(),
        };
        assert_eq!(present(site.path()).unwrap(), [at("runner out", "2"), at("watch", "one")]);
        drop(watch);
        assert_eq!(present(site.path()).unwrap(), [at("runner out", "2")]);
    }

    #[test]
    fn the_file_of_a_dead_process_does_not_count_and_is_removed() {
        let site = tempfile::tempdir().unwrap();
        let left = site.path().join("processes/lmtp.4000000");
        fs::create_dir(site.path().join("processes")).unwrap();
        fs::write(&left, "one").unwrap();
        assert_eq!(present(site.path()).unwrap(), []);
        let _watch = Presence::announce(site.path(), "watch", "one").unwrap();
        assert!(!left.exists());
    }
}
