//! Moving the archive of a renamed list.
//!
//! The files are moved one by one, and the process may die in between. Therefore the old name is
//! first recorded in the marker `archives/moving/NEW`. While the marker exists, nobody writes to
//! the archive under either name, and [`unfinished`] returns it, so that the next process can
//! finish the move. Afterwards `index/OLD.moved` remains, so that processes that still know the old
//! name do not write there.

use crate::place::{make_dir, names_in, open_private, remove_file};
use crate::{ArchiveError, ArchivePlace};
use dormouse_spool::fault;
use dormouse_store::public::{self, PRIVATE_DIR};
use dormouse_store::{ListName, Site};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// An archive that is being moved. It holds the archive's lock.
#[derive(Debug)]
pub struct Moving {
    from: ArchivePlace,
    to: ArchivePlace,
    marker: PathBuf,
    _lock: File,
}

fn markers(site: &Site) -> PathBuf {
    site.dir().join("archives/moving")
}

/// Whether nobody may write to an archive under this name, because it was moved or is being moved.
pub(crate) fn is_elsewhere(root: &Path, list: &ListName) -> bool {
    let site = root.parent().unwrap_or(root);
    public::moved(site, list).exists() || root.join("moving").join(list).exists()
}

/// Returns the old and new names of archives that are being moved, or were when a process died.
pub fn unfinished(site: &Site) -> Result<Vec<(ListName, ListName)>, ArchiveError> {
    let dir = markers(site);
    let mut found = Vec::new();
    for to in names_in(&dir)? {
        let path = dir.join(&to);
        match fs::read_to_string(&path) {
            Ok(from) => {
                let name = |text: &str| ListName::existing(text).map_err(io::Error::other);
                let names = name(from.trim()).and_then(|from| Ok((from, name(&to)?)));
                found.push(names.map_err(ArchiveError::io("read", &path))?);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ArchiveError::io("read", &path)(error)),
        }
    }
    Ok(found)
}

impl Moving {
    /// Records that an archive will be moved to another name, which keeps other processes from
    /// writing to it. Waits for a process that is writing to it.
    ///
    /// # Errors
    /// [`ArchiveError::Taken`] if there is already an archive with this name.
    pub fn begin(site: &Site, from: &ListName, to: &ListName) -> Result<Moving, ArchiveError> {
        let (from, to) = (ArchivePlace::of(site, from), ArchivePlace::of(site, to));
        ArchivePlace::create_roots(site)?;
        let dir = markers(site);
        make_dir(&dir, PRIVATE_DIR)?;
        let lock = lock(&from)?;
        let marker = dir.join(to.list());
        if !marker.exists() {
            let there = to.shown().into_iter().map(|(_, path)| path).chain([to.index()]);
            if let Some(path) = there.into_iter().find(|path| path.symlink_metadata().is_ok()) {
                return Err(ArchiveError::Taken { path, list: to.list().clone() });
            }
        }
        let draft = site.dir().join("archives/index").join(format!("{}.moving", to.list()));
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(from.list().as_str().as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &marker)?;
            File::open(&dir)?.sync_all()
        });
        written.map_err(ArchiveError::io("write", &marker))?;
        fault::point("moving.begun");
        Ok(Moving { from, to, marker, _lock: lock })
    }

    /// Continues the move of a dead process. Waits for a live one.
    pub fn resume(
        site: &Site,
        from: &ListName,
        to: &ListName,
    ) -> Result<Option<Moving>, ArchiveError> {
        let (from, to) = (ArchivePlace::of(site, from), ArchivePlace::of(site, to));
        let lock = lock(&from)?;
        let marker = markers(site).join(to.list());
        Ok(marker.exists().then_some(Moving { from, to, marker, _lock: lock }))
    }

    /// Cancels the move, because the list was not renamed.
    pub fn abandon(self) -> Result<(), ArchiveError> {
        remove_file(&self.marker)
    }

    /// Moves the remaining files. `others` moves other files of the list; it may be called again
    /// after a crash.
    pub fn finish(
        self,
        site: &Site,
        others: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), ArchiveError> {
        let Moving { from, to, marker, _lock } = &self;
        remove_file(&public::moved(site.dir(), to.list()))?;
        let moved = public::moved(site.dir(), from.list());
        open_private(&moved)?;
        pass(&from.mbox_dir(), &to.mbox_dir())?;
        fault::point("moving.mbox_dir");
        pass(&to.mbox_dir().join(format!("{}.mbox", from.list())), &to.mbox())?;
        fault::point("moving.mbox");
        pass(&from.tree(), &to.tree())?;
        fault::point("moving.tree");
        // Move the journal before its database, so that nobody can open the index without its
        // journal.
        for (from, to) in from.hidden().iter().zip(to.hidden()).rev() {
            let is_lock = from.extension().is_some_and(|end| end == "lock" || end == "following");
            if !is_lock {
                pass(from, &to)?;
            }
        }
        fault::point("moving.index");
        others().map_err(ArchiveError::io("move the texts of", marker))?;
        let root = site.dir().join("archives");
        for dir in [root.join("private"), root.join("index")] {
            File::open(&dir)
                .and_then(|dir| dir.sync_all())
                .map_err(ArchiveError::io("sync", &dir))?;
        }
        fault::point("moving.done");
        remove_file(marker)
    }
}

