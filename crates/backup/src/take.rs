//! Taking a backup of a running site.

use crate::stage::{Stage, is_stage};
use crate::{BackupError, DATABASE, QUEUES, SETTINGS};
use dormouse_store::{Site, copy_database, copy_site};
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tar::{Archive, Builder, EntryType, Header};

/// Directories whose files an incremental backup may leave out.
const GROWING: [&str; 1] = ["archives"];

/// Writes a backup of a running site. With `since`, files of archives that have not changed
/// after that time are left out.
///
/// # Errors
/// If a file of the site cannot be read or the backup cannot be written. What was written until then
/// is not a backup.
pub fn take(site: &Site, out: impl Write, since: Option<SystemTime>) -> Result<(), BackupError> {
    let start = SystemTime::now();
    let stage = Stage::create(site.dir())?;
    let queues = Path::new(QUEUES);
    stage.link_all(&site.qfiles(), queues)?;
    let again = || stage.link_all(&site.qfiles(), queues);
    let database = stage.path(DATABASE);
    copy_site(site, &database, again)?;
    // `begun` reads this time. A second earlier: file systems keep times of different fineness.
    File::open(&database)
        .and_then(|file| file.set_modified(start - Duration::from_secs(1)))
        .map_err(BackupError::io("set the time of", &database))?;
    let mut tar = Builder::new(out);
    tar.follow_symlinks(false);
    let mut backup = Backup { tar, stage: &stage, since };
    backup.file(&database, Path::new(DATABASE))?;
    backup.directory(&stage.path(queues), queues)?;
    backup.directory(site.dir(), Path::new(""))?;
    backup.file(&site.config_file(), Path::new(SETTINGS))?;
    backup.tar.into_inner().and_then(|mut out| out.flush()).map_err(BackupError::Output)
}

/// When a backup was begun. Its first file is the copied database, whose time is the time
/// of the backup.
///
/// # Errors
/// If this is not a backup.
pub fn begun(backup: impl io::Read) -> Result<SystemTime, BackupError> {
    let mut archive = Archive::new(backup);
    let mut entries = archive.entries().map_err(BackupError::Input)?;
    let first =
        entries.next().ok_or(BackupError::CutShort(DATABASE))?.map_err(BackupError::Input)?;
    if first.path_bytes().as_ref() != DATABASE.as_bytes() {
        return Err(BackupError::CutShort(DATABASE));
    }
    let time = first.header().mtime().map_err(BackupError::Input)?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(time))
}

struct Backup<'b, W: Write> {
    tar: Builder<W>,
    stage: &'b Stage,
    since: Option<SystemTime>,
}

impl<W: Write> Backup<'_, W> {
    /// Adds the content of a directory, with a path relative to the site's.
    fn directory(&mut self, from: &Path, to: &Path) -> Result<(), BackupError> {
        let listed = fs::read_dir(from)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(BackupError::io("read", from))?;
        for entry in listed {
            let name = entry.file_name();
            let at_top = to.as_os_str().is_empty();
            if at_top && is_elsewhere(&name.to_string_lossy()) {
                continue;
            }
            let (path, relative) = (entry.path(), to.join(&name));
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                match fs::metadata(&path) {
                    Ok(metadata) => {
                        self.add(EntryType::Directory, &relative, &metadata, 0, io::empty())?;
                    }
                    Err(_) => continue,
                }
                self.directory(&path, &relative)?;
            } else if kind.is_symlink() {
                self.link(&path, &relative)?;
            } else if kind.is_file() && !is_journal(&name.to_string_lossy()) {
                self.file_or_database(&path, &relative)?;
            }
        }
        Ok(())
    }

    fn file_or_database(&mut self, path: &Path, relative: &Path) -> Result<(), BackupError> {
        let growing = GROWING.iter().any(|dir| relative.starts_with(dir));
        if let Some(since) = self.since
            && growing
            && fs::metadata(path).and_then(|found| found.modified()).is_ok_and(|time| time < since)
        {
            return Ok(());
        }
        if !is_database(path) {
            return self.file(path, relative);
        }
        let copy = self.stage.path("copy.db");
        copy_database(path, &copy, || Ok::<(), BackupError>(()))?;
        self.file(&copy, relative)?;
        fs::remove_file(&copy).map_err(BackupError::io("remove", &copy))
    }

    /// Adds a file with its current length. A missing file is left out.
    fn file(&mut self, path: &Path, relative: &Path) -> Result<(), BackupError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(BackupError::io("open", path)(error)),
        };
        let metadata = file.metadata().map_err(BackupError::io("look at", path))?;
        let size = metadata.len();
        // A file that is truncated meanwhile is padded, so that the following ones can be read.
        let content = file.take(size).chain(io::repeat(0)).take(size);
        self.add(EntryType::Regular, relative, &metadata, size, content)
    }

    fn add(
        &mut self,
        kind: EntryType,
        relative: &Path,
        metadata: &fs::Metadata,
        size: u64,
        content: impl io::Read,
    ) -> Result<(), BackupError> {
        let mut header = Header::new_gnu();
        header.set_metadata(metadata);
        header.set_entry_type(kind);
        header.set_size(size);
        self.tar.append_data(&mut header, relative, content).map_err(BackupError::Output)
    }

    fn link(&mut self, path: &Path, relative: &Path) -> Result<(), BackupError> {
        let Ok(target) = fs::read_link(path) else { return Ok(()) };
        let metadata = fs::symlink_metadata(path).map_err(BackupError::io("look at", path))?;
        let mut header = Header::new_gnu();
        header.set_metadata(&metadata);
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        self.tar.append_link(&mut header, relative, target).map_err(BackupError::Output)
    }
}

/// Files that are added separately, or belong to running processes.
fn is_elsewhere(name: &str) -> bool {
    matches!(name, SETTINGS | QUEUES | DATABASE) || is_stage(name)
}

/// SQLite's auxiliary files of a database; the copy has none.
fn is_journal(name: &str) -> bool {
    [".db-wal", ".db-shm", ".db-journal"].iter().any(|ending| name.ends_with(ending))
}

/// Whether a file is an SQLite database.
fn is_database(path: &Path) -> bool {
    let mut magic = [0; 16];
    path.extension().is_some_and(|ending| ending == "db")
        && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && &magic == b"SQLite format 3\0"
}
