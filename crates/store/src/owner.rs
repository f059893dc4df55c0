//! The user that owns a site: the owner of its directory. Everything in it belongs to that user,
//! and root becomes that user before it works on the site, so that it leaves no file that the units
//! cannot read.

use crate::StoreError;
use rustix::fs::{AtFlags, CWD, Mode};
use rustix::process::{Gid, Uid};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Path, PathBuf};

/// Other users have no access to the files of a site.
const UMASK: Mode = Mode::RWXO;

/// A user with a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixAccount {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The user's name; the number if `/etc/passwd` has no name.
    pub user: String,
    /// The group's name; the number if `/etc/group` has no name.
    pub group: String,
}

impl UnixAccount {
    /// Returns the owner and the group of a file or directory.
    pub fn of(path: &Path) -> io::Result<UnixAccount> {
        let found = fs::metadata(path)?;
        Ok(UnixAccount::numbered(found.uid(), found.gid()))
    }

    /// Returns the user and the group with these numbers.
    pub fn numbered(uid: u32, gid: u32) -> UnixAccount {
        UnixAccount { uid, gid, user: user_name(uid), group: group_name(gid) }
    }

    /// Returns the user and the group with these names, if `/etc/passwd` and `/etc/group` have
    /// them.
    pub fn named(user: &str, group: &str) -> Option<UnixAccount> {
        let uid = number(&database("/etc/passwd"), user)?;
        let gid = number(&database("/etc/group"), group)?;
        Some(UnixAccount { uid, gid, user: user.to_owned(), group: group.to_owned() })
    }

    /// Whether this is root.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Returns the groups of the user.
    fn groups(&self) -> Vec<Gid> {
        let passwd = database("/etc/passwd");
        let own = passwd.iter().find(|line| field(line, 0) == Some(&self.user));
        let own = own.and_then(|line| field(line, 3)?.parse().ok());
        let groups = database("/etc/group");
        let others = groups.iter().filter(|line| {
            field(line, 3).is_some_and(|users| users.split(',').any(|user| user == self.user))
        });
        let others = others.filter_map(|line| field(line, 2)?.parse().ok());
        std::iter::once(self.gid).chain(own).chain(others).map(Gid::from_raw).collect()
    }
}

/// Prepares a process for work on a site: sets the umask, and if the process is root, permanently
/// becomes the site's owner, unless that is root, too. Returns the account that the process has
/// become, if it changed. Must be called while there is only one thread.
///
/// # Errors
/// If the system refuses. A missing directory is not an error.
pub fn enter(dir: &Path) -> Result<Option<UnixAccount>, StoreError> {
    rustix::process::umask(UMASK);
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let found = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(StoreError::io("look at", dir))?,
    };
    if found.uid() == 0 {
        return Ok(None);
    }
    let owner = UnixAccount::numbered(found.uid(), found.gid());
    let refused = |error: rustix::io::Errno| {
        StoreError::io("become the owner of", dir)(io::Error::from(error))
    };
    rustix::thread::set_thread_groups(&owner.groups()).map_err(refused)?;
    rustix::thread::set_thread_gid(Gid::from_raw(owner.gid)).map_err(refused)?;
    rustix::thread::set_thread_uid(Uid::from_raw(owner.uid)).map_err(refused)?;
    Ok(Some(owner))
}

/// Gives a site of root with all of its files to another user, and returns whether it was root's.
/// Its directory is last, so that an interrupted call can be repeated. Only root could write in the
/// site, so it contains no malicious links.
///
/// # Errors
/// If a file cannot be given away.
pub fn give(dir: &Path, to: &UnixAccount) -> Result<bool, StoreError> {
    if !UnixAccount::of(dir).map_err(StoreError::io("look at", dir))?.is_root() || to.is_root() {
        return Ok(false);
    }
    let give = |path: &Path| {
        lchown(path, Some(to.uid), Some(to.gid)).map_err(StoreError::io("give away", path))
    };
    walk(dir, &mut |path, _found| give(path))?;
    give(dir)?;
    Ok(true)
}

/// Calls `each` with everything below a directory: the contents of a directory before the directory
/// itself, and links instead of their targets. Files that disappear meanwhile are skipped.
pub fn walk(
    dir: &Path,
    each: &mut dyn FnMut(&Path, &Metadata) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match fs::read_dir(dir) {
        Err(error) if gone(&error) => return Ok(()),
        entries => entries.map_err(StoreError::io("list", dir))?,
    };
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", dir))?;
        let path = entry.path();
        let found = match entry.metadata() {
            Err(error) if gone(&error) => continue,
            found => found.map_err(StoreError::io("look at", &path))?,
        };
        if found.is_dir() {
            walk(&path, each)?;
        }
        each(&path, &found)?;
    }
    Ok(())
}

/// A file or directory in a site with a wrong owner or wrong permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: FlawKind,
}

/// What is wrong with a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// It belongs to this user instead of the site's owner.
    Foreign(u32),
    /// Other users can read it, or look into it.
    Open,
}

/// Calls `each` with every file and directory of a site that does not belong to its owner, and with
/// those directly below it that other users can read, except archives. `doctor` and `check_perms`
/// use it.
///
/// # Errors
/// If a file cannot be examined.
pub fn flaws(dir: &Path, each: &mut dyn FnMut(Flaw)) -> Result<(), StoreError> {
    const OTHERS: u32 = 0o007;
    let owner = UnixAccount::of(dir).map_err(StoreError::io("look at", dir))?.uid;
    walk(dir, &mut |path, found| {
        if found.uid() != owner {
            each(Flaw { path: path.to_owned(), kind: FlawKind::Foreign(found.uid()) });
        }
        if path.parent() == Some(dir) && found.mode() & OTHERS != 0 && is_secret(path, found) {
            each(Flaw { path: path.to_owned(), kind: FlawKind::Open });
        }
        Ok(())
    })
}

