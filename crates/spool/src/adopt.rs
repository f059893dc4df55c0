//! Adopting the spool of a dead host: a copy of its directory, or the directory itself, mounted.
//!
//! 1. Everything that is still to be done there is copied to `.adopting/ID/`, and synced. Nothing of it
//!    is in a queue yet, and nothing there is changed.
//! 2. The caller records in the database of the site that this spool has adopted the other, and which
//!    entries. **That commit decides.** Only one spool can adopt another.
//! 3. `.adopting/ID` is renamed to `.adopted/ID`, and its files are renamed into the queues. A file is
//!    in one place or the other, so that doing it again adds nothing; recovery completes it.
//!
//! A host that was dead asks the database before it takes anything from its spool, and gives up the
//! entries that are recorded there ([`Spool::give_up`]).

use crate::entry::RECOVERED_WITH_OTHERS;
use crate::identity::Identity;
use crate::label::{self, Labelled};
use crate::listing::{base_with_suffix, for_each_file};
use crate::record::{self, Record};
use crate::spool::State;
use crate::{EntryName, Queue, Spool, SpoolError, claim, durable, fault, recover};
use rustix::fs::{CWD, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;
use sha1::{Digest as _, Sha1};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Copies that are not decided yet.
const ADOPTING: &str = ".adopting";
/// Copies that are decided, but perhaps not in the queues yet.
const ADOPTED: &str = ".adopted";

/// The unfinished work of another spool.
#[derive(Debug)]
pub struct Estate {
    root: PathBuf,
    /// The spool's identity.
    pub id: String,
    /// Whether the identity is recorded in the spool itself. If not, a host that returns does not
    /// know it.
    pub has_identity: bool,
    /// Things with an entry's name that are not files. They stay where they are.
    pub odd: Vec<PathBuf>,
    entries: Vec<Left>,
}

/// An entry of another spool.
#[derive(Debug)]
struct Left {
    path: PathBuf,
    queue: Queue,
    base: String,
    state: State,
}

impl Estate {
    /// Examines the spool in a directory without changing it: ready and preserved entries, claims,
    /// outputs of decided hand-overs, and entries that it has adopted itself but not yet put into
    /// its queues.
    ///
    /// # Errors
    /// If it cannot be read, or a process on this machine is using it.
    pub fn of(dir: &Path) -> Result<Estate, SpoolError> {
        let spool = Spool::new(dir);
        if !Queue::ALL.iter().any(|queue| spool.dir(*queue).is_dir()) {
            return Err(SpoolError::io("find queues in", dir)(io::ErrorKind::NotFound.into()));
        }
        let identity = Identity::read(dir)?;
        let has_identity = identity.is_some();
        let id = identity.map(|identity| identity.id).unwrap_or_default();
        let (root, odd, entries) = (dir.to_owned(), Vec::new(), Vec::new());
        let mut estate = Estate { root, id, has_identity, odd, entries };
        let mut handed_over = BTreeSet::new();
        for path in recover::records(&spool)? {
            refuse_if_locked(&path)?;
            let Some(record) = Record::read(&path)? else { continue };
            for (staged, target) in record.outputs {
                // An output that is already in its queue is found there.
                let staged = spool.paths().staged().join(staged);
                if staged.exists() {
                    estate.add_named(staged, &target)?;
                }
            }
            handed_over.extend(record.sources);
        }
        estate.add_labelled(&spool, &handed_over)?;
        for queue in Queue::ALL {
            estate.add_directory(&spool.dir(queue), queue, &handed_over)?;
        }
        for id in ids_in(&dir.join(ADOPTED))? {
            estate.add_adopted(&dir.join(ADOPTED).join(id))?;
        }
        if !has_identity {
            let mut sha1 = Sha1::new();
            estate.names().iter().for_each(|name| sha1.update(name));
            estate.id = sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        }
        Ok(estate)
    }

    /// The spools that this one had copied without putting anything into its queues. The database
    /// knows whether that was decided.
    pub fn undecided(&self) -> Result<Vec<String>, SpoolError> {
        ids_in(&self.root.join(ADOPTING))
    }

    /// Adds the copied entries of a spool that this one has adopted.
    pub fn add_decided(&mut self, id: &str) -> Result<(), SpoolError> {
        let dir = self.root.join(ADOPTING).join(id);
        self.add_adopted(&dir)
    }

    /// The entries, as `queue/name`, each once.
    pub fn names(&self) -> Vec<String> {
        let names: BTreeSet<String> =
            self.entries.iter().map(|left| format!("{}/{}", left.queue, left.base)).collect();
        names.into_iter().collect()
    }

    /// How many entries each queue has.
    pub fn counts(&self) -> Vec<(Queue, usize)> {
        let count = |queue| self.entries.iter().filter(|left| left.queue == queue).count();
        Queue::ALL.into_iter().map(|queue| (queue, count(queue))).filter(|(_, n)| *n > 0).collect()
    }

    /// Adds entries that a power failure has removed from their queues.
    fn add_labelled(
        &mut self,
        spool: &Spool,
        handed_over: &BTreeSet<String>,
    ) -> Result<(), SpoolError> {
        let marker = spool.paths().labels();
        if !marker.exists() {
            return Ok(());
        }
        if !label::is_abandoned(spool.paths())? {
            return Err(in_use(&marker));
        }
        for path in label::candidates(spool.paths())? {
            let file = File::open(&path).map_err(SpoolError::io("open", &path))?;
            let Some(labelled) = label::read_label(path, &file)? else { continue };
            let is_elsewhere = labelled.is_in_a_queue(spool.paths());
            let Labelled { path, queue, name } = labelled;
            if !is_elsewhere && !record::finishes(handed_over, &name) {
                self.add(path, queue, name.as_str(), State::Ready)?;
            }
        }
        Ok(())
    }

    fn add_adopted(&mut self, dir: &Path) -> Result<(), SpoolError> {
        Queue::ALL.into_iter().try_for_each(|queue| {
            self.add_directory(&dir.join(queue.name()), queue, &BTreeSet::new())
        })
    }

    fn add_directory(
        &mut self,
        dir: &Path,
        queue: Queue,
        handed_over: &BTreeSet<String>,
    ) -> Result<(), SpoolError> {
        let mut files = Vec::new();
        for_each_file(dir, |file| files.push(file.to_owned()))?;
        files.sort();
        for file in files {
            for state in [State::Ready, State::Claimed, State::Preserved] {
                let Some(base) = base_with_suffix(&file, state.suffix()) else { continue };
                let is_done =
                    state == State::Claimed && handed_over.contains(&format!("{queue}/{file}"));
                if !is_done {
                    self.add(dir.join(&file), queue, base, state)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a file that a record renames to `queue/name.pck`.
    fn add_named(&mut self, path: PathBuf, target: &str) -> Result<(), SpoolError> {
        let wrong =
            || SpoolError::Record { path: path.clone(), problem: format!("line {target:?}") };
        let (queue, file) = target.split_once('/').ok_or_else(wrong)?;
        let queue: Queue = queue.parse().map_err(|_| wrong())?;
        let base = base_with_suffix(file, State::Ready.suffix()).ok_or_else(wrong)?.to_owned();
        self.add(path, queue, &base, State::Ready)
    }

    fn add(
        &mut self,
        path: PathBuf,
        queue: Queue,
        base: &str,
        state: State,
    ) -> Result<(), SpoolError> {
        let meta = fs::symlink_metadata(&path).map_err(SpoolError::io("look at", &path))?;
        if !meta.is_file() {
            self.odd.push(path);
            return Ok(());
        }
        if state == State::Claimed {
            refuse_if_locked(&path)?;
        }
        self.entries.push(Left { path, queue, base: base.to_owned(), state });
        Ok(())
    }

    /// Copies everything to where [`Spool::take_adopted`] expects it. When this returns the copy is
    /// durable, and no entry is in a queue yet. The copy of an earlier attempt is replaced.
    pub fn copy_to(&self, spool: &Spool) -> Result<(), SpoolError> {
        let dir = spool.root().join(ADOPTING).join(&self.id);
        let copied = self.copy_into(spool, &dir);
        if copied.is_err()
            && let Err(error) = remove_tree(&dir)
        {
            tracing::warn!("{error}; the next attempt removes it");
        }
        copied
    }

    fn copy_into(&self, spool: &Spool, dir: &Path) -> Result<(), SpoolError> {
        spool.create()?;
        let parent = spool.root().join(ADOPTING);
        durable::make_dir(&parent)?;
        remove_tree(dir)?;
        durable::make_dir(dir)?;
        let mut queues = BTreeSet::new();
        for left in &self.entries {
            let target = dir.join(left.queue.name());
            if queues.insert(left.queue) {
                durable::make_dir(&target)?;
            }
            left.copy_into(&target)?;
            fault::point("adopt.copied");
        }
        for queue in queues {
            durable::sync_dir(&dir.join(queue.name()))?;
        }
        durable::sync_dir(dir)?;
        durable::sync_dir(&parent)?;
        durable::sync_dir(spool.root())
    }
}

impl Left {
    fn copy_into(&self, dir: &Path) -> Result<(), SpoolError> {
        let mut bytes = fs::read(&self.path).map_err(SpoolError::io("read", &self.path))?;
        let meta = fs::metadata(&self.path).map_err(SpoolError::io("look at", &self.path))?;
        let mut state = self.state;
        if state == State::Claimed {
            // Its process died with the machine, most likely not because of this entry: it is
            // processed alone, once.
            bytes.extend_from_slice(format!("\n{RECOVERED_WITH_OTHERS}\n").as_bytes());
            state = State::Ready;
        }
        let mut path = dir.join(format!("{}.{}", self.base, state.suffix()));
        if path.exists() {
            // A hand-over that was completed twice: keep both.
            let name = EntryName::from_base(&self.base).derive("adopted");
            path = dir.join(format!("{name}.{}", state.suffix()));
        }
        let mut file = durable::create_locked(&path)?;
        durable::write(&mut file, &path, &bytes)?;
        // In `retry` it is the date when the entry is due.
        let time = Timespec { tv_sec: meta.mtime(), tv_nsec: meta.mtime_nsec() };
        rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })
            .map_err(|error| SpoolError::io("set the time of", &path)(error.into()))?;
        durable::sync(&file, &path)
    }
}

impl Spool {
    /// The spools that were copied. The database knows whether they are adopted.
    pub fn adopting(&self) -> Result<Vec<String>, SpoolError> {
        ids_in(&self.root().join(ADOPTING))
    }

    /// Removes the copy of a spool that this one did not adopt. No process may be adopting it.
    pub fn forget_copy(&self, id: &str) -> Result<(), SpoolError> {
        remove_tree(&self.root().join(ADOPTING).join(id))
    }

    /// Puts the entries of a spool that this one has adopted into the queues. May be repeated, also
    /// by several processes. Returns how many entries it moved this time.
    pub fn take_adopted(&self, id: &str) -> Result<usize, SpoolError> {
        let (from, to) = (self.root().join(ADOPTING).join(id), self.root().join(ADOPTED).join(id));
        if from.exists() {
            durable::make_dir(&self.root().join(ADOPTED))?;
            match durable::rename(&from, &to) {
                Err(SpoolError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
            durable::sync_dir(&self.root().join(ADOPTED))?;
            durable::sync_dir(&self.root().join(ADOPTING))?;
        }
        fault::point("adopt.taken");
        self.show_adopted(&to)
    }

    /// Completes adoptions that are decided.
    pub(crate) fn show_all_adopted(&self) -> Result<usize, SpoolError> {
        let dir = self.root().join(ADOPTED);
        ids_in(&dir)?.iter().try_fold(0, |sum, id| Ok(sum + self.show_adopted(&dir.join(id))?))
    }

    fn show_adopted(&self, dir: &Path) -> Result<usize, SpoolError> {
        let mut shown = 0;
        for queue in Queue::ALL {
            let from = dir.join(queue.name());
            let mut files = Vec::new();
            for_each_file(&from, |file| files.push(file.to_owned()))?;
            if files.is_empty() {
                continue;
            }
            durable::make_dir(&self.dir(queue))?;
            for file in files {
                shown += usize::from(self.show_one(&from.join(&file), queue, &file)?);
                fault::point("adopt.shown");
            }
            durable::sync_dir(&self.dir(queue))?;
            durable::sync_dir(&from)?;
        }
        // Only empty directories can be removed.
        for queue in Queue::ALL {
            remove_empty(&dir.join(queue.name()))?;
        }
        remove_empty(dir)?;
        Ok(shown)
    }

    /// False if another process was faster.
    fn show_one(&self, from: &Path, queue: Queue, file: &str) -> Result<bool, SpoolError> {
        let to = self.dir(queue).join(file);
        let renamed = match fault::operation("rename").and_then(|()| rename_if_free(from, &to)) {
            // An existing entry is not replaced.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let (base, suffix) = file.rsplit_once('.').unwrap_or((file, "pck"));
                let name = EntryName::from_base(base).derive(&self.root().to_string_lossy());
                rename_if_free(from, &self.dir(queue).join(format!("{name}.{suffix}")))
            }
            renamed => renamed,
        };
        match renamed {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(SpoolError::io("rename", from)(error)),
        }
    }

    /// Gives up entries, named `queue/name`, that another host has adopted, in any state, and
    /// creates a new identity: entries that arrive from now on are this host's own. May be repeated
    /// until it succeeds. Returns how many there were.
    ///
    /// # Errors
    /// When one of them is being processed at this moment.
    pub fn give_up<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<usize, SpoolError> {
        // Outputs of decided hand-overs are then in their queues, under the names that were
        // adopted.
        recover::finish_handovers(self)?;
        self.show_all_adopted()?;
        let mut given_up = 0;
        for name in names {
            let Some((queue, base)) = name.split_once('/') else { continue };
            let Ok(queue) = queue.parse::<Queue>() else { continue };
            let name = EntryName::from_base(base);
            for state in [State::Ready, State::Claimed, State::Preserved] {
                let path = self.paths().entry(queue, &name, state);
                match claim::lock_file(&path)? {
                    Some(file) => {
                        label::forget(self.paths(), &file)?;
                        durable::unlink(&path)?;
                        given_up += 1;
                        fault::point("adopt.given-up");
                    }
                    None if path.exists() => return Err(in_use(&path)),
                    None => {}
                }
            }
        }
        let queues = Queue::ALL.into_iter().filter(|queue| self.dir(*queue).exists());
        self.paths().sync_queues(queues)?;
        self.renew_identity()?;
        Ok(given_up)
    }

    /// Whether the spool has anything that a host which was dead might have to give up.
    pub fn has_anything(&self) -> Result<bool, SpoolError> {
        let mut found = false;
        for queue in Queue::ALL {
            for_each_file(&self.dir(queue), |file| found |= !file.starts_with('.'))?;
        }
        let is_labelled = label::is_abandoned(self.paths())?;
        Ok(found
            || is_labelled
            || !recover::records(self)?.is_empty()
            || !self.adopting()?.is_empty())
    }
}

/// Refuses a file that a live process on this machine has locked.
fn refuse_if_locked(path: &Path) -> Result<(), SpoolError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SpoolError::io("open", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(error)) => Err(SpoolError::io("lock", path)(error)),
    }
}

fn in_use(path: &Path) -> SpoolError {
    let source =
        io::Error::new(io::ErrorKind::ResourceBusy, "a process on this machine is processing it");
    SpoolError::io("adopt", path)(source)
}

/// The names of the directories in a directory, which need not exist.
fn ids_in(dir: &Path) -> Result<Vec<String>, SpoolError> {
    let mut ids = Vec::new();
    for_each_file(dir, |file| ids.push(file.to_owned()))?;
    ids.retain(|id| dir.join(id).is_dir());
    ids.sort();
    Ok(ids)
}

/// Renames, unless the new name exists.
fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not support it.
        Err(Errno::INVAL | Errno::NOSYS) if to.exists() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        renamed => renamed.map_err(io::Error::from),
    }
}

fn remove_empty(dir: &Path) -> Result<(), SpoolError> {
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SpoolError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

fn remove_tree(dir: &Path) -> Result<(), SpoolError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SpoolError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}
