//! Which archives a web server can read: those with a link in `archives/public`. The links follow
//! the setting `archive_private`.

use crate::files::remove_if_there;
use crate::{ListName, Site, Store, StoreError, Tx};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The mode of a public archive's directory, which a web server can read.
pub const PUBLIC_DIR: u32 = 0o2775;
/// The mode of a private archive's directory.
pub const PRIVATE_DIR: u32 = 0o2770;

/// Makes a list's archive public or private.
pub fn settle(site: &Site, list: &ListName, is_private: bool) -> Result<(), StoreError> {
    if is_private { hide(site.dir(), list) } else { show(site.dir(), list) }
}

fn public(site: &Path) -> PathBuf {
    site.join("archives/public")
}

fn tree(site: &Path, list: &str) -> PathBuf {
    site.join("archives/private").join(list)
}

/// A file or directory that keeps a web server from reading public archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The directory or file.
    pub path: PathBuf,
    /// Its mode, and the one with which a web server can read it.
    pub modes: (u32, u32),
}

/// Returns everything that keeps a web server from reading the archives of some lists, which are
/// public.
///
/// # Errors
/// If a file cannot be examined.
pub fn closed(site: &Site, lists: &[ListName]) -> Result<Vec<Closed>, StoreError> {
    let dir = site.dir();
    let mut closed = Vec::new();
    let mut waiting: Vec<PathBuf> = Vec::new();
    if lists.iter().any(|list| tree(dir, list).is_dir()) {
        let private = dir.join("archives/private");
        let way = [(dir, 0o001), (&dir.join("archives"), 0o005), (&private, 0o001)];
        for (path, needed) in way.into_iter().chain([(&*public(dir), 0o005)]) {
            look(path, needed, &mut closed)?;
        }
        waiting.extend(lists.iter().map(|list| tree(dir, list)));
    }
    while let Some(path) = waiting.pop() {
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.is_symlink() || IS_PIPERMAILS_OWN.iter().any(|own| path.ends_with(own)) {
            continue;
        }
        look(&path, if found.is_dir() { 0o005 } else { 0o004 }, &mut closed)?;
        if found.is_dir() {
            waiting.extend(names_in(&path)?.iter().map(|name| path.join(name)));
        }
    }
    closed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(closed)
}

/// Pipermail's internal files in an archive's directory.
const IS_PIPERMAILS_OWN: [&str; 2] = ["database", "pipermail.pck"];

fn look(path: &Path, needed: u32, closed: &mut Vec<Closed>) -> Result<(), StoreError> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(StoreError::io("look at", path))?,
    };
    let mode = found.permissions().mode() & 0o7777;
    if mode & needed != needed {
        closed.push(Closed { path: path.to_owned(), modes: (mode, mode | needed) });
    }
    Ok(())
}

/// Whether there are pages or an mbox under a list's name.
pub(crate) fn is_archived(site: &Path, list: &ListName) -> bool {
    tree(site, list).exists() || tree(site, &format!("{list}.mbox")).exists()
}

/// Removes the marker of a renamed list ([`moved`]), because a new list has its name now.
pub(crate) fn begin_anew(site: &Path, list: &ListName) -> Result<(), StoreError> {
    remove(&moved(site, list))
}

/// Returns the path of the marker that a list was renamed, so that processes that still know its
/// old name do not write into an archive under it.
pub fn moved(site: &Path, list: &ListName) -> PathBuf {
    site.join("archives/index").join(format!("{list}.moved"))
}

/// Links a list's pages into the public tree, if there are any.
fn show(site: &Path, list: &ListName) -> Result<(), StoreError> {
    show_as(site, list, list)
}

/// As [`show`], under the list's current name or a former one.
fn show_as(site: &Path, name: &ListName, list: &ListName) -> Result<(), StoreError> {
    let link = public(site).join(name);
    let target = Path::new("../private").join(list);
    set_mode(&tree(site, list), PUBLIC_DIR)?;
    let is_right = fs::read_link(&link).is_ok_and(|found| found == target);
    if is_right || !tree(site, list).is_dir() {
        return Ok(());
    }
    remove(&link)?;
    let made = fs::create_dir(public(site))
        .and_then(|()| fs::set_permissions(public(site), Permissions::from_mode(PUBLIC_DIR)));
    unless(made, io::ErrorKind::AlreadyExists)
        .map_err(StoreError::io("make the directory", &public(site)))?;
    unless(symlink(&target, &link), io::ErrorKind::AlreadyExists)
        .map_err(StoreError::io("make the link", &link))
}