fn lock(from: &ArchivePlace) -> Result<File, ArchiveError> {
    let path = from.lock();
    let file = open_private(&path)?;
    file.lock().map_err(ArchiveError::io("lock", &path))?;
    Ok(file)
}

/// Moves a file or directory, unless it was already moved. A new file under the old name is then
/// empty: a process has opened the archive under the old name, but could not write.
fn pass(from: &Path, to: &Path) -> Result<(), ArchiveError> {
    if to.symlink_metadata().is_ok() {
        return Ok(());
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ArchiveError::io("move", from)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Archive, ArchivePost};
    use dormouse_mail::Message;
    use dormouse_store::{List, Store};

    fn site() -> (tempfile::TempDir, Site, List) {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list =
            store.write(|tx| tx.create_list(&"tea".parse().unwrap(), "l.example", &[])).unwrap();
        (home, site, list)
    }

    fn name(text: &str) -> ListName {
        text.parse().unwrap()
    }

    fn post(number: u32) -> ArchivePost {
        let text = format!("Message-ID: <{number}@x.example>\nSubject: {number}\n\nleaves\n");
        ArchivePost { message: Message::parse(text.into_bytes()), received: 1_700_000_000 }
    }

    #[test]
    fn an_archive_goes_on_under_its_new_name_and_nobody_writes_under_the_old_one() {
        let (_home, site, list) = site();
        Archive::open(&site, &list).unwrap().append(vec![post(1)]).unwrap();
        let mut stale = Archive::open(&site, &list).unwrap();
        let moving = Moving::begin(&site, &name("tea"), &name("green")).unwrap();
        assert_eq!(unfinished(&site).unwrap(), [(name("tea"), name("green"))]);
        moving.finish(&site, || Ok(())).unwrap();
        assert_eq!(unfinished(&site).unwrap(), []);
        assert!(matches!(stale.append(vec![post(2)]), Err(ArchiveError::Elsewhere(_))));
        assert!(matches!(Archive::open(&site, &list), Err(ArchiveError::Elsewhere(_))));
        let green = List { name: name("green"), ..list };
        let mut archive = Archive::open(&site, &green).unwrap();
        archive.append(vec![post(3)]).unwrap();
        assert_eq!(archive.index().counts().unwrap().0, 2);
        let again = Moving::begin(&site, &name("tea"), &name("green"));
        assert!(matches!(again, Err(ArchiveError::Taken { .. })), "{again:?}");
    }

    #[test]
    fn a_move_is_finished_wherever_its_process_died() {
        for done in 0..4 {
            let (_home, site, list) = site();
            Archive::open(&site, &list).unwrap().append(vec![post(1)]).unwrap();
            let Moving { from, to, .. } =
                Moving::begin(&site, &name("tea"), &name("green")).unwrap();
            let steps: [&dyn Fn(); 3] = [
                &|| fs::rename(from.mbox_dir(), to.mbox_dir()).unwrap(),
                &|| fs::rename(to.mbox_dir().join("tea.mbox"), to.mbox()).unwrap(),
                &|| fs::rename(from.tree(), to.tree()).unwrap(),
            ];
            steps[..done].iter().for_each(|step| step());
            let moving = Moving::resume(&site, &name("tea"), &name("green")).unwrap().unwrap();
            moving.finish(&site, || Ok(())).unwrap();
            let green = List { name: name("green"), ..list };
            let archive = Archive::open(&site, &green).unwrap();
            assert_eq!(archive.index().counts().unwrap().0, 1, "{done}");
            assert!(to.tree().join("index.html").exists());
            assert!(Moving::resume(&site, &name("tea"), &name("green")).unwrap().is_none());
        }
    }

    #[test]
    fn nobody_writes_under_the_new_name_during_a_move() {
        let (_home, site, list) = site();
        let green = List { name: name("green"), ..list };
        let moving = Moving::begin(&site, &name("tea"), &name("green")).unwrap();
        assert!(matches!(Archive::open(&site, &green), Err(ArchiveError::Elsewhere(_))));
        moving.abandon().unwrap();
        assert!(Archive::open(&site, &green).is_ok());
    }
}
