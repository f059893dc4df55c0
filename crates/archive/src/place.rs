//! Paths (docs/spec/archives.md §2) and permissions.

use crate::ArchiveError;
use dormouse_store::files::remove_if_there;
use dormouse_store::public::{PRIVATE_DIR, PUBLIC_DIR};
use dormouse_store::{ListName, Site};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The mode of the directory of all archives: known names can be opened, but others cannot list it.
const ROOT_DIR: u32 = 0o2771;
/// Modes of files that a web server may read, and of those that it may not.
const FILE: u32 = 0o664;
const PRIVATE_FILE: u32 = 0o660;

/// The paths of one list's archive.
#[derive(Debug, Clone)]
pub struct ArchivePlace {
    root: PathBuf,
    list: ListName,
}

impl ArchivePlace {
    /// Returns the paths for the list with this name.
    pub fn of(site: &Site, list: &ListName) -> ArchivePlace {
        ArchivePlace { root: site.dir().join("archives"), list: list.clone() }
    }

    /// Returns the list's name.
    pub(crate) fn list(&self) -> &ListName {
        &self.list
    }

    /// Whether nobody may write here, because the archive was moved to another name.
    pub(crate) fn is_elsewhere(&self) -> bool {
        crate::moving::is_elsewhere(&self.root, &self.list)
    }

    /// Returns the directory of the pages.
    pub fn tree(&self) -> PathBuf {
        self.root.join("private").join(&self.list)
    }

    /// Returns the directory of the mbox.
    pub fn mbox_dir(&self) -> PathBuf {
        self.root.join("private").join(format!("{}.mbox", self.list))
    }

    /// Returns the path of the mbox.
    pub fn mbox(&self) -> PathBuf {
        self.mbox_dir().join(format!("{}.mbox", self.list))
    }

    /// Returns the path of the index, which no web server can see.
    pub fn index(&self) -> PathBuf {
        self.root.join("index").join(format!("{}.db", self.list))
    }

    /// Returns the visible parts, each with its kind, whether they exist or not.
    pub fn shown(&self) -> Vec<(&'static str, PathBuf)> {
        let kinds = [("private", "private"), ("public", "public")];
        let names = [self.list.to_string(), format!("{}.mbox", self.list)];
        let paths = kinds
            .into_iter()
            .flat_map(|(kind, dir)| names.iter().map(move |name| (kind, dir, name)));
        paths.map(|(kind, dir, name)| (kind, self.root.join(dir).join(name))).collect()
    }

    /// Returns the paths of the index and of its other files.
    pub fn hidden(&self) -> Vec<PathBuf> {
        ["db", "db-wal", "db-shm", "lock", "following", "changed"]
            .map(|ending| self.root.join("index").join(format!("{}.{ending}", self.list)))
            .into()
    }

    /// Removes the whole archive permanently. Returns false if there is none.
    pub fn remove(&self) -> Result<bool, ArchiveError> {
        let shown = self.shown().into_iter().map(|(_, path)| path);
        let mut any = false;
        for path in shown.chain(self.hidden()) {
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            any = true;
            let removed =
                if found.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(ArchiveError::io("remove", &path))?;
        }
        Ok(any)
    }

    /// Returns the file that is locked while a process writes.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("index").join(format!("{}.lock", self.list))
    }

    /// Returns the file that is locked while a process indexes the mbox.
    pub(crate) fn follow_lock(&self) -> PathBuf {
        self.root.join("index").join(format!("{}.following", self.list))
    }

    /// Returns the marker that exists if a text has changed since the texts were compressed.
    pub(crate) fn changed(&self) -> PathBuf {
        self.root.join("index").join(format!("{}.changed", self.list))
    }

    /// Creates the missing directories of all archives.
    pub fn create_roots(site: &Site) -> Result<(), ArchiveError> {
        create_roots(&site.dir().join("archives"))
    }

    /// Creates missing directories.
    pub fn create(&self, is_private: bool) -> Result<(), ArchiveError> {
        create_roots(&self.root)?;
        make_dir(&self.mbox_dir(), PRIVATE_DIR)?;
        make_dir(&self.tree(), if is_private { PRIVATE_DIR } else { PUBLIC_DIR })
    }
}

