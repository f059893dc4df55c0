//! The index in a process that accepts many mails and may have the database open.

use super::{FILE, IntakeIndex};
use crate::db::sqlite;
use crate::migrate;
use crate::site::{Stamp, database_in};
use std::fs::{self, File, Metadata};
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A site's [`IntakeIndex`], read again only after it was changed. Whether it is current is checked
/// for each question, with a few system calls.
#[derive(Debug)]
pub struct LiveIndex {
    dir: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    index: Option<Read>,
    database: Option<Database>,
}

/// The index that was read, and the file's state then.
#[derive(Debug)]
struct Read {
    index: Arc<IntakeIndex>,
    file: FileState,
    settings: Stamp,
}

/// The database's file, for reading its generation. It is never closed: closing any descriptor of
/// the file would release all of SQLite's locks in this process.
#[derive(Debug)]
struct Database {
    file: ManuallyDrop<File>,
    number: (u64, u64),
}

type FileState = (u64, u64, u64, (i64, i64), (i64, i64));

fn state(found: &Metadata) -> FileState {
    let (modified, changed) =
        ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
    (found.dev(), found.ino(), found.size(), modified, changed)
}

impl LiveIndex {
    /// Creates it for the site in a directory.
    pub fn of(dir: &Path) -> LiveIndex {
        LiveIndex { dir: dir.to_owned(), seen: Mutex::default() }
    }

    /// Returns the index, if there is one that matches the settings and the database now.
    pub fn now(&self) -> Option<Arc<IntakeIndex>> {
        // It is consistent at every instant, also after a panic.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // In this order: a transaction that changes lists removes the file before its commit.
        let file = fs::metadata(self.dir.join(FILE)).ok()?;
        let settings = Stamp::of(&self.dir)?;
        let generation = seen.generation(&database_in(&self.dir))?;
        if let Some(read) = &seen.index
            && read.file == state(&file)
            && read.settings.is_as(&settings)
            && read.index.header.generation == generation
        {
            return Some(Arc::clone(&read.index));
        }
        seen.index = None;
        let index = IntakeIndex::read(&self.dir).ok()?;
        let header = &index.header;
        let is_current = header.stamp == settings.to_string()
            && header.schema == migrate::newest()
            && header.generation == generation;
        if !is_current {
            return None;
        }
        let file = state(&index.file.metadata().ok()?);
        let index = Arc::new(index);
        seen.index = Some(Read { index: Arc::clone(&index), file, settings });
        Some(index)
    }
}

impl Seen {
    fn generation(&mut self, path: &Path) -> Option<i32> {
        let found = fs::metadata(path).ok()?;
        let number = (found.dev(), found.ino());
        let database = match &mut self.database {
            Some(known) if known.number == number => known,
            // It was restored from a backup, for example.
            _ => {
                let file = ManuallyDrop::new(File::open(path).ok()?);
                let opened = file.metadata().ok()?;
                self.database.insert(Database { number: (opened.dev(), opened.ino()), file })
            }
        };
        sqlite::generation_of(&database.file)
    }
}
