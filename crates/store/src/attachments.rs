//! Attachments that were removed from a list's posts: files below its archive, to which pages and
//! texts link (docs/spec/archives.md §2, §5).

use crate::{ListName, Site, StoreError};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// Modes with which a web server may read archives (docs/spec/archives.md §2).
const DIR_MODE: u32 = 0o2775;
const FILE_MODE: u32 = 0o664;

/// The attachments of one list's posts.
#[derive(Debug, Clone)]
pub struct Attachments {
    archive: PathBuf,
}

impl Attachments {
    /// The attachments of the list with this name.
    pub fn of(site: &Site, list: &ListName) -> Attachments {
        Attachments { archive: site.archive_dir(list) }
    }

    /// Whether there is a file at `path`, relative to the archive, with other content.
    pub fn is_taken(&self, path: &str, content: &[u8]) -> Result<bool, StoreError> {
        let file = self.archive.join(path);
        match fs::metadata(&file) {
            Ok(found) if found.len() != content.len() as u64 => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::io("look at", &file)(error)),
        }
        fs::read(&file).map(|found| found != content).map_err(StoreError::io("read", &file))
    }

    /// Writes a file at `path`, relative to the archive, and syncs it and its directories. If the
    /// file exists with the same content, nothing happens; a file with other content is an error
    /// and is not replaced.
    pub fn keep(&self, path: &str, content: &[u8]) -> Result<(), StoreError> {
        self.put(path, content, true)
    }

    /// As [`Attachments::keep`], but without syncing, for files that can be created again.
    pub fn keep_unsynced(&self, path: &str, content: &[u8]) -> Result<(), StoreError> {
        self.put(path, content, false)
    }

    fn put(&self, path: &str, content: &[u8], is_synced: bool) -> Result<(), StoreError> {
        let inside =
            Path::new(path).components().all(|piece| matches!(piece, Component::Normal(_)));
        let file = self.archive.join(path);
        let (Some(dir), true) = (file.parent(), inside) else {
            let refused = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(StoreError::io("keep an attachment as", &file)(refused));
        };
        make_dir(dir, is_synced)?;
        let temporary =
            dir.join(format!(".new-{}-{:?}", std::process::id(), std::thread::current().id()));
        let write = || {
            let mut new = File::create(&temporary)?;
            new.set_permissions(Permissions::from_mode(FILE_MODE))?;
            new.write_all(content)?;
            if is_synced { new.sync_all() } else { Ok(()) }
        };
        let written = write().map_err(StoreError::io("write", &temporary));
        let linked = written.and_then(|()| match fs::hard_link(&temporary, &file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match self.is_taken(path, content)? {
                    false => Ok(()),
                    true => Err(StoreError::io("write", &file)(error)),
                }
            }
            linked => linked.map_err(StoreError::io("write", &file)),
        });
        let removed = fs::remove_file(&temporary).map_err(StoreError::io("remove", &temporary));
        linked.and(removed).and_then(|()| if is_synced { sync(dir) } else { Ok(()) })
    }
}

/// Creates a directory and its parents, and syncs each parent if `is_synced`.
fn make_dir(dir: &Path, is_synced: bool) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().unwrap_or(Path::new("/"));
    make_dir(above, is_synced)?;
    let make = || {
        DirBuilder::new().mode(DIR_MODE).create(dir)?;
        // The umask may have removed bits.
        fs::set_permissions(dir, Permissions::from_mode(DIR_MODE))
    };
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(StoreError::io("create the directory", dir))?,
    }
    if is_synced { sync(above) } else { Ok(()) }
}

fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::io("sync the directory", dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_file_is_kept_once_and_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "lists.example").unwrap();
        let attachments = Attachments::of(&site, &"friends".parse().unwrap());
        let path = "attachments/20240304/ab12cd34/attachment.bin";
        assert!(!attachments.is_taken(path, b"one").unwrap());
        attachments.keep(path, b"one").unwrap();
        attachments.keep(path, b"one").unwrap();
        assert!(!attachments.is_taken(path, b"one").unwrap());
        assert!(attachments.is_taken(path, b"two").unwrap());
        assert!(attachments.is_taken(path, b"one more").unwrap());
        assert!(attachments.keep(path, b"two").is_err());
        let file = home.path().join("archives/private/friends").join(path);
        assert_eq!(fs::read(&file).unwrap(), b"one");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, FILE_MODE);
        let dir = file.parent().unwrap();
        assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o7777, DIR_MODE);
        assert_eq!(fs::read_dir(dir).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn nothing_is_written_outside_the_archive() {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "lists.example").unwrap();
        let attachments = Attachments::of(&site, &"friends".parse().unwrap());
        for path in ["../x", "/tmp/x", "attachments/../../x"] {
            assert!(attachments.keep(path, b"one").is_err(), "{path}");
        }
    }
}