fn create_roots(root: &Path) -> Result<(), ArchiveError> {
    make_dir(root, PUBLIC_DIR)?;
    make_dir(&root.join("private"), ROOT_DIR)?;
    make_dir(&root.join("public"), PUBLIC_DIR)?;
    make_dir(&root.join("index"), PRIVATE_DIR)
}

/// Removes a file or link; a missing one is not an error.
pub(crate) fn remove_file(path: &Path) -> Result<(), ArchiveError> {
    remove_if_there(path).map_err(ArchiveError::io("remove", path))
}

/// Returns the names in a directory; none if there is no directory.
pub(crate) fn names_in(dir: &Path) -> Result<BTreeSet<String>, ArchiveError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(ArchiveError::io("list", dir)(error)),
    };
    entries
        .map(|entry| {
            let entry = entry.map_err(ArchiveError::io("list", dir))?;
            Ok(entry.file_name().to_string_lossy().into_owned())
        })
        .collect()
}

/// Creates a directory with this mode, regardless of the umask. An existing one is not changed.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), ArchiveError> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(ArchiveError::io("set the mode of", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(ArchiveError::io("create the directory", path)(error)),
    }
}

/// Creates a directory that a web server may read, and its parents.
pub(crate) fn make_dirs(path: &Path) -> Result<(), ArchiveError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_dirs(above)?;
    }
    make_dir(path, PUBLIC_DIR)
}

/// Opens a file that only the list server can read, for reading and writing. Creates it if
/// necessary.
pub(crate) fn open_private(path: &Path) -> Result<File, ArchiveError> {
    let open = || {
        let existed = path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(path)?;
        if !existed {
            file.set_permissions(Permissions::from_mode(PRIVATE_FILE))?;
        }
        Ok(file)
    };
    open().map_err(ArchiveError::io("open", path))
}

/// Opens a file that a web server can read, for writing. Creates it if necessary.
pub(crate) fn open_public(path: &Path) -> Result<File, ArchiveError> {
    let open = || {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(FILE).open(path)?;
        let_read(&file)?;
        Ok(file)
    };
    open().map_err(ArchiveError::io("open", path))
}

/// Lets a web server read a new file if the umask prevented that.
fn let_read(file: &File) -> io::Result<()> {
    const READ: u32 = 0o444;
    static IS_CUT: OnceLock<bool> = OnceLock::new();
    let is_cut = *IS_CUT.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask.and_then(|text| u32::from_str_radix(text.trim(), 8).ok());
        umask.is_none_or(|umask| umask & READ != 0)
    });
    if is_cut { file.set_permissions(Permissions::from_mode(FILE)) } else { Ok(()) }
}

/// Writes a file that a web server can read, atomically. A file with the same content is not
/// written again, because a rebuild changes few pages.
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let put = |path: &Path, new: bool| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .create_new(new)
            .truncate(!new)
            .mode(FILE)
            .open(path)?;
        let_read(&file)?;
        file.write_all(bytes)
    };
    match put(path, true) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if says_already(path, bytes) {
                return Ok(());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), make_dirs)?;
            return put(path, false).map_err(ArchiveError::io("write", path));
        }
        written => return written.map_err(ArchiveError::io("write", path)),
    }
    let temporary = path.with_extension("new");
    put(&temporary, false)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(ArchiveError::io("write", path))
}

/// Whether a file has exactly these bytes. False if it cannot be read.
fn says_already(path: &Path, bytes: &[u8]) -> bool {
    let is_as_long = fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
    is_as_long && fs::read(path).is_ok_and(|found| found == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/page.html");
        for text in ["one", "two"] {
            write_public(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o444, 0o444);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_written_only_when_it_says_something_else() {
        use std::os::unix::fs::MetadataExt;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("page.html");
        write_public(&path, b"one").unwrap();
        // Held open, so that its inode number is not reused.
        let file = File::open(&path).unwrap();
        let first = file.metadata().unwrap().ino();
        write_public(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), first);
        write_public(&path, b"two").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), first);
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }
}