/// Removes the link to the pages, and the one to the mbox that Mailman may have created
/// (PUBLIC_MBOX).
fn hide(site: &Path, list: &ListName) -> Result<(), StoreError> {
    remove(&public(site).join(list))?;
    remove(&public(site).join(format!("{list}.mbox")))?;
    set_mode(&tree(site, list), PRIVATE_DIR)
}

fn set_mode(tree: &Path, wanted: u32) -> Result<(), StoreError> {
    match fs::metadata(tree) {
        Ok(found) if found.permissions().mode() & 0o7777 != wanted => {
            fs::set_permissions(tree, Permissions::from_mode(wanted))
                .map_err(StoreError::io("set the mode of", tree))
        }
        found => unless(found.map(|_| ()), io::ErrorKind::NotFound)
            .map_err(StoreError::io("look at", tree)),
    }
}

fn remove(link: &Path) -> Result<(), StoreError> {
    remove_if_there(link).map_err(StoreError::io("remove", link))
}

/// Ignores an error of a harmless kind.
fn unless(happened: io::Result<()>, harmless: io::ErrorKind) -> io::Result<()> {
    happened.or_else(|error| if error.kind() == harmless { Ok(()) } else { Err(error) })
}

fn names_in(dir: &Path) -> Result<BTreeSet<String>, StoreError> {
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    let names = || fs::read_dir(dir)?.map(name).collect();
    match names() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        names => names.map_err(StoreError::io("list", dir)),
    }
}

impl Tx<'_> {
    /// Notes that a list's archive may have to be shown or hidden.
    pub(crate) fn note_archive(&self, list: &ListName) {
        self.archives.borrow_mut().insert(list.clone());
    }

    /// Hides the noted archives that must be private, and returns the lists of the others.
    pub(crate) fn hide_archives(&self) -> Result<BTreeSet<ListName>, StoreError> {
        let site = self.read().site_dir();
        let mut shown = BTreeSet::new();
        for list in self.archives.take() {
            if self.read().is_archive_private(&list)? == Some(false) {
                shown.insert(list);
                continue;
            }
            for name in self.read().names_before(&list)? {
                hide(site, &name)?;
            }
            hide(site, &list)?;
        }
        Ok(shown)
    }
}

