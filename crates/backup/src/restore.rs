//! Restoring a site from a backup.

use crate::{BackupError, DATABASE, SETTINGS};
use dormouse_store::{Site, Store, StoreError};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use tar::{Archive, EntryType};

/// The result of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Creates a site in a directory without one from a backup, and incremental ones after it in
/// their order. The directory becomes a site once everything is durable.
///
/// # Errors
/// If there is a site already, or a backup is damaged, truncated or invalid.
pub fn restore<R: Read>(
    dir: &Path,
    backups: impl IntoIterator<Item = R>,
) -> Result<Restored, BackupError> {
    if dir.join(SETTINGS).exists() {
        return Err(StoreError::SiteExists(dir.to_owned()).into());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o2771)
        .create(dir)
        .map_err(BackupError::io("create", dir))?;
    let mut restored = Restored { files: 0, bytes: 0 };
    let mut settings = None;
    for backup in backups {
        // Queues and databases are those of the last backup.
        remove_if_there(&dir.join(crate::QUEUES))?;
        settings = Some(unpack(dir, backup, &mut restored)?);
    }
    let (text, mode) = settings.ok_or(BackupError::CutShort(SETTINGS))?;
    rustix::fs::sync();
    let file = dir.join(SETTINGS);
    fs::write(&file, text).map_err(BackupError::io("write", &file))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(mode))
        .and_then(|()| File::open(&file)?.sync_all())
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(BackupError::io("sync", &file))?;
    if let Err(error) = check(dir) {
        // Nothing may start on it yet.
        fs::remove_file(&file).map_err(BackupError::io("remove", &file))?;
        return Err(error);
    }
    Ok(restored)
}

fn check(dir: &Path) -> Result<(), BackupError> {
    let site = Site::open(dir)?;
    if !site.database().exists() {
        return Err(BackupError::CutShort(DATABASE));
    }
    let problems = Store::open(&site)?.read().check()?;
    match problems.first() {
        Some(problem) => Err(BackupError::Damaged(problem.clone())),
        None => Ok(()),
    }
}

fn remove_if_there(dir: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Unpacks everything but the settings, and returns those with their mode.
fn unpack(
    dir: &Path,
    backup: impl Read,
    restored: &mut Restored,
) -> Result<(Vec<u8>, u32), BackupError> {
    let mut archive = Archive::new(backup);
    let mut settings = None;
    for entry in archive.entries().map_err(BackupError::Input)? {
        let mut entry = entry.map_err(BackupError::Input)?;
        let path = entry.path().map_err(BackupError::Input)?.into_owned();
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(BackupError::Outside(path.display().to_string()));
        }
        let mode = entry.header().mode().map_err(BackupError::Input)? & 0o7777;
        let size = entry.size();
        if path == Path::new(SETTINGS) {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(BackupError::Input)?;
            settings = Some((text, mode));
            continue;
        }
        let target = dir.join(&path);
        make_parents(dir, &path)?;
        match entry.header().entry_type() {
            EntryType::Directory => make_directory(&target, mode)?,
            EntryType::Symlink => {
                let to = entry.link_name().map_err(BackupError::Input)?.unwrap_or_default();
                make_link(&target, &to)?;
                continue;
            }
            EntryType::Regular => {
                write_file(&target, &mut entry, size, mode)?;
                restored.files += 1;
                restored.bytes += size;
            }
            kind => return Err(BackupError::Outside(format!("{} ({kind:?})", path.display()))),
        }
        if let Ok(time) = entry.header().mtime() {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
            // The time only helps the next incremental backup.
            let set = File::open(&target).and_then(|file| file.set_modified(time));
            set.map_err(BackupError::io("set the time of", &target))?;
        }
    }
    settings.ok_or(BackupError::CutShort(SETTINGS))
}

/// The directory of a file, unless a link is in the way: a backup with such a link could write
/// anywhere.
fn make_parents(dir: &Path, path: &Path) -> Result<(), BackupError> {
    let mut parent = dir.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        parent.push(part);
        match fs::symlink_metadata(&parent) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(BackupError::Outside(path.display().to_string())),
            Err(_) => make_directory(&parent, 0o2770)?,
        }
    }
    Ok(())
}

fn make_directory(path: &Path, mode: u32) -> Result<(), BackupError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(BackupError::io("create", path))?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(BackupError::io("set the mode of", path))
}

fn make_link(path: &Path, to: &Path) -> Result<(), BackupError> {
    match std::os::unix::fs::symlink(to, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(BackupError::io("create the link", path)),
    }
}

fn write_file(path: &Path, from: &mut impl Read, size: u64, mode: u32) -> Result<(), BackupError> {
    let hidden = hidden(path);
    let mut file = File::create(&hidden).map_err(BackupError::io("create", &hidden))?;
    let copied = io::copy(from, &mut file).map_err(BackupError::Input)?;
    if copied != size {
        return Err(BackupError::CutShort(SETTINGS));
    }
    file.set_permissions(fs::Permissions::from_mode(mode))
        .and_then(|()| fs::rename(&hidden, path))
        .map_err(BackupError::io("write", path))
}

/// The name under which a file is written: an interrupted restore leaves no partial file.
fn hidden(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".restoring-{name}"))
}