/// Whether a file or directory directly below a site's directory must not be readable by others.
fn is_secret(path: &Path, found: &Metadata) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    found.is_dir() && name != "archives" || found.is_file() && name.starts_with("dormouse.")
}

/// Whether this process could create a directory.
pub fn could_make(dir: &Path) -> bool {
    let above = dir.ancestors().skip(1).map(|above| match above {
        above if above.as_os_str().is_empty() => Path::new("."),
        above => above,
    });
    let may_write = |above: &Path| {
        let rights = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::accessat(CWD, above, rights, AtFlags::EACCESS).is_ok()
    };
    above.into_iter().find(|above| above.exists()).is_some_and(may_write)
}

/// Whether this process may not enter a directory, for example after it has become another user.
pub fn is_closed_to_us(dir: &Path) -> bool {
    let looked = rustix::fs::accessat(CWD, dir, rustix::fs::Access::EXEC_OK, AtFlags::EACCESS);
    looked == Err(rustix::io::Errno::ACCESS)
}

/// Returns the home directory of this process's user according to `/etc/passwd`.
pub fn home() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let lines = database("/etc/passwd");
    let own = lines.iter().find(|line| field(line, 2).is_some_and(|n| n.parse() == Ok(uid)))?;
    field(own, 5).map(PathBuf::from).filter(|home| home.is_absolute())
}

/// Whether there is a group with this name.
pub fn has_group(name: &str) -> bool {
    number(&database("/etc/group"), name).is_some()
}

/// Returns a user's name, or its number if it has no name.
pub fn user_name(uid: u32) -> String {
    name(&database("/etc/passwd"), uid)
}

/// Returns a group's name, or its number if it has no name.
pub fn group_name(gid: u32) -> String {
    name(&database("/etc/group"), gid)
}

/// Returns the lines of `/etc/passwd` or `/etc/group`; none if the file is missing.
fn database(path: &str) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn field(line: &str, index: usize) -> Option<&str> {
    line.split(':').nth(index)
}

/// The number is the third field in both files.
fn name(lines: &[String], number: u32) -> String {
    let line = lines.iter().find(|line| field(line, 2).is_some_and(|n| n.parse() == Ok(number)));
    line.and_then(|line| field(line, 0)).map_or_else(|| number.to_string(), str::to_owned)
}

fn number(lines: &[String], name: &str) -> Option<u32> {
    let line = lines.iter().find(|line| field(line, 0) == Some(name))?;
    field(line, 2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn names_and_numbers_are_the_systems() {
        let root = UnixAccount::named("root", "root").unwrap();
        assert_eq!(root, UnixAccount::numbered(0, 0));
        assert!(root.is_root());
        assert_eq!(user_name(4_294_000_000), "4294000000");
        assert_eq!(UnixAccount::named("nobody-of-that-name", "root"), None);
    }

    #[test]
    fn files_that_others_can_read_are_named_except_archives() {
        let home = tempfile::tempdir().unwrap();
        for (name, mode) in [("archives", 0o2775), ("logs", 0o755), ("due", 0o2770)] {
            let dir = home.path().join(name);
            fs::create_dir(&dir).unwrap();
            fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
        }
        for (name, mode) in [("dormouse.db", 0o664), ("aliases", 0o644)] {
            let file = home.path().join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
        let mut found = Vec::new();
        flaws(home.path(), &mut |flaw| {
            assert_eq!(flaw.kind, FlawKind::Open);
            found.push(flaw.path.file_name().unwrap().to_owned());
        })
        .unwrap();
        found.sort();
        assert_eq!(found, ["dormouse.db", "logs"]);
    }

    #[test]
    fn a_site_of_roots_is_given_with_all_that_is_in_it() {
        if !rustix::process::geteuid().is_root() {
            skipped::skip("only root may give files away");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let inner = home.path().join("qfiles");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o2770)).unwrap();
        fs::write(inner.join("x"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", inner.join("link")).unwrap();
        let to = UnixAccount { user: "x".into(), group: "x".into(), uid: 12_345, gid: 12_346 };
        assert!(give(home.path(), &to).unwrap());
        let owner = |path: &Path| fs::symlink_metadata(path).map(|found| found.uid()).unwrap();
        for path in [home.path(), &inner, &inner.join("x"), &inner.join("link")] {
            assert_eq!(owner(path), 12_345, "{}", path.display());
        }
        assert_eq!(owner(Path::new("/etc/passwd")), 0);
        assert_eq!(fs::metadata(&inner).unwrap().mode() & 0o7777, 0o2770);
        fs::write(inner.join("late"), "").unwrap();
        assert!(!give(home.path(), &to).unwrap(), "it is no more root's");
        let mut found = Vec::new();
        flaws(home.path(), &mut |flaw| found.push(flaw)).unwrap();
        let late = Flaw { path: inner.join("late"), kind: FlawKind::Foreign(0) };
        assert_eq!(found, [late]);
    }

    #[test]
    fn a_directory_can_be_made_where_one_may_write() {
        let home = tempfile::tempdir().unwrap();
        assert!(could_make(&home.path().join("a/b")));
        fs::write(home.path().join("file"), "").unwrap();
        assert!(!could_make(&home.path().join("file/b")));
    }
}