impl Store {
    /// Shows or hides a list's archive, under all its names.
    pub fn settle_archive(&self, list: &ListName) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.note_archive(list);
            Ok(())
        })
    }

    /// Shows archives that have become public, after the commit.
    pub(crate) fn show_archives(&self, lists: BTreeSet<ListName>) {
        for list in lists {
            // On failure, the next run tries again.
            let show = || {
                show_as(self.read().site_dir(), &list, &list)?;
                let before = self.read().names_before(&list)?;
                before.iter().try_for_each(|name| show_as(self.read().site_dir(), name, &list))
            };
            if let Err(error) = show() {
                tracing::warn!("the archive of {list} is not shown yet: {error}");
            }
        }
    }

    /// Shows and hides the archives of all lists, and removes links that belong to no list. Correct
    /// links are not touched.
    pub fn settle_archives(&self) -> Result<(), StoreError> {
        let site = self.read().site_dir();
        let linked = names_in(&public(site))?;
        if linked.is_empty() && names_in(&site.join("archives/private"))?.is_empty() {
            return Ok(());
        }
        let privates = self.read().private_archives()?;
        let lists: BTreeSet<ListName> = self.read().list_names()?.into_iter().collect();
        let former = self.read().all_former_names()?;
        for name in &linked {
            // A link to the mbox was created on purpose (PUBLIC_MBOX), and is kept unless the list
            // is private.
            let list = name.strip_suffix(".mbox").filter(|_| !lists.contains(name.as_str()));
            let list = list.unwrap_or(name);
            let list =
                former.get(list).filter(|_| !lists.contains(list)).map_or(list, ListName::as_str);
            if !lists.contains(list) || privates.contains(list) {
                remove(&public(site).join(name))?;
            }
        }
        for list in &lists {
            let settle = if privates.contains(list) { hide } else { show };
            settle(site, list)?;
        }
        for (name, list) in former.iter().filter(|(_, list)| !privates.contains(*list)) {
            show_as(site, name, list)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn site() -> (tempfile::TempDir, Site, Store) {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "lists.example").unwrap();
        let store = Store::open(&site).unwrap();
        for name in ["open", "closed"] {
            let owners = ["o@x.example".to_owned()];
            store
                .write(|tx| tx.create_list(&name.parse().unwrap(), "lists.example", &owners))
                .unwrap();
            fs::create_dir_all(tree(site.dir(), name)).unwrap();
        }
        store.settle_archives().unwrap();
        (home, site, store)
    }

    fn set(store: &Store, list: &str, value: &str) -> Result<(), StoreError> {
        store.write(|tx| tx.set_setting(list, "archive_private", value))
    }

    fn linked(site: &Site) -> Vec<String> {
        names_in(&public(site.dir())).unwrap().into_iter().collect()
    }

    #[test]
    fn a_private_archive_is_removed_from_the_public_tree() {
        let (_home, site, store) = site();
        assert_eq!(linked(&site), ["closed", "open"]);
        set(&store, "closed", "yes").unwrap();
        assert_eq!(linked(&site), ["open"]);
        assert!(public(site.dir()).join("open/.").is_dir());
        let mode = |name: &str| {
            fs::metadata(tree(site.dir(), name)).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!((mode("open"), mode("closed")), (PUBLIC_DIR, PRIVATE_DIR));
        set(&store, "closed", "no").unwrap();
        assert_eq!(linked(&site), ["closed", "open"]);
        store.write(|tx| tx.delete_list(&"open".parse().unwrap())).unwrap();
        assert_eq!(linked(&site), ["closed"]);
    }

    #[test]
    fn everything_that_keeps_a_web_server_from_public_archives_is_named() {
        let (_home, site, store) = site();
        let dir = site.dir();
        set(&store, "closed", "yes").unwrap();
        fs::create_dir_all(tree(dir, "open").join("2024-March")).unwrap();
        fs::create_dir_all(tree(dir, "open").join("database")).unwrap();
        let page = tree(dir, "open").join("2024-March/000000.html");
        fs::write(&page, "").unwrap();
        let ways = ["", "archives", "archives/private", "archives/public"];
        let mut all: Vec<PathBuf> = ways.iter().map(|way| dir.join(way)).collect();
        all.extend([tree(dir, "open"), tree(dir, "open").join("2024-March")]);
        let set_all = |mode: u32| {
            for path in &all {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
            fs::set_permissions(&page, Permissions::from_mode(mode & 0o666)).unwrap();
        };
        set_all(0o2775);
        assert_eq!(closed(&site, &["open".parse().unwrap()]).unwrap(), []);
        set_all(0o2770);
        let found = closed(&site, &["open".parse().unwrap()]).unwrap();
        assert_eq!(found.len(), all.len() + 1, "{found:?}");
        for Closed { path, modes } in found {
            fs::set_permissions(path, Permissions::from_mode(modes.1)).unwrap();
        }
        assert_eq!(closed(&site, &["open".parse().unwrap()]).unwrap(), []);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(dir), mode(&dir.join("archives/private"))), (0o2771, 0o2771));
    }

    #[test]
    fn an_archive_that_cannot_be_hidden_does_not_become_private() {
        let (_home, site, store) = site();
        let link = public(site.dir()).join("open");
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        set(&store, "open", "yes").unwrap_err();
        assert!(!store.read().list("open").unwrap().unwrap().settings.archive_private);
    }

    #[test]
    fn a_rehearsal_hides_nothing() {
        let (_home, site, store) = site();
        store.rehearse(|tx| tx.set_setting("open", "archive_private", "yes")).unwrap();
        assert_eq!(linked(&site), ["closed", "open"]);
    }

    #[test]
    fn links_without_a_list_are_removed() {
        let (_home, site, store) = site();
        for name in ["gone", "open.mbox", "closed.mbox"] {
            symlink("../private/x", public(site.dir()).join(name)).unwrap();
        }
        set(&store, "closed", "yes").unwrap();
        store.settle_archives().unwrap();
        assert_eq!(linked(&site), ["open", "open.mbox"]);
    }
}
